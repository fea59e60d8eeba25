//! Checks a host: what is wrong, and what to do.
//!
//! Changes nothing, runs no program that it finds, and says what it could not check.

mod agents;
mod configurations;
mod hop;
mod host;
mod listeners;
mod networks;
mod pids;
mod pool;
mod processes;
mod state;

use serde::Serialize;
use std::path::PathBuf;

/// The level of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FindingLevel {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// The operator must act.
    Wrong,
    /// It could not be checked.
    Unseen,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: FindingLevel,
    /// The subject, in a word.
    pub(crate) about: &'static str,
    /// The level of a finding.
    pub(crate) what: String,
    /// What to do.
    #[serde(rename = "do")]
    pub(crate) remedy: Option<String>,
}

impl Finding {
    fn new(level: FindingLevel, about: &'static str, what: impl Into<String>) -> Self {
        Self { level, about, what: what.into(), remedy: None }
    }

    fn ok(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(FindingLevel::Ok, about, what)
    }

    fn note(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(FindingLevel::Note, about, what)
    }

    fn unseen(about: &'static str, what: impl Into<String>) -> Self {
        Self { remedy: Some("ask as root".to_owned()), ..Self::new(FindingLevel::Unseen, about, what) }
    }

    fn wrong(about: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::new(FindingLevel::Wrong, about, what) }
    }
}

/// Where to look.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// State directories of Neutron's agents.
    pub(crate) state: Vec<PathBuf>,
    /// Whether the command line names them. Otherwise they are the usual ones, and may be absent.
    pub(crate) said: bool,
    /// The pool's socket, if the command line says which.
    pub(crate) pool: Option<String>,
}

/// Most findings of one kind that are shown. The others are counted.
const MOST: usize = 10;

/// Makes every check.
///
/// # Errors
/// `/proc` cannot be listed.
pub(crate) fn look(places: &Places) -> Result<Vec<Finding>, String> {
    let overview = crate::overview::look()?;
    let mut all = host::look();
    all.extend(agents::look());
    let mut pools = pool::Pools::look(places.pool.as_deref(), &overview);
    all.append(&mut pools.findings);
    all.extend(state::look(&overview, places));
    let mut hop = hop::SecondHop::look(&overview);
    all.append(&mut hop.findings);
    all.extend(networks::look(&overview, places, &pools, &hop));
    all.extend(pids::look(&overview, places));
    Ok(all)
}

/// The first few, and how many more there are.
fn few(mut all: Vec<Finding>) -> Vec<Finding> {
    let more = all.len().saturating_sub(MOST);
    let last = all.last().map(|last| (last.level, last.about));
    all.truncate(MOST);
    if let (1.., Some((level, about))) = (more, last) {
        all.push(Finding::new(level, about, format!("and {more} more")));
    }
    all
}
