//! A line of a large text, split without copying. Places are computed only for messages.

use crate::report::Span;

/// Most words of an accepted line.
const MOST: usize = 8;

/// The bytes of words: visible ASCII without quotes, backslash and `#`. A table, since a host's text has twelve megabytes.
static PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let (mut rest, mut byte): (&mut [bool], u8) = (&mut table, 0);
    while let [one, more @ ..] = rest {
        *one = byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'#');
        (rest, byte) = (more, byte.wrapping_add(1));
    }
    table
};

fn plain(byte: u8) -> bool {
    PLAIN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// One line's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostLine<'t> {
    text: &'t str,
    number: usize,
    words: [&'t str; MOST],
    count: usize,
}

impl<'t> HostLine<'t> {
    /// Splits a line at blanks. A comment ends it. Neutron writes no quotes, escapes or control characters: they are refused.
    pub(super) fn read(text: &'t str, number: usize) -> Result<Self, (Span, &'static str)> {
        let mut line = Self { text, number, words: [""; MOST], count: 0 };
        let mut rest = text.as_bytes();
        loop {
            let blanks = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
            rest = rest.get(blanks..).unwrap_or_default();
            let length = rest.iter().position(|byte| !plain(*byte)).unwrap_or(rest.len());
            let begin = text.len() - rest.len();
            match rest.first() {
                // haproxy reads nothing after a carriage return. `text::lines` has reported the rest of the line.
                None | Some(b'#' | b'\r') => return Ok(line),
                Some(_) if length == 0 => {
                    let before = text.get(..begin).unwrap_or_default();
                    let place = Span { line: number, column: before.chars().count() + 1, length: 1 };
                    return Err((place, "quotes, escapes and other than visible ASCII have no use here"));
                }
                Some(_) => line.push(begin, begin + length),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    /// The word from `begin` to `end`.
    fn push(&mut self, begin: usize, end: usize) {
        if let Some((slot, word)) = self.words.get_mut(self.count).zip(self.text.get(begin..end)) {
            *slot = word;
        }
        self.count += 1;
    }

    /// The first word, also of a line with too many; `None` for an empty line.
    pub(super) fn first(&self) -> Option<&'t str> {
        self.words.first().copied().filter(|word| !word.is_empty())
    }

    pub(super) fn word(&self, index: usize) -> Option<&'t str> {
        self.words().get(index).copied()
    }

    /// The words. A line with too many has none, so that it matches no form.
    pub(super) fn words(&self) -> &[&'t str] {
        match self.words.get(..self.count) {
            Some(words) => words,
            None => &[],
        }
    }

    /// The place of a word; that of the first one if the line has too many.
    pub(super) fn place(&self, index: usize) -> Span {
        let word = self.word(index).or(self.words.first().copied()).unwrap_or_default();
        // Both point into the same line.
        let offset = (word.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let column = self.text.get(..offset).unwrap_or_default().chars().count() + 1;
        Span { line: self.number, column, length: word.chars().count() }
    }
}
