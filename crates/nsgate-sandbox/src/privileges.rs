//! Groups, ids and capabilities go, in the one order in which each step can still be taken; then the kernel is asked
//! what is left, and the way back is tried.

use crate::{Error, Result, sys};
use caps::CapSet;
use nix::{
    errno::Errno,
    sys::{prctl, signal::Signal},
    unistd::{Gid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid},
};
use std::io;

/// Who a process is afterwards. Numbers that were resolved once; which ones are acceptable is the caller's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Real, effective and saved user.
    pub uid: Uid,
    /// Real, effective and saved group; there are no others.
    pub gid: Gid,
}

/// Root has no special rights, capabilities do not survive a change of user, none becomes ambient; all locked
/// (`SECBIT_*`, capabilities(7)). `SECBIT_NO_SETUID_FIXUP` stays off: the change of user shall take capabilities away.
const SECUREBITS: libc::c_ulong = 0x01 | 0x02 | 0x08 | 0x20 | RAISING;
/// `SECBIT_NO_CAP_AMBIENT_RAISE` and its lock.
const RAISING: libc::c_ulong = 0x40 | 0x80;

/// What to do for a process that is started without privileges.
const EMPTY: &str = "without CAP_SETPCAP no process empties it: start it with an empty bounding set (CapabilityBoundingSet= of the unit)";

/// What could not be given away.
pub(crate) struct Remainder {
    /// One sentence each.
    pub(crate) shortfalls: Vec<String>,
    /// The list of groups is not empty.
    pub(crate) groups: bool,
}

/// What a process begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitialPrivileges {
    /// It may give everything away.
    Privileged,
    /// The same, but that a user namespace forbids setgroups(2) for good.
    GroupsDenied,
    /// Nothing: it is who it shall be already.
    Unprivileged,
}

/// Drops everything, or proves that there is nothing to drop.
pub(crate) fn drop_all(ids: &Ids, start: InitialPrivileges, dies_with_parent: bool) -> Result<Remainder> {
    let mut left = match start {
        InitialPrivileges::Unprivileged => prove_unprivileged(ids)?,
        _ => give_away(ids, start == InitialPrivileges::GroupsDenied)?,
    };
    prctl::set_no_new_privs().map_err(failed("prctl(PR_SET_NO_NEW_PRIVS)", "the kernel is older than Linux 3.5"))?;
    prctl::set_dumpable(false).map_err(failed("prctl(PR_SET_DUMPABLE)", "this cannot fail on Linux"))?;
    match sys::set_mdwe().and_then(|()| sys::mdwe()) {
        Ok(took) => holds("memory that denies write and execute (PR_GET_MDWE)", true, took)?,
        Err(error) => left
            .shortfalls
            .push(format!("written memory may become executable: prctl(PR_SET_MDWE): {error} (Linux 6.3 has it)")),
    }
    if dies_with_parent {
        // After the ids: a change of user forgets it (prctl(2)).
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(failed("prctl(PR_SET_PDEATHSIG)", "this cannot fail on Linux"))?;
    }
    read_back(ids, !left.groups)?;
    no_way_back(ids)?;
    Ok(left)
}

/// Groups, capabilities and ids go.
fn give_away(ids: &Ids, groups_denied: bool) -> Result<Remainder> {
    let kept = groups(groups_denied)?;
    let mut shortfalls = others(&kept, ids, "the user namespace forbids setgroups(2) for good");
    // Bounding and ambient before the ids: CAP_SETPCAP goes with the user.
    clear(CapSet::Ambient, "prctl(PR_CAP_AMBIENT_CLEAR_ALL)")?;
    clear(CapSet::Bounding, "prctl(PR_CAPBSET_DROP)")?;
    if let Err(error) = sys::set_securebits(SECUREBITS) {
        shortfalls.push(format!("securebits are not locked: prctl(PR_SET_SECUREBITS): {error}"));
    }
    let advice = |error, capability, unknown| if error == Errno::EPERM { capability } else { unknown };
    setresgid(ids.gid, ids.gid, ids.gid).map_err(|error| {
        let unknown = "the group must be one that this namespace knows";
        failed("setresgid", advice(error, "start as root, or with CAP_SETGID", unknown))(error)
    })?;
    setresuid(ids.uid, ids.uid, ids.uid).map_err(|error| {
        let unknown = "the user must be one that this namespace knows";
        failed("setresuid", advice(error, "start as root, or with CAP_SETUID", unknown))(error)
    })?;
    clear(CapSet::Inheritable, "capset(inheritable)")?;
    clear(CapSet::Effective, "capset(effective)")?;
    clear(CapSet::Permitted, "capset(permitted)")?;
    Ok(Remainder { shortfalls, groups: !kept.is_empty() })
}

/// Nothing can be given away, and only what its start has left to the process is looked at here; the rest is read
/// back as it is after a drop.
fn prove_unprivileged(ids: &Ids) -> Result<Remainder> {
    if (0..64).any(|capability| sys::bounding_has(capability) == Ok(true)) {
        return Err(failed("prctl(PR_CAPBSET_DROP)", EMPTY)(Errno::EPERM));
    }
    let kept = getgroups().map_err(failed("getgroups", "this cannot fail on Linux"))?;
    let mut shortfalls = others(&kept, ids, "without CAP_SETGID no process gives a group away");
    // Who may raise nothing has no use for the two bits about raising.
    let wanted = SECUREBITS & !RAISING;
    let found = sys::securebits().map_err(failed("prctl(PR_GET_SECUREBITS)", "this cannot fail on Linux"))?;
    if found & wanted != wanted {
        shortfalls.push(format!("securebits are {found:#x} and not {wanted:#x} (SecureBits= of the unit)"));
    }
    Ok(Remainder { shortfalls, groups: !kept.is_empty() })
}

/// Groups that stay. The group itself may be in the list: it is nothing that the process does not have.
fn others(kept: &[Gid], ids: &Ids, why: &str) -> Vec<String> {
    let count = kept.iter().filter(|gid| **gid != ids.gid).count();
    (count > 0).then(|| format!("{count} supplementary groups are kept: {why}")).into_iter().collect()
}

/// Whether this process has no capability that it could use: it is not root, and was started with none.
///
/// # Errors
/// The kernel does not say.
pub fn none() -> Result<bool> {
    let sets = sys::capget().map_err(failed("capget", "this cannot fail on Linux"))?;
    Ok(sets == sys::Sets { effective: 0, permitted: 0, inheritable: 0 } && !Uid::effective().is_root())
}

/// Gives the groups away, and returns those that a user namespace forbids to give away.
fn groups(denied: bool) -> Result<Vec<Gid>> {
    match setgroups(&[]) {
        Ok(()) => Ok(Vec::new()),
        Err(Errno::EPERM) if denied => getgroups().map_err(failed("getgroups", "this cannot fail on Linux")),
        Err(error) => Err(failed("setgroups", "start as root, or with CAP_SETGID")(error)),
    }
}

fn clear(set: CapSet, call: &'static str) -> Result<()> {
    caps::clear(None, set).map_err(|error| Error::Drop {
        call,
        source: io::Error::other(error.to_string()),
        advice: "start as root, or with CAP_SETPCAP",
    })
}

fn read_back(ids: &Ids, groups_empty: bool) -> Result<()> {
    let uid = getresuid().map_err(failed("getresuid", "this cannot fail on Linux"))?;
    holds("the user", (ids.uid, ids.uid, ids.uid), (uid.real, uid.effective, uid.saved))?;
    let gid = getresgid().map_err(failed("getresgid", "this cannot fail on Linux"))?;
    holds("the group", (ids.gid, ids.gid, ids.gid), (gid.real, gid.effective, gid.saved))?;
    if groups_empty {
        let groups = getgroups().map_err(failed("getgroups", "this cannot fail on Linux"))?;
        holds("the list of groups", Vec::new(), groups)?;
    }
    let sets = sys::capget().map_err(failed("capget", "this cannot fail on Linux"))?;
    holds("the capability sets", sys::Sets { effective: 0, permitted: 0, inheritable: 0 }, sets)?;
    for capability in 0..64 {
        match sys::bounding_has(capability) {
            Ok(found) => holds("the bounding set", false, found)?,
            // Past the last capability this kernel knows.
            Err(_) => break,
        }
        if let Ok(found) = sys::ambient_has(capability) {
            holds("the ambient set", false, found)?;
        }
    }
    holds("no_new_privs", Ok(true), prctl::get_no_new_privs())?;
    holds("dumpable", Ok(false), prctl::get_dumpable())
}

fn no_way_back(ids: &Ids) -> Result<()> {
    let root = Uid::from_raw(0);
    if ids.uid != root && setresuid(root, root, root).is_ok() {
        return Err(Error::WayBack { call: "setresuid(0, 0, 0)" });
    }
    let wheel = Gid::from_raw(0);
    if ids.gid != wheel && setresgid(wheel, wheel, wheel).is_ok() {
        return Err(Error::WayBack { call: "setresgid(0, 0, 0)" });
    }
    if sys::capset(sys::Sets { effective: 1, permitted: 1, inheritable: 0 }).is_ok() {
        return Err(Error::WayBack { call: "capset(CAP_CHOWN)" });
    }
    Ok(())
}

fn holds<T: PartialEq + std::fmt::Debug>(what: &'static str, expected: T, found: T) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::StillHolds { what, expected: format!("{expected:?}"), found: format!("{found:?}") })
}

fn failed(call: &'static str, advice: &'static str) -> impl Fn(Errno) -> Error {
    move |source| Error::Drop { call, source: source.into(), advice }
}
