//! Arguments of keywords that change nothing. haproxy 2.6 refuses a text with others, and so does nsgate.

use super::{
    arguments::{MOST, is_number},
    cli_socket, cpu_map, duration, tls_options,
    words::Lexeme,
};
use crate::report::Span;
use std::fmt;

/// The arguments of a keyword. haproxy reads `12x` as 12; here a number has digits only.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// No argument.
    Nothing,
    /// A number of words: at least the first, at most the second.
    Words(usize, usize),
    /// One time, in milliseconds: at least the first, at most the second.
    Time(u32, u32),
    /// One time, in seconds without a unit.
    Seconds,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// No argument, or one of these.
    NothingOr(&'static [&'static str]),
    /// One number: at least the first, at most the second.
    Number(i64, i64),
    /// The same, in one line of this group only: haproxy refuses a second one.
    NumberOnce(&'static str),
    /// One number, with or without `k`, `m` or `g`.
    Size,
    /// The name of a machine: letters, digits, `.`, `-` and `_`.
    NodeName,
    /// Processes, and the processors for them.
    CpuMap,
    /// Options of TLS; the list has those without a value.
    TlsOptions(&'static [&'static str]),
    /// The address of haproxy's own socket, and options.
    CliSocket,
    /// A status, and a file that haproxy reads.
    ErrorFile,
}

/// One word, any.
pub(super) const WORD: Shape = Shape::Words(1, 1);
/// One or more words, any.
pub(super) const WORDS: Shape = Shape::Words(1, usize::MAX);
/// Any number that haproxy can hold.
pub(super) const NUMBER: Shape = Shape::Number(0, MOST);
pub(super) const PERCENT: Shape = Shape::Number(0, 100);
/// Any time that haproxy can hold (`parse_time_err`, src/tools.c).
pub(super) const TIME: Shape = Shape::Time(0, i32::MAX.unsigned_abs());
pub(super) const ON_OFF: Shape = Shape::OneOf(&["on", "off"]);

/// The status codes of haproxy's own answers (`http_err_codes`, src/http.c).
const ANSWERS: [&str; 19] = [
    "200", "400", "401", "403", "404", "405", "407", "408", "410", "413", "421", "422", "425", "429", "500", "501",
    "502", "503", "504",
];

impl Shape {
    /// The place and the reason if haproxy would refuse the arguments of the keyword at `keyword`. `once` has the groups of which
    /// a line was read.
    pub(super) fn fault(self, keyword: Span, words: &[Lexeme], once: &mut Vec<&'static str>) -> Option<(Span, String)> {
        let (least, most) = self.count();
        if words.len() < least {
            return Some((keyword, "its value is missing".to_owned()));
        }
        if let Some(surplus) = words.get(most) {
            return Some((surplus.place, format!("`{}` is not expected here", surplus.text)));
        }
        let word = words.first()?;
        let text = word.text.as_str();
        let wrong = |reason: String| Some((word.place, reason));
        match self {
            Self::Nothing | Self::Words(..) => None,
            Self::Time(least, most) => match duration::milliseconds(text).map(|time| time.as_millis()) {
                Err(reason) => wrong(reason),
                Ok(time) if (u128::from(least)..=u128::from(most)).contains(&time) => None,
                Ok(_) => wrong(format!("`{text}` is not a time from {least} to {most} ms")),
            },
            Self::Seconds if is_number(text, 0, MOST) => None,
            Self::Seconds => duration::milliseconds(text).err().and_then(wrong),
            Self::OneOf(known) | Self::NothingOr(known) => {
                (!known.contains(&text)).then(|| (word.place, format!("`{text}` is none of: {}", known.join(", "))))
            }
            Self::Number(least, most) => (!is_number(text, least, most))
                .then(|| (word.place, format!("`{text}` is not a number from {least} to {most}"))),
            Self::NumberOnce(group) if once.contains(&group) => Some((keyword, "it was said above".to_owned())),
            Self::NumberOnce(group) => {
                once.push(group);
                NUMBER.fault(keyword, words, once)
            }
            Self::Size => (!is_number(text.strip_suffix(['k', 'm', 'g']).unwrap_or(text), 0, MOST))
                .then(|| (word.place, format!("`{text}` is not a size, for instance 64k"))),
            Self::NodeName => text
                .chars()
                .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
                .and_then(|c| wrong(format!("`{text}` contains {c:?}, which no name of a machine has"))),
            Self::CpuMap => cpu_map::fault(words),
            Self::TlsOptions(alone) => tls_options::fault(words, alone),
            Self::CliSocket => cli_socket::fault(words),
            Self::ErrorFile => error_file(words),
        }
    }

    /// The smallest and the largest number of words.
    fn count(self) -> (usize, usize) {
        match self {
            Self::Nothing => (0, 0),
            Self::Words(least, most) => (least, most),
            Self::NothingOr(_) => (0, 1),
            Self::CpuMap => (2, usize::MAX),
            Self::TlsOptions(_) | Self::CliSocket => (1, usize::MAX),
            Self::ErrorFile => (2, 2),
            Self::Time(..)
            | Self::Seconds
            | Self::OneOf(_)
            | Self::Number(..)
            | Self::NumberOnce(_)
            | Self::Size
            | Self::NodeName => (1, 1),
        }
    }
}

impl fmt::Display for Shape {
    /// In words, for the page of the dialect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nothing => f.write_str("nothing"),
            Self::Words(1, 1) => f.write_str("a word"),
            Self::Words(least, usize::MAX) => write!(f, "words, {least} or more"),
            Self::Words(least, most) => write!(f, "words, {least} to {most}"),
            Self::Time(0, _) => f.write_str("a time"),
            Self::Time(least, most) => write!(f, "a time from {least} to {most} ms"),
            Self::Seconds => f.write_str("a time, in seconds without a unit"),
            Self::OneOf(known) => write!(f, "one of: {}", known.join(", ")),
            Self::NothingOr(known) => write!(f, "nothing, or one of: {}", known.join(", ")),
            Self::Number(0, MOST) => f.write_str("a number"),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::NumberOnce(group) => write!(f, "a number, once ({group})"),
            Self::Size => f.write_str("a size, for instance 64k"),
            Self::NodeName => f.write_str("the name of a machine"),
            Self::CpuMap => f.write_str("processes, and processors for them"),
            Self::TlsOptions(_) => f.write_str("options of TLS"),
            Self::CliSocket => f.write_str("an address to ask haproxy at, and options"),
            Self::ErrorFile => f.write_str("a status, and `/dev/null`"),
        }
    }
}

/// haproxy refuses a file that it cannot read or that is no answer. nsgate reads no file that a text names, so only `/dev/null` is
/// accepted.
fn error_file(words: &[Lexeme]) -> Option<(Span, String)> {
    let [status, file] = words else { return None };
    if !ANSWERS.contains(&status.text.as_str()) {
        return Some((status.place, format!("`{}` is none of: {}", status.text, ANSWERS.join(", "))));
    }
    let reason = "no file is read that a text names, so it cannot be said whether haproxy takes this one";
    (file.text != "/dev/null").then(|| (file.place, reason.to_owned()))
}
