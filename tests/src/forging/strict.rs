//! A reader by the letter of RFC 9112, written for the tests alone: one request, whole, with nothing behind it.

/// A request as this reader understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// Names in lower case and values, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The values of every field of that name.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let same = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_slice()).collect()
    }
}

/// Reads exactly one request.
///
/// # Errors
/// What is not by the letter, or that something follows.
pub fn read(bytes: &[u8]) -> Result<Request, String> {
    let mut rest = bytes;
    let line = take_line(&mut rest)?;
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return Err(format!("not three words: {}", show(line))) };
    if version != b"HTTP/1.1" {
        return Err(format!("the version is {}", show(version)));
    }
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(format!("not a method: {}", show(method)));
    }
    if !target.starts_with(b"/") || !target.iter().all(|byte| (0x21..0x7f).contains(byte)) {
        return Err(format!("not a target in origin form: {}", show(target)));
    }
    let mut fields = Vec::new();
    loop {
        let line = take_line(&mut rest)?;
        if line.is_empty() {
            break;
        }
        fields.push(field(line)?);
    }
    let (method, target) = (text(method), text(target));
    let mut request = Request { method, target, fields, body: Vec::new() };
    let length = length(&request)?;
    if rest.len() != length {
        return Err(format!("{} bytes follow the head, and its length is {length}", rest.len()));
    }
    request.body = rest.to_vec();
    Ok(request)
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0)).ok_or("the head does not end")?;
    let (line, behind) = rest.split_at(end);
    *rest = behind.strip_prefix(b"\r\n").ok_or_else(|| format!("{} is not followed by CRLF", show(line)))?;
    Ok(line)
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), String> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| format!("no colon: {}", show(line)))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(format!("not a name: {}", show(name)));
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
    let value = &value[start..end];
    if value.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
        return Err(format!("a control byte: {}", show(value)));
    }
    Ok((text(name).to_ascii_lowercase(), value.to_vec()))
}

fn length(request: &Request) -> Result<usize, String> {
    if !request.values("transfer-encoding").is_empty() {
        return Err("a transfer coding".to_owned());
    }
    if request.values("host").len() > 1 {
        return Err("two hosts".to_owned());
    }
    match request.values("content-length")[..] {
        [] => Ok(0),
        [one] if one.iter().all(u8::is_ascii_digit) => text(one).parse().map_err(|_| "a bad length".to_owned()),
        _ => Err("a bad length".to_owned()),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn show(bytes: &[u8]) -> String {
    format!("{:?}", text(bytes))
}
