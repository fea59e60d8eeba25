//! A process that may connect to one TCP port connects to that one, and Landlock refuses every other.
//!
//! Restrictions last as long as the process, so each case is a process of its own: this program, started again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_sandbox::{Filter, Ids, Policy, Root, Sandbox, attest};
use std::{
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    process::Command,
};

/// The kernel's overflow id: the account `nobody` on every distribution.
const NOBODY: u32 = 65_534;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().map(String::as_str) == Some("confined") {
        confined(words[1].parse().ok(), words[2].parse().unwrap(), words[3].parse().unwrap());
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root, who alone can become nobody");
        return;
    }
    if attest::kernel().landlock_abi < 4 {
        println!("skipped: Landlock knows no TCP ports before ABI 4 (Linux 6.7)");
        return;
    }
    let (server, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [&server, &other].map(|listener| listener.local_addr().unwrap().port().to_string());
    for allowed in [ports[0].as_str(), "none"] {
        let own = std::env::current_exe().unwrap();
        let ended = Command::new(own).args(["confined", allowed, &ports[0], &ports[1]]).status().unwrap();
        assert!(ended.success(), "allowed {allowed}: {ended}");
    }
    println!("test one_destination ... ok");
}

fn confined(allowed: Option<u16>, server: u16, other: u16) {
    let ids = Ids { uid: NOBODY.into(), gid: NOBODY.into() };
    // The filter is not loaded: the test is of Landlock alone.
    let filter = Filter::from_toml("unloaded", include_str!("unloaded.toml")).unwrap();
    let policy = Policy::new(filter, 64);
    let policy = allowed.map_or(policy.clone(), |port| policy.connects_to(port));
    let sandbox = Sandbox::new(policy).unwrap().drop_privileges(&ids).unwrap();
    TcpStream::connect(("127.0.0.1", other)).expect("not yet");
    let _ruled = sandbox.restrict_files(Root::Kept).unwrap();
    let refused = |port: u16| TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.kind()).err();
    assert_eq!(refused(other), Some(ErrorKind::PermissionDenied));
    assert_eq!(refused(server), if allowed.is_some() { None } else { Some(ErrorKind::PermissionDenied) });
    let bound = TcpListener::bind("127.0.0.1:0").map_err(|error| error.kind()).err();
    assert_eq!(bound, Some(ErrorKind::PermissionDenied), "nor is anything bound");
}
