//! Landlock: no file, no TCP, no signal and no abstract socket beyond this process (landlock(7)).
//!
//! Everything that the running kernel knows is handled and nothing is allowed, but for what a policy asks for. The TCP ports that
//! it names may be connected to. Files in one directory may be read; which one, the filter says. From ABI 9 a connect to a UNIX socket by path
//! is a right of its own: it is allowed below the windows of the small root, or the openings of a given one. On older kernels the
//! root alone decides which sockets there are.

use crate::{Error, Result, Root, sys};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::{fs::File, io::ErrorKind, os::fd::BorrowedFd};

/// What Landlock enforces for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// Everything of this ABI version.
    Enforced(i32),
    /// This kernel has none, or it is switched off (`lsm=` on the kernel's command line).
    Absent,
}

/// The first ABI with each group of rights that a policy wants, and what is missing before it. UNIX connects by path
/// (ABI 9) are not among them: what a small root does not show cannot be connected to on any kernel.
const WANTED: [(i32, &str); 3] = [
    (4, "Landlock cannot refuse TCP before ABI 4 (Linux 6.7); what is refused of it, the filter refuses"),
    (5, "Landlock cannot refuse device ioctls before ABI 5 (Linux 6.10); the filter refuses ioctl"),
    (6, "Landlock cannot scope signals and abstract sockets before ABI 6 (Linux 6.12); the filter refuses kill"),
];

/// What is allowed all the same.
#[derive(Clone, Copy)]
pub(crate) struct AllowedAccess<'a> {
    /// Signals to a process outside the domain.
    pub(crate) signals: bool,
    /// Connections to these TCP ports.
    pub(crate) ports: &'a [u16],
    /// To read files below this directory.
    pub(crate) directory: Option<BorrowedFd<'a>>,
}

/// Restricts this thread, which must be the only one, and tries whether it took.
pub(crate) fn restrict(allowed: AllowedAccess<'_>, root: Root<'_>) -> Result<(Landlock, Vec<String>)> {
    let abi = match sys::landlock_abi() {
        Ok(abi) if abi > 0 => abi,
        _ => {
            return Ok((Landlock::Absent, missing(0)));
        }
    };
    let known = ABI::from(abi);
    enforce(allowed, root, known, abi)?;
    let missing = missing(abi);
    match File::open("/") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok((Landlock::Enforced(abi), missing)),
        Err(error) => Err(Error::StillOpens { found: error.to_string() }),
        Ok(_) => Err(Error::StillOpens { found: "a descriptor".to_owned() }),
    }
}

/// A domain of its own inside the one that this process is in already: signals and abstract sockets of its siblings are
/// out of reach. A kernel that knows no scopes (before ABI 6) gives none; there the filter alone refuses signals.
pub(crate) fn separate() -> Result<()> {
    let abi = sys::landlock_abi().unwrap_or(0);
    let known = ABI::from(abi);
    if known < ABI::V6 {
        return Ok(());
    }
    let refused = |source| Error::Landlock { abi, source };
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let ruleset = ruleset.scope(Scope::from_all(known)).map_err(refused)?.create().map_err(refused)?;
    let status = ruleset.restrict_self().map_err(refused)?;
    if status.ruleset != RulesetStatus::FullyEnforced || !status.no_new_privs {
        return Err(Error::LandlockPartial { abi, status: format!("{:?}", status.ruleset) });
    }
    Ok(())
}

/// What a kernel with this ABI cannot give, one sentence each; 0 is a kernel without Landlock.
pub(crate) fn missing(abi: i32) -> Vec<String> {
    if abi == 0 {
        return vec!["Landlock is not there: files are refused by the filter alone".to_owned()];
    }
    WANTED.iter().filter(|(first, _)| abi < *first).map(|(_, line)| (*line).to_owned()).collect()
}

fn enforce(allowed: AllowedAccess<'_>, root: Root<'_>, known: ABI, abi: i32) -> Result<()> {
    let refused = |source| Error::Landlock { abi, source };
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    ruleset = ruleset.handle_access(AccessFs::from_all(known)).map_err(refused)?;
    if known >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(known)).map_err(refused)?;
    }
    if known >= ABI::V6 {
        // A process that watches another signals it outside its own domain.
        let scopes = if allowed.signals { Scope::AbstractUnixSocket.into() } else { Scope::from_all(known) };
        ruleset = ruleset.scope(scopes).map_err(refused)?;
    }
    let mut created = ruleset.create().map_err(refused)?;
    for port in allowed.ports.iter().filter(|_| known >= ABI::V4) {
        created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(refused)?;
    }
    if let Some(directory) = allowed.directory {
        created = created.add_rule(PathBeneath::new(directory, AccessFs::ReadFile)).map_err(refused)?;
    }
    if let (true, Root::Small(small)) = (known >= ABI::V9, root) {
        for name in small.windows() {
            let window = PathFd::new(format!("/{name}")).map_err(|source| Error::LandlockWindow { name, source })?;
            created = created.add_rule(PathBeneath::new(window, AccessFs::ResolveUnix)).map_err(refused)?;
        }
    }
    if let (true, Root::Given(given)) = (known >= ABI::V9, root) {
        for (_, directory) in given.openings() {
            created = created.add_rule(PathBeneath::new(directory, AccessFs::ResolveUnix)).map_err(refused)?;
        }
    }
    let status = created.restrict_self().map_err(refused)?;
    if status.ruleset != RulesetStatus::FullyEnforced || !status.no_new_privs {
        return Err(Error::LandlockPartial { abi, status: format!("{:?}", status.ruleset) });
    }
    Ok(())
}
