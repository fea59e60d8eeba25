//! The haproxy dialect: every text that OpenStack Neutron wrote for a namespace since Pike, and nothing else.
//!
//! Promises that what is accepted means what it meant to haproxy. A word that tunes what nsgate does not have is
//! accepted with a warning, since deployers patch Neutron's templates; a word that could change who is served or what
//! is trusted, and a word that is not known, is refused with its place and with what is accepted there.

mod bind;
mod cli_socket;
mod cpu_map;
mod duration;
mod global;
mod header;
mod host;
mod keywords;
mod limiter;
mod proxy;
mod reader;
mod settings;
mod shape;
mod text;
mod tls_options;
mod tuning;
mod tuning_later;
mod words;

use crate::{Diagnostics, Parsed, report::Report, suggest::closest};
pub use host::{ParsedHost, is_host_proxy, parse_host};
use keywords::{Rule, Section, find};
use reader::Reader;
use shape::Shape;
use words::{Word, split};

/// Reads a configuration in haproxy's words; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the text, up to twenty errors.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Diagnostics> {
    let mut report = Report::new(file, text);
    let mut reader = Reader::default();
    for (number, line) in text::lines(&mut report, text) {
        match split(line, number) {
            Ok(words) => {
                if let Some((first, rest)) = words.split_first() {
                    read_line(&mut reader, &mut report, first, rest, &words);
                }
            }
            Err((place, reason, help)) => report.error(place, reason, help),
        }
    }
    let config = reader.finish(&mut report);
    report.finish(config).map(|(config, warnings)| Parsed { config, warnings })
}

fn read_line(reader: &mut Reader, report: &mut Report<'_>, first: &Word, rest: &[Word], words: &[Word]) {
    if let Some(section) = Section::named(&first.text) {
        return enter(reader, report, section, first, rest);
    }
    match reader.section {
        Some(section) => keyword(reader, report, section, first, words),
        None if reader.lost => {}
        None => {
            let message = format!("`{}` stands in no section", first.text);
            report.error(first.place, message, format!("begin with one of: {}", Section::names()));
        }
    }
}

/// A line within a section.
fn keyword(reader: &mut Reader, report: &mut Report<'_>, section: Section, first: &Word, words: &[Word]) {
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
    reader: &mut Reader,
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

fn enter(reader: &mut Reader, report: &mut Report<'_>, section: Section, first: &Word, rest: &[Word]) {
    let name = header::name(report, section, first.place, rest);
    reader.enter(section);
    match section {
        Section::Frontend => {
            // What follows belongs to a proxy of another kind; one message is enough.
            (reader.section, reader.lost) = (None, true);
            report.error(
                first.place,
                "`frontend` belongs to the host-wide metadata proxy, which is no gate",
                "a gate serves one network: `listen NAME` with one identity; a host is served under the haproxy name alone",
            );
        }
        Section::Listen if reader.listens => {
            report.error(first.place, "a second `listen`: a gate serves one network", "start one nsgate for each");
        }
        Section::Listen => {
            reader.listens = true;
            reader.name = name.map(|word| word.text.clone());
        }
        // Without a name the section is reported already, and what follows is about some table.
        Section::Backend => {
            let (text, place) = name.map_or(("", first.place), |word| (word.text.as_str(), word.place));
            reader.limiter.table(text, place);
        }
        Section::Global | Section::Defaults => {}
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

#[cfg(test)]
mod tests;
