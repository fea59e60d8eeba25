//! The RPM packages in a root of their own: installed, verified, upgraded with a changed configuration, erased. Their scripts,
//! which want a whole distribution, are read by a shell and not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{empty, release::said};

const BOTH: [&str; 2] = ["nsgate", "nsgate-haproxy-compat"];

/// A root that rpm(8) works in.
struct Root(PathBuf);

impl Root {
    fn rpm(&self, words: &[&str], files: &[PathBuf]) -> Result<String, String> {
        let mut rpm = Command::new("rpm");
        // Debian's rpm wants to be told that somebody means it.
        rpm.arg("--force-debian").arg("--root").arg(&self.0).args(words).args(files);
        said(rpm)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Files below the directories that packages write to.
    fn files(&self) -> Result<Vec<String>, String> {
        let mut find = Command::new("find");
        find.args(["usr", "etc", "run", "-not", "-type", "d"]).current_dir(&self.0).stderr(Stdio::null());
        let all = said(find).or_else(|_| Ok::<_, String>(String::new()))?;
        let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
        all.sort();
        Ok(all)
    }
}

/// Does it all in `place`, with the packages of two versions.
pub(crate) fn check(place: &Path, first: &[PathBuf], next: &[PathBuf]) -> Result<(), String> {
    let root = Root(place.to_owned());
    empty(&root.0)?;
    for (directory, file, line) in
        [("etc", "passwd", "root:x:0:0::/root:/bin/sh\n"), ("etc", "group", "root:x:0:\n"), ("run", ".kept", "")]
    {
        fs::create_dir_all(root.at(directory))
            .and_then(|()| fs::write(root.at(directory).join(file), line))
            .map_err(|e| e.to_string())?;
    }
    fs::create_dir_all(root.at("usr")).map_err(|e| e.to_string())?;
    let before = root.files()?;
    for package in first {
        scripts(package)?;
    }
    // The package for images is no host's: the suite of the containers installs it.
    let of_hosts = |all: &[PathBuf]| -> Vec<PathBuf> {
        all.iter().filter(|path| !path.to_string_lossy().contains("/nsgate-image-")).cloned().collect()
    };
    let (first, next) = (of_hosts(first), of_hosts(next));
    root.rpm(&["--install", "--nodeps", "--noscripts"], &first)?;
    root.rpm(&[&["--verify", "--nodeps", "--noscripts"], &BOTH[..]].concat(), &[])?;
    for path in ["usr/bin/nsgate", "usr/lib/nsgate/bin/haproxy", "usr/lib/systemd/system/nsgate-pool.socket"] {
        if !root.at(path).is_file() {
            return Err(format!("{path} was not installed"));
        }
    }
    // What an operator wrote outlives an upgrade, and the package's end.
    let own = root.at("etc/nsgate/pool.toml");
    fs::write(&own, "# an operator's\n").map_err(|e| e.to_string())?;
    root.rpm(&["--upgrade", "--nodeps", "--noscripts"], &next)?;
    let versions = root.rpm(&[&["--query"], &BOTH[..]].concat(), &[])?;
    if versions.lines().any(|line| !line.contains("+next")) {
        return Err(format!("the upgrade left {versions}"));
    }
    if fs::read_to_string(&own).ok().as_deref() != Some("# an operator's\n") {
        return Err("the upgrade wrote over a configuration".to_owned());
    }
    root.rpm(&[&["--erase", "--nodeps", "--noscripts"], &BOTH[..]].concat(), &[])?;
    let mut left = root.files()?;
    left.retain(|name| !before.contains(name) && !name.contains("lib/sysimage/rpm"));
    if left == ["etc/nsgate/pool.toml.rpmsave"] { Ok(()) } else { Err(format!("erased, and left behind: {left:?}")) }
}

/// A shell takes the package's scripts.
fn scripts(package: &Path) -> Result<(), String> {
    let mut query = Command::new("rpm");
    query.args(["--query", "--package", "--queryformat", "%{PREIN}\n%{POSTIN}\n%{PREUN}\n%{POSTUN}\n"]).arg(package);
    let text = said(query)?.replace("(none)", "");
    let mut sh = Command::new("sh");
    sh.args(["-n", "-c", &text]);
    said(sh).map(drop).map_err(|why| format!("{}: {why}", package.display()))
}
