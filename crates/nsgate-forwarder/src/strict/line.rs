//! A request line, read as it comes: what can no longer become one is refused at that byte and not waited beyond.

use super::octets::{HOST, TOKEN, has};
use crate::{Reason, refusal::Refusal};
use nsgate_config::Limits;
use std::ops::Range;

/// Bytes of the longest method.
const METHOD: usize = 32;
/// The only scheme; case makes no difference (RFC 3986, section 3.1).
const SCHEME: &[u8] = b"http://";
/// The versions but for their last digit.
const VERSION: &[u8] = b"HTTP/1.";

/// `METHOD SP TARGET SP HTTP/1.x CR LF`, one space each. The target is in origin-form, or in absolute-form with the scheme
/// `http` (RFC 9112, section 3.2): no tunnel is opened here, and nothing is asked of the server as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestLine {
    stage: LineStage,
    /// So many bytes are of the line, or could be.
    at: usize,
    /// The target, as far as it is known.
    target: Range<usize>,
    /// Who is asked, in an absolute-form.
    authority: Option<Range<usize>>,
    /// Where path and query begin in the target.
    path: usize,
    old: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineStage {
    #[default]
    Method,
    Target,
    Scheme,
    Authority,
    Path,
    Version,
    End,
    Whole,
}

/// What a stage came to: it has to see more, or the next one may begin.
type StageResult = Result<Option<LineStage>, Refusal>;

/// A short name for a frequent call.
const fn bad(reason: Reason) -> Refusal {
    Refusal::bad_request(reason)
}

impl RequestLine {
    /// Reads on in `bytes`, which begin with the line. Whether it is whole.
    pub(crate) fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        loop {
            let next = match self.stage {
                LineStage::Method => self.method(bytes),
                LineStage::Target => self.form(bytes),
                LineStage::Scheme => self.scheme(bytes),
                LineStage::Authority => self.authority(bytes, limits),
                LineStage::Path => self.path(bytes, limits),
                LineStage::Version => self.version(bytes),
                LineStage::End => self.end(bytes),
                LineStage::Whole => return Ok(true),
            };
            match next? {
                Some(stage) => self.stage = stage,
                None => return Ok(false),
            }
        }
    }

    /// The line without its end; before it is whole, as much of it as has been read.
    pub(crate) fn seen<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(..self.at).unwrap_or(bytes)
    }

    /// Whether this is HTTP/1.0.
    pub(crate) fn is_old(&self) -> bool {
        self.old
    }

    /// The target as the guest wrote it, and where path and query begin.
    pub(crate) fn target(&self) -> (Range<usize>, usize) {
        (self.target.clone(), self.path)
    }

    /// Who is asked, in an absolute-form.
    pub(crate) fn host<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.authority.clone()?)
    }

    /// Passes over the bytes that `belongs` takes, at most up to `end`; the byte behind them, if it is there.
    fn skip(&mut self, bytes: &[u8], end: usize, belongs: impl Fn(u8) -> bool) -> Option<u8> {
        let here = bytes.get(self.at..end.min(bytes.len())).unwrap_or_default();
        let length = here.iter().position(|byte| !belongs(*byte)).unwrap_or(here.len());
        self.at += length;
        bytes.get(self.at).copied()
    }

    /// A byte that does not belong where it stands: the end of the line, or the `wrong` that it says.
    fn stray(&self, bytes: &[u8], byte: u8, wrong: Reason) -> StageResult {
        match (byte, bytes.get(self.at + 1)) {
            (b'\r', None) => Ok(None),
            (b'\r', Some(b'\n')) => Err(bad(Reason::RequestLine)),
            (b'\r', Some(_)) => Err(bad(Reason::BareCr)),
            (b'\n', _) => Err(bad(Reason::BareLf)),
            (0, _) => Err(bad(Reason::Nul)),
            _ => Err(bad(wrong)),
        }
    }

    fn method(&mut self, bytes: &[u8]) -> StageResult {
        match self.skip(bytes, METHOD, |byte| has(&TOKEN, byte)) {
            None => Ok(None),
            Some(b' ') if self.at > 0 => {
                match bytes.get(..self.at) {
                    Some(b"CONNECT") => return Err(bad(Reason::Connect)),
                    // HTTP/2 with prior knowledge begins so, and nothing else does (RFC 9113, section 3.4).
                    Some(b"PRI") => return Err(bad(Reason::Version)),
                    _ => self.at += 1,
                }
                self.target.start = self.at;
                Ok(Some(LineStage::Target))
            }
            Some(byte) => self.stray(bytes, byte, Reason::Method),
        }
    }

    fn form(&mut self, bytes: &[u8]) -> StageResult {
        self.path = self.at;
        match bytes.get(self.at) {
            None => Ok(None),
            Some(b'/') => Ok(Some(LineStage::Path)),
            Some(b'h' | b'H') => Ok(Some(LineStage::Scheme)),
            Some(byte) => self.stray(bytes, *byte, Reason::Target),
        }
    }

    fn scheme(&mut self, bytes: &[u8]) -> StageResult {
        let Some(wanted) = SCHEME.get(self.at - self.target.start) else {
            self.authority = Some(self.at..self.at);
            return Ok(Some(LineStage::Authority));
        };
        match bytes.get(self.at) {
            None => Ok(None),
            Some(byte) if byte.eq_ignore_ascii_case(wanted) => {
                self.at += 1;
                Ok(Some(LineStage::Scheme))
            }
            Some(byte) => self.stray(bytes, *byte, Reason::Target),
        }
    }

    /// Without a user: it has no use here, and would be a secret in a log (RFC 9110, section 4.2.4). With a host: RFC 9110,
    /// section 4.2.1.
    fn authority(&mut self, bytes: &[u8], limits: &Limits) -> StageResult {
        let end = self.longest(limits);
        let byte = self.skip(bytes, end, |byte| has(&HOST, byte));
        let start = self.authority.as_ref().map_or(self.at, |authority| authority.start);
        if bytes.get(start) == Some(&b':') {
            self.at = start;
            return Err(bad(Reason::Target));
        }
        match byte {
            _ if self.at >= end => Err(Refusal::TARGET_TOO_LONG),
            None => Ok(None),
            Some(b'/' | b'?' | b' ') if self.at > start => {
                (self.authority, self.path) = (Some(start..self.at), self.at);
                Ok(Some(LineStage::Path))
            }
            Some(byte) => self.stray(bytes, byte, Reason::Target),
        }
    }

    fn path(&mut self, bytes: &[u8], limits: &Limits) -> StageResult {
        let end = self.longest(limits);
        match self.skip(bytes, end, |byte| matches!(byte, 0x21..=0x7e) && byte != b'#') {
            _ if self.at >= end => return Err(Refusal::TARGET_TOO_LONG),
            Some(b' ') => {}
            None => return Ok(None),
            Some(byte) => return self.stray(bytes, byte, Reason::Target),
        }
        let path = bytes.get(self.path..self.at).unwrap_or_default();
        // The HTTP library must read the same target, or it would answer in its own words.
        let same = |read: http::uri::PathAndQuery| read.as_str().as_bytes() == path;
        let readable = path.is_empty() || http::uri::PathAndQuery::try_from(path).is_ok_and(same);
        // `OPTIONS http://host` is `OPTIONS *` (RFC 9112, section 3.2.4), and neither is about a path.
        let whole_server = path.is_empty() && bytes.starts_with(b"OPTIONS ");
        if !readable || whole_server {
            return Err(bad(Reason::Target));
        }
        self.target.end = self.at;
        self.at += 1;
        Ok(Some(LineStage::Version))
    }

    fn version(&mut self, bytes: &[u8]) -> StageResult {
        const USUAL: &[u8] = b"HTTP/1.1\r\n";
        let written = self.at - self.target.end - 1;
        if written == 0 && bytes.get(self.at..).is_some_and(|rest| rest.starts_with(USUAL)) {
            self.at += USUAL.len() - 2;
            return Ok(Some(LineStage::Whole));
        }
        match (VERSION.get(written), bytes.get(self.at)) {
            (_, None) => Ok(None),
            (Some(wanted), Some(byte)) if wanted == byte => {
                self.at += 1;
                Ok(Some(LineStage::Version))
            }
            (None, Some(digit @ (b'0' | b'1'))) => {
                self.old = *digit == b'0';
                self.at += 1;
                Ok(Some(LineStage::End))
            }
            (_, Some(byte)) => self.stray(bytes, *byte, Reason::Version),
        }
    }

    fn end(&mut self, bytes: &[u8]) -> StageResult {
        match (bytes.get(self.at), bytes.get(self.at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Ok(Some(LineStage::Whole)),
            (None, _) => Ok(None),
            (Some(byte), _) => self.stray(bytes, *byte, Reason::Version),
        }
    }

    /// Where the longest target would end.
    fn longest(&self, limits: &Limits) -> usize {
        self.target.start.saturating_add(usize::try_from(limits.target_bytes).unwrap_or(usize::MAX)).saturating_add(1)
    }
}
