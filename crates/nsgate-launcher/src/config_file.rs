//! The configuration, read once from one descriptor (finding 3): what is validated is what runs.

use crate::LaunchError;
use nix::{
    fcntl::{OFlag, open},
    sys::stat::{Mode, SFlag, fstat},
};
use std::{fs::File, io::Read, path::Path};

use crate::pinned::{kind, kind_name};

/// Most bytes of a configuration. Neutron's have a thousand and a half.
const MOST: u64 = 1024 * 1024;

/// The text of a configuration file.
///
/// # Errors
/// The path, and what is wrong: it is missing, not readable, not a plain file, too large, not UTF-8.
pub fn read_config(path: &Path) -> Result<String, LaunchError> {
    let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
    // O_NONBLOCK: opening a FIFO that nobody writes must not wait (open(2)).
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let descriptor = open(path, flags, Mode::empty())
        .map_err(|error| wrong(format!("the configuration cannot be opened: {error}")))?;
    let status = fstat(&descriptor).map_err(|error| wrong(format!("fstat: {error}")))?;
    if kind(&status) != SFlag::S_IFREG {
        return Err(wrong(format!("this is {}; a configuration is one plain file", kind_name(&status))));
    }
    let mut bytes = Vec::new();
    let read = File::from(descriptor).take(MOST + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(format!("the configuration cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST) {
        return Err(wrong(format!("the configuration is larger than {MOST} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
        wrong(format!("line {line} is not UTF-8"))
    })
}
