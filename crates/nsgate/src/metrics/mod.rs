//! The metrics of a host: what every process has counted, and the page of its pool, as one text in the OpenMetrics format.
//!
//! Promises that labels are UUIDs, roles and reasons and nothing that a process or a guest chose, that they are bounded in
//! number, and that what was left out is said in the text.

mod pool;
mod socket;
mod text;
mod textfile;
mod wanted;

pub(crate) use socket::serve;
pub(crate) use textfile::write;
pub(crate) use wanted::{DIRECTORIES, STATE, configurations, networks as wanted, unread};

use crate::overview;
use std::path::PathBuf;
use wanted::Wanted;

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The pool's metrics socket.
    pub(crate) pool: PathBuf,
    /// Whether a pool is to be there: else none is where its socket is not.
    pub(crate) pool_wanted: bool,
    /// State directories of Neutron's agents.
    pub(crate) state: Vec<PathBuf>,
    /// Whether the command line says which: else they are where they usually are, if they are.
    pub(crate) said: bool,
    /// Most networks that are told of.
    pub(crate) most: usize,
}

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// In the OpenMetrics text format.
    pub(crate) text: String,
    /// What could not be looked at, and is counted in the text: one sentence each.
    pub(crate) unseen: Vec<String>,
}

/// The page as it is now.
///
/// # Errors
/// `/proc` cannot be listed.
pub(crate) fn page(sources: &Sources) -> Result<Page, String> {
    let overview = overview::look()?;
    let pool = pool::page(sources);
    let mut unseen = unread(&sources.state, sources.said);
    let wanted = Wanted { networks: wanted::networks(&sources.state), unread: unseen.len() };
    unseen.extend(pool.as_ref().and_then(|pool| pool.as_ref().err()).map(|why| format!("{why}: the pool is left out")));
    Ok(Page { text: text::of(&overview, pool, &wanted, sources.most), unseen })
}
