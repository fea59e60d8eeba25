//! `nsgate attest`: every thread is judged, and each of nsgate's processes by what its role needs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid};
use nsgate_tests::gate::communicate;
use nsgate_tests::guest::read_all;
use nsgate_tests::host::{self, CONFIG, Nova};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{self, Pool, keeper};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, Started, suite, sys};
use serde_json::Value;

fn main() {
    suite!["attest":
        a_second_thread_that_is_root_is_seen,
        a_listener_of_another_network_is_seen,
        in_the_foreground_all_is_0_with_supervisor_and_gate,
        a_pool_with_its_keepers_is_0_and_each_role_is_known,
        several_workers_are_0_and_each_role_is_known,
        a_worker_that_leaves_is_a_worker_until_its_last_guest_is_gone,
        the_proxy_of_a_host_in_the_foreground_is_0_with_its_reader,
        a_process_that_calls_itself_a_supervisor_is_none,
        a_supervisor_that_holds_a_socket_is_none,
        what_cannot_be_seen_is_said,
        standard_streams_that_are_files_can_only_grow,
        standard_streams_that_are_good_for_nothing_are_judged_so,
        a_standard_stream_that_is_a_way_to_something_is_named_with_what_to_do,
        a_file_that_can_be_written_over_is_named_with_what_to_do,
    ]
}

fn attest(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.arg("attest").args(words);
    communicate(command, Duration::from_secs(20))
}

fn holdings(lab: &Lab, pid: i32) -> Value {
    let said = attest(lab, &["--json", &pid.to_string()]);
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
}

/// Whether each row is as it should be.
fn rows(holdings: &Value) -> BTreeMap<String, (Option<bool>, String)> {
    let rows = holdings["verdict"].as_array().unwrap().iter();
    let one = |row: &Value| {
        (row["what"].as_str().unwrap().to_owned(), (row["ok"].as_bool(), row["found"].as_str().unwrap().to_owned()))
    };
    rows.map(one).collect()
}

/// The role of every process that `--all` looks at, which must all be as they should be.
fn roles(lab: &Lab) -> Vec<String> {
    let said = attest(lab, &["--all"]);
    assert_eq!(said.code(), Some(0), "{said:#?}");
    let json = attest(lab, &["--all", "--json"]);
    let all: Value = serde_json::from_str(&json.stdout).unwrap();
    let mut roles: Vec<String> =
        all.as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap_or("none").to_owned()).collect();
    roles.sort_unstable();
    roles
}

/// A process of this world whose first thread has given up being root, and another one only if `second`.
fn threads(second: bool) -> i32 {
    match sys::fork_single().unwrap() {
        ForkResult::Parent { child } => child.as_raw(),
        ForkResult::Child => {
            if second {
                std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
            }
            let _ = sys::give_up_in_this_thread(4242);
            std::thread::sleep(Duration::from_secs(60));
            sys::exit_now(0)
        }
    }
}

fn a_second_thread_that_is_root_is_seen(lab: &Lab) {
    lab.needs_root("a thread that is root");
    let (one, two) = (threads(false), threads(true));
    let given_up = |pid: i32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("NoNewPrivs:\t1");
    assert!(wait_until(5.0, || given_up(one) && given_up(two)));
    let (before, after) = (rows(&holdings(lab, one)), rows(&holdings(lab, two)));
    for row in ["threads", "users", "groups", "CapPrm", "CapEff", "no_new_privs"] {
        assert_eq!(before[row].0, Some(true), "{row}: {before:#?}");
        assert_eq!(after[row].0, Some(false), "{row}: {after:#?}");
    }
    let thread = fs::read_dir(format!("/proc/{two}/task")).unwrap().flatten();
    let thread =
        thread.map(|entry| entry.file_name().into_string().unwrap()).find(|id| *id != two.to_string()).unwrap();
    assert_eq!(after["users"].1, format!("0 0 0 0 (thread {thread})"));
    [one, two].iter().for_each(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap());
}

/// A gate serves the network that it is in: a listener of another one is nothing that it should hold.
fn a_listener_of_another_network_is_seen(lab: &Lab) {
    lab.needs_root("a network namespace");
    let network = lab.network();
    let listener = || std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let held = |listener: std::net::TcpListener| {
        let mut command = network.gate.command("sleep");
        let mut child = command.arg("60").stdin(std::os::fd::OwnedFd::from(listener)).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let asleep = || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "sleep\n";
        assert!(wait_until(5.0, asleep));
        let row = rows(&holdings(lab, pid))["open files"].1.clone();
        child.kill().unwrap();
        child.wait().unwrap();
        row
    };
    let (own, other) = (held(network.gate.inside(listener)), held(listener()));
    assert!(!own.contains("tcp"), "{own}");
    assert!(other.contains("tcp listener of another network namespace"), "{other}");
}

fn in_the_foreground_all_is_0_with_supervisor_and_gate(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = nsgate_tests::gate::write_config(lab, &config);
    // As a container's engine gives them: pipes.
    let mut command = nsgate_tests::gate::agent_command(lab, &network.gate, &config.id, &["-db", "-f"]);
    command.arg(file).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert!(wait_until(5.0, || fs::read_to_string(&config.pid_file).is_ok()));
    assert_eq!(roles(lab), ["gate", "supervisor"]);
    let pid: i32 = fs::read_to_string(&config.pid_file).unwrap().trim().parse().unwrap();
    let alone = attest(lab, &[&pid.to_string()]);
    assert_eq!((alone.code(), pid.unsigned_abs()), (Some(0), child.id()), "the pid file's process: {alone:#?}");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
}

fn a_pool_with_its_keepers_is_0_and_each_role_is_known(lab: &Lab) {
    let world = pool::world(lab);
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    assert_eq!(roles(lab), ["keeper", "supervisor", "worker"]);
    drop((keeper, pool));
}

fn several_workers_are_0_and_each_role_is_known(lab: &Lab) {
    let world = pool::world(lab);
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    assert_eq!(roles(lab), ["dispatcher", "keeper", "supervisor", "worker", "worker", "zygote"]);
    drop((keeper, pool));
}

/// An old worker has closed the pool's socket, and finishes what is under way: minutes, if a guest reads slowly.
fn a_worker_that_leaves_is_a_worker_until_its_last_guest_is_gone(lab: &Lab) {
    let world = pool::world(lab);
    for (workers, crew) in [("--workers=1", 1), ("--workers=2", 2)] {
        let mut old = Pool::start_with(lab, &[workers]);
        let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
        let before = roles(lab);
        let mut guest = Guest::new(&world.network.guest).connect().unwrap();
        guest.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        assert!(wait_until(5.0, || pool::listed(lab)[0]["connections"] == 1), "the worker has the guest");
        let next = Pool::start_with(lab, &[workers, "--replace"]);
        assert!(wait_until(10.0, || next.said("is served")), "{}", text(&next.log));
        // What is under way at the old one keeps it.
        std::thread::sleep(Duration::from_millis(500));
        assert!(!old.ended_within(0.0), "{workers}: the old one has a guest");
        let both = roles(lab);
        let workers_of = |roles: &[String]| roles.iter().filter(|role| *role == "worker").count();
        assert!(workers_of(&before) == crew && workers_of(&both) > crew, "{workers}: {both:?}");
        assert!(!both.iter().any(|role| role == "gate" || role == "none"), "{workers}: {both:?}");
        guest.write_all(b"Host: 169.254.169.254\r\nConnection: close\r\n\r\n").unwrap();
        assert!(read_all(&mut guest).unwrap().starts_with(b"HTTP/1.1 200"), "{workers}: it was answered");
        assert!(old.ended_within(20.0), "{}", text(&old.log));
        drop((keeper, next));
    }
}

fn the_proxy_of_a_host_in_the_foreground_is_0_with_its_reader(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let network = lab.network();
    let _nova = Nova::start(&network);
    host::replace(&host::three_instances());
    let words = ["-db", "-f", CONFIG];
    let mut command = nsgate_tests::gate::agent_command(lab, &network.gate, "host_metadata_proxy", &words);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert!(wait_until(5.0, || host::guest(&network, 11).get("/").is_ok()));
    assert_eq!(roles(lab), ["hostproxy", "reader", "supervisor"]);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
}

/// The words and the name of a supervisor, and a child: it can choose those.
fn a_process_that_calls_itself_a_supervisor_is_none(lab: &Lab) {
    let path = lab.directory("claims", 0o755).join("nsgate");
    fs::copy("/bin/sh", &path).unwrap();
    let mut child =
        Command::new(&path).args(["-c", "sleep 30 & wait", "run", "--config", "gate.toml"]).spawn().unwrap();
    // spawn(3) returns a little before the kernel has given the process its new name.
    assert!(wait_until(5.0, || nsgate_tests::lab::text(format!("/proc/{}/comm", child.id())).trim() == "nsgate"));
    let all = attest(lab, &["--all", "--json"]);
    let found: Value = serde_json::from_str(&all.stdout).unwrap();
    let pid = child.id();
    let one = found.as_array().unwrap().iter().find(|one| one["pid"] == pid).unwrap();
    assert_eq!((one["role"].as_str(), one["name"].as_str(), all.code()), (None, Some("nsgate"), Some(3)), "{one:#}");
    for row in ["pid namespace", "mnt namespace", "root shows", "writable mounts"] {
        assert_eq!(rows(one)[row].0, Some(false), "{row}: {one:#}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A supervisor is one by what it holds: with a socket to another process it is judged as a gate is.
fn a_supervisor_that_holds_a_socket_is_none(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = nsgate_tests::gate::write_config(lab, &config);
    let gate = Gate::foreground(lab, &network.gate, &config, &["-db".as_ref(), "-f".as_ref(), file.as_os_str()]);
    let gate = gate.unwrap_or_else(|started| panic!("{started:#?}"));
    // The same program as a child of its own, which has given nothing up.
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let supervisor = holdings(lab, gate.pid);
    assert_eq!(supervisor["role"], "supervisor");
    let own = holdings(lab, i32::try_from(std::process::id()).unwrap());
    assert_eq!(own["role"], Value::Null, "{own:#}");
    assert_eq!(rows(&own)["root shows"].0, Some(false));
    drop(listener);
}

fn what_cannot_be_seen_is_said(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let said = attest(lab, &[&gate.pid.to_string()]);
    let unseen: Vec<&str> = said.stdout.lines().filter_map(|line| line.trim().strip_prefix("not seen: ")).collect();
    assert!(unseen.iter().any(|line| line.contains("filter")), "{said:#?}");
    assert!(unseen.iter().any(|line| line.contains("Landlock")), "{said:#?}");
}

/// How a process has a descriptor open: access mode and O_APPEND.
fn opened(pid: i32, number: u32) -> i32 {
    let text = nsgate_tests::lab::text(format!("/proc/{pid}/fdinfo/{number}"));
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_else(|| panic!("{text}"));
    i32::from_str_radix(flags.trim(), 8).unwrap() & (libc::O_ACCMODE | libc::O_APPEND)
}

/// `haproxy -db -f x <file >log 2>&1`, and what a shell writes to the log behind it.
fn standard_streams_that_are_files_can_only_grow(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let file = nsgate_tests::gate::write_config(lab, &config);
    let (input, log) = (lab.state().join("input"), lab.state().join("gate.log"));
    // As a shell opens them: to read; to write from the beginning; to read and write.
    for redirection in [">", "<>"] {
        fs::write(&input, "a secret\n").unwrap();
        fs::write(&log, if redirection == ">" { "" } else { "before\n" }).unwrap();
        let words = ["-db", "-f"].map(str::to_owned);
        let mut gate = nsgate_tests::gate::agent_command(lab, &network.gate, &config.id, &words);
        gate.arg(&file);
        let mut script = vec![gate.get_program().to_owned()];
        script.extend(gate.get_args().map(std::ffi::OsStr::to_owned));
        let line = format!("exec 1{redirection}\"$1\" 0<\"$2\" 2>&1; shift 2; \"$@\"; echo behind");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line, "sh"]).args([&log, &input]).args(script);
        shell.envs(gate.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = shell.spawn().unwrap();
        assert!(wait_until(5.0, || fs::read_to_string(&config.pid_file).is_ok()), "{}", nsgate_tests::lab::text(&log));
        assert!(wait_until(5.0, || !network.gate.listening().is_empty()));
        assert_eq!(roles(lab), ["gate", "supervisor"], "{redirection}");
        let supervisor: i32 = fs::read_to_string(&config.pid_file).unwrap().trim().parse().unwrap();
        let children = nsgate_tests::lab::text(format!("/proc/{supervisor}/task/{supervisor}/children"));
        for pid in [supervisor, children.trim().parse().unwrap()] {
            for number in [1, 2] {
                assert_eq!(opened(pid, number), libc::O_WRONLY | libc::O_APPEND, "{redirection}: {pid}: {number}");
            }
            let input = fs::read_link(format!("/proc/{pid}/fd/0")).unwrap();
            assert!(!input.ends_with("input"), "{pid}: {}", input.display());
        }
        kill(Pid::from_raw(supervisor), Signal::SIGTERM).unwrap();
        child.wait().unwrap();
        let said = nsgate_tests::lab::text(&log);
        assert!(said.ends_with("behind\n"), "{redirection}: {said}");
        assert_eq!(said.starts_with("before\n"), redirection == "<>", "{said}");
        assert!(wait_until(5.0, || network.gate.listening().is_empty()));
        let _ = fs::remove_file(&config.pid_file);
    }
}

/// A gate in the foreground with these redirections of a shell, `x` among them; its supervisor, when it serves.
fn redirected(lab: &Lab, network: &nsgate_tests::Network, redirections: &str) -> (std::process::Child, i32) {
    let config = Config::new(Kind::Network);
    let _ = fs::remove_file(&config.pid_file);
    let file = nsgate_tests::gate::write_config(lab, &config);
    let mut gate = nsgate_tests::gate::agent_command(
        lab,
        &network.gate,
        &config.id,
        &["-db".as_ref(), "-f".as_ref(), file.as_os_str()],
    );
    gate.env("TZ", "UTC");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec \"$@\" {redirections}"), "sh"]).arg(gate.get_program()).args(gate.get_args());
    shell.envs(gate.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let child = shell.spawn().unwrap();
    assert!(wait_until(10.0, || fs::read_to_string(&config.pid_file).is_ok()), "{redirections}");
    assert!(wait_until(5.0, || !network.gate.listening().is_empty()), "{redirections}");
    (child, fs::read_to_string(&config.pid_file).unwrap().trim().parse().unwrap())
}

fn end(network: &nsgate_tests::Network, (mut child, supervisor): (std::process::Child, i32)) {
    kill(Pid::from_raw(supervisor), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert!(wait_until(5.0, || network.gate.listening().is_empty()));
}

fn standard_streams_that_are_good_for_nothing_are_judged_so(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let network = lab.network();
    let _log = nsgate_tests::SyslogReader::bind("/dev/log".as_ref());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let fifo = lab.state().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let open = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    for redirections in [
        "</dev/zero >/dev/full 2>/dev/full".to_owned(),
        "<>/dev/full >/dev/zero 2>&1".to_owned(),
        "</ >/dev/null 2>/dev/null".to_owned(),
        "</dev/urandom >/dev/null 2>/dev/null".to_owned(),
        format!("<{0} >{0} 2>{0}", fifo.display()),
    ] {
        let started = redirected(lab, &network, &redirections);
        // Which of them the streams are, and that all is as it should be.
        assert_eq!(roles(lab), ["gate", "supervisor"], "{redirections}");
        let input = fs::read_link(format!("/proc/{}/fd/0", started.1)).unwrap();
        assert_eq!(input.to_str(), Some("/dev/null"), "{redirections}: nothing is read by a supervisor");
        end(&network, started);
    }
    drop(open);
}

fn a_standard_stream_that_is_a_way_to_something_is_named_with_what_to_do(lab: &Lab) {
    lab.needs_root("descriptors of other users' processes");
    let network = lab.network();
    let _log = nsgate_tests::SyslogReader::bind("/dev/log".as_ref());
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let started = redirected(lab, &network, "</dev/null 1</run/lab 2>/dev/null");
    let (ok, found) = rows(&holdings(lab, started.1))["open files"].clone();
    assert_eq!(
        (ok, found.as_str()),
        (Some(false), "standard output, /run/lab; start it anew, with `</dev/null`, `>>` or a pipe")
    );
    end(&network, started);
}

fn a_file_that_can_be_written_over_is_named_with_what_to_do(lab: &Lab) {
    let path = lab.state().join("open");
    let open = fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    let own = holdings(lab, i32::try_from(std::process::id()).unwrap());
    let (ok, found) = rows(&own)["open files"].clone();
    let named = format!("{} can be read and written over", path.display());
    assert!(ok == Some(false) && found.contains(&named), "{found}");
    drop(open);
}
