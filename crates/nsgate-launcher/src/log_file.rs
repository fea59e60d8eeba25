//! A log that is a file (`--log-file` of the original): appended to, and opened while the process may still do that.
//!
//! Never through a link, never into what is not a plain file of root's or the gate's user with one name. The gate keeps
//! one descriptor that can do nothing but append: no path, no reading, no truncating.

use crate::{
    LaunchError,
    file_kind::{kind, kind_name},
    pinned::Pinned,
    trust::Trust,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat},
    unistd::{dup2_stderr, fchown},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::Ids;

/// Where the log is.
#[derive(Debug)]
pub(crate) struct PinnedLogFile {
    place: Pinned,
    /// Whose it may be, and whose group reads it.
    ids: Ids,
}

impl PinnedLogFile {
    /// Pins the directory and looks at what has the name: nothing, or a log of before.
    pub(crate) fn pin(path: &AbsolutePath, trust: &Trust) -> Result<Self, LaunchError> {
        let place = Pinned::walk(path, trust, "log file")?;
        let log = Self { place, ids: *trust.ids() };
        if let Some(found) = log.place.found()? {
            log.check_log_file(&found)?;
        }
        Ok(log)
    }

    /// Opens it in the place of standard error.
    pub(crate) fn take(&self) -> Result<(), LaunchError> {
        let failed = |error: Errno| self.place.wrong(&format!("the file cannot be opened: {error}"));
        // O_NONBLOCK: should a FIFO have taken the name meanwhile, opening it must not wait (open(2)).
        let flags = OFlag::O_WRONLY
            | OFlag::O_APPEND
            | OFlag::O_NOFOLLOW
            | OFlag::O_NONBLOCK
            | OFlag::O_NOCTTY
            | OFlag::O_CLOEXEC;
        let own = Mode::from_bits_truncate(0o600);
        let open = |more| openat(self.place.directory(), self.place.name(), flags | more, own);
        // Whether it is new is the kernel's word: what has taken the name a moment ago is not to be given another mode.
        let (file, fresh) = match open(OFlag::O_CREAT | OFlag::O_EXCL) {
            Ok(file) => (file, true),
            Err(Errno::EEXIST) => (open(OFlag::empty()).map_err(failed)?, false),
            Err(error) => return Err(failed(error)),
        };
        // What was opened counts, not what was there a moment ago.
        self.check_log_file(&fstat(&file).map_err(failed)?)?;
        if fresh {
            // The agent's group reads it. Where that cannot be, root still does.
            let _ = fchown(&file, None, Some(self.ids.gid));
            fchmod(&file, Mode::from_bits_truncate(0o640)).map_err(failed)?;
        }
        dup2_stderr(&file).map_err(failed)
    }

    fn check_log_file(&self, found: &FileStat) -> Result<(), LaunchError> {
        let reason = if kind(found.st_mode) != SFlag::S_IFREG {
            format!("this is {}; a log is a plain file: name another", kind_name(found.st_mode))
        } else if found.st_uid != 0 && found.st_uid != self.ids.uid.as_raw() {
            format!(
                "this file belongs to uid {}, neither root nor the gate's user; it is left alone: move it \
                 away, or name another file",
                found.st_uid
            )
        } else if found.st_nlink > 1 {
            format!("this file has {} names (hard links); a log has one: move it away", found.st_nlink)
        } else {
            return Ok(());
        };
        Err(self.place.wrong(&reason))
    }
}
