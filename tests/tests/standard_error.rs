//! Standard error whose reader sleeps: no process that serves guests waits for it, and a line counts what it missed.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::agent_command;
use nsgate_tests::host::{self, CONFIG, Nova};
use nsgate_tests::lab::wait_until;
use nsgate_tests::pool::{channel, keeper, metrics_path, socket_path, words};
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Network, RecordingAgent, suite};

fn main() {
    suite!["standard_error":
        a_gate_never_waits_for_a_pipe_whose_reader_sleeps,
        a_gate_never_waits_for_a_fifo_whose_reader_sleeps,
        a_gate_never_waits_for_a_terminal_whose_reader_sleeps,
        a_gate_never_waits_for_a_socket_whose_reader_sleeps,
        a_gate_never_waits_for_a_pipe_that_it_cannot_open_anew,
        what_a_full_disk_did_not_take_is_said_when_there_is_room,
        the_proxy_of_a_host_never_waits_for_standard_error,
        a_keeper_that_serves_by_itself_never_waits_for_standard_error,
        no_network_of_a_worker_waits_for_its_standard_error,
        no_network_of_several_workers_waits_for_their_standard_error,
        the_callers_standard_error_stays_as_it_was,
        a_service_manager_that_does_not_listen_holds_no_gate_up,
    ]
}

/// Requests that fill the pipe several times over.
const MANY: usize = 250;

/// The reader's end of a program's standard error. It does not wait.
struct Reader(File);

impl Reader {
    fn new(end: impl Into<OwnedFd>) -> Reader {
        let end = end.into();
        let flags = OFlag::from_bits_retain(fcntl(&end, FcntlArg::F_GETFL).unwrap()) | OFlag::O_NONBLOCK;
        fcntl(&end, FcntlArg::F_SETFL(flags)).unwrap();
        Reader(end.into())
    }

    /// The bytes that are there now.
    fn read(&mut self) -> String {
        let (mut all, mut part) = (Vec::new(), [0; 65536]);
        while let Ok(length @ 1..) = self.0.read(&mut part) {
            all.extend_from_slice(&part[..length]);
            std::thread::sleep(Duration::from_millis(20));
        }
        String::from_utf8_lossy(&all).replace('\r', "")
    }
}

/// A pipe of four pages.
fn pipe() -> (Reader, OwnedFd) {
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(16384)).unwrap();
    (Reader::new(reader), writer)
}

/// A process that is ended with its test.
struct Started(Child);

impl Started {
    fn start(mut command: Command, standard_error: impl Into<Stdio>) -> Started {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(standard_error);
        Started(command.spawn().unwrap())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        if !wait_until(3.0, || self.0.try_wait().unwrap().is_some()) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

/// A gate without a log.
fn gate(lab: &Lab, network: &Network) -> Command {
    let path = lab.state().join("gate.toml");
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nuser = \"neutron\"\n\
         group = \"neutron\"\n",
        lab.socket().display(),
    );
    fs::write(&path, text).unwrap();
    let mut command = network.gate.command(&lab.program.nsgate().to_string_lossy());
    command.args(["run", "--config"]).arg(path);
    command
}

/// Asks so often that standard error is full, then has it read: each line was taken or is counted.
fn every_request_is_answered(ask: impl Fn(&str), reader: &mut Reader) {
    for _ in 0..MANY {
        ask("/unread");
    }
    let mut said = String::new();
    let lost = |said: &str| -> usize {
        let lost = |line: &str| line.split_once(" lines were lost")?.0.rsplit(' ').next()?.parse::<usize>().ok();
        said.lines().filter_map(lost).sum()
    };
    let told = |said: &str| said.lines().filter(|line| line.contains("GET /unread HTTP/1.1")).count();
    let complete = wait_until(10.0, || {
        said.push_str(&reader.read());
        ask("/read");
        said.push_str(&reader.read());
        told(&said) + lost(&said) == MANY && said.contains("/read")
    });
    assert!(complete && lost(&said) > 0, "{} lines and {} lost:\n{said}", told(&said), lost(&said));
}

fn asks(network: &Network) -> impl Fn(&str) + use<> {
    let guest = Guest::new(&network.guest).patient(3);
    move |path| {
        let answer = guest.get(path).unwrap_or_else(|error| panic!("{path} is not answered: {error}"));
        assert_eq!(answer.status, 200);
    }
}

/// A gate in the foreground, with its supervisor, whose standard error is this.
fn a_gate_never_waits_for(lab: &Lab, mut reader: Reader, writer: impl Into<Stdio>) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let started = Started::start(gate(lab, &network), writer);
    assert!(wait_until(10.0, || !network.gate.listening().is_empty()), "{}", reader.read());
    every_request_is_answered(asks(&network), &mut reader);
    drop(started);
}

fn a_gate_never_waits_for_a_pipe_whose_reader_sleeps(lab: &Lab) {
    let (reader, writer) = pipe();
    a_gate_never_waits_for(lab, reader, writer);
}

fn a_gate_never_waits_for_a_fifo_whose_reader_sleeps(lab: &Lab) {
    let path = lab.directory("fifo", 0o755).join("log");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    a_gate_never_waits_for(lab, Reader::new(reader), writer);
}

fn a_gate_never_waits_for_a_terminal_whose_reader_sleeps(lab: &Lab) {
    let pair = nix::pty::openpty(None, None).unwrap();
    a_gate_never_waits_for(lab, Reader::new(pair.master), pair.slave);
}

/// As systemd gives it (`StandardError=journal`).
fn a_gate_never_waits_for_a_socket_whose_reader_sleeps(lab: &Lab) {
    let (reader, writer) = UnixStream::pair().unwrap();
    setsockopt(&writer, sockopt::SndBuf, &4096).unwrap();
    a_gate_never_waits_for(lab, Reader::new(reader), OwnedFd::from(writer));
}

/// A pipe of another user's, in a gate that was started without the right to open it.
fn a_gate_never_waits_for_a_pipe_that_it_cannot_open_anew(lab: &Lab) {
    lab.needs_root("a pipe of another user's");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let (mut reader, writer) = pipe();
    // An inode that root may not open either: a security module's refusal looks the same.
    nix::sys::stat::fchmod(&writer, nix::sys::stat::Mode::empty()).unwrap();
    std::os::unix::fs::fchown(&writer, Some(4242), Some(4242)).unwrap();
    let mut command = Command::new("capsh");
    lab.needs("/usr/sbin/capsh", "apt-get install libcap2-bin");
    let inner = gate(lab, &network);
    command.args(["--drop=cap_dac_override,cap_dac_read_search", "--", "-c", "exec \"$0\" \"$@\""]);
    command.arg(inner.get_program()).args(inner.get_args());
    let started = Started::start(command, writer);
    assert!(wait_until(10.0, || !network.gate.listening().is_empty()), "{}", reader.read());
    assert!(wait_until(5.0, || reader.read().contains("standard error cannot be opened anew")));
    every_request_is_answered(asks(&network), &mut reader);
    drop(started);
}

fn what_a_full_disk_did_not_take_is_said_when_there_is_room(lab: &Lab) {
    use nix::mount::{MsFlags, mount};
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let directory = lab.directory("small", 0o755);
    mount(Some("small"), &directory, Some("tmpfs"), MsFlags::empty(), Some("size=16k,mode=0755")).unwrap();
    let (ballast, log) = (directory.join("ballast"), directory.join("log"));
    let output = File::options().append(true).create(true).open(&log).unwrap();
    let started = Started::start(gate(lab, &network), output);
    assert!(wait_until(10.0, || !network.gate.listening().is_empty()), "{}", nsgate_tests::lab::text(&log));
    let ask = asks(&network);
    ask("/before");
    let _ = fs::write(&ballast, [0; 16384]);
    for _ in 0..100 {
        ask("/unread");
    }
    fs::remove_file(&ballast).unwrap();
    ask("/after");
    let said = nsgate_tests::lab::text(&log);
    let told = said.lines().filter(|line| line.contains("GET /unread HTTP/1.1")).count();
    let lost = said.lines().find_map(|line| line.split_once(" lines were lost")?.0.rsplit(' ').next()?.parse().ok());
    assert_eq!(told + lost.unwrap_or(0), 100, "{said}");
    assert!(said.contains("/before") && said.contains("/after") && lost > Some(0), "{said}");
    assert!(said.lines().all(|line| !line.contains("/unread") || line.ends_with('"')), "no line is cut: {said}");
    drop(started);
}

fn the_proxy_of_a_host_never_waits_for_standard_error(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    let text = host::three_instances();
    let text: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("log ")).collect();
    host::replace(&(text.join("\n") + "\n"));
    let (mut reader, writer) = pipe();
    let command = agent_command(lab, &network.gate, "host_metadata_proxy", &["-db", "-f", CONFIG]);
    let started = Started::start(command, writer);
    let guest = host::guest(&network, 11).patient(3);
    assert!(wait_until(10.0, || guest.get("/").is_ok()), "{}", reader.read());
    let ask = |path: &str| assert_eq!(guest.get(path).expect("an answer").status, 200);
    every_request_is_answered(ask, &mut reader);
    drop(started);
}

fn a_keeper_that_serves_by_itself_never_waits_for_standard_error(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let (mut reader, writer) = pipe();
    let file = gate(lab, &network).get_args().last().map(PathBuf::from).unwrap();
    let mut command = network.gate.command(&lab.program.nsgate().to_string_lossy());
    command.args(["add", "--foreground", "--fallback", "--pool"]).arg(socket_path(lab)).arg("--config").arg(file);
    let started = Started::start(command, writer);
    let guest = Guest::new(&network.guest).patient(3);
    assert!(wait_until(10.0, || guest.get("/").is_ok()), "{}", reader.read());
    every_request_is_answered(asks(&network), &mut reader);
    drop(started);
}

fn no_network_of_a_worker_waits_for_its_standard_error(lab: &Lab) {
    let said = no_network_waits(lab, &[]);
    let lost = said.lines().find_map(|line| line.strip_prefix("nsgate_log_lost_lines_total{role=\"worker\"} "));
    assert!(lost.is_some_and(|lost| lost.parse::<u64>().unwrap() > 0), "{said}");
}

fn no_network_of_several_workers_waits_for_their_standard_error(lab: &Lab) {
    let said = no_network_waits(lab, &["--workers=2"]);
    let lost = said.lines().filter_map(|line| line.strip_prefix("nsgate_log_lost_lines_total{")?.rsplit(' ').next());
    assert!(lost.filter_map(|lost| lost.parse::<u64>().ok()).sum::<u64>() > 0, "{said}");
}

/// Two networks of one pool, whose metrics are returned.
fn no_network_waits(lab: &Lab, more: &[&str]) -> String {
    lab.needs_root("keeper, worker and agents are different users");
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let (mut reader, writer) = pipe();
    let mut command = Command::new(lab.program.nsgate());
    command.args(words(lab, more));
    let pool = Started::start(command, writer);
    assert!(wait_until(10.0, || channel(&socket_path(lab)).is_ok()), "{}", reader.read());
    let one = Network::named("gate-one", "guest-one");
    let other = Network::named("gate-two", "guest-two");
    let second = Config { id: nsgate_tests::pool::OTHER.to_owned(), ..Config::new(Kind::Network) };
    let second = Config { pid_file: lab.state().join("external/pids/other.pid"), ..second };
    let keepers = [keeper(lab, &one.gate, &Config::new(Kind::Network)), keeper(lab, &other.gate, &second)];
    let (first, second) = (asks(&one), asks(&other));
    let turn = std::cell::Cell::new(false);
    let ask = |path: &str| if turn.replace(!turn.get()) { first(path) } else { second(path) };
    every_request_is_answered(ask, &mut reader);
    let page = page(lab);
    drop((keepers, pool));
    page
}

fn page(lab: &Lab) -> String {
    use std::io::Write;
    let mut stream = UnixStream::connect(metrics_path(lab)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// Standard error is shared with who started the gate: it must not find it in another mode.
fn the_callers_standard_error_stays_as_it_was(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let pair = nix::pty::openpty(None, None).unwrap();
    let (stream, peer) = UnixStream::pair().unwrap();
    let (reader, writer) = pipe();
    let ways: [(OwnedFd, &str); 3] = [(writer, ""), (pair.slave, ""), (stream.into(), "[audit]\nto = \"stderr\"\n")];
    for (shared, audit) in ways {
        let command = gate(lab, &network);
        let path = lab.state().join("gate.toml");
        fs::write(&path, nsgate_tests::lab::text(&path) + audit).unwrap();
        let _started = Started::start(command, shared.try_clone().unwrap());
        let guest = Guest::new(&network.guest).patient(3);
        assert!(wait_until(10.0, || guest.get("/").is_ok()));
        let flags = OFlag::from_bits_retain(fcntl(&shared, FcntlArg::F_GETFL).unwrap());
        assert!(!flags.contains(OFlag::O_NONBLOCK), "{flags:?}: the caller's own writes would fail");
    }
    drop((reader, peer, pair.master));
}

/// `NOTIFY_SOCKET` whose queue is full: the gate serves, and its supervisor passes signals on.
fn a_service_manager_that_does_not_listen_holds_no_gate_up(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let place = lab.directory("manager", 0o777).join("notify");
    let manager = UnixDatagram::bind(&place).unwrap();
    let other = UnixDatagram::unbound().unwrap();
    other.set_nonblocking(true).unwrap();
    while other.send_to(b"STATUS=busy", &place).is_ok() {}
    let (mut reader, writer) = pipe();
    let mut command = gate(lab, &network);
    command.env("NOTIFY_SOCKET", &place);
    let mut started = Started::start(command, writer);
    let guest = Guest::new(&network.guest).patient(3);
    assert!(wait_until(10.0, || guest.get("/").is_ok()), "{}", reader.read());
    let mut said = String::new();
    let told = wait_until(15.0, || {
        said.push_str(&reader.read());
        said.contains("does not take READY=1")
    });
    assert!(told, "{said}");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(started.0.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(wait_until(5.0, || started.0.try_wait().unwrap().is_some()), "the supervisor passes the signal on");
    drop(manager);
}
