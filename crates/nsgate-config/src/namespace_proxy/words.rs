//! Splits the command line into options, before their values are checked.
//!
//! Promises that each option is known, is given at most once, and has a value exactly if it takes one.

use crate::suggest::closest;
use std::{collections::BTreeMap, ffi::OsString};

/// Options with a value, in the spelling of Ocata's agents.
pub(super) const VALUES: [&str; 11] = [
    "network_id",
    "router_id",
    "pid_file",
    "metadata_port",
    "metadata_proxy_socket",
    "metadata_proxy_user",
    "metadata_proxy_group",
    "state_path",
    "log_file",
    "log_dir",
    "syslog_log_facility",
];

/// Options without a value. Each has a counterpart that begins with `no` (oslo.config, BoolOpt).
pub(super) const SWITCHES: [&str; 5] = ["daemonize", "metadata_proxy_watch_log", "use_syslog", "debug", "verbose"];

/// Longest value in bytes, longer than any path.
const LONGEST: usize = 8192;

/// The options of a command line.
#[derive(Debug, Default)]
pub(super) struct ProxyOptions {
    pub(super) values: BTreeMap<&'static str, String>,
    pub(super) switches: BTreeMap<&'static str, bool>,
    pub(super) version: bool,
    pub(super) help: bool,
}

/// Reads the words after the program's name.
pub(super) fn read_options(words: impl IntoIterator<Item = OsString>) -> Result<ProxyOptions, String> {
    let mut said = ProxyOptions::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let word = utf8(word)?;
        let long = match word.as_str() {
            "-d" => "debug",
            "-v" => "verbose",
            "-h" => "help",
            _ => word
                .strip_prefix("--")
                .ok_or_else(|| format!("`{word}` is not an option; options begin with `--`, for instance `--help`"))?,
        };
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let spelled = name.replace('-', "_");
        if let Some(known) = VALUES.into_iter().find(|known| *known == spelled) {
            let value = match attached {
                Some(value) => value,
                None => utf8(words.next().ok_or_else(|| format!("`--{name}` needs a value behind it"))?)?,
            };
            check_value(name, &value)?;
            if said.values.insert(known, value).is_some() {
                return Err(format!("`--{name}` is said twice; keep one of the two"));
            }
            continue;
        }
        if attached.is_some() && switch(&spelled).is_some() {
            return Err(format!("`--{name}` takes no value; write `--{name}`, or `--no{name}` for the contrary"));
        }
        if attached.is_some() && matches!(spelled.as_str(), "version" | "help") {
            return Err(format!("`--{name}` takes no value; write `--{name}`"));
        }
        match (switch(&spelled), spelled.as_str()) {
            (Some((known, on)), _) => {
                if said.switches.insert(known, on).is_some_and(|before| before != on) {
                    return Err(format!("`--{name}` and its contrary are both said; keep one of the two"));
                }
            }
            (None, "version") => said.version = true,
            (None, "help") => said.help = true,
            _ => return Err(unknown(name, &spelled)),
        }
    }
    Ok(said)
}

/// `daemonize` and `nodaemonize`.
fn switch(spelled: &str) -> Option<(&'static str, bool)> {
    let named = |name: &str| SWITCHES.into_iter().find(|known| *known == name);
    let off = || spelled.strip_prefix("no").and_then(named).map(|known| (known, false));
    named(spelled).map(|known| (known, true)).or_else(off)
}

fn check_value(name: &str, value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(format!("`--{name}` has an empty value; leave the option out if there is nothing to say"));
    }
    if value.len() > LONGEST {
        return Err(format!("the value of `--{name}` is {} bytes long; at most {LONGEST} are read", value.len()));
    }
    Ok(())
}

fn unknown(name: &str, spelled: &str) -> String {
    let known = VALUES.into_iter().chain(SWITCHES);
    let meant = closest(spelled, known).map(|word| format!("did you mean `--{word}`? ")).unwrap_or_default();
    format!("`--{name}` is not known; {meant}`--help` lists what is")
}

fn utf8(word: OsString) -> Result<String, String> {
    word.into_string().map_err(|word| format!("`{}` is not UTF-8", word.to_string_lossy()))
}
