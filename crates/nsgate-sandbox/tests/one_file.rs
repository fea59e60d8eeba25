//! Behind the filter of a process that opens one file: how the file is opened, and what Landlock leaves of the
//! directory.
//!
//! Restrictions last as long as the process, so the second is a process of its own: this program, started again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nix::errno::Errno;
use nsgate_sandbox::{Filter, Ids, OneFile, Policy, Root, Sandbox, attest};
use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    os::{
        fd::OwnedFd,
        unix::fs::{PermissionsExt, symlink},
    },
    path::Path,
    process::Command,
};

/// The kernel's overflow id, nobody's on every distribution.
const NOBODY: u32 = 65_534;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().map(String::as_str) == Some("confined") {
        confined(Path::new(&words[1]));
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root, who alone can become nobody");
        return;
    }
    let place = std::env::temp_dir().join(format!("nsgate-one-file-{}", std::process::id()));
    fs::create_dir_all(place.join("beside")).unwrap();
    // Whom the kernel's modes would stop is not stopped by Landlock.
    for directory in [&place, &place.join("beside")] {
        fs::set_permissions(directory, PermissionsExt::from_mode(0o777)).unwrap();
    }
    for name in ["it", "other"] {
        fs::write(place.join(name), name).unwrap();
        fs::set_permissions(place.join(name), PermissionsExt::from_mode(0o666)).unwrap();
    }
    symlink("it", place.join("link")).unwrap();
    is_opened_as_one_name(&place);
    if attest::kernel().landlock_abi > 0 {
        let own = std::env::current_exe().unwrap();
        let ended = Command::new(own).arg("confined").arg(&place).status().unwrap();
        assert!(ended.success(), "{ended}");
    }
    fs::remove_dir_all(place).unwrap();
    println!("test one_file ... ok");
}

fn directory(path: &Path) -> OwnedFd {
    File::open(path).unwrap().into()
}

fn is_opened_as_one_name(place: &Path) {
    let open = |path: &Path, name: &str| OneFile::new(directory(path), name).unwrap().open();
    let mut text = String::new();
    File::from(open(place, "it").unwrap()).read_to_string(&mut text).unwrap();
    assert_eq!(text, "it");
    assert_eq!(open(place, "none").err(), Some(Errno::ENOENT));
    assert_eq!(open(place, "link").err(), Some(Errno::ELOOP));
    assert_eq!(open(Path::new("/proc/self"), "exe").err(), Some(Errno::ELOOP), "a link of the kernel's");
    assert_eq!(open(Path::new("/"), "proc").err(), Some(Errno::EXDEV), "what is mounted there is not of the directory");
    for name in ["", ".", "..", "beside/x", "/etc/passwd", "it\0"] {
        assert!(OneFile::new(directory(place), name).is_err(), "{name:?}");
    }
}

fn confined(place: &Path) {
    let ids = Ids { uid: NOBODY.into(), gid: NOBODY.into() };
    let file = OneFile::new(directory(place), "it").unwrap();
    // The filter is not loaded here: it is what Landlock does that is tried.
    let filter = Filter::from_toml("unloaded", include_str!("unloaded.toml")).unwrap();
    let policy = Policy::new(filter, 64);
    let sandbox = Sandbox::new(policy).unwrap().drop_privileges(&ids).unwrap();
    let write = |name: &str| File::options().write(true).open(place.join(name)).map_err(|error| error.kind()).err();
    assert_eq!(write("it"), None, "not yet");
    let _ruled = sandbox.restrict_files_but(&file, Root::Kept).unwrap();
    file.open().expect("the one right that is left");
    let denied = Some(ErrorKind::PermissionDenied);
    assert_eq!(write("it"), denied, "to write");
    assert_eq!(write("other"), denied);
    let kind = |outcome: std::io::Result<()>| outcome.err().map(|error| error.kind());
    assert_eq!(kind(fs::read_dir(place).map(drop)), denied, "to list");
    assert_eq!(kind(File::create_new(place.join("beside/new")).map(drop)), denied, "to create");
    assert_eq!(kind(fs::create_dir(place.join("beside/new"))), denied, "to make a directory");
    assert_eq!(kind(symlink("it", place.join("beside/new"))), denied, "to make a link");
    assert_eq!(kind(fs::remove_file(place.join("other"))), denied, "to remove");
    assert_eq!(kind(File::open("/etc/passwd").map(drop)), denied, "another directory");
}
