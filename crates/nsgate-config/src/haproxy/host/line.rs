//! A line of a large text as words that point into it: nothing is copied, and a place is worked out only for a message.

use crate::report::Place;

/// Most words of a line that means something here.
const MOST: usize = 8;

/// One line's words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'t> {
    text: &'t str,
    number: usize,
    words: [&'t str; MOST],
    count: usize,
}

impl<'t> Line<'t> {
    /// Splits a line at blanks. A comment ends it; quotes, escapes and control characters have no use in what Neutron
    /// writes, and are refused.
    pub(super) fn read(text: &'t str, number: usize) -> Result<Self, (Place, &'static str)> {
        let mut line = Self { text, number, words: [""; MOST], count: 0 };
        let (mut begin, mut end) = (None, text.len());
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                b' ' | b'\t' => line.push(begin.take(), at),
                // haproxy reads nothing behind a carriage return; what stands there was reported with the text.
                b'#' | b'\r' => {
                    end = at;
                    break;
                }
                b'"' | b'\'' | b'\\' | 0x7f.. | ..b' ' => {
                    let before = text.get(..at).unwrap_or_default();
                    let place = Place { line: number, column: before.chars().count() + 1, length: 1 };
                    return Err((place, "quotes, escapes and other than visible ASCII have no use here"));
                }
                _ => begin = begin.or(Some(at)),
            }
        }
        line.push(begin, end);
        Ok(line)
    }

    /// The word from `begin`, if there is one, to `end`.
    fn push(&mut self, begin: Option<usize>, end: usize) {
        let Some(word) = begin.and_then(|begin| self.text.get(begin..end)) else { return };
        if let Some(slot) = self.words.get_mut(self.count) {
            *slot = word;
        }
        self.count += 1;
    }

    /// The first word, of a line with too many as well; none of an empty line.
    pub(super) fn first(&self) -> Option<&'t str> {
        self.words.first().copied().filter(|word| !word.is_empty())
    }

    pub(super) fn word(&self, index: usize) -> Option<&'t str> {
        self.words().get(index).copied()
    }

    /// The words; of a line with too many, none, so that it matches no form.
    pub(super) fn words(&self) -> &[&'t str] {
        match self.words.get(..self.count) {
            Some(words) => words,
            None => &[],
        }
    }

    /// Where a word stands; the first one if there are too many.
    pub(super) fn place(&self, index: usize) -> Place {
        let word = self.word(index).or(self.words.first().copied()).unwrap_or_default();
        // Both point into the same line.
        let offset = (word.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let column = self.text.get(..offset).unwrap_or_default().chars().count() + 1;
        Place { line: self.number, column, length: word.chars().count() }
    }
}
