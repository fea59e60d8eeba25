//! Notes on a gate: lines in front of its text.

use std::fmt::{self, Write};

/// How each note begins. A reader of TOML takes it for a comment, and so does a release that does not know it.
const BEGINS: &str = "#: ";

/// Notes that come with a gate, beside its listeners.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// The sender asks for signs of life (`ping`), and after a refusal waits for another worker.
    pub asks: bool,
    /// The key of the network's session tokens, as `nsgate_forwarder::TokenKey` reads it. The next process that serves the
    /// network gets the same key, so that tokens stay valid.
    pub key: Option<String>,
}

/// Never with the key.
impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes").field("asks", &self.asks).field("key", &self.key.is_some()).finish()
    }
}

impl Notes {
    /// The lines.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        if self.asks {
            text.push_str("#: asks\n");
        }
        if let Some(key) = &self.key {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{BEGINS}key {key}");
        }
        text
    }

    /// Reads the notes in front of a gate. Unknown notes, of a later release, are ignored.
    #[must_use]
    pub(crate) fn read(gate: &str) -> Self {
        let mut notes = Self::default();
        for note in gate.lines().map_while(|line| line.strip_prefix(BEGINS)) {
            match note.split_once(' ').unwrap_or((note, "")) {
                ("asks", "") => notes.asks = true,
                ("key", key) => notes.key = Some(key.to_owned()),
                _ => {}
            }
        }
        notes
    }

    /// The notes in a message, if it hands a gate over.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        let text = std::str::from_utf8(message).unwrap_or_default();
        text.split_once('\n').map(|(_, gate)| Self::read(gate)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Notes;
    use crate::protocol::Request;

    const GATE: &str = "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"169.254.169.254:80\"]\n\
                        backend = \"/b/agent\"\nuser = \"neutron\"\n";

    #[test]
    fn notes_are_read_as_they_were_written_and_change_no_gate() {
        let notes = Notes { asks: true, key: Some("5 abc".to_owned()) };
        let message = format!("nsgate-pool 1 serve\n{}{GATE}", notes.to_text());
        assert_eq!(Notes::of(message.as_bytes()), notes);
        let without = format!("nsgate-pool 1 serve\n{GATE}");
        assert_eq!(Notes::of(without.as_bytes()), Notes::default());
        assert_eq!(Request::parse(message.as_bytes()), Request::parse(without.as_bytes()));
        let later = format!("nsgate-pool 1 serve\n#: surprise 1 2\n#: asks\n{GATE}#: key late\n");
        assert_eq!(Notes::of(later.as_bytes()), Notes { asks: true, key: None });
        assert!(!format!("{notes:?}").contains("abc"), "a key is never shown");
    }
}
