//! HTTP/1 read a second time, by other code than the product's: small, strict, and not fast.

/// A message's head and the bytes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Request line or status line.
    pub line: &'a str,
    /// Names as written, values without the white space around them.
    pub fields: Vec<(&'a str, &'a [u8])>,
    /// Everything behind the empty line.
    pub rest: &'a [u8],
}

impl<'a> Message<'a> {
    /// The values under a name.
    pub fn all(&self, name: &str) -> Vec<&'a [u8]> {
        self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
    }

    /// The number under `content-length`, if there is one and nothing else.
    pub fn length(&self) -> Option<usize> {
        match self.all("content-length").as_slice() {
            [value] => std::str::from_utf8(value).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// Whether the body comes in chunks.
    pub fn chunked(&self) -> bool {
        self.all("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case(b"chunked"))
    }
}

/// Where `needle` stands first.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// A head whose every line ends with CRLF, with no CR, LF or NUL elsewhere.
pub fn message(bytes: &[u8]) -> Option<Message<'_>> {
    let end = find(bytes, b"\r\n\r\n")?;
    let mut lines = split(&bytes[..end]);
    let clean = |line: &[u8]| !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    let line = lines.next().filter(|line| clean(line))?;
    let mut fields = Vec::new();
    for field in lines {
        let colon = field.iter().position(|byte| *byte == b':').filter(|_| clean(field))?;
        let name = std::str::from_utf8(&field[..colon]).ok()?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return None;
        }
        fields.push((name, trim(&field[colon + 1..])));
    }
    Some(Message { line: std::str::from_utf8(line).ok()?, fields, rest: &bytes[end + 4..] })
}

fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        match find(bytes, b"\r\n") {
            Some(end) => {
                let line = &bytes[..end];
                bytes = &bytes[end + 2..];
                Some(line)
            }
            None => {
                over = true;
                Some(bytes)
            }
        }
    })
}

/// Without spaces and tabs around it.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A chunked body with its extensions and trailers, by the letter of RFC 9112, section 7.1: its data, and how many bytes it
/// took. At most `aside` bytes of extensions and trailers, and so many `trailers`.
pub fn dechunk_whole(bytes: &[u8], aside: usize, trailers: usize) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut at, mut beside) = (Vec::new(), 0, 0);
    loop {
        let line = strict_line(&bytes[at..])?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if !(1..=8).contains(&digits) || !are_extensions(&line[digits..]) {
            return None;
        }
        beside += line.len() - digits;
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        at += line.len() + 2;
        if size == 0 {
            break;
        }
        data.extend_from_slice(bytes.get(at..at + size)?);
        at += size;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    let mut count = 0;
    loop {
        let line = strict_line(&bytes[at..])?;
        at += line.len() + 2;
        if line.is_empty() {
            return (beside <= aside && count <= trailers).then_some((data, at));
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        if colon == 0 || !line[..colon].iter().all(is_token) || !line[colon..].iter().all(text) {
            return None;
        }
        (beside, count) = (beside + line.len() + 2, count + 1);
    }
}

/// A line up to its CRLF, with neither CR nor LF in it.
fn strict_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    bytes[end..].starts_with(b"\r\n").then(|| &bytes[..end])
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`: eats from the front until nothing is left.
fn are_extensions(mut rest: &[u8]) -> bool {
    let blank = |rest: &[u8]| rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let token = |rest: &[u8]| rest.iter().take_while(|byte| is_token(byte)).count();
    while !rest.is_empty() {
        rest = &rest[blank(rest)..];
        let Some(behind) = rest.strip_prefix(b";") else { return false };
        let behind = &behind[blank(behind)..];
        let name = token(behind);
        if name == 0 {
            return false;
        }
        rest = &behind[name..];
        let Some(value) = rest[blank(rest)..].strip_prefix(b"=") else { continue };
        let value = &value[blank(value)..];
        let length = match value.first() {
            Some(b'"') => quoted(value),
            _ => Some(token(value)).filter(|length| *length > 0),
        };
        let Some(length) = length else { return false };
        rest = &value[length..];
    }
    true
}

/// Length of the quoted string at the front.
fn quoted(text: &[u8]) -> Option<usize> {
    let (mut at, mut escaped) = (1, false);
    loop {
        let byte = *text.get(at)?;
        at += 1;
        match byte {
            _ if byte != b'\t' && (byte < b' ' || byte == 0x7f) => return None,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
}

/// A chunked body: its data, and how many bytes it took. Without extensions and trailers, sizes of 1 to 8 digits.
pub fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let end = at + find(&bytes[at..], b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..end]).ok()?;
        if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        let from = end + 2;
        let chunk = bytes.get(from..from + size)?;
        if bytes.get(from + size..from + size + 2)? != b"\r\n" {
            return None;
        }
        data.extend_from_slice(chunk);
        at = from + size + 2;
        if size == 0 {
            return Some((data, at));
        }
    }
}

/// A request as the guest meant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// HTTP/1.0.
    pub old: bool,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

/// The requests of a connection, up to the first that is not complete or not clear. Four empty lines may stand before each.
pub fn requests(mut bytes: &[u8]) -> Vec<Request> {
    let mut all = Vec::new();
    let without_lines = |bytes| (0..4).fold(bytes, |rest: &[u8], _| rest.strip_prefix(b"\r\n").unwrap_or(rest));
    while let Some((request, rest)) = request(without_lines(bytes)) {
        all.push(request);
        bytes = rest;
    }
    all
}

fn request(bytes: &[u8]) -> Option<(Request, &[u8])> {
    let message = message(bytes)?;
    let words: Vec<&str> = message.line.split(' ').collect();
    let [method, target, version] = words.as_slice() else { return None };
    let (body, taken) = match (message.chunked(), message.all("content-length").len()) {
        (true, 0) => dechunk_whole(message.rest, usize::MAX, usize::MAX)?,
        (false, 0) => (Vec::new(), 0),
        (false, 1) => (message.rest.get(..message.length()?)?.to_vec(), message.length()?),
        _ => return None,
    };
    let old = *version == "HTTP/1.0";
    let request = Request { method: (*method).to_owned(), target: origin(target, &message, old)?, old, body };
    Some((request, &message.rest[taken..]))
}

/// Path and query of a target. One in absolute-form names the host that `Host` names, which HTTP/1.0 need not have.
fn origin(target: &str, message: &Message<'_>, old: bool) -> Option<String> {
    let Some(rest) = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://")).and(target.get(7..))
    else {
        return Some(target.to_owned());
    };
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let plain = |host: &str| {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(":80").or(host.strip_suffix(':')).unwrap_or(&host).to_owned()
    };
    match message.all("host").as_slice() {
        [] if old => {}
        [said] if plain(std::str::from_utf8(said).ok()?) == plain(host) => {}
        _ => return None,
    }
    if host.is_empty() || host.contains('@') {
        return None;
    }
    Some(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

/// The agent's answer, by a tolerant reader: bare line feeds, and a head that may end with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<'a> {
    /// The status.
    pub status: u16,
    /// Every value of `content-length`.
    pub lengths: Vec<u64>,
    /// Whether the body comes in chunks.
    pub chunked: bool,
    /// Everything behind the head.
    pub rest: &'a [u8],
}

/// The first answer that is not interim, if its status line can be read.
pub fn told(mut bytes: &[u8]) -> Option<Told<'_>> {
    loop {
        let ends = [(&b"\n\n"[..], 2), (&b"\n\r\n"[..], 3)];
        let end = ends.iter().filter_map(|(end, length)| Some(find(bytes, end)? + length)).min().unwrap_or(bytes.len());
        let (head, rest) = bytes.split_at(end);
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii()).filter(|line| !line.is_empty());
        let line = std::str::from_utf8(lines.next()?.get(..12)?).ok()?;
        let status: u16 = line.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()?;
        if (100..200).contains(&status) && !rest.is_empty() {
            bytes = rest;
            continue;
        }
        let mut told = Told { status, lengths: Vec::new(), chunked: false, rest };
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-length") {
                told.lengths.push(std::str::from_utf8(value).ok()?.parse().ok()?);
            }
            told.chunked |= name.eq_ignore_ascii_case(b"transfer-encoding");
        }
        return Some(told);
    }
}

/// The data of chunks with extensions, trailers and bare line feeds, if the last one is there and the end behind it.
pub fn dechunk_tolerantly(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut data, mut rest) = (Vec::new(), bytes);
    loop {
        let (line, behind) = line(rest)?;
        let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
        // The library takes a sign for a digit.
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        rest = behind;
        if size == 0 {
            break;
        }
        data.extend_from_slice(rest.get(..size)?);
        let (end, behind) = self::line(&rest[size..])?;
        if !end.is_empty() {
            return None;
        }
        rest = behind;
    }
    loop {
        let (trailer, behind) = line(rest)?;
        if trailer.is_empty() {
            return Some(data);
        }
        rest = behind;
    }
}

/// Longest line between two chunks.
const LINE: usize = 1024;

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().take(LINE).position(|byte| *byte == b'\n')?;
    Some((bytes[..end].trim_ascii_end(), &bytes[end + 1..]))
}

/// An answer as a guest reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body as far as it came.
    pub body: Vec<u8>,
    /// Whether it came to the end that was announced; `None` if only the end of the connection says so.
    pub complete: Option<bool>,
}

/// Final answers to requests with these methods, in order. Panics where an answer is not one.
pub fn responses(mut bytes: &[u8], methods: &[&str]) -> Vec<Response> {
    let mut all: Vec<Response> = Vec::new();
    while !bytes.is_empty() {
        let message = message(bytes).unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let status: u16 = message.line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        assert!(message.line.starts_with("HTTP/1."), "{}", message.line);
        if status == 100 {
            bytes = message.rest;
            continue;
        }
        let method = methods.get(all.len()).copied().unwrap_or("GET");
        let (body, complete, rest) = if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            (Vec::new(), Some(true), message.rest)
        } else if message.chunked() {
            assert!(message.all("content-length").is_empty(), "a length beside chunks");
            match dechunk(message.rest) {
                Some((data, taken)) => (data, Some(true), &message.rest[taken..]),
                None => (message.rest.to_vec(), Some(false), &[][..]),
            }
        } else if let Some(length) = message.length() {
            let here = length.min(message.rest.len());
            (message.rest[..here].to_vec(), Some(here == length), &message.rest[here..])
        } else {
            assert!(message.all("content-length").is_empty(), "two lengths");
            (message.rest.to_vec(), None, &[][..])
        };
        let fields = message.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
        all.push(Response { status, fields, body, complete });
        bytes = rest;
    }
    all
}
