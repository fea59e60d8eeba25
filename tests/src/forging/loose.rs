//! Forgiving readers: each reading that some server would make, all at once.
//!
//! Lines may end with CRLF, with LF, or with CR too; names are folded as CGI and WSGI do; two framings in one head give
//! two readings. An agent is unlikely to believe what none of these readers believes.

/// A request as one forgiving reader understands it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The request line.
    pub line: Vec<u8>,
    /// Folded names and trimmed values of the head, then of the trailers.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// The values under a folded name.
    fn of<'a>(&'a self, folded: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(name, _)| name == folded).map(|(_, value)| value.as_slice())
    }
}

/// Which bytes end a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    CrLf,
    Lf,
    CrOrLf,
}

/// Which of two framings wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wins {
    Coding,
    FirstLength,
    LastLength,
}

/// Every reading of what came over one connection: a list of requests each.
pub fn readings(bytes: &[u8]) -> Vec<Vec<Request>> {
    let mut all = Vec::new();
    for ends in [Ends::CrLf, Ends::Lf, Ends::CrOrLf] {
        for wins in [Wins::Coding, Wins::FirstLength, Wins::LastLength] {
            let reading = read(bytes, ends, wins);
            if !all.contains(&reading) {
                all.push(reading);
            }
        }
    }
    all
}

/// A name as CGI writes it, without the prefix: letters in upper case, everything that is no letter or digit a `_`.
pub fn folded(name: &[u8]) -> String {
    let plain = |byte: &u8| !byte.is_ascii_control() && byte.is_ascii() && *byte != b' ';
    let start = name.iter().position(plain).unwrap_or(name.len());
    let end = name.iter().rposition(plain).map_or(start, |at| at + 1);
    let upper = |byte: &u8| if byte.is_ascii_alphanumeric() { char::from(byte.to_ascii_uppercase()) } else { '_' };
    name[start..end].iter().map(upper).collect()
}

fn read(bytes: &[u8], ends: Ends, wins: Wins) -> Vec<Request> {
    let (mut rest, mut requests) = (bytes, Vec::new());
    while !rest.is_empty() && requests.len() < 10 {
        let mut request = Request { line: line(&mut rest, ends).to_vec(), fields: Vec::new() };
        if request.line.is_empty() {
            continue;
        }
        fields(&mut rest, ends, &mut request);
        body(&mut rest, ends, wins, &mut request);
        requests.push(request);
    }
    requests
}

/// The next line without its end; the rest if it has none.
fn line<'a>(rest: &mut &'a [u8], ends: Ends) -> &'a [u8] {
    let whole = *rest;
    let end = match ends {
        Ends::CrLf => whole.windows(2).position(|pair| pair == b"\r\n").map(|at| (at, 2)),
        Ends::Lf => whole.iter().position(|byte| *byte == b'\n').map(|at| (at, 1)),
        Ends::CrOrLf => whole
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .map(|at| (at, if whole[at..].starts_with(b"\r\n") { 2 } else { 1 })),
    };
    let (at, length) = end.unwrap_or((whole.len(), 0));
    *rest = &whole[at + length..];
    let line = &whole[..at];
    if ends == Ends::Lf { line.strip_suffix(b"\r").unwrap_or(line) } else { line }
}

fn fields(rest: &mut &[u8], ends: Ends, request: &mut Request) {
    while !rest.is_empty() {
        let line = line(rest, ends);
        if line.is_empty() {
            return;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        request.fields.push((folded(&line[..colon]), value.trim_ascii().to_vec()));
    }
}

fn body(rest: &mut &[u8], ends: Ends, wins: Wins, request: &mut Request) {
    let chunked = request
        .of("TRANSFER_ENCODING")
        .any(|value| value.to_ascii_lowercase().windows(7).any(|word| word == b"chunked"));
    let number = |value: &[u8]| String::from_utf8_lossy(value).parse::<usize>().ok();
    let length = match wins {
        Wins::LastLength => request.of("CONTENT_LENGTH").last(),
        _ => request.of("CONTENT_LENGTH").next(),
    };
    let length = length.and_then(number);
    match length {
        _ if chunked && (wins == Wins::Coding || length.is_none()) => chunks(rest, ends, request),
        Some(length) => *rest = &rest[length.min(rest.len())..],
        None => {}
    }
}

fn chunks(rest: &mut &[u8], ends: Ends, request: &mut Request) {
    loop {
        let size = String::from_utf8_lossy(line(rest, ends)).into_owned();
        let digits = size.split(';').next().unwrap_or_default().trim();
        match usize::from_str_radix(digits, 16) {
            Ok(0) => return fields(rest, ends, request),
            Ok(size) if size < rest.len() => {
                *rest = &rest[size..];
                line(rest, ends);
            }
            _ => return *rest = &[],
        }
    }
}
