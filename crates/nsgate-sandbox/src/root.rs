//! The root directory that a process stands in.

use crate::{GivenRoot, SmallRoot};

/// The root that a process keeps for the rest of its life.
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    /// A small root ([`small_root`](crate::small_root)): what [`Policy::in_small_root`](crate::Policy::in_small_root) wants.
    Small(&'a SmallRoot),
    /// One that a service manager put together for a process without privileges ([`Policy::unprivileged`](crate::Policy::unprivileged)).
    Given(&'a GivenRoot),
    /// The root it was started in. Landlock and the filter alone keep files away.
    Kept,
}
