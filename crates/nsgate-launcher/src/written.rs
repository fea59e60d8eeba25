//! Who could have written a text that root obeys: its owner, and the users who could put another one in its place.
//!
//! A text decides who the process becomes and what it reaches, so what it may say is bounded by who could have written it.
//! An operator's own ([`Written`] as it is read) belongs to root, to who starts the program or to the gate's user, and so
//! does every directory above. One that an agent writes, under the names that agents start, belongs to the agent, whose user
//! nsgate is not told: its directories name that user, and root, who has the agent start the program, obeys it already.

use crate::{LaunchError, rights::Rights, trust::Trust};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::geteuid,
};
use nsgate_sandbox::Ids;
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::{Path, PathBuf},
};

/// Owner and rights of a text and of the directories above it.
#[derive(Clone, Debug)]
pub struct Written {
    path: PathBuf,
    file: Rights,
    /// Where the file is, without links.
    real: PathBuf,
    /// The directories above it, from its own upwards.
    above: Vec<Rights>,
    /// Why a directory above could not be looked at.
    unseen: Option<String>,
    by_agent: bool,
}

impl Written {
    /// Of the file that `descriptor` is open at; `path` is what it is called in messages.
    pub(crate) fn of(path: &Path, descriptor: BorrowedFd<'_>) -> Result<Self, LaunchError> {
        let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
        crate::trust::know_unmapped_root();
        let file = Rights::of(descriptor).map_err(|error| wrong(format!("its rights cannot be read: {error}")))?;
        let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let real = std::fs::read_link(&link).map_err(|error| wrong(format!("readlink({link}): {error}")))?;
        let (mut above, mut unseen) = (Vec::new(), None);
        for directory in real.ancestors().skip(1).filter(|directory| directory.is_absolute()) {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let opened = open(directory, flags, Mode::empty());
            let rights = opened.and_then(|opened| Rights::of(opened.as_fd()));
            match rights {
                Ok(rights) => above.push(rights),
                Err(error) => unseen = Some(format!("its directory {}: {error}", directory.display())),
            }
        }
        Ok(Self { path: path.to_owned(), file, real, above, unseen, by_agent: false })
    }

    /// The same as the text of an agent.
    #[must_use]
    pub fn by_agent(self) -> Self {
        Self { by_agent: true, ..self }
    }

    /// Owners of the text and of the directories above.
    pub(crate) fn owners(&self) -> impl Iterator<Item = u32> {
        std::iter::once(&self.file).chain(&self.above).map(|rights| rights.owner)
    }

    /// Whether root may obey this text, which makes a process of `ids`.
    pub(crate) fn check(&self, ids: &Ids) -> Result<(), LaunchError> {
        if let Some(reason) = &self.unseen {
            return Err(self.wrong(reason.clone()));
        }
        let own = Trust::of(ids).and_users([geteuid().as_raw()]);
        if self.by_agent { self.check_agents(own) } else { self.check_own(&own) }
    }

    fn directories(&self) -> impl Iterator<Item = (&Path, &Rights)> {
        self.real.ancestors().skip(1).zip(&self.above)
    }

    fn check_own(&self, trust: &Trust) -> Result<(), LaunchError> {
        check_owner(&self.file, trust).map_err(|reason| self.wrong(reason))?;
        let mut next = &self.file;
        for (directory, rights) in self.directories() {
            let wrong = |reason: &str| self.wrong(format!("its directory {} {reason}", directory.display()));
            if !trust.user(rights.owner) {
                let owner = rights.owner;
                return Err(wrong(&format!("belongs to uid {owner}, who can put another text in its place; move it")));
            }
            if let Some(writer) = rights.untrusted_writer(trust) {
                if !rights.sticky() || !trust.user(next.owner) {
                    return Err(wrong(&format!(
                        "may be written by others ({writer}); take the right away, or move it"
                    )));
                }
            }
            next = rights;
        }
        Ok(())
    }

    fn check_agents(&self, own: Trust) -> Result<(), LaunchError> {
        let above = self.above.iter().fold(own, |trust, rights| trust.and_users([rights.owner]));
        let owner = self.file.owner;
        if !above.user(owner) {
            return Err(self.wrong(format!(
                "this file belongs to uid {owner}; only root's, the gate's user's and that of the directory's owner is read: give it to \
                 root (`chown root:`)"
            )));
        }
        let mode = |rights: &Rights| rights.mode & 0o7777;
        if self.file.open_to_all() {
            let mode = mode(&self.file);
            return Err(
                self.wrong(format!("others may write this file (mode {mode:04o}); take the right away (`chmod o-w`)"))
            );
        }
        match self.directories().find(|(_, rights)| rights.open_to_all() && !rights.sticky()) {
            Some((path, rights)) => {
                let (path, mode) = (path.display(), mode(rights));
                let advice = "take the right away (`chmod o-w`)";
                Err(self.wrong(format!("others may write in this directory ({path}, mode {mode:04o}); {advice}")))
            }
            None => Ok(()),
        }
    }

    fn wrong(&self, reason: String) -> LaunchError {
        LaunchError::ConfigFile { path: self.path.clone(), reason }
    }
}

/// Whether a file is its owner's alone, and its owner is trusted.
pub(crate) fn check_owner(file: &Rights, trust: &Trust) -> Result<(), String> {
    let (owner, uid) = (file.owner, trust.ids().uid);
    if !trust.user(owner) {
        let whose =
            if uid.is_root() { "root's".to_owned() } else { format!("root's and the gate's user's (uid {uid})") };
        return Err(format!("this file belongs to uid {owner}; only {whose} is read: give it to root (`chown root:`)"));
    }
    match file.untrusted_writer(trust) {
        Some(writer) => {
            Err(format!("others may write this file ({writer}); take the right away, for instance `chmod 0640`"))
        }
        None => Ok(()),
    }
}
