//! Step 7: the pid file.
//!
//! Written as a new file in a directory of its own and renamed over a stale one, through a directory that was pinned; never
//! through a link, never over a directory or a stranger's file. Removed only if it is still the file that was written.

use crate::{
    LaunchError,
    file_kind::{kind, kind_name},
    pinned::Pinned,
    private_directory::{Failed, PrivateDirectory, device_and_inode, remove_if_same},
    trust::Trust,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::likely;
use std::{fs::File, io::Write, os::fd::BorrowedFd};

/// The file's name before it has its own.
const NEW: &str = "pid";

/// Where the pid file is.
#[derive(Debug)]
pub(crate) struct PidFile {
    place: Pinned,
    trust: Trust,
}

/// Which file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl PidFile {
    /// Pins the directory and looks at what has the name: nothing, or a stale file that may be replaced.
    pub(crate) fn pin(path: &AbsolutePath, trust: &Trust) -> Result<Self, LaunchError> {
        let place = Pinned::walk(path, trust, "pid file")?;
        let file = Self { place, trust: trust.clone() };
        file.place.found()?.map_or(Ok(()), |found| file.stale(&found))?;
        Ok(file)
    }

    /// Whether what was found may be replaced.
    fn stale(&self, found: &FileStat) -> Result<(), LaunchError> {
        if kind(found.st_mode) != SFlag::S_IFREG {
            let what = kind_name(found.st_mode);
            return Err(self.place.wrong(&format!("this is {what}; a pid file is a plain file: remove it")));
        }
        if !self.trust.user(found.st_uid) {
            let reason = format!(
                "this file belongs to uid {}, neither root nor the gate's user; it is left alone: remove it, or name another file",
                found.st_uid
            );
            return Err(self.place.wrong(&reason));
        }
        Ok(())
    }

    /// The directory that it is written in.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.place.directory()
    }

    /// Writes `pid`.
    pub(crate) fn write(&self, pid: i32) -> Result<Created, LaunchError> {
        let above = self.place.directory();
        let private = PrivateDirectory::make(above).map_err(|failed| self.unwritten(failed))?;
        let written = self.create(&private, pid).map_err(|failed| self.unwritten(failed)).and_then(|created| {
            // It may have come since it was looked at first.
            self.place.found()?.map_or(Ok(()), |found| self.stale(&found))?;
            let published = private.publish(NEW, above, self.place.name());
            published.map(|()| created).map_err(|failed| self.unwritten(failed))
        });
        private.remove(above, NEW);
        written
    }

    fn unwritten(&self, (_, error): Failed) -> LaunchError {
        let advice = match error {
            Errno::ENOSPC | Errno::EDQUOT => "make room there, or name another place".to_owned(),
            error => likely("openat", error),
        };
        self.place.wrong(&format!("the file cannot be written: {error}; {advice}"))
    }

    fn create(&self, private: &PrivateDirectory, pid: i32) -> Result<Created, Failed> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let failed = |call| move |error| (call, error);
        let mode = Mode::from_bits_truncate(0o600);
        let descriptor = openat(private.directory(), NEW, flags, mode).map_err(failed("openat"))?;
        // The agent reads the file as another user.
        fchmod(&descriptor, Mode::from_bits_truncate(0o644)).map_err(failed("fchmod"))?;
        let mut file = File::from(descriptor);
        let written = writeln!(file, "{pid}");
        written.map_err(|error| ("write", error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))?;
        let (device, inode) = device_and_inode(&fstat(&file).map_err(failed("fstat"))?);
        Ok(Created { device, inode })
    }

    /// Removes the file if it is still the `created` one.
    pub(crate) fn remove(&self, Created { device, inode }: Created) {
        // What cannot be removed is a stale pid file, and those are replaced.
        remove_if_same(self.place.directory(), self.place.name(), (device, inode));
    }
}
