//! The words of section `global`.

use super::{
    address::socket,
    arguments::{number, one, place},
    reader::HaproxyReader,
    words::Lexeme,
};
use crate::{AbsolutePath, Account, Facility, Log, LogLevel, report::Report};

/// haproxy's names of the severities (RFC 5424, table 2), most severe first.
const LEVELS: [(&str, LogLevel); 8] = [
    ("emerg", LogLevel::Error),
    ("alert", LogLevel::Error),
    ("crit", LogLevel::Error),
    ("err", LogLevel::Error),
    ("warning", LogLevel::Warning),
    ("notice", LogLevel::Notice),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];

pub(super) fn log(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let form = "write `log /dev/log FACILITY [LEVEL]`";
    let [path, facility, rest @ ..] = arguments else {
        return report.error(place(name), "`log` needs a socket and a facility", form);
    };
    let socket = match socket(&path.text) {
        Ok(socket) => socket,
        Err(reason) => {
            return report.error(
                path.place,
                reason,
                "the log is a UNIX datagram socket: a gate sends nothing over the network",
            );
        }
    };
    let Some(facility) = Facility::named(&facility.text) else {
        let names = Facility::names().join(", ");
        return report.error(
            facility.place,
            format!("`{}` is not a facility", facility.text),
            format!("one of: {names}"),
        );
    };
    if let Some(surplus) = rest.get(2) {
        return report.error(surplus.place, format!("`{}` is not expected here", surplus.text), form);
    }
    let mut levels = rest.iter().map(|word| level(report, word));
    // The first level is a bound. The optional second one is the most severe level that haproxy sends a line under.
    let (bound, gravest) = (levels.next(), levels.next());
    if [bound, gravest].contains(&Some(None)) {
        return;
    }
    if reader.log.is_some() {
        return report.warning(place(name), "a second `log`: a gate has one, the first", "");
    }
    if let (Some(word), Some(Some(0..=2))) = (rest.first(), bound) {
        let message = format!("errors are logged as well: a gate knows no level above `err`, such as `{}`", word.text);
        report.warning(word.place, message, "");
    }
    if let (Some(word), Some(Some(1..))) = (rest.get(1), gravest) {
        report.warning(word.place, "a gate sends each line under its own level, haproxy under this one at most", "");
    }
    let level = bound.flatten().and_then(|index| LEVELS.get(index)).map_or(LogLevel::Debug, |(_, level)| *level);
    reader.log = Some(Log { socket, facility, level, tag: String::new() });
}

/// The index of a severity.
fn level(report: &mut Report<'_>, word: &Lexeme) -> Option<usize> {
    let found = LEVELS.iter().position(|(known, _)| *known == word.text);
    if found.is_none() {
        let names = LEVELS.map(|(name, _)| name).join(", ");
        report.error(word.place, format!("`{}` is not a level", word.text), format!("one of: {names}"));
    }
    found
}

pub(super) fn log_tag(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(tag) = one(report, name, arguments, "log-tag TEXT") else { return };
    if tag.text.is_empty() || tag.text.len() > 128 || tag.text.contains(char::is_control) {
        return report.error(tag.place, "a tag has 1 to 128 printable characters", "");
    }
    reader.log_tag = Some(tag.text.clone());
}

pub(super) fn user(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    account(&mut reader.user, report, name, arguments, "user NAME");
}

pub(super) fn group(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    account(&mut reader.group, report, name, arguments, "group NAME");
}

fn account(slot: &mut Option<Account>, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme], form: &str) {
    let Some(word) = one(report, name, arguments, form) else { return };
    if slot.is_some() {
        return report.error(place(name), format!("a second `{form}`"), "name the user and the group of a gate once");
    }
    match Account::named(&word.text) {
        Ok(account) => *slot = Some(account),
        Err(reason) => {
            report.error(word.place, reason, "write an account's name; root is decided by the site's own settings")
        }
    }
}

pub(super) fn maxconn(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    if let Some(number) = number(report, name, arguments, "maxconn NUMBER", 1..=1_000_000) {
        if reader.connections.is_some() {
            return report.warning(
                place(name),
                "a second `maxconn`: the first one counts",
                "keep one of the two lines",
            );
        }
        reader.connections = Some(number);
    }
}

pub(super) fn nbthread(_: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    // A gate has one thread. The number is checked and has no other use.
    let _ = number(report, name, arguments, "nbthread NUMBER", 1..=64);
}

pub(super) fn pidfile(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(word) = one(report, name, arguments, "pidfile PATH") else { return };
    match AbsolutePath::new(&word.text) {
        Ok(_) if reader.pid_file.is_some() => {
            report.warning(place(name), "a second `pidfile`: the first one counts", "keep one of the two lines");
        }
        Ok(path) => reader.pid_file = Some(path),
        Err(reason) => report.error(word.place, reason, "write `pidfile /DIRECTORY/NAME`"),
    }
}

pub(super) fn daemon(reader: &mut HaproxyReader, report: &mut Report<'_>, _: &[Lexeme], arguments: &[Lexeme]) {
    match arguments.first() {
        None => reader.daemon = true,
        Some(word) => report.error(word.place, format!("`{}` is not expected here", word.text), "write `daemon` alone"),
    }
}
