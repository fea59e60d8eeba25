//! Finds a pool that cannot be reached, because the directory of its socket was removed or replaced while it runs.
//!
//! Reads `/proc` and the pid file. Changes nothing.

use crate::plain_file::read_pid;
use nsgate_config::PoolConfig;
use nsgate_launcher::{expected, gates, whose};
use nsgate_sandbox::attest::{self, Holdings, WindowState, kinds::PACKET_LISTENER};
use std::{fs, path::Path};

/// The process of this pool that listens at a socket which no path leads to. `answers` says that a worker answers at the pool's
/// socket.
pub(crate) fn find(config: &PoolConfig, answers: bool) -> Option<i32> {
    let named = if answers { None } else { pid_file_process(config) };
    // Do not read gates and keepers: a host has thousands of them.
    let all = gates().unwrap_or_default().into_iter().filter(|pid| whose(*pid).is_none());
    let mut pools = all.filter_map(|pid| attest::process(pid, expected).ok()).filter(listens);
    pools.find(|one| is_lost(one, config, named)).map(|one| one.pid)
}

/// Whether the process in the pid file exists, so that a search is worth its cost.
pub(crate) fn is_named(config: &PoolConfig) -> bool {
    pid_file_process(config).is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

/// The message about it, with its remedy.
pub(crate) fn said(config: &PoolConfig, pid: i32) -> String {
    let socket = &config.pool.socket;
    format!(
        "{socket}: process {pid} is this pool's worker still, and no path leads to the socket at which it listens: the socket's \
         directory was removed or replaced. Nothing was started, and its networks are served. Put the old directory back in its \
         place and ask again; where it is gone, end the worker (`kill {pid}`; where systemd has started it, `systemctl restart`), \
         start the pool, and then each keeper anew: it serves by itself meanwhile (`nsgate doctor` names those that do not)"
    )
}

/// Whether the process takes handovers for a pool.
fn listens(one: &Holdings) -> bool {
    let is_pools = matches!(one.role, Some("worker" | "zygote"));
    is_pools && one.descriptors.as_ref().is_some_and(|all| all.contains_key(PACKET_LISTENER))
}

/// Whether the process was started for this socket, and the path now leads to another socket or to none. If the process does not
/// tell, as in earlier releases, the pid file says that it is this pool's.
fn is_lost(one: &Holdings, config: &PoolConfig, named: Option<i32>) -> bool {
    let path = config.pool.socket.as_path();
    let is_named = || named.is_some_and(|named| is_of(one.pid, named));
    let mut sockets = one.windows.iter().flatten().filter(|seen| seen.is_socket()).peekable();
    if sockets.peek().is_none() {
        return is_named();
    }
    let mut own = sockets.filter(|seen| seen.path.as_deref() == Some(path));
    own.any(|seen| match seen.state {
        WindowState::There => false,
        WindowState::Unknown => is_named(),
        WindowState::Removed | WindowState::Replaced | WindowState::Gone => true,
    })
}

/// The process in the pool's pid file.
fn pid_file_process(config: &PoolConfig) -> Option<i32> {
    let file = config.process.pid_file.as_ref()?;
    read_pid(file.as_path()).ok()?
}

/// Whether a process is `pid`, or a child of it: the pid file may hold the supervisor's pid.
fn is_of(pid: i32, named: i32) -> bool {
    let parent = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
    };
    pid == named || parent() == Some(named)
}
