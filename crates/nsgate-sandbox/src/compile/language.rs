//! The language of a policy's text. POLICY.md explains it.

use crate::address::placeholder;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

/// One text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyText {
    /// The policies whose entries are this one's as well.
    #[serde(default)]
    pub(super) include: Vec<String>,
    /// Entries that no included policy has.
    #[serde(default)]
    pub(super) syscall: Vec<Addition>,
    /// Entries in the place of included ones.
    #[serde(default, rename = "override")]
    pub(super) overrides: Vec<Override>,
    /// Included entries that are none of this policy's.
    #[serde(default, rename = "drop")]
    pub(super) drops: Vec<Omission>,
}

/// A system call that is permitted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addition {
    pub(super) name: Spanned<String>,
    pub(super) reason: String,
    /// Why a run with every kind of traffic may not see it.
    #[serde(default)]
    pub(super) rare: String,
    #[serde(default)]
    pub(super) arch: Vec<String>,
    #[serde(default)]
    pub(super) when: Vec<Vec<Condition>>,
}

/// Another reason for an included entry, and with `when` other arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    pub(super) name: Spanned<String>,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) rare: String,
    pub(super) when: Option<Vec<Vec<Condition>>>,
}

/// An included entry that goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Omission {
    pub(super) name: Spanned<String>,
    pub(super) reason: String,
}

/// One condition on an argument.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Condition {
    arg: u8,
    #[serde(default)]
    mask: Option<u64>,
    #[serde(default)]
    equals: Option<u64>,
    /// Where the process has put this before the filter closes ([`crate::address`]), in the place of `equals`.
    #[serde(default)]
    address: Option<String>,
    /// The same in words.
    pub means: String,
}

impl Condition {
    /// As the compiler wants it.
    pub(super) fn rule(&self) -> Result<Value, String> {
        let index = self.arg;
        Ok(match (self.mask, self.equals, &self.address) {
            (Some(mask), Some(value), None) => {
                json!({ "index": index, "type": "dword", "op": { "masked_eq": mask }, "val": value })
            }
            (None, Some(value), None) => json!({ "index": index, "type": "dword", "op": "eq", "val": value }),
            (None, None, Some(name)) => {
                let place = placeholder(name).ok_or_else(|| format!("no address is called `{name}`"))?;
                json!({ "index": index, "type": "qword", "op": "eq", "val": place })
            }
            _ => {
                return Err(format!("argument {index} has either a number, with or without a mask, or an address"));
            }
        })
    }
}

/// Refuses an entry without a reason, and one that does not fit into a line.
pub(super) fn reasoned(reason: &str) -> Result<(), &'static str> {
    if reason.trim().is_empty() {
        return Err("it has no reason: say which code needs the call, and when");
    }
    if reason.contains(['\n', '\t']) {
        return Err("its reason has a tab or a second line; write one line");
    }
    Ok(())
}

/// The line of a text in which this stands, from 1 on.
pub(super) fn line(text: &str, name: &Spanned<String>) -> usize {
    text.bytes().take(name.span().start).filter(|byte| *byte == b'\n').count() + 1
}
