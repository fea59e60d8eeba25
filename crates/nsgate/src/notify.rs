//! Readiness for systemd (sd_notify(3)).

/// Tells systemd, if it asked (`NOTIFY_SOCKET`), that the gate serves.
pub(crate) fn ready() {
    // A service manager that cannot be reached will find out by its own time-out; the gate serves all the same.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}
