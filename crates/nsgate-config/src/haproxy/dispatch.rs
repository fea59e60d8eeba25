//! One line within a section: its keyword is found in the table, and done.

use super::{
    keywords::{self, find},
    reader::HaproxyReader,
    rule::Rule,
    section::Section,
    shape::Shape,
    words::Word,
};
use crate::{report::Report, suggest::closest};

/// A line within a section.
pub(super) fn keyword(
    reader: &mut HaproxyReader,
    report: &mut Report<'_>,
    section: Section,
    first: &Word,
    words: &[Word],
) {
    let Some((keyword, length)) = find(section, words) else { return unknown(report, section, first, words) };
    let Some((name, arguments)) = words.split_at_checked(length) else { return };
    match keyword.rule {
        Rule::Understood(take) => take(reader, report, name, arguments),
        Rule::Harmless(shape) => harmless(reader, report, keyword.name, (shape, ""), first, arguments),
        Rule::Later(shape) => {
            let later = "; haproxy 2.6 refuses the word, a later one does not";
            harmless(reader, report, keyword.name, (shape, later), first, arguments);
        }
        Rule::Refused(reason) => report.error(first.place, format!("`{}` is refused: {reason}", keyword.name), ""),
    }
}

/// A keyword that changes nothing; `more` ends its warning.
fn harmless(
    reader: &mut HaproxyReader,
    report: &mut Report<'_>,
    name: &str,
    (shape, more): (Shape, &str),
    first: &Word,
    arguments: &[Word],
) {
    match shape.fault(first.place, arguments, &mut reader.once) {
        None => {
            let message = format!("`{name}` tunes what nsgate does not have: it changes nothing{more}");
            report.warning(first.place, message, "");
        }
        Some((place, reason)) => {
            let help = "it changes nothing here, but haproxy refuses what is wrong; leave the line out";
            report.error(place, format!("`{name}`: {reason}"), help);
        }
    }
}

fn unknown(report: &mut Report<'_>, section: Section, first: &Word, words: &[Word]) {
    if first.text.starts_with('.') {
        let help = "write the lines that shall hold, without a condition";
        return report.error(first.place, format!("`{}` is not accepted: a text has no conditions", first.text), help);
    }
    let known = keywords::names(section);
    let pair = words.iter().take(2).map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let families = ["option", "timeout", "http-request", "stats"];
    // In a family the second word is the one that is not known.
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
