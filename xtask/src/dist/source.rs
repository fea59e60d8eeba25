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

/// Ends of the names of object code and of archives with it. Some crates have them, for other systems than Linux.
const OBJECTS: [&str; 6] = [".a", ".dll", ".exe", ".lib", ".o", ".obj"];

/// Every dependency, in `target/dist/vendor`. From the tree's own `vendor/` or cargo's cache if they are there, and over
/// the network only if not.
pub(crate) fn vendor() -> Result<PathBuf, String> {
    let own = workspace().join("vendor");
    if own.is_dir() {
        return Ok(own);
    }
    let (into, known) = (target().join("dist/vendor"), target().join("dist/vendor.lock"));
    let mut lock = fs::read(workspace().join("Cargo.lock")).map_err(|e| format!("Cargo.lock: {e}"))?;
    lock.extend(b"\n# without object code\n");
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
    for entry in fs::read_dir(&into).map_err(|e| format!("{}: {e}", into.display()))?.flatten() {
        without_objects(&entry.path())?;
    }
    fs::write(&known, lock).map_err(|e| format!("{}: {e}", known.display()))?;
    Ok(into)
}

/// Takes object code out of a vendored crate, and out of the sums that cargo compares. A source package has none, and lintian reads
/// archives of import libraries for half an hour.
fn without_objects(directory: &Path) -> Result<(), String> {
    let path = directory.join(".cargo-checksum.json");
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = fs::read_to_string(&path).map_err(|e| wrong(&e))?;
    let mut sums: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(&e))?;
    let files = sums["files"].as_object_mut().ok_or_else(|| wrong(&"no `files`"))?;
    let objects = files.keys().filter(|name| OBJECTS.iter().any(|end| name.ends_with(end))).cloned();
    let objects: Vec<String> = objects.collect();
    for name in &objects {
        files.remove(name);
        fs::remove_file(directory.join(name)).map_err(|e| wrong(&e))?;
    }
    if objects.is_empty() {
        return Ok(());
    }
    fs::write(&path, sums.to_string()).map_err(|e| wrong(&e))
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

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn no_object_code_of_a_vendored_crate_goes_into_the_source() {
        let home = std::env::temp_dir().join(format!("without-objects-{}", std::process::id()));
        fs::create_dir_all(home.join("lib")).unwrap();
        for name in ["lib/libwindows.a", "lib/b.o", "build.rs"] {
            fs::write(home.join(name), "x").unwrap();
        }
        let sums = r#"{"files":{"build.rs":"1","lib/b.o":"2","lib/libwindows.a":"3"},"package":"4"}"#;
        fs::write(home.join(".cargo-checksum.json"), sums).unwrap();
        super::without_objects(&home).unwrap();
        let left = fs::read_to_string(home.join(".cargo-checksum.json")).unwrap();
        let is_there = |name: &str| home.join(name).exists();
        let there = [is_there("lib/libwindows.a"), is_there("lib/b.o"), is_there("build.rs")];
        fs::remove_dir_all(&home).unwrap();
        assert_eq!((left.as_str(), there), (r#"{"files":{"build.rs":"1"},"package":"4"}"#, [false, false, true]));
    }
}
