//! The pools: those that the site's settings or the command line name, and those of keepers that no worker serves.
//!
//! Promises one finding for one cause: what follows from it, for its keepers, has no remedy of its own.

use super::Finding;
use crate::{
    overview::{Overview, ProcessOverview},
    pool::hangs,
    site,
};
use nsgate_pool::{AskError, Listing, list};
use nsgate_sandbox::attest::SeenWindow;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

/// The default directory of a pool's socket.
const USUAL: &str = "/run/nsgate/pool.sock";
/// What a keeper sees the pool's socket by.
const WINDOW: &str = "/worker";
const REMEDY: &str = "start the pool: `systemctl start nsgate-pool`, or `nsgate pool` as before";

/// What was found of the pools, and what it explains.
#[derive(Debug, Default)]
pub(super) struct Pools {
    pub(super) findings: Vec<Finding>,
    /// Pools that do not serve, by their sockets, and why, in a few words.
    troubles: BTreeMap<PathBuf, &'static str>,
    /// Processes that these findings are about.
    told: BTreeSet<i32>,
}

impl Pools {
    pub(super) fn look(said: Option<&str>, overview: &Overview) -> Self {
        let mut pools = Self::default();
        let wanted = pools.wanted(said);
        for (socket, left) in left_behind(overview) {
            pools.left_behind(&socket, &left, overview);
        }
        let unserved = overview.processes.iter().filter(|one| is_unserved(one)).filter_map(socket_of);
        let sockets: BTreeSet<PathBuf> = wanted.into_iter().chain(unserved).collect();
        for socket in sockets {
            if !pools.troubles.contains_key(&socket) {
                pools.ask(&socket, overview);
            }
        }
        pools
    }

    /// Why no worker serves the network of this keeper, if that is known.
    pub(super) fn trouble_of(&self, keeper: &ProcessOverview) -> Option<String> {
        let socket = socket_of(keeper)?;
        self.troubles.get(&socket).map(|trouble| format!("{trouble} (the pool at {})", socket.display()))
    }

    /// Whether a finding is about this process already.
    pub(super) fn tells_of(&self, one: &ProcessOverview) -> bool {
        self.told.contains(&one.pid)
    }

    /// The pool's socket, where one is named, or stands where it does by default.
    fn wanted(&mut self, said: Option<&str>) -> Option<PathBuf> {
        if let Some(said) = said {
            return Some(PathBuf::from(said));
        }
        let usual = || Some(PathBuf::from(USUAL)).filter(|path| path.exists());
        match site::load() {
            // What is wrong with them is said where they are looked at.
            Err(_) => {
                self.findings
                    .push(Finding::note("pool", format!("which one agents use is not known: {} says it", site::PATH)));
                usual()
            }
            Ok(site) => match site.pool {
                Some(pool) => Some(pool.socket.as_path().to_owned()),
                None => {
                    let usual = usual();
                    self.findings.push(match usual {
                        Some(_) => {
                            Finding::note("pool", format!("agents do not use it: no `pool =` in {}", site::PATH))
                        }
                        None => Finding::ok("pool", "none: each network has a process of its own"),
                    });
                    usual
                }
            },
        }
    }

    /// Processes of a pool listen at a socket that no path leads to.
    fn left_behind(&mut self, socket: &Path, left: &[&ProcessOverview], overview: &Overview) {
        // A zygote ends its workers.
        let Some(first) = left.iter().find(|one| one.role == "zygote").or(left.first()) else { return };
        let (shown, pid) = (socket.display(), first.pid);
        self.told.extend(left.iter().map(|one| one.pid));
        let keepers =
            "then start each keeper anew that sees the old directory: docs/migration.md#a-pools-own-directory";
        if let Ok(listing) = list(socket) {
            self.answers(socket, &listing);
            let what = format!(
                "another pool answers at {shown}, and the {} of an earlier one ({pid}) is there still",
                first.role
            );
            self.findings.push(Finding::wrong("pool", what, format!("`kill {pid}`, {keepers}")));
            self.troubles.insert(socket.to_owned(), "its worker is that of an earlier pool");
            return;
        }
        let trouble = "no path leads to its socket";
        let what = format!(
            "no path leads to the socket at which the {} of the pool at {shown} listens ({pid}): its directory was removed or replaced{}",
            first.role,
            self.costs(socket, overview)
        );
        self.troubles.insert(socket.to_owned(), trouble);
        self.findings.push(Finding::wrong(
            "pool",
            what,
            format!(
                "put the old directory back in its place; where it is gone, `kill {pid}` (where systemd has started it, `systemctl \
                 stop` its unit and its socket's), start the pool, {keepers}"
            ),
        ));
    }

    /// Asks the pool that is to answer here.
    fn ask(&mut self, socket: &Path, overview: &Overview) {
        let shown = socket.display();
        let away = |error: &dyn std::fmt::Display| (format!("{shown}: {error}"), REMEDY.to_owned());
        let (trouble, (what, remedy)) = match fs::symlink_metadata(socket) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return self.findings.push(Finding::unseen("pool", format!("{shown}: {error}")));
            }
            Err(error) => ("none is there", away(&error)),
            Ok(found) if !found.file_type().is_socket() => {
                ("none is there", (format!("{shown} is no socket"), REMEDY.to_owned()))
            }
            Ok(found) => {
                if found.mode() & 0o002 != 0 {
                    let what = format!("every user may connect to {shown} (mode {:o})", found.mode() & 0o777);
                    self.findings.push(Finding::note("pool", what));
                }
                match list(socket) {
                    Ok(listing) => return self.answers(socket, &listing),
                    Err(error) if !nix::unistd::geteuid().is_root() => {
                        return self.findings.push(Finding::unseen("pool", format!("{shown}: {error}")));
                    }
                    Err(error) => self.silent(socket, &error),
                }
            }
        };
        self.troubles.insert(socket.to_owned(), trouble);
        let costs = self.costs(socket, overview);
        self.findings.push(Finding::wrong("pool", what + &costs, remedy));
    }

    fn answers(&mut self, socket: &Path, listing: &Listing) {
        let networks = match listing.networks.len() {
            1 => "1 network".to_owned(),
            many => format!("{many} networks"),
        };
        self.findings.push(Finding::ok("pool", format!("it answers at {} and serves {networks}", socket.display())));
        for worker in &listing.silent {
            let what = format!("worker {} does not answer ({})", worker.number, worker.reason);
            self.told.extend(hangs::stopped_parts(socket, Some(worker.number)));
            self.findings.push(Finding::wrong("pool", what, hangs::remedy(socket, Some(worker.number))));
        }
    }

    /// Why there is no answer at a socket that is there, and what to do.
    fn silent(&mut self, socket: &Path, error: &AskError) -> (&'static str, (String, String)) {
        let what = format!("no worker answers at {}: {error}", socket.display());
        if !hangs::is_silent(error) {
            return ("no worker answers", (what, REMEDY.to_owned()));
        }
        let stopped = hangs::stopped_parts(socket, None);
        let trouble = if stopped.is_empty() { "it does not answer" } else { "its process is stopped" };
        self.told.extend(stopped);
        (trouble, (what, hangs::remedy(socket, None)))
    }

    /// What it means for the networks of this pool's keepers.
    fn costs(&self, socket: &Path, overview: &Overview) -> String {
        let keepers = || overview.processes.iter().filter(|one| socket_of(one).is_some_and(|its| its == socket));
        let alone = keepers().filter(|one| serves_by_itself(one)).count();
        let by_none = keepers().filter(|one| waits(one)).count();
        let many = |count: usize, one: &str, more: &str| match count {
            0 => String::new(),
            1 => format!("; 1 {one}"),
            count => format!("; {count} {more}"),
        };
        many(alone, "keeper serves by itself", "keepers serve by themselves")
            + &many(by_none, "network is served by no process", "networks are served by no process")
    }
}

/// Whether a keeper serves its network in the place of a worker.
pub(super) fn serves_by_itself(one: &ProcessOverview) -> bool {
    one.role == "keeper" && one.counted.read().is_some_and(|read| read.serves)
}

/// Whether a keeper waits for a worker, and no process serves its network.
pub(super) fn waits(one: &ProcessOverview) -> bool {
    one.role == "keeper" && one.counted.read().is_some_and(|read| read.unserved && !read.serves)
}

/// Whether no worker serves a keeper's network.
fn is_unserved(one: &ProcessOverview) -> bool {
    serves_by_itself(one) || waits(one)
}

/// A keeper's view of the directory of its pool's socket.
pub(super) fn window_of(keeper: &ProcessOverview) -> Option<&SeenWindow> {
    keeper.windows.iter().find(|seen| keeper.role == "keeper" && seen.window == WINDOW)
}

/// The socket of a keeper's pool, as this process finds it.
fn socket_of(keeper: &ProcessOverview) -> Option<PathBuf> {
    window_of(keeper)?.path_here()
}

/// Processes of pools that take handovers at a socket which is not at its path, by that path. The first socket of a process is the
/// one for handovers.
fn left_behind(overview: &Overview) -> BTreeMap<PathBuf, Vec<&ProcessOverview>> {
    let mut all: BTreeMap<PathBuf, Vec<&ProcessOverview>> = BTreeMap::new();
    for one in &overview.processes {
        let first = one.windows.iter().find(|seen| seen.is_socket());
        if let Some(path) = first.filter(|seen| seen.is_lost()).and_then(SeenWindow::path_here) {
            all.entry(path).or_default().push(one);
        }
    }
    all
}
