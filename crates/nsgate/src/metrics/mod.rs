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
pub(crate) use wanted::{DIRECTORIES, configurations, networks as wanted};

use crate::overview;
use std::path::PathBuf;

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The pool's metrics socket.
    pub(crate) pool: PathBuf,
    /// Whether a pool is to be there: else none is where its socket is not.
    pub(crate) pool_wanted: bool,
    /// State directories of Neutron's agents.
    pub(crate) state: Vec<PathBuf>,
    /// Most networks that are told of.
    pub(crate) most: usize,
}

/// The page as it is now.
///
/// # Errors
/// `/proc` cannot be listed.
pub(crate) fn page(sources: &Sources) -> Result<String, String> {
    let overview = overview::look()?;
    let pool = pool::page(sources);
    let wanted = wanted::networks(&sources.state);
    Ok(text::of(&overview, pool, &wanted, sources.most))
}
