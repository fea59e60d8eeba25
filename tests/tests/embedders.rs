//! Programs of others (tests/embedders): each is a project of its own, written from the documentation alone.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::lab::wait_until;
use nsgate_tests::pool::Pool;
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::program::{target, workspace};
use nsgate_tests::{Answer, Lab, RecordingAgent, suite};

fn main() {
    suite!["embedders":
        the_sandbox_alone_serves_confined_and_ends_at_sigterm,
        a_refused_call_has_a_name_in_development,
        a_policy_of_ones_own_logs_where_it_was_built_to,
        a_policy_that_lacks_what_comes_after_it_is_refused_before_anything_is_dropped,
        a_second_thread_is_refused_before_anything_is_dropped,
        launcher_and_forwarder_serve_and_finish_what_is_under_way,
        a_network_is_handed_over_and_taken_back_at_sigterm,
    ]
}

/// A user that is neither root nor nsgate's.
const NOBODY: &str = "65534";

fn program(lab: &Lab, path: &str) -> PathBuf {
    let path = target().join("embedders").join(path);
    if !path.exists() {
        lab.skip(&format!("no {}: `cargo xtask test e2e` builds it", path.display()));
    }
    path
}

fn reached(address: &str) -> TcpStream {
    let mut stream = None;
    wait_until(10.0, || {
        stream = TcpStream::connect(address).ok();
        stream.is_some()
    });
    let stream = stream.expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until(10.0, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.expect("it ends")
}

fn terminate(child: &Child) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
}

/// The server with a policy of its own, and a guest of it.
fn shouting(lab: &Lab, program_path: &str) -> (Child, TcpStream) {
    lab.needs_root("a process that gives up what it has");
    nsgate_tests::network::ip("link set lo up\n");
    let mut command = Command::new(program(lab, program_path));
    let child = command.args([NOBODY, "7008"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    (child, reached("127.0.0.1:7008"))
}

fn said(child: &mut Child) -> (String, String) {
    let (mut out, mut error) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    (out, error)
}

fn the_sandbox_alone_serves_confined_and_ends_at_sigterm(lab: &Lab) {
    let (mut child, mut guest) = shouting(lab, "debug/sandbox");
    guest.write_all(b"hello").unwrap();
    let mut bytes = [0; 5];
    guest.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"HELLO");
    let process = Process::new(i32::try_from(child.id()).unwrap());
    for set in CAPABILITY_SETS {
        assert_eq!(process.capabilities(set), 0, "{set}");
    }
    assert_eq!((process.status("NoNewPrivs").as_str(), process.status("Seccomp").as_str()), ("1", "2"));
    terminate(&child);
    assert_eq!(ended(&mut child).signal(), Some(libc::SIGTERM));
    let (out, _) = said(&mut child);
    assert!(out.contains("10 system calls (shout filter)") && out.contains("a refused call is named"), "{out}");
}

fn a_refused_call_has_a_name_in_development(lab: &Lab) {
    let (mut child, mut guest) = shouting(lab, "debug/sandbox");
    guest.write_all(b"open /etc/hostname").unwrap();
    let mut rest = Vec::new();
    let _ = guest.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
    assert_eq!(ended(&mut child).signal(), Some(libc::SIGSYS));
    let (_, error) = said(&mut child);
    assert!(error.contains("the shout policy does not let pass system call ") && error.contains("(openat)"), "{error}");
}

fn a_policy_of_ones_own_logs_where_it_was_built_to(lab: &Lab) {
    let (mut child, mut guest) = shouting(lab, "logs/debug/sandbox");
    guest.write_all(b"open /etc/hostname").unwrap();
    let mut bytes = [0; 64];
    let length = guest.read(&mut bytes).unwrap();
    let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
    // Landlock refuses it, and the process goes on.
    assert!(answer.starts_with("Err(") || answer.starts_with("Ok("), "{answer}");
    terminate(&child);
    assert_eq!(ended(&mut child).signal(), Some(libc::SIGTERM));
    let (out, _) = said(&mut child);
    assert!(out.contains("the filter logs and does not kill"), "{out}");
}

fn a_policy_that_lacks_what_comes_after_it_is_refused_before_anything_is_dropped(lab: &Lab) {
    lab.needs_root("a process that gives up what it has");
    let whole = fs::read_to_string(workspace().join("tests/embedders/sandbox/policy.toml")).unwrap();
    for lacking in ["read", "close", "brk", "sigaltstack", "munmap", "exit_group"] {
        let file = lab.state().join("policy.toml");
        let entries = whole.split("\n\n").filter(|entry| !entry.contains(&format!("name = \"{lacking}\"")));
        fs::write(&file, entries.collect::<Vec<_>>().join("\n\n")).unwrap();
        let out = Command::new(program(lab, "debug/sandbox")).args([NOBODY, "7008"]).arg(&file).output().unwrap();
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{lacking}: {out:?}");
        assert!(error.contains("Needed { ") && error.contains(&format!("`{lacking}`")), "{error}");
    }
}

fn a_second_thread_is_refused_before_anything_is_dropped(lab: &Lab) {
    lab.needs_root("a process that gives up what it has");
    let mut command = Command::new(program(lab, "debug/sandbox"));
    let out = command.args([NOBODY, "7008"]).env("NOT_ALONE", "1").output().unwrap();
    let error = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && error.contains("Threads { found: 2 }"), "{out:?}");
}

fn launcher_and_forwarder_serve_and_finish_what_is_under_way(lab: &Lab) {
    lab.needs_root("a gate");
    nsgate_tests::network::ip("link set lo up\n");
    let agent = RecordingAgent::answering(&lab.socket(), |_| match Answer::ok("hello") {
        Answer::Bytes(bytes) => Answer::Slow(Duration::from_millis(500), bytes),
        other => other,
    });
    let file = lab.state().join("gate.toml");
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"127.0.0.1:8780\"]\nbackend = \"{}\"\nuser = \"neutron\"\n",
        lab.socket().display()
    );
    fs::write(&file, text).unwrap();
    let mut child = Command::new(program(lab, "debug/gate")).arg(&file).stdout(Stdio::piped()).spawn().unwrap();
    let mut guest = reached("127.0.0.1:8780");
    guest.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n").unwrap();
    let seen = agent.nth(1).expect("the agent is asked");
    assert_eq!(seen.header("X-Neutron-Network-ID"), [NETWORK]);
    assert_eq!(seen.header("X-Forwarded-For"), ["127.0.0.1"]);
    terminate(&child);
    let mut answer = String::new();
    guest.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(ended(&mut child).code(), Some(0));
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(out.starts_with("no capability, ") && out.ends_with("127.0.0.1 200\n"), "{out}");
}

fn a_network_is_handed_over_and_taken_back_at_sigterm(lab: &Lab) {
    lab.needs_root("a pool");
    nsgate_tests::network::ip("link set lo up\n");
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let pool = Pool::start(lab);
    let mut command = Command::new(program(lab, "debug/handover"));
    let mut child = command.arg(&pool.socket).arg(lab.socket()).arg("8781").stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 7];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"served\n");
    let mut guest = reached("127.0.0.1:8781");
    guest.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut bytes = [0; 12];
    guest.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"HTTP/1.1 200");
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [NETWORK]);
    terminate(&child);
    assert_eq!(ended(&mut child).signal(), Some(libc::SIGTERM));
    assert!(wait_until(10.0, || TcpStream::connect("127.0.0.1:8781").is_err()), "the network goes with it");
}
