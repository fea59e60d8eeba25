//! From `/` to a directory, one component at a time.
//!
//! A link is followed where root alone could have made it or could exchange it: it is root's, and so is the directory that
//! holds it, in which no other user may write. `/var/run` is such a link, and so is a state directory that an operator has moved
//! to another disk. Any other link is one of a stranger's or of the gate's user, and leads nowhere.

use crate::{
    LaunchError,
    file_kind::kind,
    rights::Rights,
    trust::{self, Trust},
};
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat},
    sys::{
        stat::{Mode, SFlag},
        statfs::{PROC_SUPER_MAGIC, fstatfs},
    },
};
use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// The kernel's own bound for a path (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A way through directories: where it is now, and every directory above, so that the `..` of a link leads back.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    trust: &'a Trust,
    purpose: &'static str,
    root: (OwnedFd, Rights),
    below: Vec<(OwnedFd, Rights)>,
    /// Where it is now, links followed.
    path: PathBuf,
    links: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn from_root(trust: &'a Trust, purpose: &'static str) -> Result<Self, LaunchError> {
        let failed = |error: Errno| LaunchError::path(purpose, Path::new("/"), &error.to_string());
        let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
        let rights = Rights::of(root.as_fd()).map_err(failed)?;
        let path = PathBuf::from("/");
        Ok(Self { trust, purpose, root: (root, rights), below: Vec::new(), path, links: 0 })
    }

    /// Goes on along `path`; from `/` if it begins with one.
    pub(crate) fn follow(&mut self, path: &str) -> Result<(), LaunchError> {
        let mut left = self.begin(path).to_owned();
        while let Some((component, rest)) = next(&left) {
            let link = match component {
                ".." => {
                    // The directory above `/` is `/`.
                    self.below.pop();
                    self.path.pop();
                    None
                }
                component => self.step(component)?,
            };
            left = match link {
                Some(target) => format!("{}/{rest}", self.begin(&target)),
                None => rest.to_owned(),
            };
        }
        Ok(())
    }

    /// The directory that the way has led to, in which nothing may be replaced by others, sticky or not: what comes there
    /// may come later.
    pub(crate) fn arrive(mut self) -> Result<(OwnedFd, PathBuf), LaunchError> {
        self.unwritable(None)?;
        let (descriptor, _) = self.below.pop().unwrap_or(self.root);
        Ok((descriptor, self.path))
    }

    /// Back to the beginning, if `path` begins there.
    fn begin<'p>(&mut self, path: &'p str) -> &'p str {
        if path.starts_with('/') {
            self.below.clear();
            self.path = PathBuf::from("/");
        }
        path
    }

    fn here(&self) -> &(OwnedFd, Rights) {
        self.below.last().unwrap_or(&self.root)
    }

    /// Into the directory of this name; where the link of this name leads, if it is one that may be followed.
    fn step(&mut self, component: &str) -> Result<Option<String>, LaunchError> {
        self.path.push(component);
        match self.open(component, OFlag::O_DIRECTORY) {
            Ok(descriptor) => {
                let rights = self.rights(&descriptor)?;
                self.owned(&rights)?;
                self.unwritable(Some(&rights))?;
                self.below.push((descriptor, rights));
                Ok(None)
            }
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                let target = self.target(component)?;
                self.path.pop();
                Ok(Some(target))
            }
            Err(Errno::ENOENT) if self.purpose == "pool" => Err(self.wrong(NO_POOL)),
            Err(error) => Err(self.wrong(&not_opened(error))),
        }
    }

    fn open(&self, component: &str, kind: OFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | kind).resolve(
            ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
        openat2(self.here().0.as_fd(), component, how)
    }

    fn target(&mut self, component: &str) -> Result<String, LaunchError> {
        // By descriptor: what was judged is what is read.
        let link = self.open(component, OFlag::empty()).map_err(|error| self.wrong(&not_opened(error)))?;
        let rights = self.rights(&link)?;
        if kind(rights.mode) != SFlag::S_IFLNK {
            return Err(self.wrong("this is not a directory"));
        }
        let failed = |call: &str, error: Errno| self.wrong(&format!("{call}: {error}"));
        let holder = &self.here().1;
        let owner = [rights.owner, holder.owner].into_iter().find(|owner| !trust::root(*owner));
        let reason = match (owner, holder.untrusted_writer(&Trust::root())) {
            (None, None) => None,
            (Some(owner), _) => Some(format!("uid {owner} can make it lead elsewhere")),
            (None, Some(writer)) => Some(format!("in its directory others may write ({writer})")),
        };
        if let Some(reason) = reason {
            let advice = "only links of root's in directories of root's are followed: write the path without it";
            return Err(self.wrong(&format!("this is a symbolic link, and {reason}; {advice}")));
        }
        if fstatfs(&link).map_err(|error| failed("fstatfs", error))?.filesystem_type() == PROC_SUPER_MAGIC {
            return Err(self.wrong("this is a symbolic link of the kernel's; write the path without it"));
        }
        let target = readlinkat(&link, "").map_err(|error| failed("readlinkat", error))?;
        if self.links == MOST_LINKS {
            return Err(self.wrong(&format!("the path leads through more than {MOST_LINKS} symbolic links")));
        }
        self.links += 1;
        target.into_string().map_err(|_| self.wrong("this symbolic link's text is not UTF-8"))
    }

    fn rights(&self, descriptor: &OwnedFd) -> Result<Rights, LaunchError> {
        Rights::of(descriptor.as_fd()).map_err(|error| self.wrong(&format!("owner and rights cannot be read: {error}")))
    }

    /// Directories of a stranger are not walked through.
    fn owned(&self, rights: &Rights) -> Result<(), LaunchError> {
        if self.trust.user(rights.owner) {
            return Ok(());
        }
        let reason = format!(
            "this directory belongs to uid {}; only root, the gate's user (uid {}) and the owner of the directory that the \
             configuration is in may own what a path leads through: start with the `user` that it belongs to, name another \
             path, or give it to root (`chown root:`)",
            rights.owner,
            self.trust.ids().uid
        );
        Err(self.wrong(&reason))
    }

    /// Others may not write in the directory above, unless it is sticky and what is taken from it (`next`) is ours. Without
    /// `next` it is the directory that the way has led to.
    fn unwritable(&self, next: Option<&Rights>) -> Result<(), LaunchError> {
        let (_, rights) = self.here();
        let Some(writer) = rights.untrusted_writer(self.trust) else { return Ok(()) };
        if rights.sticky() && next.is_some_and(|next| self.trust.user(next.owner)) {
            return Ok(());
        }
        let path = if next.is_some() { self.path.parent().unwrap_or(&self.path) } else { &self.path };
        let advice = "take the right away, or use another directory";
        Err(LaunchError::path(self.purpose, path, &format!("others may write in this directory ({writer}); {advice}")))
    }

    /// An error about the component that is looked at.
    fn wrong(&self, reason: &str) -> LaunchError {
        LaunchError::path(self.purpose, &self.path, reason)
    }
}

/// The next component of a path, and what is left behind it. Neither `.` nor nothing is one.
fn next(path: &str) -> Option<(&str, &str)> {
    let mut rest = path;
    loop {
        let trimmed = rest.trim_start_matches('/');
        let (component, left) = trimmed.split_once('/').unwrap_or((trimmed, ""));
        match component {
            "" => return None,
            "." => rest = left,
            component => return Some((component, left)),
        }
    }
}

/// The directory of a pool goes with a reboot, and comes with the pool.
const NO_POOL: &str = "there is no such directory, so no pool has run here since the host started: start it (`systemctl start \
                       nsgate-pool`, or `nsgate pool` in a directory that you make), or correct the path";

fn not_opened(error: Errno) -> String {
    match error {
        Errno::ENOENT => "there is no such directory; make it, or correct the path".to_owned(),
        Errno::EACCES => {
            let cause = nsgate_sandbox::likely("openat2", error);
            format!("this user may not look into the directory above; start as root ({cause})")
        }
        error => format!("openat2: {error}; {}", nsgate_sandbox::likely("openat2", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn components_come_one_by_one() {
        assert_eq!(next("/var//run/./x"), Some(("var", "/run/./x")));
        assert_eq!(next("/./run/x"), Some(("run", "x")));
        assert_eq!(next("../run"), Some(("..", "run")));
        assert_eq!(next("x"), Some(("x", "")));
        assert!(["", "/", "//", "./", "/./."].iter().all(|path| next(path).is_none()));
    }
}
