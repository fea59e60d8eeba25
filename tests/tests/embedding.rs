//! Strangers' daemons with nothing but a crate: the examples of nsgate-sandbox and nsgate-forwarder.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::lab::wait_until;
use nsgate_tests::network::Namespace;
use nsgate_tests::procfs::{self, CAPABILITY_SETS, Process};
use nsgate_tests::program::{target, workspace};
use nsgate_tests::{Answer, Lab, RecordingAgent, suite};

fn main() {
    suite!["embedding":
        the_echo_server_echoes_and_holds_nothing,
        the_echo_server_ends_when_it_opens_a_file,
        an_embedder_says_what_its_own_daemon_may_hold_and_attest_compares,
        a_kernel_without_memory_for_a_connection_is_asked_again,
        an_agent_makes_a_namespace_and_serves_it_in_less_than_sixty_lines,
        a_server_behind_the_launcher_ends_at_sigterm_with_its_guest_answered,
        a_forwarder_alone_ends_at_sigterm_with_its_request_answered,
        what_neutron_wrote_for_haproxy_becomes_toml,
    ]
}

fn example(lab: &Lab, name: &str) -> PathBuf {
    let path = ["release/examples", "debug/examples"].map(|place| target().join(place).join(name));
    let [release, debug] = path;
    let path = if release.exists() { release } else { debug };
    if !path.exists() {
        lab.skip(&format!("no example `{name}`: `cargo xtask test e2e` builds it"));
    }
    path
}

fn start(lab: &Lab) -> (Child, TcpStream) {
    nsgate_tests::network::ip("link set lo up\n");
    let child = Command::new(example(lab, "echo")).args(["neutron", "7007"]).stdout(Stdio::piped()).spawn().unwrap();
    (child, connected("127.0.0.1:7007"))
}

/// A connection to a program that is just being started.
#[track_caller]
fn connected(address: &str) -> TcpStream {
    let mut stream = None;
    wait_until(10.0, || {
        stream = TcpStream::connect(address).ok();
        stream.is_some()
    });
    let stream = stream.expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
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

/// The echo server, by what its own reader expects of it; and another process, which that reader does not know.
fn an_embedder_says_what_its_own_daemon_may_hold_and_attest_compares(lab: &Lab) {
    lab.needs_root("a look at another user's process");
    let (mut child, _guest) = start(lab);
    let look = |pid: u32| {
        let out = Command::new(example(lab, "look")).arg(pid.to_string()).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (status, told) = look(child.id());
    assert!(status == Some(0) && told.contains("echo server"), "{told}");
    assert!(!told.contains("  NO  ") && !told.contains("nsgate"), "{told}");
    let (status, told) = look(std::process::id());
    assert!(status == Some(3) && told.contains("no process that its reader knows"), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The example of nsgate-forwarder: it has no filter, so strace(1) can put an error in the place of an answer.
fn a_kernel_without_memory_for_a_connection_is_asked_again(lab: &Lab) {
    lab.needs("/usr/bin/strace", "apt-get install strace");
    nsgate_tests::network::ip("link set lo up\n");
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/run/lab/accepts", "-e", "trace=accept4"]);
    command.args(["-e", "inject=accept4:error=ENOMEM:when=1..3"]);
    let mut child = command.arg(example(lab, "forward")).arg(lab.socket()).stdout(Stdio::null()).spawn().unwrap();
    let mut stream = connected("127.0.0.1:8775");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("hello"), "{text}");
    let calls = std::fs::read_to_string("/run/lab/accepts").unwrap();
    assert_eq!(calls.matches("ENOMEM").count(), 3, "{calls}");
    // SIGTERM makes strace let go of the example and end; SIGINT reaches the example itself.
    let pid = calls.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a pid in front of each call");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(wait_until(10.0, || child.try_wait().unwrap().is_some()), "it ends");
}

/// The example of nsgate itself: launcher and forwarder embedded, from `ip netns add` to its deletion.
fn an_agent_makes_a_namespace_and_serves_it_in_less_than_sixty_lines(lab: &Lab) {
    lab.needs_root("an agent that makes namespaces");
    let lines = std::fs::read_to_string(workspace().join("crates/nsgate/examples/agent.rs")).unwrap().lines().count();
    assert!(lines < 60, "{lines} lines");
    let agent =
        RecordingAgent::answering(&lab.socket(), |seen| match (seen.text().contains("/slow"), Answer::ok("hello")) {
            (true, Answer::Bytes(bytes)) => Answer::Slow(Duration::from_millis(800), bytes),
            (_, answer) => answer,
        });
    let mut command = Command::new(example(lab, "agent"));
    let mut child = command.arg("blue").arg(lab.socket()).stdout(Stdio::null()).spawn().unwrap();
    let namespace = Namespace::existing("blue");
    assert!(wait_until(20.0, || Path::new("/run/netns/blue").exists() && !namespace.listening().is_empty()));
    let answer = namespace.inside(|| {
        let mut stream = TcpStream::connect("169.254.169.254:80").unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    });
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(agent.only().header("X-Forwarded-For"), ["169.254.169.254"]);
    // The process that hears the guest is not the one with all rights: the gate is the starter's child.
    let gates: Vec<i32> = procfs::having("serve").into_iter().filter(|pid| *pid != child.id() as i32).collect();
    let confined = gates.iter().filter(|pid| Process::new(**pid).status("Seccomp") == "2").count();
    assert!(confined >= 1, "{gates:?}");
    // A request is under way when the agent is told to end.
    agent.forget();
    let mut stream = namespace.inside(|| TcpStream::connect("169.254.169.254:80").unwrap());
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    agent.nth(1).expect("the agent was asked");
    terminate(&child);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    assert!(ended(&mut child).is_some_and(|status| status.success()));
    assert!(!Path::new("/run/netns/blue").exists() && wait_until(5.0, || procfs::having("serve").is_empty()));
}

/// The example of nsgate-launcher: the starter is told to end while a guest is in the middle of its request.
fn a_server_behind_the_launcher_ends_at_sigterm_with_its_guest_answered(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = lab.state().join("gate.toml");
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nuser = \"neutron\"\ngroup = \"neutron\"\n",
        lab.socket().display()
    );
    std::fs::write(&file, text).unwrap();
    let launch = example(lab, "launch");
    let mut child = network.gate.inside(|| Command::new(&launch).arg(&file).stdout(Stdio::piped()).spawn().unwrap());
    assert!(wait_until(20.0, || !network.gate.listening().is_empty()));
    let gate = confined_child(&child).expect("a confined child");
    let open = || lab.descriptors(&gate).len();
    let before = open();
    let mut stream = network.gate.inside(|| TcpStream::connect("169.254.169.254:80").unwrap());
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n").unwrap();
    assert!(wait_until(10.0, || open() > before), "it was accepted");
    terminate(&child);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "a guest is under way");
    stream.write_all(b"\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("confined\n"), "{answer}");
    assert_eq!(ended(&mut child).and_then(|status| status.code()), Some(0));
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("listens on 169.254.169.254:80; no capability"), "{said}");
    let refused = network.gate.inside(|| Command::new(&launch).arg("/run/lab/absent.toml").output().unwrap());
    assert!(!refused.status.success(), "{refused:?}");
}

/// The example of nsgate-forwarder: the request that the agent has not answered yet is.
fn a_forwarder_alone_ends_at_sigterm_with_its_request_answered(lab: &Lab) {
    nsgate_tests::network::ip("link set lo up\n");
    let Answer::Bytes(bytes) = Answer::ok("hello") else { panic!("bytes") };
    let agent = RecordingAgent::start(&lab.socket(), Answer::Slow(Duration::from_millis(800), bytes));
    let mut child = Command::new(example(lab, "forward")).arg(lab.socket()).stdout(Stdio::null()).spawn().unwrap();
    let mut stream = connected("127.0.0.1:8775");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    agent.nth(1).expect("the agent was asked");
    terminate(&child);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(ended(&mut child).and_then(|status| status.code()), Some(0));
}

/// The process that an example has made of itself, once its filter is loaded.
fn confined_child(child: &Child) -> Option<Process> {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
    let mut found = None;
    wait_until(10.0, || {
        let all = procfs::having(name.trim()).into_iter().filter(|pid| *pid != child.id() as i32);
        found = all.map(Process::new).find(|process| process.status("Seccomp") == "2");
        found.is_some()
    });
    found
}

fn terminate(child: &Child) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
}

/// How it ended, if it did.
fn ended(child: &mut Child) -> Option<std::process::ExitStatus> {
    let mut status = None;
    wait_until(10.0, || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status
}

fn what_neutron_wrote_for_haproxy_becomes_toml(lab: &Lab) {
    let file = nsgate_tests::gate::write_config(lab, &nsgate_tests::Config::new(nsgate_tests::Kind::Network));
    let out = Command::new(example(lab, "translate")).arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && text.contains(&format!("network_id = \"{NETWORK}\"")), "{out:?}");
    std::fs::write(&file, "global\n    frobnicate\n").unwrap();
    let out = Command::new(example(lab, "translate")).arg(&file).output().unwrap();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("frobnicate"), "{out:?}");
}
