//! What may stand behind a word that changes nothing: haproxy refuses a text in which it is not that.

use super::{duration, global::digits, words::Word};
use crate::report::Place;

/// What haproxy asks of the words behind a keyword.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// None.
    Nothing,
    /// So many: at least the first number, at most the second.
    Words(usize, usize),
    /// One time.
    Time,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// None, or one of these.
    NothingOr(&'static [&'static str]),
    /// One number: at least the first, at most the second.
    Number(u32, u32),
    /// Processes, and processors for them.
    CpuMap,
}

/// One word, which can be anything.
pub(super) const WORD: Shape = Shape::Words(1, 1);
/// One word or more.
pub(super) const WORDS: Shape = Shape::Words(1, usize::MAX);

impl Shape {
    /// Where the words behind the keyword at `keyword` are not what haproxy takes, and why.
    pub(super) fn fault(self, keyword: Place, words: &[Word]) -> Option<(Place, String)> {
        let (least, most) = match self {
            Self::Nothing => (0, 0),
            Self::Words(least, most) => (least, most),
            Self::Time | Self::OneOf(_) | Self::Number(..) => (1, 1),
            Self::CpuMap => (2, usize::MAX),
            Self::NothingOr(_) => (0, 1),
        };
        if words.len() < least {
            return Some((keyword, "its value is missing".to_owned()));
        }
        if let Some(surplus) = words.get(most) {
            return Some((surplus.place, format!("`{}` is not expected here", surplus.text)));
        }
        let word = words.first()?;
        match self {
            Self::Time => duration::milliseconds(&word.text).err().map(|reason| (word.place, reason)),
            Self::OneOf(known) | Self::NothingOr(known) if !known.contains(&word.text.as_str()) => {
                Some((word.place, format!("`{}` is none of: {}", word.text, known.join(", "))))
            }
            Self::Number(least, most) if !digits(&word.text).is_some_and(|found| (least..=most).contains(&found)) => {
                Some((word.place, format!("`{}` is not a number from {least} to {most}", word.text)))
            }
            Self::CpuMap => words
                .iter()
                .enumerate()
                .find(|(index, word)| !of_cpu_map(*index, &word.text))
                .map(|(_, word)| (word.place, format!("`{}` names neither processes nor processors", word.text))),
            _ => None,
        }
    }
}

/// Whether a word of `cpu-map` is one: `auto:1/1-4`, `all`, and behind it `0-3` or `0,2`.
fn of_cpu_map(index: usize, word: &str) -> bool {
    let range = |text: &str| {
        let mut ends = text.splitn(2, '-').map(|end| digits(end).filter(|_| !end.is_empty()));
        ends.all(|end| end.is_some())
    };
    if index > 0 {
        return word.split(',').all(range);
    }
    let processes = word.strip_prefix("auto:").unwrap_or(word);
    processes.splitn(2, '/').all(|part| matches!(part, "all" | "odd" | "even") || range(part))
}
