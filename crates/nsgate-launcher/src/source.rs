//! The configuration of a host's proxy as a place: it is read once at the start, and again whenever its agent says so.
//!
//! The path is pinned like every other (finding 1), and whose file it is and who may write it is asked at every read.

use crate::{
    LaunchError,
    pinned::{self, Pinned, kind, kind_name},
};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nsgate_config::AbsolutePath;
use nsgate_sandbox::Ids;
use std::path::Path;

/// Where the configuration is.
#[derive(Debug)]
pub(crate) struct Source {
    place: Pinned,
}

impl Source {
    /// Walks to the directory of `path` and looks at the file.
    pub(crate) fn pin(path: &Path, ids: &Ids) -> Result<Self, LaunchError> {
        let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
        pinned::know_unmapped_root();
        // A relative path is meant from here.
        let absolute = std::path::absolute(path).map_err(|error| wrong(format!("getcwd: {error}")))?;
        let text = absolute.to_str().ok_or_else(|| wrong("the path is not UTF-8".to_owned()))?;
        let place = Pinned::walk(&AbsolutePath::new(text).map_err(wrong)?, ids, "configuration")?;
        match place.found()? {
            Some(found) => judge(&found, ids).map_err(|reason| place.wrong(&reason))?,
            None => return Err(place.wrong("the file is gone again; start once it is there")),
        }
        Ok(Self { place })
    }

    /// Why the gate's user could not read it anew, as far as modes say: a sentence for the log.
    pub(crate) fn unreadable(&self, ids: &Ids) -> Option<String> {
        let directory = fstat(self.place.directory()).ok()?;
        let file = self.place.found().ok()??;
        let may = |status: &FileStat, bit: u32| {
            let shift = match status {
                own if own.st_uid == ids.uid.as_raw() => 6,
                group if group.st_gid == ids.gid.as_raw() => 3,
                _ => 0,
            };
            ids.uid.is_root() || status.st_mode & (bit << shift) != 0
        };
        (!may(&directory, 1) || !may(&file, 4)).then(|| {
            let path = self.place.path().display();
            format!("{path}: uid {} may not read this: SIGHUP will change nothing until it may", ids.uid)
        })
    }

    pub(crate) fn place(&self) -> &Pinned {
        &self.place
    }
}

/// Whether what was found may be believed: a plain file that only root and the gate's user can have written.
pub(crate) fn judge(found: &FileStat, ids: &Ids) -> Result<(), String> {
    if kind(found) != SFlag::S_IFREG {
        return Err(format!("this is {}; a configuration is one plain file", kind_name(found)));
    }
    if !pinned::trusted(found, ids) {
        let (owner, own) = (found.st_uid, ids.uid);
        return Err(format!("this file belongs to uid {owner}; only root's and the gate's user's (uid {own}) is read"));
    }
    if pinned::others_write(found, ids) {
        let mode = found.st_mode & 0o7777;
        return Err(format!(
            "others may write this file (mode {mode:04o}); take the right away, for instance `chmod 0640`"
        ));
    }
    Ok(())
}
