//! `cargo xtask deny`: checks what nsgate is built from. deny.toml must allow licences, bans and sources (cargo-deny), and each
//! crate that a manifest names must be used (cargo-shear). Neither asks another server.

use std::process::Command;

use nsgate_tests::program::workspace;

use crate::command::{cargo, plain, stream};
use crate::tools::{CARGO_DENY, CARGO_SHEAR};

/// Judges, and fails where something is not allowed.
pub(crate) fn run() -> Result<(), String> {
    match judge()? {
        [true, true] => Ok(()),
        _ => Err("what is named above is not allowed in deny.toml, or is named and not used".to_owned()),
    }
}

/// Installs both programs where they are missing.
///
/// # Errors
/// One cannot be installed.
pub(crate) fn ready() -> Result<(), String> {
    CARGO_DENY.find().and_then(|_| CARGO_SHEAR.find()).map(drop)
}

/// Whether each of the two passes.
pub(crate) fn judge() -> Result<[bool; 2], String> {
    // It reads the manifests of every target's dependencies. A build has fetched only this target's.
    if !plain(cargo(&["fetch", "--quiet", "--locked"]))? {
        return Err("the dependencies could not be fetched; see above".to_owned());
    }
    let mut deny = Command::new(CARGO_DENY.find()?);
    deny.args(["--all-features", "--offline", "--locked", "check", "bans", "licenses", "sources"]);
    let mut shear = Command::new(CARGO_SHEAR.find()?);
    shear.args(["--locked", "--offline"]);
    let judged = |mut command: Command| {
        command.current_dir(workspace());
        Ok::<bool, String>(stream(command)?.success)
    };
    Ok([judged(deny)?, judged(shear)?])
}
