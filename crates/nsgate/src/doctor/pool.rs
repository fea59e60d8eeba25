//! The pool, where the site's settings or the command line say that there is one.

use super::Finding;
use crate::{pool::hangs, site};
use nsgate_pool::list;
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

/// Where a pool's socket stands by default.
const USUAL: &str = "/run/nsgate/pool.sock";
const REMEDY: &str = "start the pool: `systemctl start nsgate-pool`, or `nsgate pool` as before; keepers serve by themselves \
                      meanwhile, unless they may not (docs/pool.md)";

pub(super) fn look(said: Option<&str>) -> Vec<Finding> {
    let settings = || site::load().ok().and_then(|site| site.pool).map(|pool| pool.socket.as_path().to_owned());
    let wanted = said.map(PathBuf::from).or_else(settings);
    match wanted {
        Some(socket) => answers(&socket),
        None if Path::new(USUAL).exists() => {
            let mut all = answers(Path::new(USUAL));
            all.push(Finding::note("pool", format!("agents do not use it: no `pool =` in {}", site::PATH)));
            all
        }
        None => vec![Finding::ok("pool", "none: each network has a process of its own")],
    }
}

fn answers(socket: &Path) -> Vec<Finding> {
    let shown = socket.display();
    let found = match fs::symlink_metadata(socket) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return vec![Finding::unseen("pool", format!("{shown}: {error}"))];
        }
        Err(error) => return vec![Finding::wrong("pool", format!("{shown}: {error}"), REMEDY)],
    };
    if !found.file_type().is_socket() {
        return vec![Finding::wrong("pool", format!("{shown} is no socket"), REMEDY)];
    }
    let mut all = Vec::new();
    if found.mode() & 0o002 != 0 {
        let what = format!("anybody may connect to {shown} (mode {:o})", found.mode() & 0o777);
        all.push(Finding::note("pool", what));
    }
    match list(socket) {
        Ok(listing) => {
            all.push(Finding::ok(
                "pool",
                match listing.networks.len() {
                    1 => format!("it answers at {shown} and serves 1 network"),
                    many => format!("it answers at {shown} and serves {many} networks"),
                },
            ));
            for worker in &listing.silent {
                let what = format!("worker {} does not answer ({})", worker.number, worker.reason);
                all.push(Finding::wrong("pool", what, hangs::remedy(socket, Some(worker.number))));
            }
        }
        Err(error) if !nix::unistd::geteuid().is_root() => {
            all.push(Finding::unseen("pool", format!("{shown}: {error}")))
        }
        Err(error) => {
            let remedy = if hangs::is_silent(&error) { hangs::remedy(socket, None) } else { REMEDY.to_owned() };
            all.push(Finding::wrong("pool", format!("no worker answers at {shown}: {error}"), remedy));
        }
    }
    all
}
