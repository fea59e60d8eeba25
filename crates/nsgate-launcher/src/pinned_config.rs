//! The configuration of a host's proxy as a place: it is read once at the start, and again whenever its agent says so.
//!
//! The path is pinned like every other. Owner and mode of the file are asked for at every read.

use crate::{
    LaunchError,
    file_kind::{kind, kind_name},
    pinned::Pinned,
    rights::{READ, Rights, SEARCH},
    trust::Trust,
    written,
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::{Mode, SFlag},
};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::Ids;
use std::{os::fd::AsFd, path::Path};

/// Where the configuration is.
#[derive(Debug)]
pub(crate) struct PinnedConfig {
    place: Pinned,
}

impl PinnedConfig {
    /// Walks to the directory of `path` and looks at the file.
    pub(crate) fn pin(path: &Path, trust: &Trust) -> Result<Self, LaunchError> {
        let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
        // A relative path is meant from here.
        let absolute = std::path::absolute(path).map_err(|error| wrong(format!("getcwd: {error}")))?;
        let text = absolute.to_str().ok_or_else(|| wrong("the path is not UTF-8".to_owned()))?;
        let place =
            Pinned::walk(&AbsolutePath::new(text).map_err(|reason| wrong(reason.into()))?, trust, "configuration")?;
        let config = Self { place };
        match config.found().map_err(|reason| config.place.wrong(&reason))? {
            Some(found) => check_config_file(&found, trust).map_err(|reason| config.place.wrong(&reason))?,
            None => return Err(config.place.wrong("the file is gone again; start once it is there")),
        }
        Ok(config)
    }

    /// What has the name now.
    fn found(&self) -> Result<Option<Rights>, String> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = match openat(self.place.directory(), self.place.name(), flags, Mode::empty()) {
            Ok(found) => Rights::of(found.as_fd()),
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => Err(error),
        };
        found.map(Some).map_err(|error| error.to_string())
    }

    /// Why the gate's user could not read it anew, as far as modes and access control lists say: a sentence for the log.
    pub(crate) fn unreadable(&self, ids: &Ids) -> Option<String> {
        let directory = Rights::of(self.place.directory()).ok()?;
        let file = self.found().ok()??;
        let may = |rights: &Rights, bits| rights.permit_without_capabilities(ids.uid.as_raw(), ids.gid.as_raw(), bits);
        (!may(&directory, SEARCH) || !may(&file, READ)).then(|| {
            let path = self.place.path().display();
            format!("{path}: uid {} may not read this: SIGHUP will change nothing until it may", ids.uid)
        })
    }

    pub(crate) fn place(&self) -> &Pinned {
        &self.place
    }
}

/// Whether what was found may be believed: a plain file that only root and who is trusted can have written.
pub(crate) fn check_config_file(found: &Rights, trust: &Trust) -> Result<(), String> {
    if kind(found.mode) != SFlag::S_IFREG {
        return Err(format!("this is {}; a configuration is one plain file", kind_name(found.mode)));
    }
    written::check_owner(found, trust)
}
