//! Whom a path may lead through, and whose files are believed.
//!
//! Root, and the user that the process becomes: what either may do, the start does for them. Beside them the users who could
//! have written the text that root obeys ([`crate::Written`]): they decide what the gate does in any case.

use nix::unistd::{Gid, Uid};
use nsgate_sandbox::Ids;

/// Users and groups.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    ids: Ids,
    /// Beside root.
    users: Vec<u32>,
    groups: Vec<u32>,
}

impl Trust {
    /// Root and the gate's user, with their groups.
    pub(crate) fn of(ids: &Ids) -> Self {
        Self { ids: *ids, users: vec![ids.uid.as_raw()], groups: vec![ids.gid.as_raw()] }
    }

    /// Root alone.
    pub(crate) fn root() -> Self {
        let ids = Ids { uid: Uid::from_raw(0), gid: Gid::from_raw(0) };
        Self { ids, users: Vec::new(), groups: Vec::new() }
    }

    /// The same and these users.
    pub(crate) fn and_users(mut self, uids: impl IntoIterator<Item = u32>) -> Self {
        self.users.extend(uids);
        self
    }

    /// Who the gate will be.
    pub(crate) fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Whether this user is root or trusted beside root.
    pub(crate) fn user(&self, uid: u32) -> bool {
        root(uid) || self.users.contains(&uid)
    }

    /// The same of a group.
    pub(crate) fn group(&self, gid: u32) -> bool {
        root(gid) || self.groups.contains(&gid)
    }
}

/// Root, or who root is when seen from inside a user namespace that does not map it: the kernel's overflow id.
pub(crate) fn root(id: u32) -> bool {
    id == 0 || id == unmapped_root()
}

/// Asks /proc now what a judgement may have to know when there is no /proc any more.
pub(crate) fn know_unmapped_root() {
    let _ = unmapped_root();
}

/// The id that stands for every id that this user namespace does not map (user_namespaces(7)). In the initial
/// namespace, where root is mapped, no user is trusted by it.
fn unmapped_root() -> u32 {
    static UNMAPPED: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *UNMAPPED.get_or_init(|| {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let maps_root = map.lines().any(|line| line.split_whitespace().next() == Some("0"));
        let overflow =
            std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok().and_then(|id| id.trim().parse().ok());
        if maps_root || map.is_empty() { 0 } else { overflow.unwrap_or(0) }
    })
}
