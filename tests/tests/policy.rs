//! The system call policies are as small as they can be: a run with every kind of traffic uses each permitted call, or
//! the policy says why it is rare.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::gate::write_config;
use nsgate_tests::host;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::manager::Manager;
use nsgate_tests::pool::{self, Pool};
use nsgate_tests::program::workspace;
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Network, RecordingAgent, SyslogReader, suite};

fn main() {
    suite!["policy":
        every_call_a_gate_may_make_is_made,
        every_call_a_supervisor_may_make_is_made,
        every_call_a_hosts_proxy_and_its_reader_may_make_is_made,
        every_call_a_worker_may_make_is_made,
        every_call_a_keeper_may_make_is_made,
        every_call_a_zygote_and_a_dispatcher_may_make_is_made,
        every_call_a_courier_may_make_is_made,
        a_request_on_a_kept_connection_costs_ten_calls_beside_waiting,
        a_request_on_a_connection_of_its_own_costs_fifteen_calls_beside_waiting,
    ]
}

/// How often each system call was made after the filter was loaded.
type Uses = BTreeMap<String, usize>;

struct Seen {
    gate: Uses,
    supervisor: Uses,
}

/// A gate under strace(1), through everything that happens in its life.
fn observe(lab: &Lab) -> Seen {
    traced(lab, live)
}

/// A gate under strace(1), while `life` runs.
fn traced(lab: &Lab, life: impl FnOnce(&Lab, &Network, &Config, SyslogReader)) -> Seen {
    lab.needs("/usr/bin/strace", "apt-get install strace");
    let network = lab.network();
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    let file = write_config(lab, &config);
    let trace = lab.state().join("trace");
    let mut command = network.gate.command("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(lab.program.path()).args(["-db", "-f"]).arg(&file);
    let mut strace = command.stdin(Stdio::null()).spawn().unwrap();
    assert!(wait_until(20.0, || !network.gate.listening().is_empty() && config.pid_file.exists()));
    life(lab, &network, &config, log);
    pause_and_end(Pid::from_raw(text(&config.pid_file).trim().parse().unwrap()));
    assert!(wait_until(20.0, || strace.try_wait().unwrap().is_some()), "it ends");
    count(&text(&trace))
}

/// Stops the supervisor, lets it go on (it takes up its waiting again: `restart_syscall`), and tells it to end.
fn pause_and_end(supervisor: Pid) {
    for signal in [Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGTERM] {
        std::thread::sleep(Duration::from_millis(200));
        kill(supervisor, signal).unwrap();
    }
}

/// Requests of every kind, an agent and a log that go and come back, a guest that leaves early, and a quiet second.
fn live(lab: &Lab, network: &Network, config: &Config, log: SyslogReader) {
    let big = "x".repeat(3_000_000);
    let guest = Guest::new(&network.guest).patient(20);
    let ask = |path: &str| guest.get(path).unwrap().status;
    {
        let _agent = RecordingAgent::start(&lab.socket(), Answer::ok(&big));
        assert_eq!(ask("/big"), 200);
        for _ in 0..20 {
            // Guests that leave in the middle of an answer.
            let mut leaving = guest.connect().unwrap();
            leaving.write_all(b"GET /leave HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
            let mut part = [0; 1000];
            let _ = leaving.read(&mut part);
        }
    }
    // Many at once, and gone: their memory is given back in the quiet second at the end.
    let crowd: Vec<_> = (0..200)
        .map_while(|_| {
            let mut one = guest.connect().ok()?;
            one.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").ok()?;
            Some(one)
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    drop(crowd);
    assert_eq!(ask("/absent"), 503);
    drop(log);
    let _ = fs::remove_file(&config.log);
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _log = SyslogReader::bind(&config.log);
    let pipelined = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20);
    let mut stream = guest.connect().unwrap();
    stream.write_all(pipelined.as_bytes()).unwrap();
    let mut answers = vec![0; 20 * 40];
    stream.read_exact(&mut answers).unwrap();
    let post = "POST /password HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\n\r\n";
    stream.write_all(post.as_bytes()).unwrap();
    let _ = stream.read(&mut answers);
    drop(stream);
    let _ = guest.exchange(b"GET / HTTP/1.1\r\nbroken\r\n\r\n");
    // The last connection has been gone for a second: memory is given back.
    std::thread::sleep(Duration::from_millis(2500));
}

/// A host's proxy under strace(1): requests, a Nova and a log that go and come back, texts that are taken over or not.
fn trace_host(lab: &Lab) -> String {
    lab.needs("/usr/bin/strace", "apt-get install strace");
    let network = lab.network();
    let log = lab.directory("log", 0o755).join("socket");
    let reader = SyslogReader::bind(&log);
    // Nova refuses for a while, and no guest waits for it.
    let text_of = || {
        host::three_instances()
            .replace("/dev/log", &log.display().to_string())
            .replace("retries         3", "retries         0")
    };
    host::replace(&text_of());
    let trace = lab.state().join("trace");
    let mut command = network.gate.command("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(lab.program.path());
    command.args(["-db", "-f", host::CONFIG, "-p", host::PID_FILE]);
    let mut strace = command.stdin(Stdio::null()).spawn().unwrap();
    assert!(wait_until(20.0, || !text(host::PID_FILE).is_empty()));
    let pid = Pid::from_raw(text(host::PID_FILE).trim().parse().unwrap());
    assert_eq!(host::ask_from(&network, 11, "/").status, 503);
    let _nova = host::Nova::start(&network);
    let guest = host::guest(&network, 11).patient(20);
    let crowd: Vec<_> = (0..200)
        .map_while(|_| {
            let mut one = guest.connect().ok()?;
            one.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX: ").ok()?;
            Some(one)
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    drop(crowd);
    for round in 0..20 {
        assert_eq!(host::ask_from(&network, 11 + round % 2, "/").status, 200);
        let mut leaving = guest.connect().unwrap();
        leaving.write_all(b"GET /leave HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    }
    let _ = guest.exchange(b"GET / HTTP/1.1\r\nbroken\r\n\r\n");
    let reload = |text: &str| {
        host::replace(text);
        kill(pid, Signal::SIGHUP).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    };
    reload(
        &host::many_instances(1000)
            .replace("/dev/log", &log.display().to_string())
            .replace("retries         3", "retries         0"),
    );
    reload("nonsense");
    fs::remove_file(host::CONFIG).unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    drop(reader);
    let _ = fs::remove_file(&log);
    assert_eq!(host::ask_from(&network, 11, "/").status, 200);
    let _log = SyslogReader::bind(&log);
    assert_eq!(host::ask_from(&network, 11, "/").status, 200);
    std::thread::sleep(Duration::from_millis(2500));
    pause_and_end(pid);
    assert!(wait_until(20.0, || strace.try_wait().unwrap().is_some()), "it ends");
    text(&trace)
}

fn every_call_a_hosts_proxy_and_its_reader_may_make_is_made(lab: &Lab) {
    let trace = trace_host(lab);
    let (found, order) = uses(&trace);
    let [supervisor, proxy, reader] = order[..] else { panic!("three processes: {order:?}") };
    judge("hostproxy", &found[proxy]);
    judge("reader", &found[reader]);
    judge("supervisor", &found[supervisor]);
}

/// A pool's worker under strace(1), through everything that happens in its life.
fn observe_worker(lab: &Lab) -> Uses {
    count(&trace_pool(lab, &[])).gate
}

/// The trace of a pool: handovers, requests, questions, and its end.
fn trace_pool(lab: &Lab, more: &[&str]) -> String {
    lab.needs("/usr/bin/strace", "apt-get install strace");
    lab.needs_root("keeper and worker are different users");
    let network = lab.network();
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    let file = lab.state().join("pool.toml");
    fs::write(&file, format!("[log]\nsocket = \"{}\"\n", config.log.display())).unwrap();
    let trace = lab.state().join("trace");
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(lab.program.nsgate());
    command.args(pool::words(lab, &["--config", file.to_str().unwrap()])).args(more);
    let mut strace = command.stdin(Stdio::null()).spawn().unwrap();
    let socket = pool::socket_path(lab);
    assert!(wait_until(20.0, || pool::channel(&socket).is_ok()));
    let _keeper = pool::keeper(lab, &network.gate, &config);
    live(lab, &network, &config, log);
    let mut page = String::new();
    let mut metrics = std::os::unix::net::UnixStream::connect(pool::metrics_path(lab)).unwrap();
    metrics.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    metrics.read_to_string(&mut page).unwrap();
    assert!(page.contains("nsgate_networks"), "{page}");
    let asking = pool::channel(&socket).unwrap();
    pool::send(&asking, b"nsgate-pool 1 list\n", &[]).unwrap();
    while pool::receive(&asking).is_some_and(|reply| !reply.contains(" done")) {}
    // Something to log, after the log has come back.
    let wrong = pool::channel(&socket).unwrap();
    pool::send(&wrong, b"nsgate-pool 1 list\n", &[std::os::fd::AsFd::as_fd(&std::io::stdin())]).unwrap();
    assert!(pool::receive(&wrong).is_some_and(|reply| reply.contains("takes none")));
    // The first process in the trace is the supervisor, which passes the signal on.
    let supervisor = text(&trace).split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap();
    kill(Pid::from_raw(supervisor), Signal::SIGTERM).unwrap();
    assert!(wait_until(20.0, || strace.try_wait().unwrap().is_some()), "it ends");
    text(&trace)
}

/// A keeper under strace(1): alone, and then with a worker that dies.
fn observe_keeper(lab: &Lab) -> Uses {
    lab.needs("/usr/bin/strace", "apt-get install strace");
    lab.needs_root("keeper and worker are different users");
    let network = lab.network();
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    let file = write_config(lab, &config);
    let trace = lab.state().join("trace");
    let mut command = network.gate.command("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(lab.program.path()).args(["-db", "-f"]).arg(&file);
    command.env("NSGATE_POOL", pool::socket_path(lab));
    let mut strace = command.stdin(Stdio::null()).spawn().unwrap();
    assert!(wait_until(20.0, || !network.gate.listening().is_empty() && config.pid_file.exists()));
    live(lab, &network, &config, log);
    let pool = Pool::start(lab);
    assert!(wait_until(20.0, || pool.said("is served")), "{}", text(&pool.log));
    std::thread::sleep(Duration::from_millis(500));
    drop(pool);
    std::thread::sleep(Duration::from_millis(500));
    let pid = text(&config.pid_file).trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(wait_until(20.0, || strace.try_wait().unwrap().is_some()), "it ends");
    count(&text(&trace)).gate
}

/// Uses after each process's own `seccomp(SECCOMP_SET_MODE_FILTER, …)`; the first process in the trace is the starter,
/// which stays as the supervisor.
fn count(trace: &str) -> Seen {
    let (mut found, order) = uses(trace);
    let supervisor = found.remove(order.first().copied().unwrap_or_default()).unwrap_or_default();
    assert_eq!(found.len(), 1, "one gate: {found:?}");
    Seen { gate: found.into_values().next().unwrap_or_default(), supervisor }
}

/// Uses of each process, and the processes in the order in which they began; but for the child that looks names up, which has
/// no filter.
fn uses(trace: &str) -> (BTreeMap<&str, Uses>, Vec<&str>) {
    let mut found: BTreeMap<&str, Uses> = BTreeMap::new();
    let mut filtered: Vec<&str> = Vec::new();
    let mut order = Vec::new();
    for line in trace.lines() {
        let Some((pid, rest)) = line.split_once(char::is_whitespace) else { continue };
        if !order.contains(&pid) {
            order.push(pid);
        }
        let call = rest.trim_start().split('(').next().unwrap_or_default();
        if rest.contains("SECCOMP_SET_MODE_FILTER") {
            filtered.push(pid);
        } else if rest.contains("= -1 EAGAIN") {
            continue;
        } else if filtered.contains(&pid) && call.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *found.entry(pid).or_default().entry(call.to_owned()).or_default() += 1;
        }
    }
    order.retain(|pid| found.contains_key(pid));
    (found, order)
}

/// Permitted on this architecture, and whether the policy calls it rare.
fn permitted(role: &str) -> BTreeMap<String, bool> {
    let here = |entry: &toml::Table| {
        let arch = entry.get("arch").and_then(toml::Value::as_array);
        arch.is_none_or(|all| all.iter().any(|name| name.as_str() == Some(std::env::consts::ARCH)))
    };
    let entries = entries(role).into_iter().filter(|(_, entry)| here(entry));
    entries.map(|(name, entry)| (name, entry.contains_key("rare"))).collect()
}

/// The entries of a policy and of those that it includes, by the name of the call. An override has no `rare` but its own.
fn entries(role: &str) -> BTreeMap<String, toml::Table> {
    let path = workspace().join(format!("crates/nsgate-launcher/policy/{role}.toml"));
    let policy: toml::Table = text(&path).parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let included = policy.get("include").and_then(toml::Value::as_array).into_iter().flatten();
    let mut all: BTreeMap<_, _> = included.flat_map(|name| entries(name.as_str().unwrap())).collect();
    let tables = |key: &str| {
        let found = policy.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        found.map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry.as_table().unwrap().clone()))
    };
    all.extend(tables("syscall"));
    for (name, own) in tables("override") {
        let entry = all.get_mut(&name).unwrap();
        entry.remove("rare");
        entry.extend(own);
    }
    for (name, _) in tables("drop") {
        all.remove(&name);
    }
    all
}

fn every_call_a_worker_may_make_is_made(lab: &Lab) {
    judge("worker", &observe_worker(lab));
}

fn every_call_a_keeper_may_make_is_made(lab: &Lab) {
    judge("keeper", &observe_keeper(lab));
}

fn every_call_a_zygote_and_a_dispatcher_may_make_is_made(lab: &Lab) {
    let trace = trace_pool(lab, &["--workers=2"]);
    let (found, order) = uses(&trace);
    // The supervisor first, then the zygote; its children begin in any order.
    let (zygote, children) = (order[1], &order[2..]);
    assert_eq!(children.len(), 3, "{order:?}");
    let dispatcher = children.iter().find(|pid| found[**pid].contains_key("socketpair")).unwrap();
    judge("dispatcher", &found[dispatcher]);
    // A zygote's filter stays with its children: what they do before they load their own, and after, it must permit.
    let mut all = found[zygote].clone();
    for child in children {
        let calls =
            trace.lines().filter_map(|line| line.split_once(char::is_whitespace)).filter(|(pid, _)| pid == child);
        for (_, call) in calls.filter(|(_, rest)| !rest.contains("= -1 EAGAIN")) {
            let name = call.trim_start().split('(').next().unwrap_or_default();
            if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                *all.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    judge("zygote", &all);
}

fn every_call_a_courier_may_make_is_made(lab: &Lab) {
    lab.needs("/usr/bin/strace", "apt-get install strace");
    lab.needs_root("courier and worker are different users");
    let network = lab.network();
    let mut manager = Manager::start(lab, 100);
    let _pool = manager.run(lab, &[], &[]);
    let trace = lab.state().join("trace");
    let mut command = std::process::Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).arg(lab.program.nsgate()).arg("add");
    command.arg(format!("--pool={}", pool::socket_path(lab).display()));
    command.arg(format!("--netns={}", network.gate.name()));
    command.arg(format!("--backend={}", lab.socket().display()));
    command.args(["--network-id=7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10", "--listen=169.254.169.254:80"]);
    command.args(["--user=neutron", "--group=neutron"]);
    assert!(command.stdin(Stdio::null()).status().unwrap().success());
    let trace = text(&trace);
    let (found, _) = uses(&trace);
    assert_eq!(found.len(), 1, "{found:?}");
    judge("courier", found.values().next().unwrap());
}

fn judge(role: &str, uses: &Uses) {
    println!("{role}: {uses:?}");
    let permitted = permitted(role);
    let unused: Vec<_> = permitted.iter().filter(|(name, rare)| !**rare && !uses.contains_key(*name)).collect();
    assert!(
        unused.is_empty(),
        "policy/{role}.toml permits what no process needs: {unused:?}; let the life of that role in {} make it, or say in the \
         policy why it is `rare`",
        file!()
    );
    let more: Vec<_> = uses.keys().filter(|name| !permitted.contains_key(*name)).collect();
    assert!(more.is_empty(), "used and not in policy/{role}.toml: {more:?}");
}

fn every_call_a_gate_may_make_is_made(lab: &Lab) {
    judge("gate", &observe(lab).gate);
}

fn every_call_a_supervisor_may_make_is_made(lab: &Lab) {
    judge("supervisor", &observe(lab).supervisor);
}

/// Requests in the runs that count.
const REQUESTS: usize = 200;

/// System calls for each request, with one log line each; the start and the end of the gate are some dozen altogether.
fn calls_for_each(lab: &Lab, kept: bool) -> f64 {
    let seen = traced(lab, |lab, network, _, log| {
        // An answer that is there at once is not waited for, which spares two calls: here it never is.
        let _agent = RecordingAgent::answering(&lab.socket(), |_| {
            std::thread::sleep(Duration::from_millis(5));
            Answer::ok("hello")
        });
        let guest = Guest::new(&network.guest).patient(20);
        let mut answer = [0; 4096];
        let mut stream = guest.connect().unwrap();
        for _ in 0..REQUESTS {
            if kept {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
                assert!(stream.read(&mut answer).unwrap() > 0);
            } else {
                assert_eq!(guest.get("/").unwrap().status, 200);
            }
            assert!(log.next(5.0).is_some());
        }
    });
    // How often the gate waits depends on who is quicker, it or its peers: that is left out here, and in `count` what
    // found nothing yet.
    let calls =
        seen.gate.iter().filter(|(name, _)| !name.starts_with("epoll_wait") && !name.starts_with("epoll_pwait"));
    let calls = calls.map(|(_, count)| count).sum::<usize>() as f64 / REQUESTS as f64;
    println!("{calls:.2} calls for each request: {:?}", seen.gate);
    calls
}

fn a_request_on_a_kept_connection_costs_ten_calls_beside_waiting(lab: &Lab) {
    let calls = calls_for_each(lab, true);
    assert!((10.0..10.4).contains(&calls), "{calls}");
}

fn a_request_on_a_connection_of_its_own_costs_fifteen_calls_beside_waiting(lab: &Lab) {
    let calls = calls_for_each(lab, false);
    assert!((15.0..15.4).contains(&calls), "{calls}");
}
