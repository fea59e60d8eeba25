//! A Debian package, by dpkg-deb(1): the tree, what Debian wants beside it, and the maintainer's scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{Package, compressed, copy, packaged, write};
use super::{Release, empty, make, release::said};

/// Scripts that a package may have (deb-postinst(5) and the like).
const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// Builds `NAME_VERSION_ARCHITECTURE.deb` from the tree at `root`.
pub(crate) fn build(package: Package, release: &Release, root: &Path, work: &Path, into: &Path) -> Result<(), String> {
    let tree = work.join("deb").join(package.name());
    empty(&tree)?;
    let mut cp = Command::new("cp");
    cp.args(["-R", "--preserve=mode", "--"]).arg(root.join(".")).arg(&tree);
    said(cp)?;
    of_debian(package, release, &tree)?;
    let control = tree.join("DEBIAN");
    let architecture = architecture()?;
    write(&control.join("control"), control_file(package, release, &tree, &architecture)?.as_bytes())?;
    conffiles(&tree, &control)?;
    for script in SCRIPTS {
        let from = packaged("deb").join(format!("{}.{script}", package.name()));
        if from.exists() {
            copy(&from, &control.join(script), 0o755)?;
        }
    }
    sums(&tree, &control)?;
    directories(&tree)?;
    let name = format!("{}_{}_{architecture}.deb", package.name(), release.version);
    let mut dpkg = release.command("dpkg-deb");
    // One thread: how xz divides the work shows in the result.
    dpkg.args(["--root-owner-group", "-Zxz", "--threads-max=1", "--build"]).arg(&tree).arg(into.join(name));
    said(dpkg).map(drop)
}

/// `amd64`, as dpkg calls this machine.
fn architecture() -> Result<String, String> {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("--print-architecture");
    said(dpkg).map_err(|e| format!("{e}; apt-get install dpkg"))
}

/// Changelog, copyright, overrides with their reasons, and zsh's directory.
fn of_debian(package: Package, release: &Release, tree: &Path) -> Result<(), String> {
    let documents = tree.join("usr/share/doc").join(package.name());
    copy(&packaged("deb/copyright"), &documents.join("copyright"), 0o644)?;
    let entry = format!(
        "nsgate ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {maintainer}  {date}\n",
        version = release.version,
        maintainer = release.packager(),
        date = release.date("+%a, %d %b %Y %H:%M:%S +0000")?,
    );
    compressed(&documents.join("changelog"), &entry)?;
    let overrides = packaged("deb").join(format!("{}.lintian-overrides", package.name()));
    if overrides.exists() {
        copy(&overrides, &tree.join("usr/share/lintian/overrides").join(package.name()), 0o644)?;
    }
    let zsh = tree.join("usr/share/zsh");
    if zsh.join("site-functions").exists() {
        let moved = fs::rename(zsh.join("site-functions"), zsh.join("vendor-completions"));
        moved.map_err(|e| format!("{}: {e}", zsh.display()))?;
    }
    Ok(())
}

fn control_file(package: Package, release: &Release, tree: &Path, architecture: &str) -> Result<String, String> {
    let path = packaged("deb").join(format!("{}.control", package.name()));
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut du = Command::new("du");
    // As dpkg-gencontrol(1) counts: apparent sizes, in KiB.
    du.args(["--summarize", "--apparent-size", "--block-size=1024", "--"]).arg(tree);
    let size = said(du)?.split_whitespace().next().unwrap_or("0").to_owned();
    let values = [
        ("@VERSION@", release.version.as_str()),
        ("@ARCHITECTURE@", architecture),
        ("@MAINTAINER@", &release.packager()),
        ("@SIZE@", &size),
        ("@LIBRARIES@", &libraries(tree)?),
    ];
    let text = values.iter().fold(text, |text, (key, value)| text.replace(key, value));
    // A list that begins with nothing begins with its second member.
    Ok(text.replace("Depends: , ", "Depends: ").replace("Depends: \n", ""))
}

/// What the programs are linked with, as packages: dpkg-shlibdeps(1) where a program is linked dynamically.
fn libraries(tree: &Path) -> Result<String, String> {
    let programs = ["usr/bin/nsgate", "usr/lib/nsgate/bin/haproxy"];
    let found = programs.iter().map(|name| tree.join(name)).find(|path| path.exists());
    let Some(program) = found else { return Ok(String::new()) };
    if !dynamic(&program)? {
        return Ok(String::new());
    }
    // It wants to stand in a source package.
    let place = tree.with_extension("shlibdeps");
    write(&place.join("debian/control"), b"Source: nsgate\n\nPackage: nsgate\nArchitecture: any\n")?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    shlibdeps.arg("-O").arg(format!("-e{}", program.display())).current_dir(&place);
    let said = said(shlibdeps).map_err(|e| format!("{e}; apt-get install dpkg-dev"))?;
    Ok(said.trim_start_matches("shlibs:Depends=").to_owned())
}

/// Whether a program asks for a dynamic loader: its path stands in the program as text.
pub(crate) fn dynamic(program: &Path) -> Result<bool, String> {
    let bytes = fs::read(program).map_err(|e| format!("{}: {e}", program.display()))?;
    let head = bytes.get(..4096.min(bytes.len())).unwrap_or_default();
    Ok(head.windows(6).any(|word| word == b"/ld-li" || word == b"/ld64."))
}

/// What an operator may have changed, and an upgrade keeps.
fn conffiles(tree: &Path, control: &Path) -> Result<(), String> {
    let mut names = files(&tree.join("etc"))?;
    names.sort();
    if names.is_empty() {
        return Ok(());
    }
    let lines: String = names.iter().map(|path| format!("/{}\n", below(path, tree).display())).collect();
    write(&control.join("conffiles"), lines.as_bytes())
}

/// `md5sums`, for `dpkg --verify`.
fn sums(tree: &Path, control: &Path) -> Result<(), String> {
    let mut names: Vec<PathBuf> = files(tree)?.iter().map(|path| below(path, tree)).collect();
    names.retain(|name| !name.starts_with("DEBIAN") && !name.starts_with("etc"));
    names.sort();
    let mut md5sum = Command::new("md5sum");
    md5sum.arg("--").args(&names).current_dir(tree);
    write(&control.join("md5sums"), (said(md5sum)? + "\n").as_bytes())
}

fn below(path: &Path, tree: &Path) -> PathBuf {
    path.strip_prefix(tree).unwrap_or(path).to_owned()
}

/// Every file below a directory that may be missing.
fn files(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// Directories that everybody may pass, whatever the caller's umask is.
fn directories(directory: &Path) -> Result<(), String> {
    make(directory)?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory, mode).map_err(|e| format!("{}: {e}", directory.display()))?;
    entries(directory)?.iter().filter(|path| path.is_dir()).try_for_each(|path| directories(path))
}
