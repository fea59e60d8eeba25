//! A stranger's daemon, confined with nothing but the crate: the example of nsgate-sandbox.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nsgate_tests::lab::wait_until;
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::program::target;
use nsgate_tests::{Lab, suite};

fn main() {
    suite!["embedding":
        the_echo_server_echoes_and_holds_nothing,
        the_echo_server_ends_when_it_opens_a_file,
    ]
}

fn example(lab: &Lab) -> PathBuf {
    let path = target().join("release/examples/echo");
    if !path.exists() {
        lab.skip("no example: cargo build --release -p nsgate-sandbox --features compile --example echo");
    }
    path
}

fn start(lab: &Lab) -> (Child, TcpStream) {
    nsgate_tests::network::ip("link set lo up\n");
    let child = Command::new(example(lab)).args(["neutron", "7007"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stream = None;
    wait_until(5.0, || {
        stream = TcpStream::connect("127.0.0.1:7007").ok();
        stream.is_some()
    });
    let stream = stream.expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    (child, stream)
}

fn the_echo_server_echoes_and_holds_nothing(lab: &Lab) {
    let (mut child, mut stream) = start(lab);
    stream.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    let process = Process::new(i32::try_from(child.id()).unwrap());
    for set in CAPABILITY_SETS {
        assert_eq!(process.capabilities(set), 0, "{set}");
    }
    assert_eq!((process.status("NoNewPrivs").as_str(), process.status("Seccomp").as_str()), ("1", "2"));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn the_echo_server_ends_when_it_opens_a_file(lab: &Lab) {
    let (mut child, mut stream) = start(lab);
    stream.write_all(b"open /etc/hostname").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(nix::libc::SIGSYS), "{status:?}");
}
