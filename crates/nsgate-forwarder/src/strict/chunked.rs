//! A chunked body, by RFC 9112, section 7.1, without extensions and trailers.
//!
//! Extensions and trailers have no use here and have been read differently by different servers; they are refused.

use crate::{Reason, refusal::Refusal};

/// Where a chunked body is, byte by byte.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    total: u64,
    bound: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a chunk's size, with the digits so far.
    Size { digits: u8, size: u64 },
    /// After the size: a LF must follow.
    SizeEnd(u64),
    /// In a chunk's data.
    Data(u64),
    /// After the data: CR.
    DataCr,
    /// After the data: LF.
    DataLf,
    /// After the last chunk's line: CR.
    LastCr,
    /// And LF.
    LastLf,
    /// Behind the body.
    End,
}

impl Chunked {
    /// A body of at most `bound` bytes of data.
    pub(crate) fn new(bound: u64) -> Self {
        Self { state: State::Size { digits: 0, size: 0 }, total: 0, bound }
    }

    pub(crate) fn ended(&self) -> bool {
        self.state == State::End
    }

    /// Number of bytes at the beginning of `bytes` that belong to the body.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut taken = 0;
        while let (Some(byte), false) = (bytes.get(taken), self.ended()) {
            if let State::Data(left) = self.state {
                let here = bytes.len().saturating_sub(taken);
                let part = usize::try_from(left).unwrap_or(usize::MAX).min(here);
                taken += part;
                let left = left.saturating_sub(part.try_into().unwrap_or(u64::MAX));
                self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                continue;
            }
            self.state = self.after(*byte)?;
            taken += 1;
        }
        Ok(taken)
    }

    fn after(&mut self, byte: u8) -> Result<State, Refusal> {
        Ok(match (self.state, byte) {
            (State::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                if digits >= 8 {
                    return Err(Refusal::bad_request(Reason::Chunk));
                }
                State::Size { digits: digits + 1, size: size * 16 + u64::from(digit) }
            }
            (State::Size { digits: 1.., size }, b'\r') => State::SizeEnd(size),
            (State::SizeEnd(0), b'\n') => State::LastCr,
            (State::SizeEnd(size), b'\n') => {
                self.total += size;
                if self.total > self.bound {
                    return Err(Refusal::BODY_TOO_LARGE);
                }
                State::Data(size)
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0, size: 0 },
            (State::LastCr, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => State::End,
            (State::Size { digits: 1.., .. }, b';') => return Err(Refusal::bad_request(Reason::ChunkExtension)),
            (State::LastCr, _) => return Err(Refusal::bad_request(Reason::Trailer)),
            _ => return Err(Refusal::bad_request(Reason::Chunk)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunked, Reason};

    /// Bytes of the body, or the status of the refusal; fed in pieces of `size`.
    fn read(bytes: &[u8], size: usize) -> Result<(usize, bool), u16> {
        let mut chunked = Chunked::new(20);
        let mut taken = 0;
        for piece in bytes.chunks(size) {
            let here = chunked.take(piece).map_err(|refusal| refusal.status)?;
            taken += here;
            if here < piece.len() {
                break;
            }
        }
        Ok((taken, chunked.ended()))
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
            ("5;ext=1\r\n", Reason::ChunkExtension),
            ("0\r\nTrailer: x\r\n", Reason::Trailer),
            ("5\nhello", Reason::Chunk),
            ("000000005\r\n", Reason::Chunk),
            ("15\r\n", Reason::BodyTooLarge),
        ] {
            assert_eq!(Chunked::new(20).take(body.as_bytes()).unwrap_err().reason, reason, "{body:?}");
        }
    }

    #[test]
    fn what_servers_disagree_on_is_refused() {
        for body in [
            "5\nhello\n0\n\n",
            "5;ext=1\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n",
            "\r\n",
            "0x5\r\n",
            "-5\r\n",
            "g\r\n",
            "5\r\nhelloX",
            "5\r\nhello\rX",
            "0\r\nTrailer: x\r\n\r\n",
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
