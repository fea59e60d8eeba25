//! What proxies of older versions left in Neutron's state directory, and nothing else: a configuration, pid files.
//!
//! Every directory is pinned, every name compared (a plain file, root's or the named user's) before it is unlinked in
//! that directory. Nothing is followed, no directory is removed, and nothing of a proxy that still runs.

use crate::{
    LaunchError,
    file_kind::{kind, kind_name},
    pinned::Pinned,
    replace::NAMES,
    trust::Trust,
};
use nix::{
    sys::stat::SFlag,
    unistd::{UnlinkatFlags, unlinkat},
};
use nsgate_config::{AbsolutePath, Uuid};
use nsgate_sandbox::Ids;
use std::{fs, path::PathBuf};

/// What became of a file.
#[derive(Debug)]
pub enum Leftover {
    /// It is gone.
    Removed(PathBuf),
    /// It is as it was, and why.
    Kept(LaunchError),
}

/// What an operator names.
const STATE: &str = "it is state_path of neutron.conf, as this host sees it (of a container, its volume's place)";

/// Where Neutron's agents had their proxies' files: the configurations of Pike and later, and the pid files of
/// `neutron/agent/linux/external_process.py` without and with a service's name.
fn names(id: Uuid) -> [String; 4] {
    [
        format!("ns-metadata-proxy/{id}.conf"),
        format!("ovn-metadata-proxy/{id}.conf"),
        format!("external/pids/{id}.pid"),
        format!("external/pids/{id}.pid.haproxy"),
    ]
}

/// Removes what is left of network or router `id` below `state`. Beside root's files those of `ids.uid` count.
///
/// # Errors
/// There is no such directory, or a proxy of that network still runs: nothing was touched.
pub fn cleanup(state: &AbsolutePath, id: Uuid, ids: &Ids) -> Result<Vec<Leftover>, LaunchError> {
    let wrong = |reason| LaunchError::Path { purpose: "leftovers in", path: state.as_path().to_owned(), reason };
    match fs::metadata(state.as_path()) {
        Ok(found) if !found.is_dir() => return Err(wrong(format!("this is no directory; {STATE}"))),
        Err(error) => return Err(wrong(format!("{error}; {STATE}"))),
        Ok(_) => {}
    }
    if let Some(pid) = serving(id) {
        return Err(wrong(format!("process {pid} still serves {id}; end it first, and run this again")));
    }
    let found = names(id).into_iter().filter_map(|name| remove(state, &name, ids).transpose());
    Ok(found.map(|outcome| outcome.map_or_else(Leftover::Kept, Leftover::Removed)).collect())
}

/// `None` if there is nothing.
fn remove(state: &AbsolutePath, name: &str, ids: &Ids) -> Result<Option<PathBuf>, LaunchError> {
    let wrong = |reason| LaunchError::Path { purpose: "leftover", path: state.as_path().join(name), reason };
    let path = AbsolutePath::new(&format!("{state}/{name}")).map_err(|reason| wrong(reason.into()))?;
    let (parent, _) = path.split();
    if fs::symlink_metadata(parent).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Ok(None);
    }
    let place = Pinned::walk(&path, &Trust::of(ids), "leftover")?;
    let Some(found) = place.found()? else { return Ok(None) };
    if kind(found.st_mode) != SFlag::S_IFREG {
        return Err(place.wrong(&format!("this is {}, which no proxy left; it stays", kind_name(found.st_mode))));
    }
    if found.st_uid != 0 && found.st_uid != ids.uid.as_raw() {
        let reason = format!("this file belongs to uid {}; it stays. `--user` names whose files may go", found.st_uid);
        return Err(place.wrong(&reason));
    }
    unlinkat(place.directory(), place.name(), UnlinkatFlags::NoRemoveDir)
        .map_err(|error| place.wrong(&format!("unlinkat: {error}")))?;
    Ok(Some(place.path().to_owned()))
}

/// A process with a proxy's name and the network on its command line, as Neutron itself recognises one.
fn serving(id: Uuid) -> Option<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let id = id.to_string();
    let mut pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &i32| {
        // One that has ended meanwhile serves no network.
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (name, words) = (read("comm"), read("cmdline"));
        let named = NAMES.contains(&String::from_utf8_lossy(&name).trim());
        *pid != own && named && String::from_utf8_lossy(&words).contains(&id)
    })
}
