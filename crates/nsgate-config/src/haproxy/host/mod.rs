//! The host-wide proxy in haproxy's words: one `frontend`, and for each instance an `acl`, a `use_backend`, a `backend`.
//!
//! Promises the same as the dialect of a gate: an accepted text means what it means to haproxy, and everything else is refused
//! with its place. The lines of an instance have one form, that of Neutron
//! (`neutron/agent/l2/extensions/metadata/host_metadata_proxy.py`). Ten thousand instances are read within milliseconds, since a
//! new instance waits for a reload before its first request.

mod instances;
mod line;

use super::{
    dispatch::{NO_CONDITIONS, conditions, keyword},
    header,
    reader::HaproxyReader,
    section::Section,
    settings::{ProxyTimeouts, RETRIES},
    text,
    words::split,
};
use crate::{
    Diagnostic, Diagnostics, Guards, HostConfig, HostProxy,
    report::{Report, Span},
};
use instances::HostLines;
use line::HostLine;

/// A host's configuration, and the warnings about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedHost {
    /// The configuration.
    pub config: HostConfig,
    /// What has no effect, in the order of the text.
    pub warnings: Vec<Diagnostic>,
}

/// Whether a text is for a host and not for one network: it has a `frontend`.
#[must_use]
pub fn is_host_proxy(text: &str) -> bool {
    text.lines().any(|line| line.split_ascii_whitespace().next() == Some("frontend"))
}

/// Reads a host's configuration; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the text, up to twenty errors.
pub fn parse_host(file: &str, text: &str) -> Result<ParsedHost, Diagnostics> {
    let mut report = Report::new(file, text);
    let mut reader = HaproxyReader::default();
    let mut collected = HostLines::default();
    for (number, content) in text::lines(&mut report, text) {
        let line = match HostLine::read(content, number) {
            Ok(line) => line,
            // What is said may be in quotes.
            Err((place, _)) if content.trim_start().starts_with('.') => {
                let word = content.split_whitespace().next().unwrap_or_default();
                report.error(place, conditions(word), NO_CONDITIONS);
                continue;
            }
            Err((place, reason)) => {
                report.error(place, reason, "write the word without quotes and escapes");
                continue;
            }
        };
        let Some(first) = line.first() else { continue };
        if let Some(section) = Section::named(first) {
            reader.enter(section);
            enter(&mut collected, &mut reader, &mut report, section, &line, content, number);
            continue;
        }
        match reader.section {
            Some(Section::Backend) => collected.backend_line(&mut report, &line),
            Some(Section::Frontend) if matches!(first, "acl" | "use_backend") => {
                collected.frontend_line(&mut report, &line);
            }
            Some(section) => settings(&mut reader, &mut report, section, content, number),
            None if first.starts_with('.') => report.error(line.place(0), conditions(first), NO_CONDITIONS),
            None => report.error(line.place(0), format!("`{first}` stands in no section"), "begin with `global`"),
        }
    }
    let config = finish(reader, collected, &mut report);
    report.finish(config).map(|(config, warnings)| ParsedHost { config, warnings })
}

fn enter<'t>(
    collected: &mut HostLines<'t>,
    reader: &mut HaproxyReader,
    report: &mut Report<'_>,
    section: Section,
    line: &HostLine<'t>,
    content: &str,
    number: usize,
) {
    if section == Section::Backend && collected.begin_backend(line, &reader.defaults) {
        return;
    }
    // The line was split once without an error.
    let words = split(content, number).unwrap_or_default();
    header::name(report, section, line.place(0), words.get(1..).unwrap_or_default());
    match section {
        Section::Frontend if collected.frontends > 0 => {
            report.error(line.place(0), "a second `frontend`: a host's proxy has one", "keep one of the two");
        }
        Section::Frontend => collected.frontends += 1,
        Section::Listen => report.error(
            line.place(0),
            "`listen` beside `frontend`: a process serves one network or one host",
            "start one nsgate for each",
        ),
        Section::Global | Section::Defaults | Section::Backend => {}
    }
}

/// Reads one of the few lines that are not about an instance, with the dialect of a gate.
fn settings(reader: &mut HaproxyReader, report: &mut Report<'_>, section: Section, content: &str, number: usize) {
    match split(content, number) {
        Ok(words) => {
            if let Some(first) = words.first() {
                keyword(reader, report, section, first, &words);
            }
        }
        Err((place, reason, help)) => report.error(place, reason, help),
    }
}

fn finish(mut reader: HaproxyReader, collected: HostLines<'_>, report: &mut Report<'_>) -> Option<HostConfig> {
    if reader.listeners.is_empty() {
        report.error(Span::default(), "there is no `bind`", "write `bind *:80` into section `frontend`");
    }
    reader.own.check(report);
    let process = reader.process(report);
    let found = collected.finish(report);
    let mut limits = reader.limits(report);
    // Nova reads a request to its end, in any number of pieces.
    limits.backend_request_bytes = limits.head_bytes.max(limits.backend_request_bytes);
    let found = found?;
    // The frontend connects to no server: its timeouts for one have no effect.
    let said = ProxyTimeouts { connect: found.patience.connect, server: found.patience.server, ..reader.own.timeouts };
    Some(HostConfig {
        proxy: HostProxy {
            listeners: reader.listeners,
            server: found.server,
            instances: found.instances,
            limits,
            timeouts: said.finish(report),
            retries: found.patience.retries.unwrap_or(RETRIES),
            monitor: reader.monitor,
            statistics: reader.statistics,
            guards: Guards::default(),
            trace: None,
        },
        process: process?,
    })
}

#[cfg(test)]
mod tests;
