//! The host-wide proxy in haproxy's words: one `frontend`, and for each instance an `acl`, a `use_backend`, a `backend`.
//!
//! Promises the same as the dialect of a gate: what is accepted means what it meant, and everything else is refused with
//! its place. What an instance's lines may say is one form, the one that Neutron writes
//! (`neutron/agent/l2/extensions/metadata/host_metadata_proxy.py`); ten thousand of them are read in a moment, since a
//! reload stands between a new instance and its first request.

mod instances;
mod line;

use super::{
    keywords::{Rule, Section, find, names},
    reader::Reader,
    words::split,
};
use crate::{
    Diagnostic, Diagnostics, Guards, HostConfig, HostProxy, Log, Process, SandboxLevel,
    report::{Place, Report},
};
use instances::Collected;
use line::Line;

/// A host's configuration, and what is odd about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedHost {
    /// What was asked for.
    pub config: HostConfig,
    /// What has no effect, in the order of the text.
    pub warnings: Vec<Diagnostic>,
}

/// Whether a text is meant for a host rather than for one network: it has a `frontend`.
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
    let mut reader = Reader::default();
    let mut collected = Collected::default();
    let mut section = None;
    for (index, content) in text.lines().enumerate() {
        let line = match Line::read(content, index + 1) {
            Ok(line) => line,
            Err((place, reason)) => {
                report.error(place, reason, "write the word without quotes and escapes");
                continue;
            }
        };
        let Some(first) = line.word(0) else { continue };
        if let Some(named) = Section::named(first) {
            section = Some(named);
            enter(&mut collected, &mut report, named, &line);
            continue;
        }
        match section {
            Some(Section::Backend) => collected.backend_line(&mut report, &line),
            Some(Section::Frontend) if matches!(first, "acl" | "use_backend") => {
                collected.frontend_line(&mut report, &line);
            }
            Some(section) => settings(&mut reader, &mut report, section, content, index + 1),
            None => report.error(line.place(0), format!("`{first}` stands in no section"), "begin with `global`"),
        }
    }
    let config = finish(reader, collected, &mut report);
    report.finish(config).map(|(config, warnings)| ParsedHost { config, warnings })
}

fn enter<'t>(collected: &mut Collected<'t>, report: &mut Report<'_>, section: Section, line: &Line<'t>) {
    match section {
        Section::Backend => collected.begin_backend(report, line),
        Section::Frontend if collected.frontends > 0 => {
            report.error(line.place(0), "a second `frontend`: a host's proxy has one", "keep one of the two");
        }
        Section::Frontend => collected.frontends += 1,
        Section::Listen => report.error(
            line.place(0),
            "`listen` beside `frontend`: a process serves one network or one host",
            "start one nsgate for each",
        ),
        Section::Global | Section::Defaults => {}
    }
}

/// The few lines that are not about an instance: the words of a gate's dialect.
fn settings(reader: &mut Reader, report: &mut Report<'_>, section: Section, content: &str, number: usize) {
    // The line was read once without an error; there is nothing else to say about it.
    let Ok(words) = split(content, number) else { return };
    let Some(first) = words.first() else { return };
    match find(section, &words) {
        Some((keyword, length)) => match keyword.rule {
            Rule::Understood(take) => {
                let Some((name, arguments)) = words.split_at_checked(length) else { return };
                take(reader, report, name, arguments);
            }
            Rule::Harmless => report.warning(
                first.place,
                format!("`{}` tunes what nsgate does not have: it changes nothing", keyword.name),
                "",
            ),
            Rule::Refused(reason) => report.error(first.place, format!("`{}` is refused: {reason}", keyword.name), ""),
        },
        None => report.error(
            first.place,
            format!("`{}` is not known in section `{}`", first.text, section.name()),
            format!("accepted here: {}", names(section).join(", ")),
        ),
    }
}

fn finish(reader: Reader, collected: Collected<'_>, report: &mut Report<'_>) -> Option<HostConfig> {
    let nowhere = Place::default();
    if reader.listeners.is_empty() {
        report.error(nowhere, "there is no `bind`", "write `bind *:80` into section `frontend`");
    }
    if reader.user.is_none() {
        let help = "write `user NAME` into section `global`";
        report.error(nowhere, "there is no `user`: haproxy would go on as root", help);
    }
    let mut timeouts = reader.timeouts;
    let found = collected.finish(report, &mut timeouts)?;
    let mut limits = reader.limits;
    if let Some(connections) = reader.proxy_connections {
        limits.connections = limits.connections.min(connections);
    }
    limits.connections_per_source = limits.connections_per_source.min(limits.connections);
    // Nova's own server reads a request to its end, whatever comes in whichever piece.
    limits.backend_request_bytes = limits.head_bytes.max(limits.backend_request_bytes);
    let tag = reader.log_tag.unwrap_or_else(|| "haproxy".to_owned());
    Some(HostConfig {
        proxy: HostProxy {
            listeners: reader.listeners,
            server: found.server,
            instances: found.instances,
            limits,
            timeouts,
            retries: found.retries,
            monitor: reader.monitor,
            statistics: reader.statistics,
            guards: Guards::default(),
            trace: None,
        },
        process: Process {
            user: reader.user?,
            group: reader.group,
            allow_root: false,
            daemon: reader.daemon,
            pid_file: reader.pid_file,
            netns: None,
            freebind: false,
            log: reader.log.map(|log| Log { tag, ..log }),
            audit: None,
            sandbox: SandboxLevel::default(),
        },
    })
}

#[cfg(test)]
mod tests;
