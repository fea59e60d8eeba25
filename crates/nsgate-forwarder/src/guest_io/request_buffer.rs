//! What a guest has sent, and how much of it the strict reader has found good. Knows no socket.

use crate::{
    exchange::ReadHead,
    refusal::Refusal,
    strict::{Chunked, Framing, RequestLine, end_of_head, parse_fields},
};
use nsgate_config::Limits;

/// Empty lines that are passed over before a request: RFC 9112, section 2.2, wants one at least; some clients write two
/// behind a body. They end with CRLF, as every line here: where LF alone ends a line, two readers count differently.
const EMPTY_LINES: u8 = 4;

/// Bytes that were read: what is good, and behind it what was not looked at yet.
pub(super) struct RequestBuffer {
    limits: Limits,
    raw: Vec<u8>,
    /// How much of `raw` is good, and how much of that the library has taken.
    good: usize,
    taken: usize,
    /// The request line at the beginning of `raw`, as far as it has come, and empty lines that came before it.
    line: RequestLine,
    empty_lines: u8,
    /// How much of `raw` has been searched for the end of a head. Nothing of it is good meanwhile.
    searched: usize,
    content: RemainingContent,
}

/// The content of the last request, as far as it has not come.
enum RemainingContent {
    Length(u64),
    Chunked(Chunked),
}

impl RequestBuffer {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            raw: Vec::new(),
            good: 0,
            taken: 0,
            line: RequestLine::default(),
            empty_lines: 0,
            searched: 0,
            content: RemainingContent::Length(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.raw.len()
    }

    /// Adds what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
    }

    /// Gives the memory back. A connection that waits for a request holds no buffer.
    pub(super) fn release(&mut self) {
        self.raw = Vec::new();
    }

    /// Good bytes that the library has not taken.
    pub(super) fn good(&self) -> &[u8] {
        self.raw.get(self.taken..self.good).unwrap_or_default()
    }

    pub(super) fn has_good(&self) -> bool {
        self.taken < self.good
    }

    /// The library has taken so many of the good bytes.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
    }

    /// Forgets what was taken.
    pub(super) fn forget_taken(&mut self) {
        self.raw.drain(..self.taken);
        (self.good, self.taken) = (self.good.saturating_sub(self.taken), 0);
    }

    /// As much of the next request line as has come.
    pub(super) fn line(&self) -> &[u8] {
        self.line.seen(&self.raw)
    }

    /// Whether the content of the last request has come.
    pub(super) fn has_all_content(&self) -> bool {
        match &self.content {
            RemainingContent::Length(left) => *left == 0,
            RemainingContent::Chunked(chunked) => chunked.ended(),
        }
    }

    /// Whether the last request says how long its content is: then there is nothing in it to refuse.
    pub(super) fn knows_length(&self) -> bool {
        matches!(self.content, RemainingContent::Length(_))
    }

    /// Reads what there is of the content, behind what is good already. What means nothing is taken out.
    pub(super) fn read_content(&mut self) -> Result<(), Refusal> {
        let raw = self.raw.get_mut(self.good..).unwrap_or_default();
        match &mut self.content {
            RemainingContent::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(raw.len());
                *left = left.saturating_sub(here.try_into().unwrap_or(u64::MAX));
                self.good += here;
            }
            RemainingContent::Chunked(chunked) => {
                let (taken, left) = chunked.take(raw)?;
                if left < taken {
                    self.raw.drain(self.good + left..self.good + taken);
                }
                self.good += left;
            }
        }
        Ok(())
    }

    /// Whether a request begins here. An empty line begins none, nor does what may be the half of one, unless nothing
    /// comes behind it.
    pub(super) fn begins(&mut self, is_all: bool) -> bool {
        while self.empty_lines < EMPTY_LINES && self.raw.starts_with(b"\r\n") {
            self.raw.drain(..2);
            self.empty_lines += 1;
        }
        let half = self.empty_lines < EMPTY_LINES && self.raw == b"\r" && !is_all;
        !self.raw.is_empty() && !half
    }

    /// Reads the head at the beginning, if it is complete; its first line as soon as that cannot be one.
    pub(super) fn read_head(&mut self) -> Result<Option<ReadHead>, Refusal> {
        let bound = usize::try_from(self.limits.head_bytes).unwrap_or(usize::MAX);
        // No further than the bound: how much has come behind it is chance.
        let seen = self.raw.get(..bound).unwrap_or(&self.raw);
        let has_line = self.line.read(seen, &self.limits)?;
        let end = if has_line { end_of_head(seen, self.searched.max(self.line.seen(seen).len() + 2)) } else { None };
        let Some(end) = end else {
            self.searched = seen.len();
            return match (seen.len() < bound, has_line) {
                (true, _) => Ok(None),
                (_, true) => Err(Refusal::HEAD_TOO_LARGE),
                (_, false) => Err(Refusal::TARGET_TOO_LONG),
            };
        };
        let mut head = parse_fields(seen.get(..end).unwrap_or_default(), &self.line, &self.limits)?;
        let mut end = end;
        for (part, text) in head.instead.drain(..).rev() {
            end = (end + text.len()).saturating_sub(part.len());
            self.raw.splice(part, text);
        }
        self.content = match head.framing {
            Framing::Length(length) => RemainingContent::Length(length),
            Framing::Chunked => RemainingContent::Chunked(Chunked::new(self.limits.body_bytes.into(), &self.limits)),
        };
        let whole = match self.content {
            RemainingContent::Length(length) => {
                usize::try_from(length).is_ok_and(|length| self.raw.len() - end >= length)
            }
            RemainingContent::Chunked(_) => false,
        };
        (self.good, self.searched, self.empty_lines) = (end, 0, 0);
        self.line = RequestLine::default();
        Ok(Some(ReadHead { head, whole }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, RequestBuffer};

    #[test]
    fn a_head_that_is_too_large_is_refused_the_same_however_much_of_it_has_come() {
        let mut limits = Limits::default();
        limits.head_bytes = 1024;
        let long_line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1200));
        let long_field = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(1200));
        for (text, status) in [(long_line, 414), (long_field, 431)] {
            for length in [1024, 1130, text.len()] {
                let mut buffer = RequestBuffer::new(limits.clone());
                buffer.push(&text.as_bytes()[..length]);
                assert_eq!(buffer.read_head().err().map(|refusal| refusal.status), Some(status), "{length}");
            }
        }
    }
}
