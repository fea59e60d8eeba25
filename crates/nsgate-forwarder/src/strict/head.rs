//! A request's head, by RFC 9112 without its tolerance.

use crate::{Reason, refusal::Refusal};
use nsgate_config::Limits;

/// What was read of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request line without its end.
    pub(crate) line: Vec<u8>,
    /// Where the target stands in it.
    pub(crate) target: std::ops::Range<usize>,
    /// How the body is delimited.
    pub(crate) framing: Framing,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// Where its chunks say.
    Chunked,
}

impl Head {
    /// The target as the guest wrote it.
    pub(crate) fn target(&self) -> &[u8] {
        self.line.get(self.target.clone()).unwrap_or_default()
    }
}

/// Length of the head at the beginning of `bytes`, its empty line included; there is no end before `from`. A line that
/// ends with a bare LF ends the search as well, so that it is judged at once and not waited for.
pub(crate) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut line_feeds = memchr::memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at);
    let end = line_feeds.find(|at| match bytes.get(..*at) {
        Some([before @ .., b'\r']) => before.ends_with(b"\r\n"),
        _ => true,
    });
    end.map(|at| at + 1)
}

/// Short, since most of what follows ends in it.
const fn bad(reason: Reason) -> Refusal {
    Refusal::bad_request(reason)
}

/// Judges a complete head.
pub(crate) fn judge(head: &[u8], limits: &Limits) -> Result<Head, Refusal> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(bad(Reason::BareLf))?;
    let mut lines = Lines(text);
    let line = lines.next().ok_or(bad(Reason::RequestLine))??;
    let (target, old) = request_line(line)?;
    if target.len() > usize::try_from(limits.target_bytes).unwrap_or(usize::MAX) {
        return Err(Refusal::TARGET_TOO_LONG);
    }
    let mut fields = Fields::default();
    let mut count = 0u32;
    for field in lines {
        count += 1;
        if count > limits.headers {
            return Err(Refusal::TOO_MANY_HEADERS);
        }
        fields.read(field?)?;
    }
    let framing = fields.framing(old, limits)?;
    Ok(Head { line: line.to_vec(), target, framing })
}

/// Lines that end with CRLF. A CR or an LF anywhere else is an error.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Result<&'a [u8], Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let special = memchr::memchr3(b'\r', b'\n', 0, self.0);
        let (line, rest) = self.0.split_at_checked(special.unwrap_or(self.0.len()))?;
        let wrong = match rest {
            [] | [b'\r', b'\n', ..] => {
                self.0 = rest.get(2..).unwrap_or_default();
                return Some(Ok(line));
            }
            [b'\r', ..] => Reason::BareCr,
            [b'\n', ..] => Reason::BareLf,
            _ => Reason::Nul,
        };
        Some(Err(bad(wrong)))
    }
}

/// `METHOD SP TARGET SP HTTP/1.x`, one space each. Only origin-form: a gate is the origin, and no proxy that is asked by
/// absolute-form or authority-form. Returns where the target is, and whether this is HTTP/1.0.
fn request_line(line: &[u8]) -> Result<(std::ops::Range<usize>, bool), Refusal> {
    let first = line.iter().position(|byte| *byte == b' ').ok_or(bad(Reason::RequestLine))?;
    let last = line.iter().rposition(|byte| *byte == b' ').filter(|last| *last > first);
    let last = last.ok_or(bad(Reason::RequestLine))?;
    let method = line.get(..first).unwrap_or_default();
    let target = line.get(first + 1..last).unwrap_or_default();
    let old = match line.get(last + 1..).unwrap_or_default() {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(bad(Reason::Version)),
    };
    if method.is_empty() || method.len() > 32 || !method.iter().all(|byte| has(&TOKEN, *byte)) {
        return Err(bad(Reason::Method));
    }
    if method == b"CONNECT" {
        return Err(bad(Reason::Connect));
    }
    // The HTTP library must read the same target, or it would answer in its own words.
    let readable = http::uri::PathAndQuery::try_from(target).is_ok_and(|read| read.as_str().as_bytes() == target);
    let plain = target.iter().all(|byte| (0x21..=0x7e).contains(byte) && *byte != b'#');
    if target.first() != Some(&b'/') || !plain || !readable {
        return Err(bad(Reason::Target));
    }
    Ok((first + 1..last, old))
}

/// Bytes of the longest name that decides anything: `transfer-encoding`.
const LONGEST_NAME: usize = 17;

/// The fields that decide how a message is read; the others are only looked at.
#[derive(Default)]
struct Fields {
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn read(&mut self, field: &[u8]) -> Result<(), Refusal> {
        // A line that begins with a space continues the one before it (obs-fold): some join, some do not.
        if matches!(field.first(), Some(b' ' | b'\t')) {
            return Err(bad(Reason::FoldedHeader));
        }
        let colon = field.iter().position(|byte| *byte == b':').ok_or(bad(Reason::HeaderLine))?;
        let name = field.get(..colon).unwrap_or_default();
        let value = trim(field.get(colon + 1..).unwrap_or_default());
        if name.is_empty() || !name.iter().all(|byte| has(&TOKEN, *byte)) {
            return Err(bad(Reason::HeaderName));
        }
        if value.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
            return Err(bad(Reason::HeaderValue));
        }
        // A longer name decides nothing.
        let mut lower = [0; LONGEST_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return Ok(()) };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"host" => {
                self.hosts += 1;
                if self.hosts > 1 {
                    return Err(bad(Reason::TwoHosts));
                }
                if !value.iter().all(|byte| has(&HOST, *byte)) {
                    return Err(bad(Reason::Host));
                }
            }
            b"content-length" => {
                if self.length.is_some() {
                    return Err(bad(Reason::TwoLengths));
                }
                if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                    return Err(bad(Reason::Length));
                }
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.length = Some(number.ok_or(Refusal::BODY_TOO_LARGE)?);
            }
            b"transfer-encoding" => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(bad(Reason::TransferEncoding));
                }
                self.chunked = true;
            }
            b"upgrade" | b"http2-settings" => return Err(bad(Reason::Upgrade)),
            b"connection"
                if value.split(|byte| *byte == b',').any(|word| trim(word).eq_ignore_ascii_case(b"upgrade")) =>
            {
                return Err(bad(Reason::Upgrade));
            }
            b"expect" if !value.eq_ignore_ascii_case(b"100-continue") => return Err(Refusal::EXPECTATION),
            // Another spelling of what decides about the message: a server that folds names would obey it.
            b"content_length" | b"transfer_encoding" => return Err(bad(Reason::FoldedName)),
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, old: bool, limits: &Limits) -> Result<Framing, Refusal> {
        if !old && self.hosts != 1 {
            return Err(bad(Reason::NoHost));
        }
        if self.chunked && self.length.is_some() {
            return Err(bad(Reason::LengthAndChunks));
        }
        if self.chunked && old {
            return Err(bad(Reason::OldChunks));
        }
        match self.length {
            Some(length) if length > u64::from(limits.body_bytes) => Err(Refusal::BODY_TOO_LARGE),
            Some(length) => Ok(Framing::Length(length)),
            None if self.chunked => Ok(Framing::Chunked),
            None => Ok(Framing::Length(0)),
        }
    }
}

/// Without the spaces and tabs around it (OWS, RFC 9110, section 5.6.3); a form feed is none.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `tchar` of RFC 9110, section 5.6.2.
static TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");
/// What a host and a port are written with (RFC 3986, section 3.2.2), without the comma that joins two fields.
static HOST: [bool; 256] = alphanumeric_and(b"-._~:[]%!$&'()*+;=");

/// Which bytes are an ASCII letter, a digit or one of these.
const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let (mut rest, mut byte): (&mut [bool], u8) = (&mut set, 0);
    while let [member, more @ ..] = rest {
        *member = byte.is_ascii_alphanumeric() || contains(others, byte);
        (rest, byte) = (more, byte.wrapping_add(1));
    }
    set
}

const fn contains(mut bytes: &[u8], wanted: u8) -> bool {
    while let [byte, rest @ ..] = bytes {
        if *byte == wanted {
            return true;
        }
        bytes = rest;
    }
    false
}

fn has(set: &[bool; 256], byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or(false)
}

#[cfg(test)]
mod tests;
