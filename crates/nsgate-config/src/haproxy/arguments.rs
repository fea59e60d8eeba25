//! Arguments of a keyword: one word, a number, none.

use super::words::Lexeme;
use crate::report::{Report, Span};

/// The largest `int` of haproxy.
pub(super) const MOST: i64 = i32::MAX as i64;

/// The place of a keyword.
pub(super) fn place(name: &[Lexeme]) -> Span {
    name.first().map(|word| word.place).unwrap_or_default()
}

/// The one argument of a keyword.
pub(super) fn one<'w>(
    report: &mut Report<'_>,
    name: &[Lexeme],
    arguments: &'w [Lexeme],
    form: &str,
) -> Option<&'w Lexeme> {
    match arguments {
        [word] => return Some(word),
        [] => report.error(place(name), format!("`{form}` lacks its value"), format!("write `{form}`")),
        [_, surplus, ..] => {
            report.error(surplus.place, format!("`{}` is not expected here", surplus.text), format!("write `{form}`"));
        }
    }
    None
}

/// The one argument of a keyword, a number within `range`.
pub(super) fn number(
    report: &mut Report<'_>,
    name: &[Lexeme],
    arguments: &[Lexeme],
    form: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Option<u32> {
    let word = one(report, name, arguments, form)?;
    let found = digits(&word.text).filter(|number| range.contains(number));
    if found.is_none() {
        let help = format!("write a number from {} to {}", range.start(), range.end());
        report.error(word.place, format!("`{}` is not a number that fits here", word.text), help);
    }
    found
}

/// Whether a word is a decimal number within the bounds.
pub(super) fn is_number(text: &str, least: i64, most: i64) -> bool {
    !text.starts_with('+') && text.parse().is_ok_and(|found| (least..=most).contains(&found))
}

/// A number of decimal digits and nothing else.
pub(super) fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Reports words behind an option that takes none. True if there are none.
pub(super) fn alone(report: &mut Report<'_>, arguments: &[Lexeme]) -> bool {
    if let Some(word) = arguments.first() {
        report.error(word.place, format!("`{}` is not expected here", word.text), "write the option alone");
    }
    arguments.is_empty()
}
