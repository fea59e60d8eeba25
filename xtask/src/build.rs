//! `cargo xtask build`: the programs as real files in `target/dist/bin/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::program::{dist, target, workspace};

use crate::command::{cargo, plain};

/// The names the programs are installed under. Real files, no links: Neutron up to Victoria kills through a rootwrap
/// filter that wants `/proc/PID/exe` to end in `/haproxy` (oslo.rootwrap, KillFilter).
const PROGRAMS: [&str; 3] = ["nsgate", "haproxy", "neutron-ns-metadata-proxy"];

/// Builds and says where the programs are.
pub(crate) fn run() -> Result<(), String> {
    for program in programs()? {
        let size = fs::metadata(&program).map_or(0, |meta| meta.len() / 1024);
        println!("{} ({size} KiB)", program.display());
    }
    Ok(())
}

/// Builds (release) and returns where the programs are.
pub(crate) fn programs() -> Result<Vec<PathBuf>, String> {
    if !plain(release(&workspace(), &["--locked"]))? {
        return Err("the release build failed; its errors are above".to_owned());
    }
    let into = dist();
    fs::create_dir_all(&into).map_err(|e| format!("{}: {e}", into.display()))?;
    PROGRAMS.iter().map(|name| install(name, &into)).collect()
}

/// The command that builds the programs of the source tree at `source`: here, and of a release's tarball.
pub(crate) fn release(source: &Path, more: &[&str]) -> Command {
    let mut command = cargo(&["build", "--release", "--package", "nsgate", "--bins"]);
    command.args(more).current_dir(source);
    command
}

/// Copies under another name and renames, so that a running program is never written to. The copy is written to the disk:
/// until it is, the kernel counts its pages as dirty memory of the process that maps them, and a gate seems to hold as much
/// as its program.
fn install(name: &str, into: &Path) -> Result<PathBuf, String> {
    let (from, to) = (target().join("release").join(name), into.join(name));
    let new = into.join(format!(".{name}.new"));
    let synced = |_| fs::File::open(&new).and_then(|file| file.sync_all());
    let copy = fs::copy(&from, &new).and_then(synced).and_then(|()| fs::rename(&new, &to));
    copy.map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))?;
    Ok(to)
}
