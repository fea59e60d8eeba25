//! An HTTP answer as a guest reads it: by Content-Length, in chunks, or to the end. Strict, and small.

use std::io::{self, Read};

/// A parsed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The version and reason as sent (`HTTP/1.1 200 OK`).
    pub line: String,
    /// Name and value of each header, in order.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header (the first of that name).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Wants 200, which a gate without an agent does not answer.
    ///
    /// # Panics
    /// When it is another status.
    #[track_caller]
    pub fn served(&self) {
        assert_eq!(self.status, 200, "{}: {}", self.line, self.text());
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one answer, to the end of its body and no further.
    ///
    /// # Errors
    /// When the connection ends early or the answer is malformed.
    pub fn read(stream: &mut impl Read) -> io::Result<Response> {
        let head = read_head(stream)?;
        let text = String::from_utf8(head).map_err(|_| broken("the head is not UTF-8"))?;
        let mut lines = text.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let status = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| broken(&format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        for field in lines.filter(|line| !line.is_empty()) {
            let (name, value) = field.split_once(':').ok_or_else(|| broken(&format!("not a header: {field:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut response = Response { status, line, headers, body: Vec::new() };
        response.body = response.read_body(stream)?;
        Ok(response)
    }

    fn read_body(&self, stream: &mut impl Read) -> io::Result<Vec<u8>> {
        if self.status / 100 == 1 || self.status == 204 || self.status == 304 {
            return Ok(Vec::new());
        }
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return read_chunks(stream);
        }
        let mut body = Vec::new();
        if let Some(length) = self.header("content-length") {
            let length: u64 = length.parse().map_err(|_| broken(&format!("not a length: {length:?}")))?;
            stream.take(length).read_to_end(&mut body)?;
            if body.len() as u64 != length {
                return Err(broken(&format!("{} of {length} bytes of the body came", body.len())));
            }
        } else {
            stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn read_head(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            let seen = String::from_utf8_lossy(&head).into_owned();
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed inside the head: {seen:?}")));
        }
        head.extend(byte);
        if head.len() > 64 * 1024 {
            return Err(broken("a head of more than 64 KiB"));
        }
    }
    head.truncate(head.len() - 4);
    Ok(head)
}

fn read_chunks(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| broken(&format!("not a chunk size: {size:?}")))?;
        let before = body.len() as u64;
        stream.take(size).read_to_end(&mut body)?;
        if body.len() as u64 - before != size {
            return Err(broken("a chunk ended early"));
        }
        let end = read_line(stream)?;
        if size == 0 {
            if !end.is_empty() {
                while !read_line(stream)?.is_empty() {}
            }
            return Ok(body);
        }
    }
}

fn read_line(stream: &mut impl Read) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(|_| broken("a line that is not UTF-8"))
}
