//! Step 2, second half: whether this process has privileges to give up, or a service manager has started it without any.
//!
//! A managed kind alone may start unprivileged: it is handed its listeners, and its sockets. Promises that such a process is
//! the user that the configuration names already, that the manager has given it a directory of its own, and that no other
//! user can write there.

use crate::{LaunchError, pinned::Pinned, plan::Plan, trust::Trust};
use nix::{
    sys::prctl,
    unistd::{getresgid, getresuid},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::{Ids, unprivileged};
use std::os::fd::BorrowedFd;

/// The directory of an unprivileged process, which a service manager has made for it.
#[derive(Debug)]
pub(crate) struct RuntimeDirectory(Pinned);

/// Where that directory is (`RUNTIME_DIRECTORY`, systemd.exec(5)); read before the environment is cleared.
pub(crate) fn runtime_directory() -> Option<String> {
    std::env::var("RUNTIME_DIRECTORY").ok()
}

/// `None` in a process that has privileges to give up, or that should have had.
pub(crate) fn prove(
    plan: &Plan<'_>,
    ids: &Ids,
    directory: Option<String>,
) -> Result<Option<RuntimeDirectory>, LaunchError> {
    if !plan.managed || !unprivileged()? {
        return Ok(None);
    }
    // Others of the same user may attach to a process that was never root's, and from here on not to this one (ptrace(2)).
    prctl::set_dumpable(false).map_err(|source| LaunchError::Clean { call: "prctl(PR_SET_DUMPABLE)", source })?;
    let (uid, gid) = (ids.uid, ids.gid);
    let users = getresuid().is_ok_and(|are| [are.real, are.effective, are.saved] == [uid; 3]);
    let groups = getresgid().is_ok_and(|are| [are.real, are.effective, are.saved] == [gid; 3]);
    if !users || !groups {
        let found = (nix::unistd::geteuid(), nix::unistd::getegid());
        let reason = format!(
            "it is uid {uid} and gid {gid}, and this process was started without privileges as uid {} and gid {}: start it \
             as root, or as that user (User= and Group= of the unit)",
            found.0, found.1
        );
        return Err(LaunchError::Account { kind: "user", name: plan.process.user.to_string(), reason });
    }
    let directory = directory.ok_or_else(|| {
        LaunchError::Gate(
            "this process was started without privileges, and no service manager has given it a directory: start it as \
             root, or by a unit with RuntimeDirectory= (nsgate-pool.service)"
                .to_owned(),
        )
    })?;
    // What is walked to is the directory of a path.
    let inside = AbsolutePath::new(&format!("{directory}/name")).map_err(|reason| LaunchError::Path {
        purpose: "RUNTIME_DIRECTORY",
        path: directory.into(),
        reason: reason.to_string(),
    })?;
    Pinned::walk(&inside, &Trust::of(ids), "RUNTIME_DIRECTORY").map(RuntimeDirectory).map(Some)
}

impl RuntimeDirectory {
    /// The directory.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.0.directory()
    }
}
