//! A process that its own filter has killed: the supervisor names the kernel's log, and `nsgate explain` reads its line.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nsgate_tests::gate::{Gate, write_config};
#[cfg(target_arch = "x86_64")]
use nsgate_tests::inject::Entry;
use nsgate_tests::{Answer, Config, Kind, Lab, RecordingAgent, suite};

fn main() {
    suite!["killed":
        a_gate_that_was_killed_is_said_by_its_supervisor_and_the_kernels_line_is_explained,
        a_pools_log_says_which_worker_its_filter_has_ended,
        a_line_is_explained_from_every_log,
        a_32_bit_call_out_of_a_gate_is_explained_from_the_kernels_own_line,
        a_line_of_another_architecture_is_explained_and_ends_nothing,
        a_line_that_cannot_be_read_is_named_and_the_next_ones_are_read,
        a_process_that_chose_an_escape_sequence_for_its_name_sends_none_to_the_terminal,
        what_is_no_line_of_the_kernels_is_refused,
    ]
}

const LINE: &str = "[14148.846516] audit: type=1326 audit(1796068893.006:4111): auid=4294967295 uid=64042 gid=64042 \
     ses=4294967295 pid=20227 comm=\"haproxy\" exe=\"/usr/bin/haproxy\" sig=31 arch=c000003e syscall=41 compat=0 \
     ip=0x7fdc6cb9d7c0 code=0x80000000";

/// Status, standard output and standard error.
type Told = (Option<i32>, String, String);

fn explain(lab: &Lab, words: &[&str], input: &str) -> Told {
    let file = lab.state().join("kernel.log");
    fs::write(&file, input).unwrap();
    let mut command = Command::new(lab.program.nsgate());
    let out = command.arg("explain").args(words).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// The kernel's line about a call of the program under test.
fn written_down(lab: &Lab, call: &str) -> Vec<String> {
    let log = Command::new("dmesg").stderr(Stdio::null()).output();
    let log = log.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    let program = format!("exe=\"{}\"", lab.program.path().display());
    let about = |line: &&str| line.contains("type=1326") && line.contains(call) && line.contains(&program);
    log.lines().filter(about).map(str::to_owned).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn a_gate_that_was_killed_is_said_by_its_supervisor_and_the_kernels_line_is_explained(lab: &Lab) {
    lab.skip("calls are injected through the registers of x86_64");
}

/// A call that no gate makes is injected into one in the foreground; what the kernel's log has of that is piped on.
#[cfg(target_arch = "x86_64")]
fn a_gate_that_was_killed_is_said_by_its_supervisor_and_the_kernels_line_is_explained(lab: &Lab) {
    lab.needs_root("a process that is traced");
    let line = line_of_a_killed_gate(lab, Entry::Syscall, libc::SYS_openat as u64, " arch=c000003e syscall=257 ");
    let (status, told, _) = explain(lab, &["--role", "gate"], &line);
    assert_eq!(status, Some(0));
    assert!(told.starts_with("openat (system call 257 on x86_64): the kernel ended `haproxy`, process "), "{told}");
    assert!(told.contains("not in policy/gate.toml") && told.contains("docs/killed.md"), "{told}");
}

#[cfg(not(target_arch = "x86_64"))]
fn a_32_bit_call_out_of_a_gate_is_explained_from_the_kernels_own_line(lab: &Lab) {
    lab.skip("x86_64 alone has `int 0x80`");
}

/// getpid(2) of i386, by `int 0x80`: harmless, and refused as every call of another architecture.
#[cfg(target_arch = "x86_64")]
fn a_32_bit_call_out_of_a_gate_is_explained_from_the_kernels_own_line(lab: &Lab) {
    lab.needs_root("a process that is traced");
    let line = line_of_a_killed_gate(lab, Entry::Interrupt, 20, " arch=40000003 syscall=20 ");
    let (status, told, error) = explain(lab, &["--role", "gate"], &format!("{line}\n{LINE}\n"));
    assert_eq!((status, error.as_str()), (Some(0), ""), "{told}");
    assert!(told.starts_with("a call of architecture `40000003` (i386): `haproxy`, process "), "{told}");
    assert!(told.contains("was taken over") && told.contains("\nsocket (system call 41 on x86_64)"), "{told}");
}

/// The kernel's line about a gate in the foreground that was made to call what its filter refuses.
#[cfg(target_arch = "x86_64")]
fn line_of_a_killed_gate(lab: &Lab, entry: Entry, number: u64, call: &str) -> String {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    // The kernel writes ten such lines in five seconds, and others are killed on this host at the same time.
    for attempt in 0..6 {
        let before = written_down(lab, call);
        kill_a_gate(lab, &network.gate, entry, number);
        let line = written_down(lab, call).into_iter().find(|line| !before.contains(line));
        if let Some(line) = line {
            return line;
        }
        std::thread::sleep(Duration::from_millis(500 * attempt));
    }
    lab.skip("the kernel's log cannot be read here, or has no room for lines about refused calls");
}

/// Makes a gate call what its filter refuses, and hears its supervisor.
#[cfg(target_arch = "x86_64")]
fn kill_a_gate(lab: &Lab, namespace: &nsgate_tests::network::Namespace, entry: Entry, number: u64) {
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let gate = Gate::foreground(lab, namespace, &config, &["-db".as_ref(), "-f".as_ref(), file.as_os_str()]);
    let mut gate = gate.unwrap_or_else(|started| panic!("{started:#?}"));
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", gate.pid)).unwrap();
    let child: i32 = children.trim().parse().expect("one child");
    call(child, entry, number);
    let status = gate.wait_foreground().expect("the supervisor ends");
    let said = gate.foreground_output(lab);
    assert_eq!(status.code(), Some(128 + libc::SIGSYS), "{said}");
    assert!(said.contains("dmesg | nsgate explain --role gate"), "{said}");
}

/// Makes a process call what its filter refuses; a path is there for what wants one.
#[cfg(target_arch = "x86_64")]
fn call(pid: i32, entry: Entry, number: u64) {
    use nsgate_tests::inject::{Outcome, Tracee};
    let mut tracee = Tracee::attach(pid).unwrap();
    let path = tracee.place(b"/etc/passwd\0").unwrap();
    let outcome = tracee.call(entry, number, [libc::AT_FDCWD as u64, path, 0, 0, 0, 0]).unwrap();
    assert_eq!(outcome, Outcome::Killed(nix::sys::signal::Signal::SIGSYS));
}

#[cfg(not(target_arch = "x86_64"))]
fn a_pools_log_says_which_worker_its_filter_has_ended(lab: &Lab) {
    lab.skip("calls are injected through the registers of x86_64");
}

#[cfg(target_arch = "x86_64")]
fn a_pools_log_says_which_worker_its_filter_has_ended(lab: &Lab) {
    lab.needs_root("a process that is traced");
    let pool = nsgate_tests::pool::Pool::start_with(lab, &["--workers=2"]);
    let crew = pool.crew();
    call(crew[1], Entry::Syscall, libc::SYS_openat as u64);
    let said = || pool.said("worker 1: the worker made a system call that its filter refuses");
    assert!(nsgate_tests::lab::wait_until(10.0, said), "{}", fs::read_to_string(&pool.log).unwrap());
    assert!(pool.said("dmesg | nsgate explain --role worker; another takes its place"));
    assert!(nsgate_tests::lab::wait_until(10.0, || pool.crew().len() == crew.len()), "{:?}", pool.crew());
}

fn a_line_is_explained_from_every_log(lab: &Lab) {
    let one = |words: &[&str], input: &str| {
        let (status, told, error) = explain(lab, words, input);
        assert_eq!(status, Some(0), "{told} {error}");
        told
    };
    // Among other lines, of all roles.
    let all = one(&[], &format!("[1.0] usb 1-1: new device\n{LINE}\n[2.0] eth0: link up\n"));
    assert!(all.starts_with("socket (system call 41 on x86_64): the kernel ended `haproxy`, process 20227\n"), "{all}");
    assert!(
        all.contains("gate        policy/unix.toml, line ") && all.contains("not in policy/supervisor.toml"),
        "{all}"
    );
    // As an argument, in one word and in many.
    let gate = one(&["--role", "gate", LINE], "");
    assert!(gate.contains("with some arguments only: a connection to the agent") && !gate.contains("worker"), "{gate}");
    let words: Vec<&str> = ["--role", "gate"].into_iter().chain(LINE.split(' ')).collect();
    assert_eq!(one(&words, ""), gate);
    let audit =
        "type=SECCOMP msg=audit(01/01/26 10:00:00.123:7) : pid=7 comm=nsgate sig=SIGSYS arch=aarch64 syscall=execve";
    let audit = one(&["--role=worker"], audit);
    assert!(
        audit.starts_with("execve (system call 221 on aarch64): the kernel ended `nsgate`, process 7\n"),
        "{audit}"
    );
    let reader = one(&[&LINE.replace("\"haproxy\"", "\"haproxy-reader\"")], "");
    assert!(reader.contains("not in policy/reader.toml") && !reader.contains("gate.toml"), "{reader}");
}

/// `int 0x80` out of a gate, and the lines of other programs on the host.
fn a_line_of_another_architecture_is_explained_and_ends_nothing(lab: &Lab) {
    let i386 = LINE.replace("arch=c000003e", "arch=40000003");
    let named = "type=SECCOMP msg=audit(1:2): pid=7 comm=steam sig=SIGSYS arch=i386 syscall=openat";
    let unknown = LINE.replace("arch=c000003e", "arch=deadbeef");
    let (status, told, error) = explain(lab, &["--role=gate"], &format!("{i386}\n{named}\n{unknown}\n{LINE}\n"));
    assert_eq!((status, error.as_str()), (Some(0), ""), "{told}");
    assert!(
        told.starts_with("a call of architecture `40000003` (i386): `haproxy`, process 20227, made it. "),
        "{told}"
    );
    assert!(told.contains("`int 0x80` on x86_64 is a call of i386") && told.contains("was taken over"), "{told}");
    assert!(told.contains("architecture `i386`: `steam`, process 7,") && told.contains("`deadbeef`"), "{told}");
    assert!(
        told.contains("\nsocket (system call 41 on x86_64): the kernel ended `haproxy`, process 20227\n"),
        "{told}"
    );
    // Alone, as an argument.
    let (status, alone, _) = explain(lab, &[&i386], "");
    assert!(status == Some(0) && told.starts_with(&alone) && alone.lines().count() == 2, "{alone}");
    // x32 has x86_64's number of an architecture, and a bit in that of the call.
    let (status, x32, _) = explain(lab, &[&LINE.replace("syscall=41", "syscall=1073741865")], "");
    assert!(status == Some(0) && x32.starts_with("a call of x32 (system call 1073741865 on x86_64)"), "{x32}");
    assert!(x32.contains("was taken over"), "{x32}");
}

fn a_line_that_cannot_be_read_is_named_and_the_next_ones_are_read(lab: &Lab) {
    let strange = LINE.replace("syscall=41", "syscall=nothing");
    let process = LINE.replace("pid=20227", "pid=all");
    let number = LINE.replace("syscall=41", "syscall=99999");
    let (status, told, error) = explain(lab, &[], &format!("{strange}\n{process}\n{number}\n{LINE}\n"));
    assert_eq!(status, Some(0), "{error}");
    assert!(error.contains("line 1: ") && error.contains("`syscall=nothing`"), "{error}");
    assert!(error.contains("line 2: ") && error.contains("`pid=all`"), "{error}");
    assert!(told.contains("a call without a name (system call 99999 on x86_64)"), "{told}");
    assert!(told.contains("\nsocket (system call 41 on x86_64)"), "{told}");
    // Nothing but that.
    let (status, told, error) = explain(lab, &[], &strange);
    assert!(status == Some(1) && told.is_empty() && error.contains("no line of it could be explained"), "{error}");
}

fn a_process_that_chose_an_escape_sequence_for_its_name_sends_none_to_the_terminal(lab: &Lab) {
    for (name, shown) in [
        ("\"nsgate\x1b[31m\"", "`nsgate\\u{1b}[31m`"),
        ("6E73676174651B5B33316D", "`nsgate\\u{1b}[31m`"),
        ("6E732067617465", "`ns gate`"),
    ] {
        let line = LINE.replace("\"haproxy\"", name);
        let other = line.replace("arch=c000003e", "arch=\x1b[31m");
        let strange = line.replace("syscall=41", "syscall=\x1b[31m").replace("pid=20227", "pid=\x1b[31m");
        let (status, told, error) = explain(lab, &[], &format!("{line}\n{other}\n{strange}\n"));
        assert_eq!(status, Some(0), "{error}");
        assert!(!told.contains('\x1b') && !error.contains('\x1b'), "{told:?} {error:?}");
        assert_eq!(told.matches(shown).count(), 2, "{told}");
    }
}

fn what_is_no_line_of_the_kernels_is_refused(lab: &Lab) {
    let refused = |words: &[&str], input: &str, why: &str| {
        let (status, told, error) = explain(lab, words, input);
        assert!(status == Some(1) && told.is_empty() && error.contains(why), "{why}: {status:?} {told} {error}");
    };
    refused(&["hello"], "", "this is not the kernel's line about a refused call");
    refused(&[], "[1.0] usb 1-1: new device\n", "standard input: this is not the kernel's line");
    refused(&[], "", "dmesg | grep type=1326");
    refused(&[&LINE.replace("syscall=41", "syscall=nothing")], "", "`syscall=nothing`");
    refused(&["--role", "guard", LINE], "", "`guard` is none of gate, hostproxy, reader");
}
