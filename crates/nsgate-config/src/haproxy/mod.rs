//! The haproxy dialect: every text that OpenStack Neutron has written for a namespace since Pike, and nothing else.
//!
//! Promises that an accepted text means what it means to haproxy. A word that tunes what nsgate does not have is accepted
//! with a warning, since deployers patch Neutron's templates. A word that could change who is served or what is trusted is
//! refused, and so is an unknown word; the message has the place and the accepted words.

mod address;
mod arguments;
mod bind;
mod cli_socket;
mod cpu_map;
mod dispatch;
mod duration;
mod global;
mod header;
mod host;
mod keywords;
mod proxy;
mod rate_rules;
mod reader;
mod rule;
mod section;
mod settings;
mod shape;
mod stick_table;
mod text;
mod tls_options;
mod tuning;
mod tuning_later;
mod words;

use crate::{Diagnostics, Parsed, report::Report};
use dispatch::{NO_CONDITIONS, conditions, keyword};
pub use host::{ParsedHost, is_host_proxy, parse_host};
pub use keywords::{DialectKeyword, DialectMeaning, dialect};
use reader::HaproxyReader;
use section::Section;
use words::{Lexeme, split};

/// Reads a configuration in haproxy's words; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the text, up to twenty errors.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Diagnostics> {
    let mut report = Report::new(file, text);
    let mut reader = HaproxyReader::default();
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

fn read_line(reader: &mut HaproxyReader, report: &mut Report<'_>, first: &Lexeme, rest: &[Lexeme], words: &[Lexeme]) {
    if let Some(section) = Section::named(&first.text) {
        return enter(reader, report, section, first, rest);
    }
    match reader.section {
        Some(section) => keyword(reader, report, section, first, words),
        None if reader.lost => {}
        None if first.text.starts_with('.') => report.error(first.place, conditions(&first.text), NO_CONDITIONS),
        None => {
            let message = format!("`{}` stands in no section", first.text);
            report.error(first.place, message, format!("begin with one of: {}", Section::names()));
        }
    }
}

fn enter(reader: &mut HaproxyReader, report: &mut Report<'_>, section: Section, first: &Lexeme, rest: &[Lexeme]) {
    let name = header::name(report, section, first.place, rest);
    reader.enter(section);
    match section {
        Section::Frontend => {
            // The lines of the section belong to another kind of proxy: one message is enough.
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
        // A missing name is reported already. The lines of the section are read as those of a table.
        Section::Backend => {
            let (text, place) = name.map_or(("", first.place), |word| (word.text.as_str(), word.place));
            reader.rates.table(text, place);
        }
        Section::Global | Section::Defaults => {}
    }
}

#[cfg(test)]
mod tests;
