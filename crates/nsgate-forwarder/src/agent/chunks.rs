//! Chunks of the agent's answer, read tolerantly: extensions and trailers are skipped, bare line feeds accepted.

use std::io::{Error, ErrorKind, Result};

/// Longest line between two chunks.
const LINE: usize = 1024;

/// Where a chunked answer is.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    left: u64,
    /// Behind a chunk's data, where an empty line belongs.
    after_data: bool,
    last: bool,
    ended: bool,
}

/// The next part of the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChunkPart {
    /// This many of the bytes at the front are data.
    Data(usize),
    /// More bytes are needed.
    More,
    /// The body is over.
    End,
}

impl Chunks {
    /// Takes everything that is not data from the front of `buffer` and says what is there.
    pub(crate) fn next(&mut self, buffer: &mut Vec<u8>) -> Result<ChunkPart> {
        loop {
            if self.ended {
                return Ok(ChunkPart::End);
            }
            if self.left > 0 {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
                return Ok(if here == 0 { ChunkPart::More } else { ChunkPart::Data(here) });
            }
            let Some(end) = buffer.iter().take(LINE).position(|byte| *byte == b'\n') else {
                return if buffer.len() < LINE { Ok(ChunkPart::More) } else { Err(wrong()) };
            };
            let line: Vec<u8> = buffer.drain(..=end).collect();
            self.line(line.trim_ascii_end())?;
        }
    }

    /// `count` bytes of data were taken.
    pub(crate) fn taken(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count.try_into().unwrap_or(u64::MAX));
        self.after_data = self.left == 0;
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        if self.last {
            self.ended = line.is_empty();
            return Ok(());
        }
        if std::mem::take(&mut self.after_data) {
            return if line.is_empty() { Ok(()) } else { Err(wrong()) };
        }
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        self.left = text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or_else(wrong)?;
        self.last = self.left == 0;
        Ok(())
    }
}

fn wrong() -> Error {
    Error::new(ErrorKind::InvalidData, "the agent's chunks cannot be read")
}

#[cfg(test)]
mod tests {
    use super::{ChunkPart, Chunks};

    fn read(text: &str) -> Option<(String, bool)> {
        let (mut chunks, mut buffer, mut data) = (Chunks::default(), text.as_bytes().to_vec(), Vec::new());
        loop {
            match chunks.next(&mut buffer).ok()? {
                ChunkPart::Data(count) => {
                    data.extend(buffer.drain(..count));
                    chunks.taken(count);
                }
                next => return Some((String::from_utf8(data).unwrap(), next == ChunkPart::End)),
            }
        }
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(read("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n"), Some(("abcde".into(), true)));
        assert_eq!(read("3\nabc\n0\n\n"), Some(("abc".into(), true)));
        assert_eq!(read("3\r\nabc\r\n"), Some(("abc".into(), false)), "a cut body is not a whole one");
        assert_eq!(read("x\r\n"), None);
        assert_eq!(read("3\r\nabcd\r\n"), None);
        assert_eq!(read("\r\n"), None);
    }
}
