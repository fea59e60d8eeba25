//! The frames of the reader: the length of a text, its pieces and its end, or the reason why there is no text. Both halves are
//! here, without I/O.
//!
//! The receiving half trusts no input: texts and frames are bounded, and any other input is [`Nonsense`].

use crate::config_file::{ConfigText, MOST_OF_HOST};

/// First byte of a frame. A number in four bytes follows, the lowest first: in the first frame the text's length, in all others
/// the frame's.
const LENGTH: u8 = b'L';
const PIECE: u8 = b'T';
const END: u8 = b'.';
const REFUSED: u8 = b'!';

/// Most bytes in a frame.
pub(super) const LONGEST: usize = 64 * 1024;
/// Bytes of a frame's head.
pub(super) const HEAD: usize = 5;

/// The outcome of one request.
#[derive(Debug)]
pub enum ReaderAnswer {
    /// The file's text.
    Text(ConfigText),
    /// A sentence that says why it was not read.
    Refused(String),
}

/// Bytes that no reader sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader of the configuration says what no reader says: {0}")]
pub struct Nonsense(&'static str);

fn head(kind: u8, number: usize) -> [u8; HEAD] {
    let [one, two, three, four] = u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    [kind, one, two, three, four]
}

/// The first frame of a text of so many bytes.
pub(super) fn length(bytes: usize) -> [u8; HEAD] {
    head(LENGTH, bytes)
}

/// The head of a piece of the text.
pub(super) fn piece(bytes: usize) -> [u8; HEAD] {
    head(PIECE, bytes)
}

/// The text's end.
pub(super) fn end() -> [u8; HEAD] {
    head(END, 0)
}

/// A whole frame that says why there is no text. The receiver discards the pieces before it.
pub(super) fn refusal(reason: &str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..reason.len().min(LONGEST)).unwrap_or_default();
    [head(REFUSED, reason.len()).as_slice(), reason].concat()
}

/// Puts answers together from bytes as they come.
#[derive(Debug, Default)]
pub struct Incoming {
    head: Vec<u8>,
    text: Option<Text>,
    reason: Vec<u8>,
    /// Bytes of the frame that have not come yet.
    left: usize,
}

/// The part of a text that has come.
#[derive(Debug)]
struct Text {
    bytes: ConfigText,
    length: usize,
    /// There is no memory for the text: it is read to its end and discarded.
    too_much: bool,
}

impl Text {
    fn begin(length: usize) -> Result<Self, Nonsense> {
        if u64::try_from(length).is_ok_and(|length| length > MOST_OF_HOST) {
            return Err(Nonsense("a text that is too long"));
        }
        // Reserve room for the whole text: a buffer that grows leaves copies behind.
        let (bytes, too_much) = match ConfigText::with_room(length) {
            Some(bytes) => (bytes, false),
            None => (ConfigText::default(), true),
        };
        Ok(Self { bytes, length, too_much })
    }

    fn add(&mut self, piece: &[u8]) {
        if !self.too_much {
            self.bytes.add(piece);
        }
    }

    fn end(self) -> Result<ReaderAnswer, Nonsense> {
        let Self { bytes, length, too_much } = self;
        if too_much {
            return Ok(ReaderAnswer::Refused(format!("there is no memory for its {length} bytes")));
        }
        if bytes.bytes() != length {
            return Err(Nonsense("a text of another length than it said"));
        }
        Ok(bytes.checked().map_or_else(ReaderAnswer::Refused, ReaderAnswer::Text))
    }
}

impl Incoming {
    /// Takes the bytes that were read. An answer ends them: the next one comes only after the next request.
    ///
    /// # Errors
    /// [`Nonsense`]: do not trust the reader any more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<ReaderAnswer>, Nonsense> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left == 0 {
                let (now, later) = rest.split_at((HEAD - self.head.len()).min(rest.len()));
                self.head.extend_from_slice(now);
                rest = later;
                self.begin()?;
            } else {
                let (now, later) = rest.split_at(self.left.min(rest.len()));
                (self.left, rest) = (self.left - now.len(), later);
                match (&mut self.text, self.head.first()) {
                    (Some(text), Some(&PIECE)) => text.add(now),
                    _ => self.reason.extend_from_slice(now),
                }
            }
            if self.left == 0 && self.head.len() == HEAD {
                if let Some(answer) = self.complete()? {
                    return if rest.is_empty() { Ok(Some(answer)) } else { Err(Nonsense("more than was asked for")) };
                }
            }
        }
        Ok(None)
    }

    /// Takes a frame's head, or a part of it.
    fn begin(&mut self) -> Result<(), Nonsense> {
        let [kind, one, two, three, four] = *self.head.as_slice() else { return Ok(()) };
        let number = usize::try_from(u32::from_le_bytes([one, two, three, four])).unwrap_or(usize::MAX);
        self.left = match (kind, &self.text) {
            (LENGTH, None) => {
                self.text = Some(Text::begin(number)?);
                0
            }
            (PIECE, Some(text)) if number <= LONGEST.min(text.length.saturating_sub(text.bytes.bytes())) => number,
            (PIECE, Some(text)) if text.too_much && number <= LONGEST => number,
            (END, Some(_)) if number == 0 => 0,
            (REFUSED, _) if number <= LONGEST => number,
            _ => return Err(Nonsense("a frame that does not belong there, or is too long")),
        };
        Ok(())
    }

    /// Takes a whole frame.
    fn complete(&mut self) -> Result<Option<ReaderAnswer>, Nonsense> {
        match (std::mem::take(&mut self.head).first(), self.text.take()) {
            (Some(&END), Some(text)) => text.end().map(Some),
            (Some(&REFUSED), _) => {
                let reason = String::from_utf8_lossy(&std::mem::take(&mut self.reason)).into_owned();
                Ok(Some(ReaderAnswer::Refused(reason)))
            }
            (_, text) => {
                self.text = text;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Incoming, LONGEST, MOST_OF_HOST, Nonsense, ReaderAnswer, end, head, length, piece, refusal};

    fn said(whole: usize, pieces: &[&[u8]]) -> Vec<u8> {
        let pieces = pieces.iter().map(|text| [piece(text.len()).as_slice(), text].concat());
        std::iter::once(length(whole).to_vec()).chain(pieces).flatten().collect()
    }

    /// All answers, the bytes coming `step` at a time.
    fn heard(bytes: &[u8], step: usize) -> Result<Vec<String>, Nonsense> {
        let mut incoming = Incoming::default();
        let mut answers = Vec::new();
        for part in bytes.chunks(step) {
            match incoming.push(part)? {
                Some(ReaderAnswer::Text(text)) => answers.push(format!("text {}", &*text)),
                Some(ReaderAnswer::Refused(reason)) => answers.push(format!("refused {reason}")),
                None => {}
            }
        }
        Ok(answers)
    }

    #[test]
    fn a_text_comes_in_any_pieces() {
        let bytes = [said(15, &[b"global\n", b"", b"frontend"]), end().to_vec()].concat();
        for step in 1..=bytes.len() {
            assert_eq!(heard(&bytes, step).unwrap(), ["text global\nfrontend"], "{step}");
        }
        assert_eq!(heard(&[length(0), end()].concat(), 2).unwrap(), ["text "]);
    }

    #[test]
    fn a_refusal_takes_back_what_was_sent() {
        let bytes = [said(9, &[b"half"]), refusal("it changed"), said(5, &[b"whole"]), end().to_vec()].concat();
        assert_eq!(heard(&bytes, 1).unwrap(), ["refused it changed", "text whole"]);
        assert_eq!(heard(&refusal("it is a FIFO"), 3).unwrap(), ["refused it is a FIFO"]);
    }

    #[test]
    fn what_is_not_utf_8_is_refused_with_its_line() {
        let bytes = [said(5, &[b"a\nb\xff\n"]), end().to_vec()].concat();
        let heard = heard(&bytes, 64).unwrap();
        assert!(heard.len() == 1 && heard[0].starts_with("refused line 2 is not UTF-8: "), "{heard:?}");
    }

    #[test]
    fn nonsense_is_not_believed() {
        let too_long = usize::try_from(MOST_OF_HOST).unwrap() + 1;
        for (bytes, what) in [
            (b"X\0\0\0\0".to_vec(), "no frame"),
            (end().to_vec(), "an end of nothing"),
            (piece(0).to_vec(), "a piece of nothing"),
            (length(too_long).to_vec(), "a text beyond the bound"),
            (said(3, &[b"four"]), "more than it said"),
            ([said(5, &[b"four"]), end().to_vec()].concat(), "less than it said"),
            ([length(5), length(5)].concat(), "two lengths"),
            ([length(1 << 20), piece(LONGEST + 1)].concat(), "a piece beyond the bound"),
            (head(b'!', LONGEST + 1).to_vec(), "a reason beyond the bound"),
            ([length(0).as_slice(), &head(b'.', 1)].concat(), "an end with something in it"),
            ([length(0).as_slice(), &end(), b"L"].concat(), "an answer without a question"),
        ] {
            assert!(heard(&bytes, 1 << 21).is_err(), "{what}");
        }
    }
}
