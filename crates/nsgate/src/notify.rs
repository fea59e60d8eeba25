//! systemd's protocols: readiness, and passed descriptors (sd_notify(3), sd_listen_fds(3)).

use std::os::fd::RawFd;

use crate::terminal::complain;
use nsgate_launcher::tell_manager;

/// Tells systemd, if it asked (`NOTIFY_SOCKET`), that the gate serves. The gate does so already, and its supervisor waits no
/// longer than a few seconds: a service manager that cannot be reached will find out by its own time-out.
pub(crate) fn ready() {
    if let Err(error) = tell_manager("READY=1") {
        complain!("the service manager does not take READY=1: {error}; its own time-out decides");
    }
}

/// The descriptors that systemd has passed, and their names: `unknown` where it says none (sd_listen_fds_with_names(3)).
///
/// # Errors
/// A sentence if the variables are invalid.
pub(crate) fn passed() -> Result<Vec<(RawFd, String)>, String> {
    // Read this first: reading the descriptors may remove the variables.
    let names = std::env::var("LISTEN_FDNAMES").ok();
    let passed: Vec<RawFd> = sd_notify::listen_fds().map_err(|error| format!("LISTEN_FDS: {error}"))?.collect();
    let names: Vec<String> = match names {
        Some(names) if !passed.is_empty() => names.split(':').map(str::to_owned).collect(),
        _ => vec!["unknown".to_owned(); passed.len()],
    };
    if names.len() == passed.len() {
        return Ok(passed.into_iter().zip(names).collect());
    }
    Err(format!("LISTEN_FDNAMES: {} names for {} descriptors", names.len(), passed.len()))
}
