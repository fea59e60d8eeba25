//! The source tarball: every file of the tree and every dependency, so that a build needs neither network nor history.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::program::{target, workspace};

use super::{Release, empty, make, pages, third_party};
use crate::command::{cargo, said};

/// What cargo reads in the tarball beside the tree's own settings.
const VENDORED: &str = "
# Dependencies stand in vendor/.
[source.crates-io]
replace-with = \"vendored-sources\"

[source.vendored-sources]
directory = \"vendor\"
";

/// Every dependency, in `target/dist/vendor`. From the tree's own `vendor/` or cargo's cache if they are there, and over
/// the network only if not.
pub(crate) fn vendor() -> Result<PathBuf, String> {
    let own = workspace().join("vendor");
    if own.is_dir() {
        return Ok(own);
    }
    let (into, known) = (target().join("dist/vendor"), target().join("dist/vendor.lock"));
    let lock = fs::read(workspace().join("Cargo.lock")).map_err(|e| format!("Cargo.lock: {e}"))?;
    if into.is_dir() && fs::read(&known).is_ok_and(|before| before == lock) {
        return Ok(into);
    }
    empty(&into)?;
    let words = ["vendor", "--quiet", "--locked", "--versioned-dirs"];
    let vendored = |more: &[&str]| {
        let mut command = cargo(&words);
        command.args(more).arg(&into);
        said(command)
    };
    vendored(&["--offline"]).or_else(|_| vendored(&[]))?;
    fs::write(&known, lock).map_err(|e| format!("{}: {e}", known.display()))?;
    Ok(into)
}

/// Writes `nsgate-VERSION.tar.gz`, and returns where it is. Without dependencies it is one to pack programs that are built
/// already.
pub(crate) fn tarball(release: &Release, vendor: Option<&Path>, work: &Path, into: &Path) -> Result<PathBuf, String> {
    let tree = work.join("source").join(release.name());
    empty(&tree)?;
    for name in names()? {
        let (from, to) = (workspace().join(&name), tree.join(&name));
        make(to.parent().unwrap_or(&tree))?;
        fs::copy(&from, &to).map_err(|e| format!("{}: {e}", from.display()))?;
    }
    pages::write_to(release, &tree.join("pages"))?;
    if let Some(vendor) = vendor {
        let settings = |own: &str| Ok(own.split(VENDORED).next().unwrap_or_default().to_owned() + VENDORED);
        change(&tree.join(".cargo/config.toml"), settings)?;
        change(&tree.join("debian/copyright"), |own| third_party::copyright(own, vendor))?;
        let copied = |how: &str| {
            let mut copy = Command::new("cp");
            copy.args(["-R", how, "--"]).arg(vendor).arg(tree.join("vendor"));
            said(copy)
        };
        // Thousands of files that never change: hard links, where the file system permits them.
        copied("--link").or_else(|_| copied("--force"))?;
    }
    let tarball = into.join(format!("{}.tar.gz", release.name()));
    let mut tar = release.command("tar");
    tar.args(["--create", "--sort=name", "--format=gnu", "--owner=root:0", "--group=root:0", "--numeric-owner"]);
    tar.args(["--mode=u=rwX,go=rX", &format!("--mtime=@{}", release.epoch), "--use-compress-program=gzip -n -9"]);
    tar.arg("--file").arg(&tarball).arg("--directory").arg(work.join("source")).arg(release.name());
    said(tar)?;
    Ok(tarball)
}

fn change(path: &Path, new: impl Fn(&str) -> Result<String, String>) -> Result<(), String> {
    let own = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    fs::write(path, new(&own)?).map_err(|e| format!("{}: {e}", path.display()))
}

/// Changes and new files in no commit, one line each. Empty where there is no history.
pub(crate) fn uncommitted() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["status", "--porcelain"]).current_dir(workspace());
    said(git).map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default()
}

/// The files of the tree: those that git knows, or all of an unpacked tarball without a build's results.
fn names() -> Result<Vec<PathBuf>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(workspace());
    let out = git.output().ok().filter(|out| out.status.success() && !out.stdout.is_empty());
    if let Some(out) = out {
        let names = out.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let names = names.map(|name| PathBuf::from(OsStr::from_bytes(name)));
        // A file that was removed and not yet committed is not there.
        return Ok(names.filter(|name| workspace().join(name).is_file()).collect());
    }
    let mut found = Vec::new();
    walk(&workspace(), Path::new(""), &mut found)?;
    Ok(found)
}

fn walk(top: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let directory = top.join(below);
    let entries = fs::read_dir(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    for entry in entries.flatten() {
        let name = below.join(entry.file_name());
        if top.join(&name).is_file() {
            found.push(name);
        } else if !["target", "vendor", "pages", ".git"].map(Path::new).contains(&name.as_path()) {
            walk(top, &name, found)?;
        }
    }
    Ok(())
}
