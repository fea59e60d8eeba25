//! Readiness for systemd (sd_notify(3)).

use crate::terminal::complain;
use nsgate_launcher::tell_manager;

/// Tells systemd, if it asked (`NOTIFY_SOCKET`), that the gate serves. The gate does so already, and its supervisor waits no
/// longer than a few seconds: a service manager that cannot be reached will find out by its own time-out.
pub(crate) fn ready() {
    if let Err(error) = tell_manager("READY=1") {
        complain!("the service manager does not take READY=1: {error}; its own time-out decides");
    }
}
