//! One line of a section: finds its keyword in the table, and applies the keyword's rule.

use super::{
    keywords::{self, find},
    reader::HaproxyReader,
    rule::Rule,
    section::Section,
    shape::Shape,
    words::Lexeme,
};
use crate::{report::Report, suggest::closest};

/// Reads one line of a section.
pub(super) fn keyword(
    reader: &mut HaproxyReader,
    report: &mut Report<'_>,
    section: Section,
    first: &Lexeme,
    words: &[Lexeme],
) {
    let Some((keyword, length)) = find(section, words) else { return unknown(report, section, first, words) };
    let Some((name, arguments)) = words.split_at_checked(length) else { return };
    match keyword.rule {
        Rule::Understood(take) => take(reader, report, name, arguments),
        Rule::Harmless(shape) => {
            let message = format!("`{}` tunes what nsgate does not have: it changes nothing", keyword.name);
            without_effect(reader, report, keyword.name, (shape, message), first, arguments);
        }
        Rule::Unfollowed(shape, haproxy) => {
            let message = format!("`{}` is not followed: {haproxy}", keyword.name);
            without_effect(reader, report, keyword.name, (shape, message), first, arguments);
        }
        Rule::Later(shape) => {
            let message = format!(
                "`{}` tunes what nsgate does not have: it changes nothing; haproxy 2.6 refuses the word, a later one does not",
                keyword.name
            );
            without_effect(reader, report, keyword.name, (shape, message), first, arguments);
        }
        Rule::Refused(reason) => report.error(first.place, format!("`{}` is refused: {reason}", keyword.name), ""),
    }
}

/// Warns about a keyword that a gate does not follow. Arguments that haproxy refuses are an error.
fn without_effect(
    reader: &mut HaproxyReader,
    report: &mut Report<'_>,
    name: &str,
    (shape, message): (Shape, String),
    first: &Lexeme,
    arguments: &[Lexeme],
) {
    match shape.fault(first.place, arguments, &mut reader.once) {
        None => report.warning(first.place, message, ""),
        Some((place, reason)) => {
            let help = "it has no effect here, but haproxy refuses what is wrong; leave the line out";
            report.error(place, format!("`{name}`: {reason}"), help);
        }
    }
}

/// What to do about a word of haproxy's preprocessor.
pub(super) const NO_CONDITIONS: &str = "write the lines that shall hold, without a condition";

/// A word of haproxy's that chooses lines, or says something while it reads them (`.if`, `.notice`).
pub(super) fn conditions(word: &str) -> String {
    format!("`{word}` is not accepted: a text has no conditions, and no messages of its own")
}

fn unknown(report: &mut Report<'_>, section: Section, first: &Lexeme, words: &[Lexeme]) {
    if first.text.starts_with('.') {
        return report.error(first.place, conditions(&first.text), NO_CONDITIONS);
    }
    let known = keywords::names(section);
    let pair = words.iter().take(2).map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let families = ["option", "timeout", "http-request", "stats"];
    // In a family of keywords the second word is the unknown one.
    let (place, word) = match words.get(1) {
        Some(second) if families.contains(&first.text.as_str()) => (second.place, pair.as_str()),
        _ => (first.place, first.text.as_str()),
    };
    let meant = closest(word, known.iter().copied()).map(|word| format!("did you mean `{word}`? ")).unwrap_or_default();
    report.error(
        place,
        format!("`{word}` is not known in section `{}`", section.name()),
        format!("{meant}accepted here: {}", known.join(", ")),
    );
}
