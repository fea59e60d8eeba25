//! The configuration, read once from one descriptor: what is validated is what runs.

use crate::{
    LaunchError, audience,
    file_kind::{kind, kind_name},
    pinned::Pinned,
    rights::Rights,
    trust::{Trust, know_unmapped_root},
    written::{self, Written},
};
use nix::errno::Errno;
use nix::{
    fcntl::{OFlag, open, openat},
    sys::stat::{Mode, SFlag, fstat},
    unistd::geteuid,
};
use nsgate_config::AbsolutePath;
use std::{
    fmt,
    fs::File,
    hint::black_box,
    io::Read,
    ops::Deref,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

/// Most bytes of a gate's configuration. Neutron's have a thousand and a half.
pub const MOST: u64 = 1024 * 1024;
/// Most bytes of a host's. Neutron writes about 800 for each instance.
pub const MOST_OF_HOST: u64 = 64 * 1024 * 1024;

/// The text of a configuration. It is overwritten when it is done with: a gate is a copy of the process that read it,
/// and what operators remark to each other is not for code that takes the gate over.
#[derive(Default)]
pub struct ConfigText {
    bytes: Vec<u8>,
    /// Why its words are not shown.
    hidden: Option<String>,
}

impl ConfigText {
    /// Nothing yet, with room for so many bytes if there is memory for them.
    pub(crate) fn with_room(bytes: usize) -> Option<Self> {
        let mut room = Vec::new();
        room.try_reserve_exact(bytes).ok()?;
        Some(Self { bytes: room, hidden: None })
    }

    /// Adds what came.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// Why nothing that stands in it is to be shown: it was read for a user who may not read it. `None` if it may be.
    #[must_use]
    pub fn hidden(&self) -> Option<&str> {
        self.hidden.as_deref()
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The same, if it is a text; else a sentence with the line that is none.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let Err(error) = std::str::from_utf8(&self.bytes) else { return Ok(self) };
        let line = self.bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        Err(format!("line {line} is not UTF-8: this is no text, or one of another encoding; write it in UTF-8"))
    }
}

/// A message shows no configuration, and no secret in it.
impl fmt::Debug for ConfigText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of a configuration", self.bytes.len())
    }
}

impl Deref for ConfigText {
    type Target = str;

    fn deref(&self) -> &str {
        // What is handed out was checked.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

impl Drop for ConfigText {
    fn drop(&mut self) {
        self.bytes.fill(0);
        // Or the compiler leaves out zeroes that are not read.
        black_box(&self.bytes);
    }
}

/// The text of a configuration file of at most `most` bytes, and who could have written it.
///
/// # Errors
/// The path, and what is wrong: it is missing, not readable, not a plain file, too large, not UTF-8.
pub fn read_config_up_to(path: &Path, most: u64) -> Result<(ConfigText, Written), LaunchError> {
    let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
    // O_NONBLOCK: opening a FIFO without a writer must not wait (open(2)).
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let descriptor = open(path, flags, Mode::empty()).map_err(|error| wrong(unopened(error)))?;
    read_from(path, descriptor, most)
}

/// Why a configuration cannot be opened, and what to do.
fn unopened(error: Errno) -> String {
    let advice = match error {
        Errno::ENOENT => "; there is no such file: write it, or correct the path".to_owned(),
        Errno::EACCES | Errno::EPERM => "; this user may not read it: start as root, or as a user who may".to_owned(),
        Errno::ENOTDIR => "; what is in front of its name is no directory: correct the path".to_owned(),
        Errno::ELOOP => "; a link leads back to itself, or may not be followed here: name the file itself".to_owned(),
        _ => String::new(),
    };
    format!("the configuration cannot be opened: {error}{advice}")
}

/// The same of a file of an ordinary length.
///
/// # Errors
/// As [`read_config_up_to`].
pub fn read_config(path: &Path) -> Result<(ConfigText, Written), LaunchError> {
    read_config_up_to(path, MOST)
}

/// The text of a file that only root can have written and put there: a plain file of root's, and no link, in directories of
/// root's (or, in a process that is not root's, of its own user's). `None` if there is none, or no directory for it.
///
/// # Errors
/// As [`read_config_up_to`]; and who else could have written it.
pub fn read_roots(path: &Path) -> Result<Option<ConfigText>, LaunchError> {
    let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
    match path.symlink_metadata() {
        // A directory that is a link to nothing is settings that are lost, and not none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let above = path.ancestors().skip(1).find(|above| above.symlink_metadata().is_ok());
            return match above.filter(|above| !above.exists()) {
                Some(above) => Err(wrong(format!("{} is a link that leads nowhere; correct it", above.display()))),
                None => Ok(None),
            };
        }
        Err(error) => return Err(wrong(error.to_string())),
        Ok(found) if found.file_type().is_symlink() => {
            return Err(wrong("this is a symbolic link; put the file itself here, as root's".to_owned()));
        }
        Ok(_) => {}
    }
    know_unmapped_root();
    let trust = Trust::root().and_users([geteuid().as_raw()]);
    let absolute = AbsolutePath::new(&path.to_string_lossy()).map_err(|reason| wrong(reason.into()))?;
    let place = Pinned::walk(&absolute, &trust, "settings")?;
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let descriptor =
        openat(place.directory(), place.name(), flags, Mode::empty()).map_err(|error| wrong(unopened(error)))?;
    let rights =
        Rights::of(descriptor.as_fd()).map_err(|error| wrong(format!("its rights cannot be read: {error}")))?;
    written::check_owner(&rights, &trust).map_err(wrong)?;
    read_from(path, descriptor, MOST).map(|(text, _)| Some(text))
}

fn read_from(path: &Path, descriptor: OwnedFd, most: u64) -> Result<(ConfigText, Written), LaunchError> {
    let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
    let status = fstat(&descriptor).map_err(|error| wrong(format!("fstat: {error}")))?;
    if kind(status.st_mode) != SFlag::S_IFREG {
        return Err(wrong(format!("this is {}; a configuration is one plain file", kind_name(status.st_mode))));
    }
    let written = Written::of(path, descriptor.as_fd())?;
    // Room for all of it: a buffer that grows leaves copies behind.
    let room = usize::try_from(u64::try_from(status.st_size).unwrap_or(0).min(most)).unwrap_or(0) + 1;
    let mut text =
        ConfigText::with_room(room).ok_or_else(|| wrong(format!("there is no memory for its {room} bytes")))?;
    text.hidden = audience::hidden(path, descriptor.as_fd(), &status);
    let read = File::from(descriptor).take(most + 1).read_to_end(&mut text.bytes);
    read.map_err(|error| wrong(format!("the configuration cannot be read: {error}")))?;
    if u64::try_from(text.bytes()).is_ok_and(|length| length > most) {
        return Err(wrong(format!("the configuration is larger than {most} bytes")));
    }
    text.checked().map(|text| (text, written)).map_err(wrong)
}
