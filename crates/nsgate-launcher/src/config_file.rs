//! The configuration, read once from one descriptor (finding 3): what is validated is what runs.

use crate::LaunchError;
use nix::{
    fcntl::{OFlag, open},
    sys::stat::{Mode, SFlag, fstat},
};
use std::{fs::File, hint::black_box, io::Read, mem::take, ops::Deref, path::Path};

use crate::pinned::{kind, kind_name};

/// Most bytes of a gate's configuration. Neutron's have a thousand and a half.
pub const MOST: u64 = 1024 * 1024;
/// Most bytes of a host's. Neutron writes about 800 for each instance.
pub const MOST_OF_HOST: u64 = 64 * 1024 * 1024;

/// The text of a configuration. It is overwritten when it is done with: a gate is a copy of the process that read it,
/// and what operators remark to each other is not for whoever takes the gate over.
#[derive(Debug, Default)]
pub struct ConfigText(String);

impl Deref for ConfigText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for ConfigText {
    fn drop(&mut self) {
        let mut bytes = take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Or the compiler sees that nobody reads the zeroes.
        black_box(&bytes);
    }
}

/// The text of a configuration file.
///
/// # Errors
/// The path, and what is wrong: it is missing, not readable, not a plain file, too large, not UTF-8.
pub fn read_config(path: &Path) -> Result<ConfigText, LaunchError> {
    read_config_up_to(path, MOST)
}

/// The text of a configuration file of at most `most` bytes.
///
/// # Errors
/// As [`read_config`].
pub fn read_config_up_to(path: &Path, most: u64) -> Result<ConfigText, LaunchError> {
    let wrong = |reason: String| LaunchError::ConfigFile { path: path.to_owned(), reason };
    // O_NONBLOCK: opening a FIFO that nobody writes must not wait (open(2)).
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let descriptor = open(path, flags, Mode::empty())
        .map_err(|error| wrong(format!("the configuration cannot be opened: {error}")))?;
    let status = fstat(&descriptor).map_err(|error| wrong(format!("fstat: {error}")))?;
    if kind(&status) != SFlag::S_IFREG {
        return Err(wrong(format!("this is {}; a configuration is one plain file", kind_name(&status))));
    }
    // Room for all of it: a buffer that grows leaves copies behind.
    let mut bytes =
        Vec::with_capacity(usize::try_from(u64::try_from(status.st_size).unwrap_or(0).min(most)).unwrap_or(0) + 1);
    let read = File::from(descriptor).take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(format!("the configuration cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(wrong(format!("the configuration is larger than {most} bytes")));
    }
    String::from_utf8(bytes).map(ConfigText).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() + 1;
        wrong(format!("line {line} is not UTF-8"))
    })
}
