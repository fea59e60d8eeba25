//! What systemd is told and what it passes (sd_notify(3), sd_listen_fds(3)).

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

/// The descriptors that systemd has passed, and their names.
///
/// # Errors
/// A sentence: the variables are there and mean nothing.
pub(crate) fn passed() -> Result<Vec<(RawFd, String)>, String> {
    let passed = sd_notify::listen_fds_with_names().map_err(|error| format!("LISTEN_FDS: {error}"))?;
    Ok(passed.collect())
}
