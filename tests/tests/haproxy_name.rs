//! The haproxy name: every option Neutron, its wrappers and old habits pass, and what the agent sees of the process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nsgate_tests::gate::{agent_command, communicate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::network::METADATA_V4;
use nsgate_tests::procfs::{self, Process};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Response, Started, suite};

fn main() {
    suite!["haproxy_name":
        f_starts_a_gate_that_serves_when_the_starter_exits_0,
        f_twice_is_refused_clearly,
        f_with_a_directory_is_refused_clearly,
        f_missing_is_refused_clearly,
        an_unknown_option_is_refused_clearly,
        p_overrides_the_pid_file,
        p_beside_the_same_pidfile_line,
        the_first_of_two_pidfile_lines_is_written,
        c_checks_and_starts_nothing,
        c_refuses_what_is_wrong_and_says_where,
        c_judges_the_text_not_the_host,
        c_warns_of_what_nsgate_check_warns_of,
        capital_d_is_the_daemon,
        without_daemon_it_stays_in_the_foreground,
        db_stays_in_the_foreground,
        capital_w_is_accepted,
        ws_stays_in_the_foreground_and_writes_its_pid,
        ws_tells_systemd_when_it_serves,
        a_foreground_gate_forwards_sigterm_and_ends_within_a_second,
        a_foreground_gate_killed_takes_its_worker_along,
        sf_replaces_the_old_gate_and_lets_it_finish,
        st_replaces_the_old_gate_at_once,
        n_m_q_and_capital_v_are_accepted,
        q_is_quiet,
        v_prints_the_version,
        vv_prints_more_than_v,
        the_starter_leaves_no_copy_of_stdout_or_stderr,
        a_failing_start_says_why_and_exits_non_zero,
        the_command_line_has_the_uuid,
        the_executable_is_called_haproxy_and_is_a_real_file,
        the_pid_file_holds_one_number_and_is_readable_by_all,
        a_stale_pid_file_is_replaced,
        sigterm_ends_it_within_a_second,
        a_new_gate_on_the_same_address_at_once,
        a_new_gate_while_the_old_one_still_ends,
        sigterm_closes_the_listener_while_a_request_is_held,
        sigusr1_drains,
        sighup_is_harmless,
        signals_that_haproxy_reloads_or_pauses_at_change_nothing_and_are_told,
        sigint_ends_it,
    ]
}

fn serving(lab: &Lab) -> (Network, RecordingAgent) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    (network, agent)
}

fn config() -> Config {
    Config::new(Kind::Network)
}

fn run(lab: &Lab, network: &Network, arguments: &[&str]) -> Started {
    communicate(agent_command(lab, &network.gate, &config().id, arguments), Duration::from_secs(10))
}

fn assert_refused(lab: &Lab, network: &Network, started: &Started, word: &str) {
    assert!(started.closed && started.code().is_some_and(|code| code != 0), "{started:#?}");
    assert!(started.stderr.contains(word), "the message should name {word:?}: {}", started.stderr);
    assert!(network.gate.listening().is_empty(), "something listens");
    assert!(!config().pid_file.exists(), "a pid file was left");
    let left = procfs::having(lab.program.path().file_name().and_then(OsStr::to_str).unwrap());
    assert!(left.is_empty(), "processes were left: {left:?}");
}

fn assert_serves(network: &Network) {
    let answer = Guest::new(&network.guest).get("/latest/meta-data/").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}

fn f_starts_a_gate_that_serves_when_the_starter_exits_0(lab: &Lab) {
    let (network, _agent) = serving(lab);
    for _ in 0..5 {
        let gate = Gate::start(lab, &network.gate, &config());
        assert_eq!(gate.started.code(), Some(0));
        assert!(network.gate.listening().contains(&(METADATA_V4.into(), 80)), "it listens when the starter exits");
        assert_serves(&network);
    }
}

fn f_twice_is_refused_clearly(lab: &Lab) {
    let network = lab.network();
    let file = write_config(lab, &config());
    let file = file.to_str().unwrap();
    let started = run(lab, &network, &["-f", file, "-f", file]);
    assert_refused(lab, &network, &started, "configuration files");
}

fn f_with_a_directory_is_refused_clearly(lab: &Lab) {
    let network = lab.network();
    write_config(lab, &config());
    let started = run(lab, &network, &["-f", "/run/lab/neutron/ns-metadata-proxy"]);
    assert_refused(lab, &network, &started, "directory");
}

fn f_missing_is_refused_clearly(lab: &Lab) {
    let network = lab.network();
    let started = run(lab, &network, &["-f", "/run/lab/neutron/absent.conf"]);
    assert_refused(lab, &network, &started, "/run/lab/neutron/absent.conf");
}

fn an_unknown_option_is_refused_clearly(lab: &Lab) {
    let network = lab.network();
    let file = write_config(lab, &config());
    let started = run(lab, &network, &["-f", file.to_str().unwrap(), "--no-such-option"]);
    assert!(started.code().is_some_and(|code| code != 0), "{started:#?}");
    assert!(network.gate.listening().is_empty());
}

fn p_overrides_the_pid_file(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut config = config();
    let in_text = config.pid_file.clone();
    let file = write_config(lab, &config);
    config.pid_file = lab.state().join("other.pid");
    let other = config.pid_file.clone();
    let started = run(lab, &network, &["-f", file.to_str().unwrap(), "-p", other.to_str().unwrap()]);
    assert!(started.ok(), "{started:#?}");
    let pid: i32 = text(&other).trim().parse().expect("a pid in the file of -p");
    assert!(!in_text.exists(), "the file named in the text is not written");
    assert!(Process::new(pid).cmdline().join(" ").contains(&config.id));
    assert_serves(&network);
}

fn p_beside_the_same_pidfile_line(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let config = config();
    let file = write_config(lab, &config);
    let arguments = ["-f", file.to_str().unwrap(), "-p", config.pid_file.to_str().unwrap()];
    let _gate = Gate::with_arguments(lab, &network.gate, &config, &arguments).expect("it starts");
    assert_serves(&network);
}

fn the_first_of_two_pidfile_lines_is_written(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut config = config();
    let second = config.pid_file.with_file_name("second.pid.haproxy");
    // Behind Neutron's own line.
    config.extra[0] = format!("    pidfile {}\n", second.display());
    let gate = Gate::start(lab, &network.gate, &config);
    assert_eq!(text(&config.pid_file).trim(), gate.pid.to_string());
    assert!(!second.exists(), "the second one is written");
    assert!(gate.started.stderr.contains("pidfile"), "it is said: {}", gate.started.stderr);
    assert_serves(&network);
}

fn c_checks_and_starts_nothing(lab: &Lab) {
    let network = lab.network();
    let file = write_config(lab, &config());
    let started = run(lab, &network, &["-c", "-f", file.to_str().unwrap()]);
    assert!(started.ok(), "{started:#?}");
    assert!(network.gate.listening().is_empty());
    assert!(!config().pid_file.exists());
}

fn c_refuses_what_is_wrong_and_says_where(lab: &Lab) {
    let network = lab.network();
    let mut config = config();
    config.extra[1] = "    frobnicate on\n".to_owned();
    let file = write_config(lab, &config);
    let line = 1 + config.text().lines().position(|line| line.contains("frobnicate")).unwrap();
    let started = run(lab, &network, &["-c", "-f", file.to_str().unwrap()]);
    assert!(started.code().is_some_and(|code| code != 0), "{started:#?}");
    let said = started.said();
    assert!(said.contains("frobnicate"), "the word: {said}");
    assert!(said.contains(&format!("{}:{line}", file.display())), "file and line {line}: {said}");
}

fn c_judges_the_text_not_the_host(lab: &Lab) {
    let network = lab.network();
    let config = config().with_binds(&["192.0.2.77:80"]);
    let file = write_config(lab, &config);
    let started = run(lab, &network, &["-c", "-f", file.to_str().unwrap()]);
    assert!(started.ok(), "the address is not there, but the text is right: {started:#?}");
}

/// What is true of the place is said and decides nothing: a text is checked where it is built, too.
fn c_warns_of_what_nsgate_check_warns_of(lab: &Lab) {
    let network = lab.network();
    let mut config = config();
    config.socket = "/run/lab/nowhere/metadata_proxy".into();
    for (socket, refusal, said) in [
        (
            "/run/lab/neutron/metadata_proxy",
            false,
            &["the system log /dev/log is not there", "only 64 descriptors"][..],
        ),
        (
            "/run/lab/nowhere/metadata_proxy",
            true,
            &["no start from here: backend /run/lab/nowhere: there is no such directory"],
        ),
    ] {
        config.socket = socket.into();
        let file = write_config(lab, &config);
        let file = file.to_str().unwrap();
        let few = |program: &str, words: &[&str]| {
            let mut command = network.gate.command("prlimit");
            command.args(["--nofile=64:64", program]).args(words);
            communicate(command, Duration::from_secs(10))
        };
        let haproxy = lab.program.path().to_str().unwrap().to_owned();
        let nsgate = lab.program.nsgate().to_str().unwrap().to_owned();
        let (checked, c) = (few(&nsgate, &["check", file]), few(&haproxy, &["-c", "-f", file]));
        assert_eq!(checked.ok(), !refusal, "{checked:#?}");
        assert!(c.ok() && c.stdout.contains("Configuration file is valid"), "{c:#?}");
        for word in said {
            assert!(c.stderr.contains(word), "{word}: {c:#?}");
            let word = word.trim_start_matches("no start from here: ");
            assert!(checked.stderr.contains(word), "{word}: {checked:#?}");
        }
        let quiet = few(&haproxy, &["-c", "-q", "-f", file]);
        assert!(quiet.ok() && quiet.said().is_empty(), "{quiet:#?}");
        // A warning about the text is an error with it, and none of these is one.
        assert!(few(&haproxy, &["-c", "-dW", "-f", file]).ok());
    }
}

fn capital_d_is_the_daemon(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut config = config();
    config.daemon = false;
    let file = write_config(lab, &config);
    let arguments = ["-D", "-f", file.to_str().unwrap()];
    let _gate = Gate::with_arguments(lab, &network.gate, &config, &arguments).expect("it starts");
    assert_serves(&network);
}

fn without_daemon_it_stays_in_the_foreground(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut config = config();
    config.daemon = false;
    let file = write_config(lab, &config);
    let gate = Gate::foreground(lab, &network.gate, &config, &["-f", file.to_str().unwrap()]);
    foreground_serves(&network, gate.expect("it stays"));
}

fn db_stays_in_the_foreground(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let file = write_config(lab, &config());
    let gate = Gate::foreground(lab, &network.gate, &config(), &["-db", "-f", file.to_str().unwrap()]);
    foreground_serves(&network, gate.expect("it stays"));
}

fn foreground_serves(network: &Network, mut gate: Gate) {
    assert!(wait_until(3.0, || !network.gate.listening().is_empty()));
    assert_serves(network);
    assert!(gate.terminate(Duration::from_secs(1)).is_some(), "it ends within a second of SIGTERM");
    assert!(gate.wait_foreground().is_some());
    assert!(network.gate.listening().is_empty());
}

fn capital_w_is_accepted(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let file = write_config(lab, &config());
    let arguments = ["-W", "-f", file.to_str().unwrap()];
    let gate = Gate::with_arguments(lab, &network.gate, &config(), &arguments).expect("it starts");
    assert!(wait_until(3.0, || !network.gate.listening().is_empty()));
    assert_serves(&network);
    assert!(gate.terminate(Duration::from_secs(1)).is_some());
    assert!(wait_until(1.0, || network.gate.listening().is_empty()));
}

fn ws_stays_in_the_foreground_and_writes_its_pid(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let file = write_config(lab, &config());
    let gate =
        Gate::foreground(lab, &network.gate, &config(), &["-Ws", "-f", file.to_str().unwrap()]).expect("it stays");
    // It listens before its pid is written, so wait for the pid as well.
    let written = || text(&gate.pid_file).trim() == gate.pid.to_string();
    assert!(wait_until(2.0, written), "the pid file holds the pid of what was started");
    assert!(Process::new(gate.pid).cmdline().join(" ").contains(&config().id), "the agent finds it by its UUID");
    foreground_serves(&network, gate);
}

fn ws_tells_systemd_when_it_serves(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let notify = nsgate_tests::SyslogReader::bind(&lab.state().join("notify"));
    let file = write_config(lab, &config());
    let mut command = agent_command(lab, &network.gate, &config().id, &["-Ws", "-f", file.to_str().unwrap()]);
    let mut child = command.env("NOTIFY_SOCKET", notify.path()).spawn().unwrap();
    let ready = notify.find("READY=1", 5.0);
    assert!(ready.is_some(), "READY=1 was not sent");
    assert_serves(&network);
    let pid = text(config().pid_file).trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(wait_until(2.0, || child.try_wait().unwrap().is_some()));
}

fn a_foreground_gate_forwards_sigterm_and_ends_within_a_second(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let file = write_config(lab, &config());
    let mut gate = Gate::foreground(lab, &network.gate, &config(), &["-db", "-f", file.to_str().unwrap()]).unwrap();
    assert!(wait_until(3.0, || !network.gate.listening().is_empty()));
    let took = gate.terminate(Duration::from_secs(3)).expect("it ends");
    assert!(took < Duration::from_secs(1), "{took:?}");
    gate.wait_foreground();
    assert!(wait_until(0.2, || procfs::having(&config().id).is_empty()), "no process is left");
}

fn a_foreground_gate_killed_takes_its_worker_along(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let file = write_config(lab, &config());
    let mut gate = Gate::foreground(lab, &network.gate, &config(), &["-Ws", "-f", file.to_str().unwrap()]).unwrap();
    assert!(wait_until(3.0, || !network.gate.listening().is_empty()));
    gate.signal(Signal::SIGKILL);
    gate.wait_foreground();
    assert!(wait_until(1.0, || network.gate.listening().is_empty()), "a worker was left behind");
}

fn sf_replaces_the_old_gate_and_lets_it_finish(lab: &Lab) {
    let network = lab.network();
    let slow = Answer::Slow(Duration::from_millis(1500), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec());
    let quick = Answer::ok("hello");
    let _agent = RecordingAgent::answering(&lab.socket(), move |seen| {
        if seen.text().starts_with("GET /slow") { slow.clone() } else { quick.clone() }
    });
    let old = Gate::start(lab, &network.gate, &config());
    let held = held_request(&network, "/slow");
    let file = write_config(lab, &config());
    let arguments = ["-f", file.to_str().unwrap(), "-sf", &old.pid.to_string()];
    let new = Gate::with_arguments(lab, &network.gate, &config(), &arguments).expect("the new gate starts");
    assert_ne!(new.pid, old.pid);
    assert_serves(&network);
    let answer = held.join().unwrap();
    assert_eq!(answer.expect("the old gate finishes what it holds").text(), "slow");
    assert!(old.ended_within(Duration::from_secs(3)), "the old gate ends when it is done");
    assert_eq!(text(&new.pid_file).trim(), new.pid.to_string(), "the pid file is the new gate's");
    assert_serves(&network);
}

fn st_replaces_the_old_gate_at_once(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let old = Gate::start(lab, &network.gate, &config());
    let file = write_config(lab, &config());
    let arguments = ["-f", file.to_str().unwrap(), "-st", &old.pid.to_string()];
    let new = Gate::with_arguments(lab, &network.gate, &config(), &arguments).expect("the new gate starts");
    assert!(old.ended_within(Duration::from_secs(1)));
    assert!(new.alive());
    assert_serves(&network);
}

fn held_request(network: &Network, path: &'static str) -> std::thread::JoinHandle<std::io::Result<Response>> {
    let guest = Guest::new(&network.guest);
    let thread = std::thread::spawn(move || guest.get(path));
    std::thread::sleep(Duration::from_millis(300));
    thread
}

fn n_m_q_and_capital_v_are_accepted(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let file = write_config(lab, &config());
    let arguments = ["-q", "-V", "-n", "2000", "-m", "512", "-f", file.to_str().unwrap()];
    let _gate = Gate::with_arguments(lab, &network.gate, &config(), &arguments).expect("it starts");
    assert_serves(&network);
}

fn q_is_quiet(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut config = config();
    config.extra[0] = "    spread-checks 5\n".to_owned();
    let file = write_config(lab, &config);
    let gate = Gate::with_arguments(lab, &network.gate, &config, &["-q", "-f", file.to_str().unwrap()]).unwrap();
    assert_eq!(gate.started.said(), "");
}

fn v_prints_the_version(lab: &Lab) {
    let network = lab.network();
    let started = run(lab, &network, &["-v"]);
    assert!(started.ok(), "{started:#?}");
    assert!(started.stdout.to_lowercase().contains("version"), "{}", started.stdout);
}

fn vv_prints_more_than_v(lab: &Lab) {
    let network = lab.network();
    let (short, long) = (run(lab, &network, &["-v"]), run(lab, &network, &["-vv"]));
    assert!(long.ok(), "{long:#?}");
    assert!(long.stdout.len() > short.stdout.len());
}

fn the_starter_leaves_no_copy_of_stdout_or_stderr(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    assert!(gate.started.closed, "both streams came to their end while the gate runs");
    let descriptors = lab.descriptors(&Process::new(gate.pid));
    for number in 0..3 {
        let target = descriptors.get(&number).map(String::as_str);
        assert!(matches!(target, None | Some("/dev/null" | "/null")), "descriptor {number} is {target:?}");
    }
}

fn a_failing_start_says_why_and_exits_non_zero(lab: &Lab) {
    let network = lab.network();
    let started = Gate::try_start(lab, &network.gate, &config().with_binds(&["192.0.2.77:80"])).expect_err("refused");
    assert_refused(lab, &network, &started, "192.0.2.77");
}

fn the_command_line_has_the_uuid(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    let expected = ["haproxy", "-f", gate.file.to_str().unwrap()].map(str::to_owned);
    assert_eq!(Process::new(gate.pid).cmdline(), expected);
}

fn the_executable_is_called_haproxy_and_is_a_real_file(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    let exe = Process::new(gate.pid).exe();
    assert_eq!(exe.file_name(), Some(OsStr::new("haproxy")), "rootwrap's KillFilter compares this: {exe:?}");
    assert!(fs::symlink_metadata(lab.program.path()).unwrap().is_file(), "the installed name is no symbolic link");
    let path = lab.program.search_path();
    assert!(std::env::split_paths(&path).any(|dir| Some(dir.as_path()) == exe.parent()), "{exe:?} is not in {path:?}");
}

fn the_pid_file_holds_one_number_and_is_readable_by_all(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    let content = text(&gate.pid_file);
    assert_eq!(content.trim().parse::<i32>().ok(), Some(gate.pid));
    assert_eq!(content, format!("{}\n", gate.pid));
    let mode = fs::metadata(&gate.pid_file).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o644, "{mode:o}");
}

fn a_stale_pid_file_is_replaced(lab: &Lab) {
    let (network, _agent) = serving(lab);
    fs::write(config().pid_file, "1\n").unwrap();
    let gate = Gate::start(lab, &network.gate, &config());
    assert_ne!(gate.pid, 1);
    assert_serves(&network);
}

fn sigterm_ends_it_within_a_second(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    let _idle = Guest::new(&network.guest).connect().unwrap();
    let took = gate.terminate(Duration::from_secs(3)).expect("it ends");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(network.gate.listening().is_empty());
}

fn a_new_gate_on_the_same_address_at_once(lab: &Lab) {
    let (network, _agent) = serving(lab);
    for _ in 0..10 {
        let gate = Gate::start(lab, &network.gate, &config());
        assert_serves(&network);
        gate.signal(Signal::SIGTERM);
        // No waiting here: Neutron's disable() does not wait either.
        std::mem::forget(gate);
    }
    let _last = Gate::start(lab, &network.gate, &config());
    assert_serves(&network);
}

fn a_new_gate_while_the_old_one_still_ends(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let old = Gate::start(lab, &network.gate, &config());
    let start = Instant::now();
    let pid = old.pid;
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        // As root the new gate has succeeded it by then, and does not wait.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
    });
    let new = Gate::start(lab, &network.gate, &config());
    killer.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(old.ended_within(Duration::from_secs(1)));
    assert!(new.alive());
    assert_serves(&network);
}

fn sigterm_closes_the_listener_while_a_request_is_held(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::Silence);
    let gate = Gate::start(lab, &network.gate, &config());
    let mut held = Guest::new(&network.guest).connect().unwrap();
    std::io::Write::write_all(&mut held, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let took = gate.terminate(Duration::from_secs(3)).expect("a held request does not keep it");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

fn sigusr1_drains(lab: &Lab) {
    let network = lab.network();
    let answer =
        Answer::Slow(Duration::from_millis(1200), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec());
    let _agent = RecordingAgent::start(&lab.socket(), answer);
    let gate = Gate::start(lab, &network.gate, &config());
    let held = held_request(&network, "/slow");
    gate.signal(Signal::SIGUSR1);
    assert!(wait_until(0.5, || network.gate.listening().is_empty()), "the listener is closed at once");
    assert!(gate.alive(), "it stays for the request it holds");
    assert_eq!(held.join().unwrap().expect("the request is answered").text(), "slow");
    assert!(gate.ended_within(Duration::from_secs(2)), "it ends when the last request is answered");
}

fn sighup_is_harmless(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    for _ in 0..3 {
        gate.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(gate.alive());
    assert_serves(&network);
}

/// haproxy's master reads its configuration anew at SIGUSR2, its workers pause, go on and dump at others.
fn signals_that_haproxy_reloads_or_pauses_at_change_nothing_and_are_told(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let mut config = config();
    config.log = lab.directory("log", 0o755).join("socket");
    let log = nsgate_tests::SyslogReader::bind(&config.log);
    let file = write_config(lab, &config);
    for mode in ["-W", "-Ws", "-db", "-D"] {
        let arguments = [mode, "-f", file.to_str().unwrap()];
        let gate = match mode {
            "-Ws" | "-db" => Gate::foreground(lab, &network.gate, &config, &arguments),
            _ => Gate::with_arguments(lab, &network.gate, &config, &arguments),
        };
        let gate = gate.unwrap_or_else(|started| panic!("{mode}: {started:#?}"));
        let all = procfs::having(&config.id);
        for signal in [Signal::SIGUSR2, Signal::SIGHUP, Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGQUIT] {
            // The process in the pid file, and then each of them: a supervisor passes on what it gets.
            for pid in [&[gate.pid][..], &all].concat() {
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
                let told = log.find(&format!("{signal} changes nothing"), 2.0);
                assert!(told.is_some(), "{mode}: {signal} to {pid} is not told");
            }
        }
        gate.signal(Signal::SIGWINCH);
        assert_serves(&network);
        assert_eq!(procfs::having(&config.id), all, "{mode}");
        for pid in all {
            assert!(!Process::new(pid).status("State").starts_with('T'), "{mode}: {pid} is stopped");
        }
    }
}

fn sigint_ends_it(lab: &Lab) {
    let (network, _agent) = serving(lab);
    let gate = Gate::start(lab, &network.gate, &config());
    gate.signal(Signal::SIGINT);
    assert!(gate.ended_within(Duration::from_secs(1)));
    assert!(network.gate.listening().is_empty());
}
