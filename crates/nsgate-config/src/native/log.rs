//! `[log]`: checks the keys, and writes them.

use super::{draft::DraftLog, toml_text::quoted, validator::Validator};
use crate::{AbsolutePath, Facility, Log, LogLevel};

/// Names of the levels, most severe first.
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warning", LogLevel::Warning),
    ("notice", LogLevel::Notice),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];

impl Validator<'_> {
    pub(super) fn log(&mut self, draft: &DraftLog) -> Option<Log> {
        let socket = match &draft.socket {
            Some(_) => self.optional("socket", &draft.socket, |path| AbsolutePath::new(path)),
            None => Some(AbsolutePath::usual_log()),
        };
        let facility = self.optional("facility", &draft.facility, |name| {
            Facility::named(name).ok_or_else(|| format!("not a facility; one of {}", Facility::names().join(", ")))
        });
        let level = self.optional("level", &draft.level, |name| {
            let found = LEVELS.iter().find(|(known, _)| known == name).map(|(_, level)| *level);
            found.ok_or_else(|| format!("not a level; one of {}", LEVELS.map(|(name, _)| name).join(", ")))
        });
        let tag = self.optional("tag", &draft.tag, |tag| {
            let fits = (1..=128).contains(&tag.len()) && !tag.contains(char::is_control);
            if fits { Ok(tag.clone()) } else { Err("a tag has 1 to 128 printable characters".to_owned()) }
        });
        Some(Log {
            socket: socket?,
            facility: facility.unwrap_or_default(),
            level: level.unwrap_or_default(),
            tag: tag.unwrap_or_else(|| "nsgate".to_owned()),
        })
    }
}

/// The table.
pub(super) fn render(log: &Log) -> String {
    let level = LEVELS.iter().find(|(_, level)| *level == log.level).map_or("info", |(name, _)| name);
    format!(
        "\n[log]\nsocket = {}\nfacility = \"{}\"\nlevel = \"{level}\"\ntag = {}",
        quoted(log.socket.as_str()),
        log.facility.name,
        quoted(&log.tag)
    )
}
