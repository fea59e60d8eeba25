//! The metrics of a host: the counters of every process and the page of the pool, as one text in the OpenMetrics format.
//!
//! Promises that labels are UUIDs, roles and reasons, never text of a process or a guest; that their number is bounded; and that
//! the text counts what it leaves out.

mod hop;
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

/// Where the numbers come from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The pool's metrics socket.
    pub(crate) pool: PathBuf,
    /// Whether there must be a pool. Otherwise a missing socket means that there is none.
    pub(crate) pool_wanted: bool,
    /// State directories of Neutron's agents.
    pub(crate) state: Vec<PathBuf>,
    /// Whether the command line says which: else they are where they usually are, if they are.
    pub(crate) said: bool,
    /// Most networks in the page.
    pub(crate) most: usize,
}

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scrape {
    /// In the OpenMetrics text format.
    pub(crate) text: String,
    /// What could not be looked at, and is counted in the text: one sentence each.
    pub(crate) unseen: Vec<String>,
}

/// The page as it is now.
///
/// # Errors
/// `/proc` cannot be listed.
pub(crate) fn page(sources: &Sources) -> Result<Scrape, String> {
    let overview = overview::look()?;
    let mut unseen = unread(&sources.state, sources.said);
    let wanted = Wanted { networks: wanted::networks(&sources.state), unread: unseen.len() };
    let own = text::of(&overview, &wanted, sources.most);
    let pool = pool::page(sources, &text::own_families(&own));
    unseen.extend(pool.as_ref().and_then(|pool| pool.as_ref().err()).map(|why| format!("{why}: the pool is left out")));
    let text = match pool {
        Some(pool) => text::with_pool(&own, pool),
        None => own,
    };
    Ok(Scrape { text, unseen })
}
