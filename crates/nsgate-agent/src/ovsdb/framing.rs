//! Where one message ends and the next begins: JSON objects, one after the other, with nothing but blanks between them
//! (RFC 7047, section 4).

use memchr::memchr2;

/// Levels of arrays and objects in a message. What ovsdb-server sends has about ten.
const DEEPEST: u32 = 64;

/// A buffer that is kept when it is empty, in bytes. A larger one, of a first copy, is given back.
const KEPT: usize = 64 * 1024;

/// The stream is not one of messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A message is longer than this client takes.
    #[error("a message has more than {0} bytes")]
    TooLong(usize),
    /// Arrays and objects lie too deep in each other.
    #[error("a message has more than {DEEPEST} levels of arrays and objects")]
    TooDeep,
    /// What stands between two messages begins none.
    #[error("the byte {0:#04x} begins no message: a JSON object does")]
    NotAnObject(u8),
}

/// Bytes as they come, and the messages that are whole.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where the message under way begins.
    start: usize,
    /// How far it has been read.
    read: usize,
    depth: u32,
    quoted: bool,
    longest: usize,
}

impl Frames {
    /// For messages of at most so many bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, read: 0, depth: 0, quoted: false, longest }
    }

    /// Takes bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.read = self.read.saturating_sub(self.start);
            self.start = 0;
            if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
                self.buffer = Vec::new();
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole, if there is one.
    ///
    /// # Errors
    /// The stream is not one of messages, or a message is too large. Nothing that follows can be read.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FramingError> {
        while let Some(byte) = self.buffer.get(self.read).copied() {
            if self.quoted {
                self.string()?;
                continue;
            }
            self.read += 1;
            match byte {
                b'{' | b'[' if self.depth > 0 || byte == b'{' => self.open()?,
                b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => self.start = self.read,
                _ if self.depth == 0 => return Err(FramingError::NotAnObject(byte)),
                b'"' => self.quoted = true,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.bounded()?;
                    if self.depth == 0 {
                        let start = std::mem::replace(&mut self.start, self.read);
                        return Ok(self.buffer.get(start..self.read));
                    }
                }
                _ => {}
            }
        }
        self.bounded()?;
        Ok(None)
    }

    /// Whether a message has begun that is not whole.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.start < self.buffer.len()
    }

    fn open(&mut self) -> Result<(), FramingError> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(FramingError::TooDeep) } else { self.bounded() }
    }

    /// Reads on within a string, to its end or to the end of what is there. An escape is read with its next byte.
    fn string(&mut self) -> Result<(), FramingError> {
        let rest = self.buffer.get(self.read..).unwrap_or_default();
        match memchr2(b'"', b'\\', rest) {
            None => self.read = self.buffer.len(),
            Some(at) if rest.get(at) == Some(&b'"') => {
                self.read += at + 1;
                self.quoted = false;
            }
            Some(at) => self.read += at + 2,
        }
        self.bounded()
    }

    fn bounded(&self) -> Result<(), FramingError> {
        let length = self.read.saturating_sub(self.start);
        if length > self.longest { Err(FramingError::TooLong(self.longest)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use serde_json::{Value, json};

    /// What comes out of a stream that is cut into these parts.
    fn told(parts: &[&[u8]], longest: usize) -> (Vec<String>, Option<FramingError>) {
        let (mut frames, mut out) = (Frames::new(longest), Vec::new());
        for part in parts {
            frames.push(part);
            loop {
                match frames.next_message() {
                    Ok(Some(message)) => out.push(String::from_utf8_lossy(message).into_owned()),
                    Ok(None) => break,
                    Err(error) => return (out, Some(error)),
                }
            }
        }
        (out, None)
    }

    #[test]
    fn messages_are_told_apart_wherever_the_stream_is_cut() {
        let stream = br#" {"a":"}\"\\"}{"b":[{},["]"]]}
            {}"#;
        let wanted = vec![r#"{"a":"}\"\\"}"#.to_owned(), r#"{"b":[{},["]"]]}"#.to_owned(), "{}".to_owned()];
        for at in 0..stream.len() {
            let (head, rest) = stream.split_at(at);
            assert_eq!(told(&[head, rest], 100), (wanted.clone(), None), "cut at {at}");
        }
    }

    #[test]
    fn what_is_no_message_ends_the_stream() {
        assert_eq!(told(&[b"{}]"], 100), (vec!["{}".to_owned()], Some(FramingError::NotAnObject(b']'))));
        assert_eq!(told(&[b"[]"], 100).1, Some(FramingError::NotAnObject(b'[')));
        assert_eq!(told(&[b"HTTP/1.1"], 100).1, Some(FramingError::NotAnObject(b'H')));
        assert_eq!(told(&["{[".repeat(33).as_bytes()], 100).1, Some(FramingError::TooDeep));
    }

    #[test]
    fn a_message_that_is_too_long_is_not_waited_for() {
        for long in [r#"{"aaaaaaaa"}"#, r#"{"aaaaaaaaaaaaaaaa"#, "{1111111111111111", "{[[[[[[[[[[[[", "{11111111111}"]
        {
            assert_eq!(told(&[long.as_bytes()], 10).1, Some(FramingError::TooLong(10)), "{long}");
        }
        assert_eq!(told(&[b"{\"aaaaaa\"}"], 10), (vec!["{\"aaaaaa\"}".to_owned()], None));
    }

    fn message() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![any::<String>().prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
        leaf.prop_recursive(4, 20, 5, |inner| {
            let object = vec((any::<String>(), inner.clone()), 0..4);
            prop_oneof![
                vec(inner, 0..4).prop_map(Value::from),
                object.prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_message_comes_out_as_it_went_in(
            messages in vec(message(), 0..6),
            cuts in vec(any::<prop::sample::Index>(), 0..8),
            pretty in any::<bool>(),
        ) {
            let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
            let messages: Vec<_> = messages.into_iter().map(|inner| json!({ "params": [inner] })).collect();
            let texts: Vec<_> = messages.iter().map(|message| write(message).expect("JSON")).collect();
            let stream = texts.concat();
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
            at.sort_unstable();
            let parts: Vec<_> = at.windows(2).map(|ends| &stream.as_bytes()[ends[0]..ends[1]]).collect();
            prop_assert_eq!(told(&parts, 1 << 20), (texts, None));
        }

        #[test]
        fn no_stream_ends_in_a_panic(parts in vec(vec(any::<u8>(), 0..40), 0..6)) {
            let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
            for message in told(&parts, 50).0 {
                let (first, last) = (message.starts_with('{'), message.ends_with(['}', ']']));
                prop_assert!(first && last, "{}", message);
            }
        }
    }
}
