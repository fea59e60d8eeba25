//! A request's head, by RFC 9112 without its tolerance.

use super::{
    line::RequestLine,
    octets::{HOST, TOKEN, has},
};
use crate::{Reason, refusal::Refusal};
use nsgate_config::Limits;
use std::ops::Range;

/// A parsed head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The request line without its end, its target in origin-form.
    pub(crate) line: Vec<u8>,
    /// The range of the target in it.
    pub(crate) target: Range<usize>,
    /// How the body is delimited.
    pub(crate) framing: Framing,
    /// Parts of the guest's bytes, in order, and the text that replaces each for the HTTP library.
    pub(crate) instead: Vec<(Range<usize>, Vec<u8>)>,
}

/// The end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// After its last chunk.
    Chunked,
}

impl Head {
    /// Path and query as the guest wrote them.
    pub(crate) fn target(&self) -> &[u8] {
        self.line.get(self.target.clone()).unwrap_or_default()
    }

    /// Sets the target that the agent gets.
    pub(crate) fn set_target(&mut self, target: &[u8]) {
        let here = self.target.start..self.target.start + target.len();
        let old = std::mem::replace(&mut self.target, here);
        self.line.splice(old, target.iter().copied());
    }
}

/// Length of the head at the beginning of `bytes`, its empty line included. The search begins at `from`. A line that ends with a
/// bare LF ends the search as well, so that it is refused at once.
pub(crate) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let mut line_feeds = memchr::memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at);
    let end = line_feeds.find(|at| match bytes.get(..*at) {
        Some([before @ .., b'\r']) => before.ends_with(b"\r\n"),
        _ => true,
    });
    end.map(|at| at + 1)
}

/// A shorthand.
const fn bad(reason: Reason) -> Refusal {
    Refusal::bad_request(reason)
}

/// Parses a complete head.
#[cfg(test)]
pub(crate) fn parse_head(head: &[u8], limits: &Limits) -> Result<Head, Refusal> {
    let mut line = RequestLine::default();
    if line.read(head, limits)? { parse_fields(head, &line, limits) } else { Err(Refusal::CUT_HEAD) }
}

/// Parses a complete head whose request line is valid.
pub(crate) fn parse_fields(head: &[u8], line: &RequestLine, limits: &Limits) -> Result<Head, Refusal> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or(bad(Reason::BareLf))?;
    let written = line.seen(head);
    let begin = written.len() + 2;
    let mut lines = FieldLines(text.get(begin..).unwrap_or_default());
    let (mut fields, mut count) = (Fields::default(), 0u32);
    loop {
        let start = text.len().saturating_sub(lines.0.len());
        let Some(field) = lines.next() else { break };
        let field = field?;
        count += 1;
        if count > limits.headers {
            return Err(Refusal::TOO_MANY_HEADERS);
        }
        if fields.read(field)? == Means::Nothing {
            fields.instead.push((start..start + field.len() + 2, Vec::new()));
        }
    }
    let framing = fields.framing(line.is_old(), limits)?;
    let (target, path) = line.target();
    let Some(host) = line.host(head) else {
        return Ok(Head { line: written.to_vec(), target, framing, instead: fields.instead });
    };
    // In absolute-form the request names its host twice. Both must be the same (RFC 9112, section 3.2.2).
    match fields.host {
        Some(said) if port_taken(said).eq_ignore_ascii_case(port_taken(host)) => {}
        Some(_) => return Err(bad(Reason::OtherHost)),
        None if count >= limits.headers => return Err(Refusal::TOO_MANY_HEADERS),
        None => fields.instead.insert(0, (begin..begin, [b"Host: ", host, b"\r\n"].concat())),
    }
    let slash: &[u8] = if written.get(path) == Some(&b'/') { b"" } else { b"/" };
    fields.instead.insert(0, (target.start..path, slash.to_vec()));
    let (before, behind) = (written.get(..target.start), written.get(path..));
    let line = [before.unwrap_or_default(), slash, behind.unwrap_or_default()].concat();
    let length = (target.end + slash.len()).saturating_sub(path);
    Ok(Head { line, target: target.start..target.start + length, framing, instead: fields.instead })
}

/// Removes the default port from a host and a port (RFC 9110, section 4.2.3). An empty port is the default one (RFC 3986,
/// section 3.2.3).
fn port_taken(host: &[u8]) -> &[u8] {
    host.strip_suffix(b":80").or_else(|| host.strip_suffix(b":")).unwrap_or(host)
}

/// The lines of the fields, which end with CRLF. A CR or an LF anywhere else is an error.
struct FieldLines<'a>(&'a [u8]);

impl<'a> Iterator for FieldLines<'a> {
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

/// Length of the longest name that decides how a message is read: `transfer-encoding`.
const LONGEST_NAME: usize = 17;

/// The meaning of a field to the next reader of the message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    /// It may have a meaning: pass it on.
    Something,
    /// None: an offer that is not taken up (RFC 9110, section 7.8).
    Nothing,
}

/// The fields that decide how a message is read. The others are only checked.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    instead: Vec<(Range<usize>, Vec<u8>)>,
}

impl<'a> Fields<'a> {
    fn read(&mut self, field: &'a [u8]) -> Result<Means, Refusal> {
        // A line that begins with a space continues the line before it (obs-fold). Some parsers join the two, and some do not.
        if matches!(field.first(), Some(b' ' | b'\t')) {
            return Err(bad(Reason::FoldedHeader));
        }
        let (name, value) = name_and_value(field)?;
        // A longer name decides nothing.
        let mut lower = [0; LONGEST_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return Ok(Means::Something) };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        match &*lower {
            b"host" => {
                if self.host.replace(value).is_some() {
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
            b"upgrade" | b"http2-settings" => return Ok(Means::Nothing),
            b"expect" if !value.eq_ignore_ascii_case(b"100-continue") => return Err(Refusal::EXPECTATION),
            // Another spelling of a deciding name: a server that folds names would obey it.
            b"content_length" | b"transfer_encoding" => return Err(bad(Reason::FoldedName)),
            _ => {}
        }
        Ok(Means::Something)
    }

    fn framing(&self, old: bool, limits: &Limits) -> Result<Framing, Refusal> {
        if !old && self.host.is_none() {
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

/// A field's name, which is a token, and its value without the blanks around it.
fn name_and_value(field: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let colon = field.iter().position(|byte| *byte == b':').ok_or(bad(Reason::HeaderLine))?;
    let name = field.get(..colon).unwrap_or_default();
    let value = trim(field.get(colon + 1..).unwrap_or_default());
    if name.is_empty() || !name.iter().all(|byte| has(&TOKEN, *byte)) {
        return Err(bad(Reason::HeaderName));
    }
    if value.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
        return Err(bad(Reason::HeaderValue));
    }
    Ok((name, value))
}

/// Removes the spaces and tabs around a value (OWS, RFC 9110, section 5.6.3). A form feed stays.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests;
