//! Who asked for what: events to every destination, from every way to run, at a bounded rate, and never a secret.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::journald::Journald;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{Pool, keeper, socket_path};
use nsgate_tests::procfs::Process;
use nsgate_tests::{
    Answer, Config, Gate, Guest, Kind, Lab, Namespace, Network, RecordingAgent, Started, SyslogReader, suite,
};
use serde_json::Value;

fn main() {
    suite!["audit":
        an_event_says_who_asked_for_what_and_what_came_of_it,
        refusals_and_failures_have_their_verdict_and_reason,
        a_real_journald_takes_events_in_its_own_protocol,
        without_a_journald_nothing_is_started,
        a_descriptor_of_the_starter_outlives_the_clean_start_on_purpose_and_only_then,
        a_descriptor_that_is_no_way_out_is_refused_by_name,
        a_socket_of_the_starter_is_written_to_and_not_read_from,
        in_the_foreground_events_go_to_standard_error,
        a_full_pipe_slows_nobody_and_the_next_event_says_what_was_lost,
        what_is_beyond_the_rate_is_counted_in_the_next_event,
        no_secret_is_in_any_log,
        the_site_audits_gates_under_the_haproxy_name,
        a_pool_audits_every_network_in_its_name,
        a_keeper_that_serves_by_itself_audits_as_well,
        a_network_with_another_destination_is_not_the_pools,
        the_agents_trace_is_the_events_and_never_the_guests,
    ]
}

struct World {
    network: Network,
    agent: RecordingAgent,
    log: SyslogReader,
}

fn world(lab: &Lab, answer: Answer) -> World {
    let log = SyslogReader::bind(&lab.directory("log", 0o755).join("socket"));
    World { network: lab.network(), agent: RecordingAgent::start(&lab.socket(), answer), log }
}

/// A gate in TOML; `more` is what the test is about.
fn toml(lab: &Lab, daemon: bool, more: &str) -> PathBuf {
    let path = lab.state().join("gate.toml");
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nuser = \"neutron\"\n\
         group = \"neutron\"\ndaemon = {daemon}\npid_file = \"{}\"\n{more}",
        lab.socket().display(),
        pid_file(lab).display()
    );
    fs::write(&path, text).unwrap();
    path
}

fn pid_file(lab: &Lab) -> PathBuf {
    lab.state().join("gate.pid")
}

fn log_table(lab: &Lab) -> String {
    format!("[log]\nsocket = \"{}\"\nlevel = \"debug\"\n", lab.directory("log", 0o755).join("socket").display())
}

/// `nsgate run` by way of a shell, with redirections as a starter would write them.
fn command(lab: &Lab, namespace: &Namespace, file: &Path, redirections: &str) -> Command {
    let mut command = namespace.command("sh");
    let nsgate = lab.program.nsgate();
    command.args(["-c", &format!("exec \"$0\" run --config \"$1\" {redirections}")]).arg(nsgate).arg(file);
    command
}

/// A daemon; its starter's words.
fn try_start(lab: &Lab, world: &World, more: &str, redirections: &str) -> Started {
    let file = toml(lab, true, more);
    communicate(command(lab, &world.network.gate, &file, redirections), Duration::from_secs(10))
}

fn start(lab: &Lab, world: &World, more: &str, redirections: &str) -> i32 {
    let started = try_start(lab, world, more, redirections);
    assert!(started.ok(), "{started:#?}");
    text(pid_file(lab)).trim().parse().unwrap()
}

/// The JSON in a syslog line of the audit's.
fn event(line: &str) -> Value {
    let (before, json) = line.split_once("]: ").unwrap_or_else(|| panic!("{line}"));
    assert!(before.contains(" nsgate-audit["), "{line}");
    parsed(json)
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json.trim_end()).unwrap_or_else(|error| panic!("{error}: {json:?}"))
}

fn all(lines: Vec<String>) -> Vec<Value> {
    lines.iter().map(|line| parsed(line)).collect()
}

/// The next event in the log.
fn next(world: &World) -> Value {
    event(&world.log.find(" nsgate-audit[", 5.0).expect("an event"))
}

fn an_event_says_who_asked_for_what_and_what_came_of_it(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let pid = start(lab, &world, &format!("{}[audit]\nto = \"syslog\"\n", log_table(lab)), "");
    Guest::new(&world.network.guest).get("/openstack/latest/user_data").unwrap().served();
    let line = world.log.find(" nsgate-audit[", 5.0).expect("an event");
    assert!(line.starts_with("<134>") && line.contains(&format!(" nsgate-audit[{pid}]: {{")), "{line}");
    let event = event(&line);
    for (key, value) in [
        ("network_kind", "network"),
        ("network", NETWORK),
        ("source", "10.0.0.11"),
        ("method", "GET"),
        ("class", "user-data"),
        ("verdict", "passed"),
    ] {
        assert_eq!(event[key], value, "{event}");
    }
    assert_eq!(
        (event["status"].as_u64(), &event["reason"], &event["trace_id"]),
        (Some(200), &Value::Null, &Value::Null)
    );
    for key in ["port", "head_us", "connect_us", "agent_us", "total_us", "bytes"] {
        assert!(event[key].as_u64().is_some_and(|number| number > 0), "{key}: {event}");
    }
    assert_eq!((event["queue_us"].as_u64().is_some(), event["retries"].as_u64()), (true, Some(0)));
    let time = event["time"].as_str().unwrap();
    assert!(time.len() == "2026-11-25T00:00:00.000000Z".len() && time.ends_with('Z'), "{time}");
    assert_eq!(world.log.all(0.3).iter().filter(|line| line.contains("nsgate-audit")).count(), 0, "one for each");
}

fn refusals_and_failures_have_their_verdict_and_reason(lab: &Lab) {
    let World { network, agent, log } = world(lab, Answer::Nothing);
    let world = World { network, agent, log };
    let limits = "[limits]\ntarget_bytes = 100\n[timeouts]\nconnect = \"300ms\"\nrequest = \"300ms\"\n";
    start(lab, &world, &format!("{}[audit]\nto = \"syslog\"\n{limits}", log_table(lab)), "");
    let guest = Guest::new(&world.network.guest);
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(200));
    for (request, verdict, status, reason, class) in [
        (
            "GET /latest/user-data HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            "failed",
            502,
            "agent-closed",
            "user-data",
        ),
        ("GET /openstack/latest/password HTTP/1.1\n\n", "refused", 400, "bare-lf", "password"),
        (
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "refused",
            400,
            "length-and-chunks",
            "index",
        ),
        (&long, "refused", 414, "target-too-long", "other"),
        ("GET /latest/meta-data HTTP/1.1\r\nHost", "refused", 408, "slow-head", "meta-data"),
        ("GET /latest/user-data", "refused", 408, "slow-head", "user-data"),
        ("GET http://10.0.0.1/latest/user-data HTTP/1.1\r\nHost: h\r\n\r\n", "refused", 400, "other-host", "user-data"),
        ("GET http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", "refused", 400, "length", "index"),
    ] {
        let _ = guest.exchange(request.as_bytes());
        let event = next(&world);
        let found = (
            event["verdict"].as_str(),
            event["status"].as_u64(),
            event["reason"].as_str(),
            event["class"].as_str().unwrap_or(""),
        );
        assert_eq!(found, (Some(verdict), Some(status), Some(reason), class), "{request:?}: {event}");
    }
    // Bytes that are no request have no method and no class.
    let _ = guest.exchange(b"\x16\x03\x01\x02\x00\x01\x00\n");
    let found = next(&world);
    assert_eq!((&found["method"], &found["class"], &found["verdict"]), (&Value::Null, &Value::Null, &"refused".into()));
    drop(world.agent);
    guest.get("/").unwrap();
    let event = event(&world.log.find("agent-away", 5.0).expect("an event"));
    assert_eq!((event["status"].as_u64(), event["verdict"].as_str()), (Some(503), Some("failed")));
}

fn a_real_journald_takes_events_in_its_own_protocol(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let journald = Journald::start(lab);
    let pid = start(lab, &world, "[audit]\nto = \"journald\"\n", "");
    let guest = Guest::new(&world.network.guest);
    guest.get("/latest/user-data?q=x").unwrap().served();
    guest.exchange(b"GET / HTTP/1.1\n\n").unwrap();
    let entries = all(journald.entries(&["SYSLOG_IDENTIFIER=nsgate-audit"], 2));
    assert_eq!(entries.len(), 2, "{entries:?}");
    let entry = &entries[0];
    for (field, value) in [
        ("NSGATE_NETWORK_KIND", "network"),
        ("NSGATE_NETWORK", NETWORK),
        ("NSGATE_SOURCE", "10.0.0.11"),
        ("NSGATE_METHOD", "GET"),
        ("NSGATE_CLASS", "user-data"),
        ("NSGATE_STATUS", "200"),
        ("NSGATE_VERDICT", "passed"),
        ("PRIORITY", "6"),
        ("_TRANSPORT", "journal"),
        ("_PID", &pid.to_string()),
    ] {
        assert_eq!(entry[field], value, "{field}: {entry}");
    }
    assert_eq!(parsed(entry["MESSAGE"].as_str().unwrap())["class"], "user-data");
    let refused = all(journald.now(&["NSGATE_VERDICT=refused", "NSGATE_REASON=bare-lf"]));
    assert!(refused.len() == 1 && refused[0]["PRIORITY"] == "5", "{refused:?}");
    assert_eq!(refused[0]["MESSAGE_ID"], entry["MESSAGE_ID"]);
    // The journal's directory is not shown to the gate: the connection was made before.
    let root: Vec<_> =
        fs::read_dir(format!("/proc/{pid}/root")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(root.iter().all(|name| ["agent", "backend"].iter().any(|known| name == known)), "{root:?}");
}

fn without_a_journald_nothing_is_started(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let started = try_start(lab, &world, "[audit]\nto = \"journald\"\n", "");
    assert_eq!(started.code(), Some(1));
    assert!(started.stderr.contains("audit to journald: ") && started.stderr.contains("/run/systemd"), "{started:#?}");
    nothing_is_left(lab, &world);
}

fn nothing_is_left(lab: &Lab, world: &World) {
    assert!(world.network.gate.listening().is_empty() && !pid_file(lab).exists());
}

fn a_descriptor_of_the_starter_outlives_the_clean_start_on_purpose_and_only_then(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let file = lab.state().join("audit.json");
    let pid = start(lab, &world, "[audit]\nto = \"fd:5\"\n", &format!("5>>{0} 4>>{0}.other 6<{0}", file.display()));
    let guest = Guest::new(&world.network.guest);
    for path in ["/latest/meta-data", "/openstack/latest/password"] {
        guest.get(path).unwrap().served();
    }
    assert!(wait_until(5.0, || text(&file).lines().count() == 2), "{}", text(&file));
    let classes: Vec<_> = text(&file).lines().map(|line| parsed(line)["class"].clone()).collect();
    assert_eq!(classes, ["meta-data", "password"]);
    let process = Process::new(pid);
    let descriptors = lab.descriptors(&process);
    let files: Vec<_> = descriptors.iter().filter(|(_, target)| target.contains("audit.json")).collect();
    assert_eq!(files.len(), 1, "the others are closed: {descriptors:?}");
    let flags = text(format!("/proc/{pid}/fdinfo/{}", files[0].0));
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim().to_owned();
    let flags = i32::from_str_radix(&flags, 8).unwrap();
    assert_eq!(flags & libc::O_ACCMODE, libc::O_WRONLY, "only written to");
    assert!(flags & libc::O_APPEND != 0, "and only at its end");
    let attest = communicate(
        {
            let mut command = Command::new(lab.program.nsgate());
            command.args(["attest", &pid.to_string()]);
            command
        },
        Duration::from_secs(10),
    );
    assert!(attest.ok(), "{attest:#?}");
}

fn a_descriptor_that_is_no_way_out_is_refused_by_name(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let file = lab.state().join("audit.json");
    fs::write(&file, "kept\n").unwrap();
    let (file, fifo) = (file.display(), lab.state().join("fifo"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    for (redirection, word) in [
        (String::new(), "the starter gave no such descriptor"),
        (format!("3<{file}"), "opened to append"),
        (format!("3<>{file}"), "opened to append"),
        (format!("3<{}", lab.state().display()), "this is a directory"),
        ("3</dev/null".to_owned(), "this is a device"),
        (format!("3<>{} 4<&3", fifo.display()), "the reading end of a pipe"),
    ] {
        let started = try_start(lab, &world, "[audit]\nto = \"fd:3\"\n", &redirection);
        assert_eq!(started.code(), Some(1), "{redirection}");
        assert!(
            started.stderr.contains("audit to fd:3: ") && started.stderr.contains(word),
            "{redirection}: {started:#?}"
        );
        nothing_is_left(lab, &world);
    }
    assert_eq!(text(file.to_string()), "kept\n", "nothing was written or cut off");
    let started = try_start(lab, &world, "[audit]\nto = \"stderr\"\n", "");
    assert!(started.code() == Some(1) && started.stderr.contains("in the background there is no"), "{started:#?}");
    nothing_is_left(lab, &world);
    // Sockets that lead into a network, or nowhere.
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (listener, unbound) = (UnixListener::bind(lab.state().join("l")).unwrap(), UnixDatagram::unbound().unwrap());
    for (descriptor, word) in
        [(OwnedFd::from(udp), "no UNIX socket"), (listener.into(), "not connected"), (unbound.into(), "not connected")]
    {
        let started = try_start_with(lab, &world, "[audit]\nto = \"fd:3\"\n", descriptor);
        assert!(started.code() == Some(1) && started.stderr.contains(word), "{started:#?}");
        nothing_is_left(lab, &world);
    }
}

/// The same, with `given` as descriptor 3.
fn try_start_with(lab: &Lab, world: &World, more: &str, given: OwnedFd) -> Started {
    let file = toml(lab, true, more);
    let mut command = command(lab, &world.network.gate, &file, "3>&0 0</dev/null");
    command.stdin(given).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = std::time::Instant::now();
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    Started { status: Some(output.status), stdout, stderr, closed: true, took: start.elapsed() }
}

fn a_socket_of_the_starter_is_written_to_and_not_read_from(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let started = try_start_with(lab, &world, "[audit]\nto = \"fd:3\"\n", theirs.into());
    assert!(started.ok(), "{started:#?}");
    Guest::new(&world.network.guest).get("/latest/meta-data").unwrap().served();
    ours.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut bytes = [0; 2048];
    let length = ours.recv(&mut bytes).unwrap();
    assert_eq!(parsed(std::str::from_utf8(&bytes[..length]).unwrap())["class"], "meta-data");
    assert!(ours.send(b"x").is_err(), "no process reads at the other end");
}

fn in_the_foreground_events_go_to_standard_error(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let file = toml(lab, false, &format!("{}[audit]\nto = \"stderr\"\n", log_table(lab)));
    let mut command = command(lab, &world.network.gate, &file, "");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(wait_until(10.0, || !world.network.gate.listening().is_empty()));
    assert!(world.log.find("Serving", 5.0).is_some());
    Guest::new(&world.network.guest).get("/latest/user-data").unwrap().served();
    let mut said = child.stderr.take().unwrap();
    let mut bytes = [0; 4096];
    let length = said.read(&mut bytes).unwrap();
    assert_eq!(parsed(std::str::from_utf8(&bytes[..length]).unwrap())["class"], "user-data");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(child.wait().unwrap().success());
}

fn a_full_pipe_slows_nobody_and_the_next_event_says_what_was_lost(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let mut reader = fs::File::from(reader);
    // The smallest there is: a page.
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let given = writer.try_clone().unwrap();
    let started = try_start_with(lab, &world, "[audit]\nto = \"fd:3\"\nevents_per_second = 10000\n", given);
    assert!(started.ok(), "{started:#?}");
    let flags = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETFL).unwrap();
    assert_eq!(flags & libc::O_NONBLOCK, 0, "the starter's own end still waits");
    let guest = Guest::new(&world.network.guest);
    let mut kept = guest.connect().unwrap();
    let mut ask = |count: usize| {
        for _ in 0..count {
            kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            assert_eq!(nsgate_tests::Response::read(&mut kept).unwrap().status, 200);
        }
    };
    ask(60);
    let mut read = || {
        let mut text = vec![0; 65536];
        let length = reader.read(&mut text).unwrap();
        text.truncate(length);
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with('\n'), "a line is whole or not there: {text}");
        text.lines().map(parsed).collect::<Vec<_>>()
    };
    let mut events = read();
    assert!((5..60).contains(&events.len()), "{}", events.len());
    // The last of the sixty may be on its way yet.
    ask(1);
    while events.iter().all(|event| event["lost"].is_null()) {
        events.extend(read());
    }
    let lost: u64 = events.iter().filter_map(|event| event["lost"].as_u64()).sum();
    assert!((60..=61).contains(&(events.len() as u64 + lost)), "{lost} lost of {events:?}");
}

fn what_is_beyond_the_rate_is_counted_in_the_next_event(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    // Without access lines: the reader's queue is ten long, and the log's level is none of the audit's business.
    let quiet = log_table(lab).replace("debug", "error");
    start(lab, &world, &format!("{}[audit]\nto = \"syslog\"\nevents_per_second = 2\n", quiet), "");
    let guest = Guest::new(&world.network.guest);
    for _ in 0..30 {
        guest.get("/").unwrap().served();
    }
    std::thread::sleep(Duration::from_millis(1100));
    guest.get("/last").unwrap().served();
    let events: Vec<Value> =
        world.log.all(0.5).iter().filter(|line| line.contains(" nsgate-audit[")).map(|line| event(line)).collect();
    // How long thirty requests take is the machine's affair; that none is missing from the sum is the gate's.
    let suppressed: u64 = events.iter().filter_map(|event| event["suppressed"].as_u64()).sum();
    assert_eq!(events.len() as u64 + suppressed, 31, "{events:?}");
    assert!(suppressed > 0 && events.last().unwrap()["class"] == "other", "{events:?}");
}

/// Everything a guest and an agent can say, with a secret in it.
fn no_secret_is_in_any_log(lab: &Lab) {
    let log = SyslogReader::bind(&lab.directory("log", 0o755).join("socket"));
    let network = lab.network();
    let agent = RecordingAgent::answering(&lab.socket(), |seen| match seen.text() {
        text if text.contains("/garbage") => Answer::Bytes(b"s3cret-answer is no HTTP\r\n\r\n".to_vec()),
        text if text.contains("/cut") => {
            Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ns3cret-answer".to_vec())
        }
        text if text.contains("/header") => Answer::Bytes(
            b"HTTP/1.1 200 s3cret-answer\r\nX-A: s3cret-answer\r\nContent-Length: s3cret-answer\r\n\r\n".to_vec(),
        ),
        text if text.contains("/missing") => Answer::with("500 s3cret-answer", "s3cret-answer"),
        _ => Answer::ok("#cloud-config\npassword: s3cret-answer\n"),
    });
    let world = World { network, agent, log };
    let file = lab.state().join("audit.json");
    let tables = format!(
        "{}[audit]\nto = \"fd:3\"\n[trace]\n[timeouts]\nrequest = \"500ms\"\nbody = \"500ms\"\n",
        log_table(lab)
    );
    let started = try_start(lab, &world, &tables, &format!("3>>{}", file.display()));
    assert!(started.ok(), "{started:#?}");
    let guest = Guest::new(&world.network.guest).patient(2);
    let headers = "Authorization: Basic s3cret-header\r\nX-aws-ec2-metadata-token: s3cret-token\r\nCookie: s3cret-header\r\n\
                   Traceparent: s3cret-header\r\nUser-Agent: s3cret-header\r\nHost: s3cret-header\r\n";
    let mut requests = Vec::new();
    for path in ["/latest/user-data", "/openstack/latest/password", "/garbage", "/cut", "/header", "/missing"] {
        for end in ["Connection: close\r\n\r\n", "Content-Length: 11\r\nConnection: close\r\n\r\ns3cret-body"] {
            requests.push(format!("POST {path}?a=s3cret-query HTTP/1.1\r\n{headers}{end}"));
        }
    }
    // Refused at each place where the reader can refuse, and cut at each place.
    let whole = format!("POST /latest/user-data?s3cret-query HTTP/1.1\r\n{headers}Content-Length: 11\r\n\r\n");
    for spoilt in [
        "Content-Length: s3cret-header\r\n",
        "Transfer-Encoding: s3cret-header\r\n",
        "Expect: s3cret-header\r\n",
        "Upgrade: s3cret-header\r\n",
        " s3cret-header\r\n",
        "s3cret-header\r\n",
        "X-A: s3cret-header\0\r\n",
        "X-A: s3cret-header\n",
    ] {
        requests.push(format!("GET /?s3cret-query HTTP/1.1\r\nHost: h\r\n{spoilt}\r\n"));
    }
    requests.push(format!("{whole}s3cret-bod"));
    requests.push(whole[..whole.len() - 30].to_owned());
    requests.push("GET /?s3cret-query HTTP/9.9\r\n\r\n".to_owned());
    requests.push("GET /a?s3cret-query#s3cret-query HTTP/1.1\r\nHost: h\r\n\r\n".to_owned());
    requests.push("GET /a?s3cret-query with blanks HTTP/1.1\r\nHost: h\r\n\r\n".to_owned());
    requests.push(format!("GET /a?{} HTTP/1.1\r\nHost: h\r\n\r\n", "s3cret-query".repeat(3000)));
    requests.push("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;s3cret-body\r\n".to_owned());
    let count = requests.len();
    let (mut logs, mut answers) = (Vec::new(), Vec::new());
    for request in &requests {
        answers.extend(guest.exchange(request.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        // The reader's queue is ten long.
        logs.extend(world.log.find(" listener/", 5.0));
        logs.extend(world.log.all(0.01));
    }
    // They did pass through the gate, both ways.
    let seen: Vec<String> = world.agent.seen().iter().map(nsgate_tests::agent::Seen::text).collect();
    for secret in ["s3cret-body", "s3cret-query", "s3cret-header"] {
        assert!(seen.iter().any(|request| request.contains(secret)), "{secret} did not reach the agent: {seen:#?}");
    }
    assert!(answers.iter().any(|answer| answer.contains("s3cret-answer")), "no guest was answered: {answers:#?}");
    assert!(requests.iter().any(|request| request.contains("s3cret-token")));
    assert!(wait_until(5.0, || text(&file).lines().count() >= count), "{} of {count}", text(&file).lines().count());
    logs.extend(world.log.all(0.3));
    assert!(logs.len() >= count, "the access log has them as well: {}", logs.len());
    assert!(logs.iter().any(|line| line.contains("/latest/user-data?- HTTP/1.1")), "{logs:#?}");
    logs.push(text(&file));
    logs.push(started.said());
    for log in logs {
        assert!(!log.contains("s3cret"), "{log}");
    }
}

const SITE: &str = "[audit]\nto = \"syslog\"\n[trace]\n";

fn the_site_audits_gates_under_the_haproxy_name(lab: &Lab) {
    lab.needs_root("the site's settings belong to root");
    let world = world(lab, Answer::ok("hello"));
    lab.site(SITE);
    let mut config = Config::new(Kind::Router);
    config.log = world.log.path().to_owned();
    let gate = Gate::start(lab, &world.network.gate, &config);
    Guest::new(&world.network.guest).get("/latest/user-data").unwrap().served();
    let line = world.log.find(" nsgate-audit[", 5.0).expect("an event");
    assert!(line.starts_with("<134>") && line.contains(&format!("nsgate-audit[{}]", gate.pid)), "{line}");
    let event = event(&line);
    assert_eq!((event["network_kind"].as_str(), event["network"].as_str()), (Some("router"), Some(config.id.as_str())));
    let traced = world.agent.only().header("traceparent");
    assert!(traced.len() == 1 && traced[0].contains(event["trace_id"].as_str().unwrap()), "{traced:?} {event}");
}

const OTHER: &str = "0b5e6d1c-3f0a-4f44-8f0e-1c2d3e4f5a6b";

/// A worker with an audit of its own.
fn pool(lab: &Lab, to: &str) -> Pool {
    let file = lab.state().join("pool.toml");
    let log = lab.directory("log", 0o755).join("socket");
    let text = format!(
        "socket = \"{}\"\nbackends = [\"{}\"]\nuser = \"neutron\"\n[log]\nsocket = \"{}\"\n[audit]\nto = \"{to}\"\n",
        socket_path(lab).display(),
        lab.socket().display(),
        log.display()
    );
    fs::write(&file, text).unwrap();
    let pool = Pool::spawn(lab, &[&format!("--config={}", file.display())]);
    assert!(wait_until(10.0, || nsgate_tests::pool::channel(&pool.socket).is_ok()), "{}", text_of(&pool));
    pool
}

fn text_of(pool: &Pool) -> String {
    text(&pool.log)
}

fn a_pool_audits_every_network_in_its_name(lab: &Lab) {
    lab.needs_root("keeper, worker and agents are different users");
    let world = world(lab, Answer::ok("hello"));
    let second = Network::named("gate2", "guest2");
    lab.site(SITE);
    let pool = pool(lab, "syslog");
    let mut configs = [Config::new(Kind::Network), Config::new(Kind::Ovn).with_id(OTHER)];
    configs.iter_mut().for_each(|config| config.log = world.log.path().to_owned());
    let _keepers = [keeper(lab, &world.network.gate, &configs[0]), keeper(lab, &second.gate, &configs[1])];
    for (network, kind, id) in [(&world.network, "network", NETWORK), (&second, "ovn-network", OTHER)] {
        Guest::new(&network.guest).get("/openstack/latest/meta_data.json").unwrap().served();
        let line = world.log.find(" nsgate-audit[", 5.0).expect("an event");
        assert!(line.contains(&format!("nsgate-audit[{}]", pool.worker())), "{line}");
        let event = event(&line);
        assert_eq!((event["network_kind"].as_str(), event["network"].as_str()), (Some(kind), Some(id)), "{event}");
        let traced = world.agent.seen().last().unwrap().header("traceparent");
        assert!(traced[0].contains(event["trace_id"].as_str().unwrap()), "the trace is handed over as well");
    }
}

fn a_keeper_that_serves_by_itself_audits_as_well(lab: &Lab) {
    lab.needs_root("keeper, worker and agents are different users");
    let world = world(lab, Answer::ok("hello"));
    lab.site(SITE);
    let mut config = Config::new(Kind::Network);
    config.log = world.log.path().to_owned();
    let keeper = keeper(lab, &world.network.gate, &config);
    Guest::new(&world.network.guest).get("/latest/meta-data").unwrap().served();
    let line = world.log.find(" nsgate-audit[", 5.0).expect("an event");
    assert!(line.contains(&format!("nsgate-audit[{}]", keeper.pid)), "{line}");
}

fn a_network_with_another_destination_is_not_the_pools(lab: &Lab) {
    lab.needs_root("keeper, worker and agents are different users");
    let world = world(lab, Answer::ok("hello"));
    lab.site(SITE);
    let _journald = Journald::start(lab);
    let _pool = pool(lab, "journald");
    let mut config = Config::new(Kind::Network);
    config.log = world.log.path().to_owned();
    let keeper = keeper(lab, &world.network.gate, &config);
    let line = world.log.find("serving by itself", 5.0).expect("a reason");
    assert!(line.contains("wants an audit to syslog, and this pool has journald"), "{line}");
    Guest::new(&world.network.guest).get("/latest/meta-data").unwrap().served();
    let line = world.log.find(" nsgate-audit[", 5.0).expect("an event of the keeper's own");
    assert!(line.contains(&format!("nsgate-audit[{}]", keeper.pid)), "{line}");
}

fn the_agents_trace_is_the_events_and_never_the_guests(lab: &Lab) {
    let world = world(lab, Answer::ok("hello"));
    start(lab, &world, &format!("{}[audit]\nto = \"syslog\"\n[trace]\nsampled = false\n", log_table(lab)), "");
    let guest = Guest::new(&world.network.guest);
    let forged = "Traceparent: 00-eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-eeeeeeeeeeeeeeee-01\r\nTraceState: e=1\r\nbaggage: e=1\r\n\
                  trace_parent: e\r\n";
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        world.agent.forget();
        guest.get_with("/", forged).unwrap();
        let event = next(&world);
        let seen = world.agent.only();
        let (own, id) = (seen.header("traceparent"), event["trace_id"].as_str().unwrap().to_owned());
        assert_eq!(own.len(), 1, "{}", seen.text());
        assert!(own[0].starts_with(&format!("00-{id}-")) && own[0].ends_with("-00"), "{own:?}");
        assert!(!seen.text().to_lowercase().contains("eeeeeeee") && seen.header("tracestate").is_empty());
        assert!(seen.header("baggage").is_empty() && !seen.text().contains("trace_parent"));
        let identity = seen.text().to_lowercase().find("x-neutron-network-id").unwrap();
        assert!(identity < seen.text().find("traceparent").unwrap() && seen.first_read <= 4096);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3, "each request is a trace of its own");
}
