//! A chunked body, by RFC 9112, section 7.1.
//!
//! Extensions and trailers mean nothing here, and servers read them in different ways. So this reader checks them strictly by the
//! grammar, and does not pass them on. What it passes on has only sizes, data and ends of lines.

use super::octets::{TOKEN, has};
use crate::{Reason, refusal::Refusal};
use nsgate_config::Limits;

/// Where a chunked body is, byte by byte.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: ChunkedState,
    total: u64,
    bound: u64,
    /// How many more bytes of extensions and trailers are permitted, and how many more trailers.
    aside: u32,
    trailers: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkedState {
    /// In a chunk's size, with the digits so far.
    Size { digits: u8, size: u64 },
    /// In an extension of the chunk of this size.
    Extension(Extension, u64),
    /// After the size: a LF must follow.
    SizeEnd(u64),
    /// In a chunk's data.
    Data(u64),
    /// After the data: CR.
    DataCr,
    /// After the data: LF.
    DataLf,
    /// After the last chunk's line, or a trailer: a trailer or CR.
    LastCr,
    /// In a trailer's name.
    TrailerName,
    /// In a trailer's value.
    TrailerValue,
    /// After a trailer's value and CR: LF.
    TrailerLf,
    /// After the trailers: LF.
    LastLf,
    /// The body is complete.
    End,
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112, section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// Blanks before a `;`.
    Before,
    /// Behind the `;`, before the name.
    Start,
    Name,
    /// Blanks behind a name: `=` or `;`.
    AfterName,
    /// Behind the `=`, before the value.
    BeforeValue,
    Value,
    Quoted,
    /// Behind a `\` in quotes.
    Escaped,
    /// Behind the closing quote.
    Closed,
}

/// What happens to a byte that belongs to the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goes {
    /// Pass it on to the next reader.
    On,
    /// Leave it out.
    Nowhere,
}

const CHUNK: Refusal = Refusal::bad_request(Reason::Chunk);
const EXTENSION: Refusal = Refusal::bad_request(Reason::ChunkExtension);
const TRAILER: Refusal = Refusal::bad_request(Reason::Trailer);

impl Chunked {
    /// A body of at most `bound` bytes of data. Extensions and trailers may be as long as a head.
    pub(crate) fn new(bound: u64, limits: &Limits) -> Self {
        let state = ChunkedState::Size { digits: 0, size: 0 };
        Self { state, total: 0, bound, aside: limits.head_bytes, trailers: limits.headers }
    }

    pub(crate) fn ended(&self) -> bool {
        self.state == ChunkedState::End
    }

    /// Takes the bytes of the body from the beginning of `bytes`, and moves those that are passed on to the beginning. Returns how
    /// many bytes it took, and how many of them are passed on.
    pub(crate) fn take(&mut self, bytes: &mut [u8]) -> Result<(usize, usize), Refusal> {
        let (mut taken, mut left) = (0, 0);
        while let (Some(byte), false) = (bytes.get(taken), self.ended()) {
            let (count, goes) = if let ChunkedState::Data(more) = self.state {
                let here = usize::try_from(more).unwrap_or(usize::MAX).min(bytes.len().saturating_sub(taken));
                let more = more.saturating_sub(here.try_into().unwrap_or(u64::MAX));
                self.state = if more == 0 { ChunkedState::DataCr } else { ChunkedState::Data(more) };
                (here, Goes::On)
            } else {
                (1, self.step(*byte)?)
            };
            if goes == Goes::On {
                if left < taken {
                    bytes.copy_within(taken..taken + count, left);
                }
                left += count;
            }
            taken += count;
        }
        Ok((taken, left))
    }

    fn step(&mut self, byte: u8) -> Result<Goes, Refusal> {
        let next = self.after(byte)?;
        let aside = |state| {
            matches!(
                state,
                ChunkedState::Extension(..)
                    | ChunkedState::TrailerName
                    | ChunkedState::TrailerValue
                    | ChunkedState::TrailerLf
            )
        };
        // The CR after an extension ends the line of the size, and is passed on. The LF after a trailer ends the trailer.
        let goes = if aside(next) || self.state == ChunkedState::TrailerLf { Goes::Nowhere } else { Goes::On };
        if goes == Goes::Nowhere {
            let wrong = if matches!(next, ChunkedState::Extension(..)) { (413, EXTENSION) } else { (431, TRAILER) };
            let too_much = Refusal { status: wrong.0, ..wrong.1 };
            self.aside = self.aside.checked_sub(1).ok_or(too_much)?;
            if self.state == ChunkedState::TrailerLf {
                self.trailers = self.trailers.checked_sub(1).ok_or(too_much)?;
            }
        }
        self.state = next;
        Ok(goes)
    }

    fn after(&mut self, byte: u8) -> Result<ChunkedState, Refusal> {
        Ok(match (self.state, byte) {
            (ChunkedState::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                if digits >= 8 {
                    return Err(CHUNK);
                }
                ChunkedState::Size { digits: digits + 1, size: size * 16 + u64::from(digit) }
            }
            (ChunkedState::Size { digits: 1.., size }, b'\r') => ChunkedState::SizeEnd(size),
            (ChunkedState::Size { digits: 1.., size }, b';') => ChunkedState::Extension(Extension::Start, size),
            (ChunkedState::Size { digits: 1.., size }, b' ' | b'\t') => {
                ChunkedState::Extension(Extension::Before, size)
            }
            (ChunkedState::Extension(extension, size), _) => match extension.after(byte)? {
                Some(extension) => ChunkedState::Extension(extension, size),
                None => ChunkedState::SizeEnd(size),
            },
            (ChunkedState::SizeEnd(0), b'\n') => ChunkedState::LastCr,
            (ChunkedState::SizeEnd(size), b'\n') => {
                self.total += size;
                if self.total > self.bound {
                    return Err(Refusal::BODY_TOO_LARGE);
                }
                ChunkedState::Data(size)
            }
            (ChunkedState::DataCr, b'\r') => ChunkedState::DataLf,
            (ChunkedState::DataLf, b'\n') => ChunkedState::Size { digits: 0, size: 0 },
            (ChunkedState::LastCr, b'\r') => ChunkedState::LastLf,
            (ChunkedState::LastLf, b'\n') => ChunkedState::End,
            // A trailer has the form of a header: a name and a value, on one line.
            (ChunkedState::LastCr | ChunkedState::TrailerName, _) if has(&TOKEN, byte) => ChunkedState::TrailerName,
            (ChunkedState::TrailerName, b':') => ChunkedState::TrailerValue,
            (ChunkedState::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => ChunkedState::TrailerValue,
            (ChunkedState::TrailerValue, b'\r') => ChunkedState::TrailerLf,
            (ChunkedState::TrailerLf, b'\n') => ChunkedState::LastCr,
            (
                ChunkedState::LastCr | ChunkedState::TrailerName | ChunkedState::TrailerValue | ChunkedState::TrailerLf,
                _,
            ) => return Err(TRAILER),
            _ => return Err(CHUNK),
        })
    }
}

impl Extension {
    /// The state after `byte`; `None` if it is the CR that ends the line.
    fn after(self, byte: u8) -> Result<Option<Self>, Refusal> {
        let token = has(&TOKEN, byte);
        Ok(Some(match (self, byte) {
            (Self::Start | Self::Name, _) if token => Self::Name,
            (Self::BeforeValue | Self::Value, _) if token => Self::Value,
            (Self::Before | Self::Value | Self::Closed, b' ' | b'\t') => Self::Before,
            (Self::Start, b' ' | b'\t') => Self::Start,
            (Self::Name | Self::AfterName, b' ' | b'\t') => Self::AfterName,
            (Self::BeforeValue, b' ' | b'\t') => Self::BeforeValue,
            (Self::Before | Self::Name | Self::AfterName | Self::Value | Self::Closed, b';') => Self::Start,
            (Self::Name | Self::AfterName, b'=') => Self::BeforeValue,
            (Self::BeforeValue, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Self::Quoted,
            (Self::Name | Self::Value | Self::Closed, b'\r') => return Ok(None),
            _ => return Err(EXTENSION),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunked, Limits, Reason};

    /// Feeds `size` bytes at a time. Returns how many bytes belong to the body, and what is passed on; or the status of the refusal.
    fn pass(bytes: &[u8], size: usize) -> Result<(usize, Vec<u8>, bool), u16> {
        let mut limits = Limits::default();
        (limits.head_bytes, limits.headers) = (64, 3);
        let mut chunked = Chunked::new(20, &limits);
        let (mut taken, mut passed) = (0, Vec::new());
        for piece in bytes.chunks(size) {
            let mut piece = piece.to_vec();
            let (here, left) = chunked.take(&mut piece).map_err(|refusal| refusal.status)?;
            passed.extend_from_slice(&piece[..left]);
            taken += here;
            if here < piece.len() {
                break;
            }
        }
        Ok((taken, passed, chunked.ended()))
    }

    fn read(bytes: &[u8], size: usize) -> Result<(usize, bool), u16> {
        pass(bytes, size).map(|(taken, _, ended)| (taken, ended))
    }

    #[test]
    fn nothing_is_passed_on_of_extensions_and_trailers() {
        for (body, plain) in [
            ("5;a=b\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            (
                "1 ;a\r\nh\r\n04;b = \"c;\\\"\\\\\u{e4}\" ; d\r\nello\r\n0;e\r\n\r\n",
                "1\r\nh\r\n04\r\nello\r\n0\r\n\r\n",
            ),
            ("0\r\nA: b\r\nHost:\r\nC:\t\u{e4} \r\n\r\n", "0\r\n\r\n"),
        ] {
            let more = [body.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(pass(&more, size), Ok((body.len(), plain.as_bytes().to_vec(), true)), "{body:?}, {size}");
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded_together() {
        let long = "a".repeat(70);
        for size in [1, 1000] {
            assert_eq!(read(format!("5;{long}\r\n").as_bytes(), size).err(), Some(413));
            assert_eq!(read("1;aaaaaaaaa\r\nx\r\n".repeat(7).as_bytes(), size).err(), Some(413));
            assert_eq!(read(format!("0\r\nA: {long}\r\n\r\n").as_bytes(), size).err(), Some(431));
            assert_eq!(read(b"0\r\nA:\r\nA:\r\nA:\r\n\r\n", size), Ok((17, true)));
            assert_eq!(read(b"0\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n", size).err(), Some(431));
        }
    }

    #[test]
    fn a_body_ends_where_its_last_chunk_does() {
        let body = b"5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n";
        let mut more = body.to_vec();
        more.extend_from_slice(b"GET / HTTP/1.1\r\n");
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(read(&more, size), Ok((body.len(), true)), "{size}");
        }
    }

    #[test]
    fn each_refusal_has_its_own_word() {
        for (body, reason) in [
            ("5;=1\r\n", Reason::ChunkExtension),
            ("5 \r\n", Reason::ChunkExtension),
            ("0\r\nTrailer : x\r\n", Reason::Trailer),
            ("5\nhello", Reason::Chunk),
            ("000000005\r\n", Reason::Chunk),
            ("15\r\n", Reason::BodyTooLarge),
        ] {
            let mut chunked = Chunked::new(20, &Limits::default());
            assert_eq!(chunked.take(&mut body.as_bytes().to_vec()).unwrap_err().reason, reason, "{body:?}");
        }
    }

    #[test]
    fn what_servers_disagree_on_is_refused() {
        for body in [
            "5\nhello\n0\n\n",
            "5;\r\nhello\r\n0\r\n\r\n",
            "5;a=\r\nhello\r\n0\r\n\r\n",
            "5;a=b \r\nhello\r\n0\r\n\r\n",
            "5;a=\"b\r\nhello\r\n0\r\n\r\n",
            "5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n",
            "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n",
            "5;a\nhello\n0\n\n",
            "5;a=\"\0\"\r\nhello\r\n0\r\n\r\n",
            ";a\r\n",
            "5 \r\nhello\r\n",
            "\r\n",
            "0x5\r\n",
            "-5\r\n",
            "g\r\n",
            "5\r\nhelloX",
            "5\r\nhello\rX",
            "0\r\nTrailer : x\r\n\r\n",
            "0\r\n Trailer: x\r\n\r\n",
            "0\r\nA: x\r\n y\r\n\r\n",
            "0\r\nTrailer\r\n\r\n",
            "0\r\nA: x\ny\r\n\r\n",
            "0\r\nA: x\ry\r\n\r\n",
            "0\r\nA: \0\r\n\r\n",
            "000000005\r\n",
            "+5\r\n",
            "0\r\n\n",
        ] {
            assert_eq!(read(body.as_bytes(), 3).err(), Some(400), "{body:?}");
        }
        assert_eq!(read(b"15\r\n", 3).err(), Some(413));
        assert_eq!(read(b"10\r\n0123456789abcdef\r\n5\r\n", 3).err(), Some(413));
    }
}
