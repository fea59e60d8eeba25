//! Step 7: the pid file (finding 4).
//!
//! Written as a new file and renamed over a stale one, through a directory that was pinned; never through a link,
//! never over a directory or a stranger's file. Removed only if it is still the file that was written.

use crate::{
    LaunchError,
    pinned::{Pinned, kind, kind_name},
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::{Mode, SFlag, fchmod, fstat},
    unistd::{UnlinkatFlags, unlinkat},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::Ids;
use std::{fs::File, io::Write};

/// Where the pid file is.
#[derive(Debug)]
pub(crate) struct PidFile {
    place: Pinned,
}

/// Which file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl PidFile {
    /// Pins the directory and looks at what has the name: nothing, or a stale file that may be replaced.
    pub(crate) fn pin(path: &AbsolutePath, ids: &Ids) -> Result<Self, LaunchError> {
        let place = Pinned::walk(path, ids, "pid file")?;
        let Some(found) = place.found()? else { return Ok(Self { place }) };
        if kind(&found) != SFlag::S_IFREG {
            return Err(place.wrong(&format!("this is {}; a pid file is a plain file: remove it", kind_name(&found))));
        }
        if found.st_uid != 0 && found.st_uid != ids.uid.as_raw() {
            let reason = format!(
                "this file belongs to uid {}, neither root nor the gate's user; it is left alone",
                found.st_uid
            );
            return Err(place.wrong(&reason));
        }
        Ok(Self { place })
    }

    /// Writes `pid`.
    pub(crate) fn write(&self, pid: i32) -> Result<Created, LaunchError> {
        let new = format!(".{}.{pid}", self.place.name());
        let written = self.create(&new, pid).and_then(|created| {
            let directory = self.place.directory();
            renameat(directory, new.as_str(), directory, self.place.name()).map(|()| created)
        });
        written.map_err(|error| {
            self.unlink(&new);
            let advice = match error {
                Errno::ENOSPC | Errno::EDQUOT => "; make room there, or name another place",
                _ => "",
            };
            self.place.wrong(&format!("the file cannot be written: {error}{advice}"))
        })
    }

    fn create(&self, name: &str, pid: i32) -> Result<Created, Errno> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let descriptor = openat(self.place.directory(), name, flags, Mode::from_bits_truncate(0o600))?;
        // The agent reads the file as another user than the one that wrote it.
        fchmod(&descriptor, Mode::from_bits_truncate(0o644))?;
        let mut file = File::from(descriptor);
        writeln!(file, "{pid}").map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        let status = fstat(&file)?;
        Ok(Created { device: status.st_dev, inode: status.st_ino })
    }

    /// Removes the file if it is still the one that was `created`.
    pub(crate) fn remove(&self, created: Created) {
        if let Ok(Some(found)) = self.place.found() {
            if (found.st_dev, found.st_ino) == (created.device, created.inode) {
                self.unlink(self.place.name());
            }
        }
    }

    fn unlink(&self, name: &str) {
        // What cannot be removed is a stale pid file, and those are replaced.
        let _ = unlinkat(self.place.directory(), name, UnlinkatFlags::NoRemoveDir);
    }
}
