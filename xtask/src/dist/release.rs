//! Which release: its version, and the time that every file in it has.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nsgate_tests::program::workspace;

use crate::command::said;

/// A release.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    /// As in Cargo.toml.
    pub(crate) version: String,
    /// Seconds since 1970: the time of the last commit (<https://reproducible-builds.org/specs/source-date-epoch/>).
    pub(crate) epoch: u64,
}

impl Release {
    /// The release that this source tree is.
    ///
    /// # Errors
    /// `SOURCE_DATE_EPOCH` is no number, or the tree has neither a history nor a Cargo.lock.
    pub(crate) fn read() -> Result<Release, String> {
        Ok(Release { version: env!("CARGO_PKG_VERSION").to_owned(), epoch: epoch()? })
    }

    /// `nsgate-0.1.0`: the directory in the source tarball.
    pub(crate) fn name(&self) -> String {
        format!("nsgate-{}", self.version)
    }

    /// The day, `2026-11-24`, in UTC.
    pub(crate) fn day(&self) -> Result<String, String> {
        self.date("+%Y-%m-%d")
    }

    /// The time as date(1) writes it, in English and in UTC.
    pub(crate) fn date(&self, format: &str) -> Result<String, String> {
        let mut date = Command::new("date");
        date.args(["--utc", "--date", &format!("@{}", self.epoch), format]).env("LC_ALL", "C");
        said(date)
    }

    /// A command whose output depends on this release alone: its time, no time zone, no locale, no umask of the caller's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SOURCE_DATE_EPOCH", self.epoch.to_string()).env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        command
    }
}

fn epoch() -> Result<u64, String> {
    if let Some(said) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let number = said.to_str().and_then(|text| text.parse().ok());
        return number.ok_or_else(|| format!("SOURCE_DATE_EPOCH is {said:?}, and should be seconds since 1970"));
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(workspace());
    if let Some(time) = said(git).ok().and_then(|text| text.parse().ok()) {
        return Ok(time);
    }
    // Unpacked from the tarball: its files have that time.
    let lock = workspace().join("Cargo.lock");
    let status = fs::metadata(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    u64::try_from(status.mtime()).map_err(|e| format!("{}: {e}", lock.display()))
}
