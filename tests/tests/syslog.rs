//! The log: haproxy's httplog lines, at a datagram socket of the test's own, compared field by field and with haproxy itself.

use std::io::{Read, Write};
use std::time::Duration;

use nix::sys::signal::Signal;
use nsgate_tests::config::NETWORK;
use nsgate_tests::procfs::Process;
use nsgate_tests::{
    Answer, Config, Gate, Guest, Kind, Lab, Network, Program, RecordingAgent, Started, SyslogReader, suite,
};

fn main() {
    suite!["syslog":
        a_request_is_one_line_in_httplog_format,
        the_priority_is_local0_info,
        the_tag_and_the_pid_are_the_gates,
        another_facility_is_honoured,
        a_connection_without_a_byte_leaves_no_line,
        an_empty_agent_answer_is_a_server_error_line,
        no_agent_is_a_connect_error_line,
        a_refused_request_is_a_line_with_its_reason_and_what_was_read_of_it,
        a_rate_limited_request_is_a_line_with_429,
        control_characters_do_not_reach_the_log,
        a_log_socket_that_comes_back_is_found_again,
        a_full_log_slows_nobody_and_is_told_what_it_missed,
        no_log_socket_at_all_is_no_error,
        a_log_that_is_not_there_is_said_at_the_start_and_found_when_it_comes,
        a_link_that_leads_to_no_log_yet_is_followed_when_it_comes,
        a_link_that_leads_nowhere_is_said_at_the_start,
        a_log_in_dev_is_found_when_it_comes_and_when_it_comes_again,
        a_log_that_systemd_holds_takes_no_window_and_one_that_it_does_not_is_found_when_it_comes,
        a_log_that_goes_away_is_said_on_standard_error_and_noted_by_attest,
        in_the_background_without_a_log_what_could_not_be_done_is_said_by_the_starter,
        the_lines_are_haproxys_own,
    ]
}

struct Logged {
    network: Network,
    agent: RecordingAgent,
    log: SyslogReader,
    gate: Gate,
}

fn config(lab: &Lab) -> Config {
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    config
}

fn start(lab: &Lab, config: &Config, answer: Answer) -> Logged {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), answer);
    let log = SyslogReader::bind(&config.log);
    let gate = Gate::start(lab, &network.gate, config);
    Logged { network, agent, log, gate }
}

impl Logged {
    fn guest(&self) -> Guest {
        Guest::new(&self.network.guest)
    }

    fn line(&self, text: &str) -> String {
        self.log.find(text, 5.0).unwrap_or_else(|| panic!("no line with {text:?}"))
    }
}

/// The fields of an httplog line after the tag:
/// client, [date], frontend, backend/server, timers, status, bytes, cookies, termination, counters, queues, request.
fn fields(line: &str) -> Vec<String> {
    let message = line.split_once("]: ").unwrap_or_else(|| panic!("no tag: {line}")).1;
    let (before, request) = message.split_once('"').unwrap_or_else(|| panic!("no request: {line}"));
    let mut fields: Vec<String> = before.split_whitespace().map(str::to_owned).collect();
    fields.push(request.trim_end().trim_end_matches('"').to_owned());
    fields
}

fn numbers(text: &str) -> Vec<i64> {
    text.split('/').map(|word| word.trim_start_matches('+').parse().unwrap_or_else(|_| panic!("{text}"))).collect()
}

fn a_request_is_one_line_in_httplog_format(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    logged.guest().get("/latest/meta-data/hostname").unwrap().served();
    let line = logged.line("hostname");
    let fields = fields(&line);
    assert_eq!(fields.len(), 13, "{fields:?}");
    let (address, port) = fields[0].rsplit_once(':').unwrap();
    assert_eq!(address, "10.0.0.11");
    assert!(port.parse::<u16>().is_ok(), "{port}");
    assert_date(&fields[1]);
    assert_eq!(fields[2..4], ["listener", "listener/metadata"]);
    let timers = numbers(&fields[4]);
    assert_eq!(timers.len(), 5, "TR/Tw/Tc/Tr/Ta");
    assert!(timers.iter().all(|&t| (0..2000).contains(&t)), "{timers:?}");
    assert_eq!(fields[5], "200");
    let bytes: u64 = fields[6].parse().unwrap();
    assert!(bytes > 20, "{bytes}");
    assert_eq!(fields[7..9], ["-", "-"], "cookies");
    assert_eq!(fields[9], "----", "termination state");
    assert_eq!(numbers(&fields[10]).len(), 5, "actconn/feconn/beconn/srv_conn/retries");
    assert_eq!(fields[11], "0/0", "queues");
    assert_eq!(fields[12], "GET /latest/meta-data/hostname HTTP/1.1");
    assert_eq!(logged.log.all(0.3).len(), 0, "one line for one request");
}

/// `[24/Nov/2026:01:04:42.123]`
fn assert_date(text: &str) {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_else(|| panic!("{text}"));
    let shape: String = inner
        .chars()
        .map(|c| match c {
            '0'..='9' => '9',
            'A'..='Z' | 'a'..='z' => 'a',
            other => other,
        })
        .collect();
    assert_eq!(shape, "99/aaa/9999:99:99:99.999", "{text}");
}

fn the_priority_is_local0_info(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    logged.guest().get("/one").unwrap().served();
    assert!(logged.line("/one").starts_with("<134>"), "16 * 8 + 6");
}

fn the_tag_and_the_pid_are_the_gates(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    logged.guest().get("/one").unwrap().served();
    let line = logged.line("/one");
    let header = line.strip_prefix("<134>").unwrap();
    // RFC 3164: `Mmm dd hh:mm:ss ` and the tag.
    let tag = header.get(16..).unwrap();
    assert!(tag.starts_with(&format!("haproxy-metadata-proxy-{NETWORK}[{}]: ", logged.gate.pid)), "{line}");
}

fn another_facility_is_honoured(lab: &Lab) {
    let config = config(lab);
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let log = SyslogReader::bind(&config.log);
    let file = nsgate_tests::gate::write_config(lab, &config);
    std::fs::write(&file, config.text().replace("local0 info", "local3 info")).unwrap();
    let arguments = ["-f", file.to_str().unwrap()];
    let started = nsgate_tests::gate::communicate(
        nsgate_tests::gate::agent_command(lab, &network.gate, &config.id, &arguments),
        Duration::from_secs(10),
    );
    assert!(started.ok(), "{started:#?}");
    Guest::new(&network.guest).get("/one").unwrap().served();
    assert!(log.find("/one", 5.0).unwrap().starts_with("<158>"), "19 * 8 + 6");
}

fn a_connection_without_a_byte_leaves_no_line(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    let _ = logged.log.all(0.3);
    drop(logged.guest().connect().unwrap());
    let lines = logged.log.all(0.7);
    assert!(lines.is_empty(), "option dontlognull: {lines:?}");
    // The next request has a line: the log was there all the time.
    logged.guest().get("/after").unwrap().served();
    logged.line("/after");
}

fn an_empty_agent_answer_is_a_server_error_line(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::Nothing);
    assert_eq!(logged.guest().get("/one").unwrap().status, 502);
    let fields = fields(&logged.line("/one"));
    assert_eq!((fields[5].as_str(), fields[9].as_str()), ("502", "SH--"), "{fields:?}");
}

fn no_agent_is_a_connect_error_line(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    drop(logged.agent);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(Guest::new(&logged.network.guest).patient(40).get("/one").unwrap().status, 503);
    let line = logged.log.find("/one", 5.0).expect("a line");
    let fields = fields(&line);
    assert_eq!((fields[5].as_str(), fields[9].as_str()), ("503", "SC--"), "{fields:?}");
}

/// An operator finds the client by it; nothing is in it that could be a secret.
fn a_refused_request_is_a_line_with_its_reason_and_what_was_read_of_it(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    for (request, reason, shown) in [
        (&b"GET /one?s3cret HTTP/1.1\r\nbad header\r\n\r\n"[..], "header-line", "GET /one?- HTTP/1.1"),
        (b"GET http://10.0.0.1/two HTTP/1.1\r\nHost: a\r\n\r\n", "other-host", "GET http://10.0.0.1/two HTTP/1.1"),
        (b"GET /three\r\n", "request-line", "GET /three"),
        (b"GET http://user:s3cret@10.0.0.1/ HTTP/1.1\r\n", "target", "GET"),
        (b"password=s3cret\r\n", "method", "<BADREQ>"),
        (b"\x16\x03\x01s3cret", "method", "<BADREQ>"),
    ] {
        logged.guest().exchange(request).unwrap();
        let line = logged.line("reason:");
        assert!(line.trim_end().ends_with(&format!(" {{reason:{reason}}} \"{shown}\"")), "{line}");
        let fields = fields(&line);
        assert_eq!((fields[5].as_str(), fields[9].as_str()), ("400", "PR--"), "{fields:?}");
        assert_eq!(fields[3], "listener/<NOSRV>");
        assert!(fields[0].starts_with("10.0.0.11:") && !line.contains("s3cret"), "{line}");
    }
}

fn a_rate_limited_request_is_a_line_with_429(lab: &Lab) {
    let logged = start(lab, &config(lab).with_rate("ip", 10, 2), Answer::ok("hello"));
    let statuses: Vec<u16> = (0..3).map(|_| logged.guest().get("/limited").unwrap().status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    let lines: Vec<String> = (0..3).map(|_| logged.line("/limited")).collect();
    let fields = fields(&lines[2]);
    assert_eq!((fields[5].as_str(), fields[9].as_str()), ("429", "PR--"), "{fields:?}");
    assert_eq!(fields[3], "listener/<NOSRV>");
}

fn control_characters_do_not_reach_the_log(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    for path in ["/a%0a<134>forged", "/b\x7f\x1b[31m", "/c\"quoted"] {
        let _ = logged.guest().patient(1).exchange(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    let lines = logged.log.all(1.0);
    for path in ["/a%0a<134>forged", "/b", "/c"] {
        assert!(lines.iter().any(|line| line.contains(path)), "{path}: {lines:?}");
    }
    for line in lines {
        assert!(!line.trim_end().contains(|c: char| c.is_control()), "{line:?}");
        assert!(line.matches('"').count() <= 2, "a quote ends the field: {line:?}");
    }
}

fn a_log_socket_that_comes_back_is_found_again(lab: &Lab) {
    let Logged { network, agent, log, gate } = start(lab, &config(lab), Answer::ok("hello"));
    let guest = Guest::new(&network.guest);
    guest.get("/before").unwrap().served();
    assert!(log.find("/before", 5.0).is_some());
    let path = log.path().to_owned();
    drop(log);
    assert_eq!(guest.get("/without").unwrap().status, 200, "no log is no reason not to serve");
    let log = SyslogReader::bind(&path);
    let found = (0..20).any(|n| {
        guest.get(&format!("/after-{n}")).unwrap().served();
        log.find("/after-", 0.2).is_some()
    });
    assert!(found, "the syslog daemon was restarted, the gate did not notice");
    drop((agent, gate));
}

/// No process reads: the kernel's queue of the socket fills up (net.unix.max_dgram_qlen), and lines are lost, not requests.
fn a_full_log_slows_nobody_and_is_told_what_it_missed(lab: &Lab) {
    let logged = start(lab, &config(lab), Answer::ok("hello"));
    let guest = logged.guest();
    let mut stream = guest.connect().unwrap();
    let mut answer = [0; 4096];
    for _ in 0..1500 {
        stream.write_all(b"GET /unread HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert!(stream.read(&mut answer).unwrap() > 0, "every request is answered");
    }
    // Reads the lines in the queue. The line of the last request, with the count of lost lines, may still be under way.
    let mut said: Vec<String> = std::iter::from_fn(|| logged.log.next(0.5)).collect();
    assert_eq!(guest.get("/again").unwrap().status, 200);
    said.extend(std::iter::from_fn(|| logged.log.next(0.5)));
    let lost = |line: &String| -> Option<usize> {
        line.split_once(" lines were lost").and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok())
    };
    let lost: usize = said.iter().filter_map(lost).sum();
    let told = said.iter().filter(|line| line.contains("/unread")).count();
    assert!(lost > 0 && told + lost == 1500, "{told} lines and {lost} lost");
    assert!(said.iter().any(|line| line.contains("/again") && line.contains(" 200 ")));
}

fn no_log_socket_at_all_is_no_error(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut config = config(lab);
    config.log = "/run/lab/absent/log".into();
    let gate = Gate::start(lab, &network.gate, &config);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    gate.signal(Signal::SIGTERM);
}

fn attested(lab: &Lab, pid: i32) -> Started {
    let mut command = std::process::Command::new(lab.program.nsgate());
    command.args(["attest", &pid.to_string()]);
    nsgate_tests::gate::communicate(command, Duration::from_secs(10))
}

/// Asks until a line is at `path`, where a log begins to listen now: that it was lost until then is said.
fn found_when_it_comes(network: &Network, path: &std::path::Path) {
    let guest = Guest::new(&network.guest);
    assert_eq!(guest.get("/before").unwrap().status, 200);
    let log = SyslogReader::bind(path);
    let mut said = Vec::new();
    let found = (0..20).any(|n| {
        assert_eq!(guest.get(&format!("/after-{n}")).unwrap().status, 200);
        said.extend(log.all(0.2));
        said.iter().any(|line| line.contains("/after-"))
    });
    assert!(found && said.iter().any(|line| line.contains(" lines were lost: the log did not take them")), "{said:#?}");
}

fn a_log_that_is_not_there_is_said_at_the_start_and_found_when_it_comes(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = config(lab);
    let gate = Gate::start(lab, &network.gate, &config);
    let expected = format!("nsgate: the system log {} is not there; it is found when it comes", config.log.display());
    assert!(gate.started.stderr.contains(&expected), "{:#?}", gate.started);
    found_when_it_comes(&network, &config.log);
}

/// `/dev/log` is a link on many hosts: to a socket that is made later, in a directory that is there.
fn a_link_that_leads_to_no_log_yet_is_followed_when_it_comes(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let target = lab.directory("log", 0o755).join("socket");
    std::os::unix::fs::symlink(&target, "/dev/log").unwrap();
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    assert!(gate.started.stderr.contains("the system log /dev/log is not there; it is found"), "{:#?}", gate.started);
    found_when_it_comes(&network, &target);
}

fn a_link_that_leads_nowhere_is_said_at_the_start(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    std::os::unix::fs::symlink("/run/lab/absent/log", "/dev/log").unwrap();
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let said = &gate.started.stderr;
    assert!(said.contains("no system log: ") && said.contains("/run/lab/absent"), "{said}");
    assert!(said.contains("found at the next start"), "{said}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

fn a_log_in_dev_is_found_when_it_comes_and_when_it_comes_again(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let config = Config::new(Kind::Network);
    let gate = Gate::start(lab, &network.gate, &config);
    assert!(gate.started.stderr.contains("/dev/log is not there; it is found when it comes"), "{:#?}", gate.started);
    found_when_it_comes(&network, &config.log);
    // Its daemon has ended with the test's reader.
    found_when_it_comes(&network, &config.log);
    // Everything else in that directory is out of reach: no address that is short enough names it.
    assert_eq!(Process::new(gate.pid).root_entries(), ["agent", "backend", "log-directory", "syslog"]);
}

/// Where `/dev/log` leads on a host with systemd.
fn a_log_that_systemd_holds_takes_no_window_and_one_that_it_does_not_is_found_when_it_comes(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let target = std::path::Path::new("/run/systemd/journal/dev-log");
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(target, "/dev/log").unwrap();
    let config = Config::new(Kind::Network);
    let gate = Gate::start(lab, &network.gate, &config);
    found_when_it_comes(&network, target);
    drop(gate);
    let log = SyslogReader::held_by_systemd();
    let gate = Gate::start(lab, &network.gate, &config);
    assert!(gate.started.said().is_empty(), "what the log takes is not said twice: {:#?}", gate.started);
    assert_eq!(Process::new(gate.pid).root_entries(), ["agent", "backend"], "the connection lasts");
    Guest::new(&network.guest).get("/held").unwrap();
    assert!(log.find("/held", 5.0).is_some());
}

fn a_log_that_goes_away_is_said_on_standard_error_and_noted_by_attest(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut config = config(lab);
    config.daemon = false;
    let log = SyslogReader::bind(&config.log);
    let file = nsgate_tests::gate::write_config(lab, &config);
    let words = ["-f".as_ref(), file.as_os_str()];
    let gate = Gate::foreground(lab, &network.gate, &config, &words).unwrap_or_else(|started| panic!("{started:#?}"));
    let children = nsgate_tests::lab::text(format!("/proc/{0}/task/{0}/children", gate.pid));
    let serving: i32 = children.trim().parse().unwrap();
    let noted = || attested(lab, serving).stdout.contains("note: no process is at the other end of a datagram socket");
    assert!(log.find("Serving", 5.0).is_some() && !noted());
    drop(log);
    let guest = Guest::new(&network.guest);
    (0..3).for_each(|_| assert_eq!(guest.get("/lost").unwrap().status, 200));
    let said = gate.foreground_output(lab);
    assert!(said.contains("the system log has gone away: lines are lost, and counted, until it comes back"), "{said}");
    assert!(!lab.is_root() || noted());
    assert!(!attested(lab, gate.pid).stdout.contains("note:"), "a supervisor has no log");
}

fn in_the_background_without_a_log_what_could_not_be_done_is_said_by_the_starter(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    // An audit alone: it goes to the system log, which is not there.
    let file = lab.state().join("gate.toml");
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nuser = \"neutron\"\n\
         group = \"neutron\"\ndaemon = true\npid_file = \"{}\"\n[audit]\nto = \"syslog\"\n",
        lab.socket().display(),
        lab.state().join("gate.pid").display()
    );
    std::fs::write(&file, text).unwrap();
    let started = nsgate_tests::gate::nsgate(lab, &network.gate, &["run", "--config", file.to_str().unwrap()]);
    assert!(started.ok() && started.stderr.contains("the system log /dev/log is not there"), "{started:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

/// The same conversation with the program under test and with the distribution's haproxy: the lines differ in numbers, in the
/// query, which haproxy writes and a gate does not (it may hold a secret), and where a request was refused: there a gate says
/// the reason, and what it read.
fn the_lines_are_haproxys_own(lab: &Lab) {
    let Some(haproxy) = Program::real_haproxy() else {
        lab.skip("no /usr/sbin/haproxy to compare with; apt-get install haproxy");
    };
    let ours = conversation(lab, "ours");
    let theirs = conversation(&Lab::enter(haproxy), "theirs");
    assert!(theirs.iter().any(|line| line.contains("/missing?query=1 ")), "{theirs:?}");
    let ours: Vec<String> = ours
        .iter()
        .map(|line| line.replace("{reason:header-line} GET /broken HTTP/1.1", "<BADREQ>").replace("{reason:rate} ", ""))
        .collect();
    let theirs: Vec<String> = theirs.iter().map(|line| line.replace("?query=1 ", "?- ")).collect();
    assert_eq!(ours, theirs);
}

fn conversation(lab: &Lab, name: &str) -> Vec<String> {
    let config = config(lab).with_rate("ip", 30, 6);
    let log = SyslogReader::bind(&config.log);
    let network = Network::named(&format!("gate-{name}"), &format!("guest-{name}"));
    let agent = RecordingAgent::answering(&lab.socket(), |seen| match seen.text().split(' ').nth(1) {
        Some("/missing") => Answer::with("404 Not Found", "no"),
        Some("/nothing") => Answer::Nothing,
        _ => Answer::ok("hello"),
    });
    let gate = Gate::start(lab, &network.gate, &config);
    let guest = Guest::new(&network.guest);
    guest.get("/plain").unwrap().served();
    guest.get("/missing?query=1").unwrap();
    guest.get("/nothing").unwrap();
    guest.ask("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").unwrap();
    guest.exchange(b"GET /broken HTTP/1.1\r\nbad header\r\n\r\n").unwrap();
    guest.exchange(b"GET /old HTTP/1.0\r\n\r\n").unwrap();
    guest.get("/seventh").unwrap();
    guest.get("/eighth").unwrap();
    let lines: Vec<String> = std::iter::from_fn(|| log.next(0.5)).collect();
    drop((gate, agent));
    lines.iter().filter(|line| line.contains('"')).map(|line| normal(line)).collect()
}

/// Without the date, port, pid, timers and byte count.
fn normal(line: &str) -> String {
    let fields = fields(line);
    let client = fields[0].rsplit_once(':').map_or("", |(address, _)| address);
    let timers: String = numbers(&fields[4]).iter().map(|&t| if t < 0 { "-1/" } else { "N/" }).collect();
    [&[client.to_owned()], &fields[2..4], &[timers], &fields[5..6], &fields[7..10], &fields[11..]].concat().join(" ")
}
