//! What each process counts in its page, and `nsgate status --all`, which reads every page of a host.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, write_config};
use nsgate_tests::host::{self, Nova};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{self, OTHER, Pool, keeper, nsgate};
use nsgate_tests::terminal::Terminal;
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{
    Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader, suite, sys,
};
use serde_json::Value;

fn main() {
    suite!["counters":
        a_gate_counts_what_became_of_each_request_and_for_which_reason,
        connections_are_counted_while_they_are_open,
        a_keeper_counts_what_it_serves_by_itself_and_the_worker_the_rest,
        the_proxy_of_a_host_counts,
        lines_of_the_log_that_are_lost_are_counted,
        nobody_outside_writes_to_a_page_or_makes_it_shorter,
        a_page_that_was_spoilt_is_said_and_names_nothing,
        a_gate_without_memory_for_counters_serves_and_says_so,
        a_gate_that_is_not_as_it_should_be_is_marked,
        a_haproxy_in_a_networks_place_is_marked,
        an_ordinary_user_is_told_what_cannot_be_read,
        a_host_without_gates_is_told_in_a_sentence,
        watching_shows_colours_on_a_terminal_alone_and_ends_with_ctrl_c,
        a_pool_that_does_not_answer_is_said_beside_the_gates,
    ]
}

/// Of a host whose pool is named where there is one.
fn status(lab: &Lab, more: &[&str]) -> Started {
    if pool::socket_path(lab).exists() {
        return nsgate(lab, &[&["status", "--all"], more].concat());
    }
    let mut command = Command::new(lab.program.nsgate());
    command.args(["status", "--all"]).args(more);
    communicate(command, Duration::from_secs(10))
}

fn json(lab: &Lab) -> Value {
    let said = status(lab, &["--json"]);
    serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"))
}

/// The JSON of the process with this role.
fn of_role(lab: &Lab, role: &str) -> Value {
    let all = json(lab);
    let found: Vec<&Value> = all["processes"].as_array().unwrap().iter().filter(|one| one["role"] == role).collect();
    let [one] = found.as_slice() else { panic!("one {role}: {all:#}") };
    (*one).clone()
}

/// The number at the end of these names.
fn number(of: &Value, names: &[&str]) -> u64 {
    let found = names.iter().fold(of, |of, name| &of[*name]);
    found.as_u64().unwrap_or_else(|| panic!("{names:?}: {of:#}"))
}

fn two_hosts(guest: &Guest) {
    let answer = guest.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
}

fn a_gate_counts_what_became_of_each_request_and_for_which_reason(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let _log = SyslogReader::bind(Path::new("/dev/log"));
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&network.guest);
    for _ in 0..3 {
        assert_eq!(guest.get("/").unwrap().status, 200);
    }
    two_hosts(&guest);
    let before = of_role(lab, "gate");
    assert_eq!((before["id"].as_str(), before["pid"].as_i64()), (Some(NETWORK), Some(gate.pid.into())));
    assert_eq!((before["ok"].as_bool(), before["reasons"].as_array().unwrap().len()), (Some(true), 0), "{before:#}");
    let counters = &before["counters"];
    let now = |name: &str| number(counters, &[name]);
    assert_eq!((now("requests"), now("served"), now("rejected"), now("failed")), (4, 3, 1, 0), "{before:#}");
    assert_eq!((now("accepted"), number(counters, &["reasons", "two-hosts"])), (4, 1));
    assert!(now("bytes") > 3 * 5 && counters["serves"] == true, "{counters:#}");
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((clock - 60..=clock).contains(&now("last_rejection")), "{counters:#}");
    assert_eq!(counters["last_failure"], Value::Null);
    drop(agent);
    let _ = fs::remove_file(lab.socket());
    assert_eq!(guest.get("/").unwrap().status, 503);
    let after = of_role(lab, "gate");
    assert_eq!(number(&after, &["counters", "failed"]), 1);
    assert_eq!(number(&after, &["counters", "reasons", "agent-away"]), 1);
    let table = status(lab, &[]);
    let row = table.stdout.lines().find(|line| line.contains(NETWORK)).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    let pid = gate.pid.to_string();
    assert_eq!(words[..5], ["ok", "gate", "X-Neutron-Network-ID", NETWORK, &pid], "{table:#?}");
    assert_eq!((&words[7..], table.code()), (&["5", "3", "1", "1"][..], Some(0)), "{table:#?}");
}

fn connections_are_counted_while_they_are_open(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&network.guest);
    let open = || number(&of_role(lab, "gate"), &["counters", "connections"]);
    assert_eq!(open(), 0);
    let held: Vec<_> = (0..3).map(|_| guest.connect().unwrap()).collect();
    assert!(wait_until(5.0, || open() == 3));
    drop(held);
    assert!(wait_until(5.0, || open() == 0));
    assert_eq!(number(&of_role(lab, "gate"), &["counters", "accepted"]), 3);
}

fn a_keeper_counts_what_it_serves_by_itself_and_the_worker_the_rest(lab: &Lab) {
    let world = pool::world(lab);
    let mut first = Pool::start(lab);
    let _keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&world.network.guest);
    assert_eq!(guest.get("/").unwrap().status, 200);
    let of_worker = || {
        let all = json(lab);
        let networks = all["pool"]["networks"].as_array().unwrap_or_else(|| panic!("{all:#}")).clone();
        networks.iter().find(|one| one["id"] == NETWORK).map(|one| number(one, &["requests"]))
    };
    let keeper = of_role(lab, "keeper");
    assert_eq!((of_worker(), number(&keeper, &["counters", "requests"])), (Some(1), 0));
    assert_eq!((keeper["id"].as_str(), keeper["counters"]["serves"].as_bool()), (Some(NETWORK), Some(false)));
    first.crash();
    let _ = fs::remove_file(pool::socket_path(lab));
    let serves = || of_role(lab, "keeper")["counters"]["serves"] == true;
    assert!(wait_until(15.0, serves), "the keeper serves by itself");
    assert_eq!(guest.get("/").unwrap().status, 200);
    assert_eq!(number(&of_role(lab, "keeper"), &["counters", "served"]), 1);
    let _second = Pool::start(lab);
    assert!(wait_until(15.0, || !serves()), "the worker serves again");
    assert!(wait_until(5.0, || guest.get("/").is_ok() && of_worker().is_some_and(|count| count > 0)));
    assert_eq!(number(&of_role(lab, "keeper"), &["counters", "served"]), 1);
}

fn the_proxy_of_a_host_counts(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let _nova = Nova::start(&network);
    let _proxy = host::start(lab, &network, &host::three_instances());
    assert_eq!(host::ask_from(&network, 11, "/").status, 200);
    assert_eq!(host::ask_from(&network, 13, "/").status, 503, "no instance has the address");
    let proxy = of_role(lab, "hostproxy");
    assert_eq!((proxy["id"].as_str(), proxy["ok"].as_bool()), (None, Some(true)), "{proxy:#}");
    let counters = &proxy["counters"];
    assert_eq!((number(counters, &["served"]), number(counters, &["reasons", "unknown-source"])), (1, 1));
    let said = status(lab, &[]);
    assert_eq!(said.code(), Some(0), "{said:#?}");
    assert!(!said.stdout.contains("reader"), "a part that is as it should be stands for no network: {said:#?}");
}

fn lines_of_the_log_that_are_lost_are_counted(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    // A log without a reader is full after a while.
    let _log = std::os::unix::net::UnixDatagram::bind("/dev/log").unwrap();
    fs::set_permissions("/dev/log", std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&network.guest);
    let lost = || number(&of_role(lab, "gate"), &["counters", "lost_log_lines"]);
    let full = || {
        (0..50).for_each(|_| drop(guest.get("/")));
        lost() > 0
    };
    assert_eq!(lost(), 0);
    assert!(wait_until(60.0, full));
}

/// The line of the mappings that is a process's page.
fn page(pid: i32) -> String {
    let maps = text(format!("/proc/{pid}/maps"));
    let found: Vec<&str> = maps.lines().filter(|line| line.contains("/memfd:nsgate-counters")).collect();
    let [one] = found.as_slice() else { panic!("one page: {maps}") };
    (*one).to_owned()
}

fn nobody_outside_writes_to_a_page_or_makes_it_shorter(lab: &Lab) {
    lab.needs_root("map_files");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let line = page(gate.pid);
    assert_eq!(line.split_whitespace().nth(1), Some("rw-s"), "{line}");
    let open: Vec<String> = fs::read_dir(gate.proc().join("fd"))
        .unwrap()
        .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
        .collect();
    assert!(open.iter().all(|what| !what.contains("memfd")), "it keeps no descriptor of it: {open:?}");
    let area = line.split(' ').next().unwrap();
    let path = gate.proc().join("map_files").join(area);
    let file = match fs::OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            lab.skip("this root has no CAP_SYS_ADMIN of the machine's, and opens no map_files")
        }
        Err(error) => panic!("{}: {error}", path.display()),
    };
    for (what, done) in [
        ("written", file.write_at(b"x", 0).map(drop)),
        ("cut", file.set_len(0)),
        ("made longer", file.set_len(1 << 20)),
    ] {
        assert_eq!(done.map_err(|error| error.raw_os_error()), Err(Some(nix::libc::EPERM)), "{what}");
    }
    let mapped = sys::map_to_write(&file).map_err(|error| error.raw_os_error());
    assert_eq!(mapped, Err(Some(nix::libc::EPERM)), "mapped to be written");
}

fn a_page_that_was_spoilt_is_said_and_names_nothing(lab: &Lab) {
    lab.needs_root("another process's memory");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let start = u64::from_str_radix(page(gate.pid).split('-').next().unwrap(), 16).unwrap();
    let memory = File::options().write(true).open(gate.proc().join("mem")).unwrap();
    // Code in a gate that was taken over can write there what it likes.
    memory.write_all_at(&[0xff; 4088], start + 8).unwrap();
    let said = json(lab);
    let one = of_role(lab, "gate");
    assert_eq!((one["id"].as_str(), number(&one, &["counters", "requests"])), (Some(NETWORK), u64::MAX), "{said:#}");
    memory.write_all_at(b"nsgate_requests_total{network=\"x\"} 1\n", start).unwrap();
    let (one, table) = (of_role(lab, "gate"), status(lab, &[]));
    assert_eq!((one["counters"].clone(), one["id"].as_str()), (Value::Null, Some(NETWORK)), "{one:#}");
    assert!(table.stdout.contains("its counters are of another release, or spoilt"), "{table:#?}");
    assert_eq!(table.code(), Some(4), "{table:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200, "it serves all the same");
}

fn a_gate_without_memory_for_counters_serves_and_says_so(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let log = SyslogReader::bind(Path::new("/dev/log"));
    sys::instead_of_syscall(nix::libc::SYS_memfd_create, nix::libc::ENOSYS).unwrap();
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    assert!(log.find("no memory for counters: ENOSYS", 5.0).is_some());
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    let one = of_role(lab, "gate");
    assert_eq!((one["ok"].as_bool(), &one["counters"]), (Some(true), &Value::Null), "{one:#}");
    assert!(status(lab, &[]).stdout.contains("it counts nothing"), "{one:#}");
}

fn a_gate_that_is_not_as_it_should_be_is_marked(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let (one, two) = (Network::named("gate1", "guest1"), Network::named("gate2", "guest2"));
    let agents = lab.directory("agents", 0o755);
    lab.give(&agents, NEUTRON_ID);
    let mut config = Config::new(Kind::Network);
    config.socket = agents.join("metadata_proxy");
    let _gone = Gate::start(lab, &one.gate, &config);
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _good = Gate::start(lab, &two.gate, &Config::new(Kind::Network).with_id(OTHER));
    assert_eq!(status(lab, &[]).code(), Some(0));
    fs::remove_dir(&agents).unwrap();
    let said = status(lab, &[]);
    let mark = |id: &str| {
        let row = said.stdout.lines().find(|line| line.contains(id)).unwrap();
        row.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!((mark(NETWORK), mark(OTHER), said.code()), ("NO".to_owned(), "ok".to_owned(), Some(3)), "{said:#?}");
    assert!(said.stdout.contains("its directories"), "{said:#?}");
}

fn a_haproxy_in_a_networks_place_is_marked(lab: &Lab) {
    lab.needs_root("a haproxy of root's");
    lab.needs("/usr/sbin/haproxy", "apt-get install haproxy");
    let network = lab.network();
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let mut command = network.gate.command("/usr/sbin/haproxy");
    command.args(["-f".as_ref(), file.as_os_str()]);
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
    let haproxy = Gate::adopt(file, config.pid_file.clone(), started).unwrap();
    // A haproxy with another configuration is no gate's.
    let other = lab.state().join("other.cfg");
    fs::write(&other, "defaults\n  timeout client 1s\nfrontend f\n  mode http\n  bind 127.0.0.1:8099\n").unwrap();
    let mut other =
        Command::new("/usr/sbin/haproxy").args(["-db".as_ref(), "-f".as_ref(), other.as_os_str()]).spawn().unwrap();
    let said = status(lab, &[]);
    let row = said.stdout.lines().find(|line| line.contains(NETWORK)).unwrap_or_else(|| panic!("{said:#?}"));
    let words: Vec<&str> = row.split_whitespace().take(2).collect();
    assert_eq!((words.as_slice(), said.code()), (&["NO", "haproxy"][..], Some(3)), "{said:#?}");
    assert!(said.stdout.contains(&format!("{}: it is haproxy, and no gate", haproxy.pid)), "{said:#?}");
    assert_eq!(said.stdout.matches("haproxy, and no gate").count(), 1, "{said:#?}");
    other.kill().unwrap();
    other.wait().unwrap();
}

fn an_ordinary_user_is_told_what_cannot_be_read(lab: &Lab) {
    lab.needs_root("another user");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let mut command = Command::new(lab.program.nsgate());
    command.args(["status", "--all"]).uid(STRANGER_ID).gid(STRANGER_ID);
    let said = communicate(command, Duration::from_secs(10));
    assert_eq!(said.code(), Some(4), "{said:#?}");
    let row = said.stdout.lines().find(|line| line.contains(NETWORK)).unwrap_or_else(|| panic!("{said:#?}"));
    assert!(row.starts_with("??") && said.stdout.contains("ask as root"), "{said:#?}");
}

fn a_host_without_gates_is_told_in_a_sentence(lab: &Lab) {
    let said = status(lab, &[]);
    assert_eq!((said.stdout.as_str(), said.code()), ("no gate, keeper or proxy runs here\n", Some(0)), "{said:#?}");
    // A pool that the operator names is one that is missed.
    let said = nsgate(lab, &["status", "--all"]);
    assert_eq!(said.code(), Some(4), "{said:#?}");
    assert!(said.stdout.contains("the pool does not say what it serves: /run/lab/pool/pool.sock"), "{said:#?}");
    let said = status(lab, &["--watch", "0"]);
    assert_eq!(said.code(), Some(2), "{said:#?}");
}

fn watching_shows_colours_on_a_terminal_alone_and_ends_with_ctrl_c(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let agents = lab.directory("agents", 0o755);
    let mut config = Config::new(Kind::Network);
    config.socket = agents.join("metadata_proxy");
    let _gate = Gate::start(lab, &network.gate, &config);
    fs::remove_dir(&agents).unwrap();
    // The terminal becomes the program's own, and its keys signals.
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(lab.program.nsgate());
    command.args(["status", "--all", "--watch", "1"]).env_remove("NO_COLOR").current_dir("/");
    let mut terminal = Terminal::start(command);
    terminal.shows("\x1b[31mNO\x1b[0m", 10);
    terminal.forget();
    terminal.shows("\x1b[2J", 10);
    let start = Instant::now();
    terminal.types("\x03");
    let (_, ended) = terminal.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(nix::libc::SIGINT));
    assert!(start.elapsed() < Duration::from_secs(5));
    let piped = status(lab, &[]);
    assert!(piped.stdout.contains("NO ") && !piped.stdout.contains('\x1b'), "{piped:#?}");
}

fn a_pool_that_does_not_answer_is_said_beside_the_gates(lab: &Lab) {
    lab.needs_root("numbers of other users' processes");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    let mut file = File::create(pool::socket_path(lab)).unwrap();
    file.write_all(b"no socket").unwrap();
    let said = status(lab, &[]);
    assert!(said.stdout.contains(NETWORK) && said.stdout.contains("the pool does not say what it serves"), "{said:#?}");
    assert_eq!(said.code(), Some(4), "{said:#?}");
    let all = json(lab);
    assert!(all["pool"]["error"].is_string(), "{all:#}");
}
