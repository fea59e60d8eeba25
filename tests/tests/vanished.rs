//! A directory that a process sees is removed and made anew: by a service manager (`RuntimeDirectory=`), or with a volume.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nsgate_tests::gate::communicate;
use nsgate_tests::lab::wait_until;
use nsgate_tests::pool::{Pool, keeper, served, socket_path};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, Started, SyslogReader, host, suite};

fn main() {
    suite!["vanished":
        an_agent_that_restarts_in_its_directory_is_found_and_nothing_is_complained_of,
        an_agents_directory_that_was_made_anew_is_said_in_the_log_and_by_attest,
        a_pools_directory_that_was_made_anew_is_said_in_the_log_and_by_attest,
        a_logs_directory_that_was_made_anew_is_said_by_attest,
        an_agents_directory_that_was_replaced_is_said_in_the_log_and_by_attest,
        a_worker_whose_agents_directory_was_replaced_says_that_the_pool_is_to_be_started_anew,
        a_pools_directory_that_was_replaced_is_said_by_attest_of_its_keepers,
        a_pools_own_directory_that_was_replaced_is_said_of_each_process_that_listens_there,
        a_pool_whose_directory_was_replaced_is_not_replaced_beside_its_back,
        a_logs_directory_that_was_replaced_is_said_by_attest,
        a_directory_that_moves_with_its_path_is_none_that_was_replaced,
        the_directory_of_a_hosts_configuration_that_was_replaced_is_said,
    ]
}

fn attest(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.arg("attest").args(words);
    communicate(command, Duration::from_secs(20))
}

/// A directory of the agent's own, and a log.
fn places(lab: &Lab) -> (PathBuf, Config, SyslogReader) {
    let directory = lab.directory("agent", 0o755);
    let mut config = Config::new(Kind::Network);
    config.socket = directory.join("metadata_proxy");
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    (directory, config, log)
}

fn an_agent_that_restarts_in_its_directory_is_found_and_nothing_is_complained_of(lab: &Lab) {
    let network = lab.network();
    let (_, config, log) = places(lab);
    let agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
    let gate = Gate::start(lab, &network.gate, &config);
    let guest = Guest::new(&network.guest);
    assert_eq!(guest.get("/").unwrap().text(), "one");
    drop(agent);
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("two"));
    assert_eq!(guest.get("/").unwrap().text(), "two");
    assert!(log.all(0.3).iter().all(|line| !line.contains("made anew")));
    if lab.is_root() {
        let attested = attest(lab, &[&gate.pid.to_string()]);
        assert!(attested.ok() && attested.stdout.contains("its directories"), "{attested:#?}");
    }
}

fn an_agents_directory_that_was_made_anew_is_said_in_the_log_and_by_attest(lab: &Lab) {
    lab.needs_root("the mounts of other users' processes");
    let network = lab.network();
    let (directory, config, log) = places(lab);
    let agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
    let gate = Gate::start(lab, &network.gate, &config);
    let guest = Guest::new(&network.guest).patient(40);
    assert_eq!(guest.get("/").unwrap().status, 200);
    drop(agent);
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("two"));
    assert_eq!(guest.get("/").unwrap().status, 503, "the window shows the directory that it was opened for");
    let line = log.find("cannot be reached", 5.0).expect("a line");
    assert!(line.contains("removed and made anew") && line.contains("nsgate attest"), "{line}");
    let attested = attest(lab, &[&gate.pid.to_string()]);
    let row = attested.stdout.lines().find(|line| line.contains("its directories")).expect("a row");
    assert!(row.trim().starts_with("NO") && row.contains("removed: /backend"), "{row}");
    assert_eq!((attested.code(), attest(lab, &["--all"]).code()), (Some(3), Some(3)), "{attested:#?}");
    // The line's advice mends it.
    drop(gate);
    let gate = Gate::start(lab, &network.gate, &config);
    assert_eq!(guest.get("/").unwrap().text(), "two");
    assert_eq!(attest(lab, &[&gate.pid.to_string()]).code(), Some(0));
}

fn a_pools_directory_that_was_made_anew_is_said_in_the_log_and_by_attest(lab: &Lab) {
    let world = nsgate_tests::pool::world(lab);
    let pool = Pool::start(lab);
    let (_, mut config, log) = places(lab);
    config.socket = lab.socket();
    let keeper = keeper(lab, &world.network.gate, &config);
    drop(pool);
    let directory = socket_path(lab).parent().unwrap().to_owned();
    fs::remove_dir_all(&directory).unwrap();
    let pool = Pool::start(lab);
    let line = log.find("if the directory of the pool's socket was removed", 30.0).expect("a line");
    assert!(line.contains("serving by itself"), "{line}");
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200, "the keeper serves by itself");
    let attested = attest(lab, &[&keeper.pid.to_string()]);
    assert!(attested.code() == Some(3) && attested.stdout.contains("removed: /worker"), "{attested:#?}");
    drop((keeper, pool));
}

fn a_logs_directory_that_was_made_anew_is_said_by_attest(lab: &Lab) {
    lab.needs_root("the mounts of other users' processes");
    let network = lab.network();
    let (_, config, log) = places(lab);
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
    let gate = Gate::start(lab, &network.gate, &config);
    drop(log);
    let directory = config.log.parent().unwrap();
    fs::remove_dir_all(directory).unwrap();
    fs::create_dir(directory).unwrap();
    let log = SyslogReader::bind(&config.log);
    let guest = Guest::new(&network.guest);
    assert!(wait_until(3.0, || guest.get("/lost").unwrap().status == 200));
    assert!(log.all(1.5).is_empty(), "the window shows the directory that it was opened for");
    let attested = attest(lab, &[&gate.pid.to_string()]);
    assert!(attested.code() == Some(3) && attested.stdout.contains("removed: /log-directory"), "{attested:#?}");
    assert!(attested.stdout.contains("note: no process is at the other end"), "{attested:#?}");
}

/// How a directory is replaced by another one, which is there and empty afterwards.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// It is renamed, and another one is made.
    Renamed,
    /// Another one is mounted over it.
    MountedOver,
    /// A link on the way to it leads to another one.
    Switched,
}

const WAYS: [Way; 3] = [Way::Renamed, Way::MountedOver, Way::Switched];

impl Way {
    /// A directory of root's, and the path by which it is named.
    fn prepare(self, lab: &Lab, name: &str) -> PathBuf {
        let real = lab.directory(&format!("{name}-{self:?}"), 0o755);
        if !matches!(self, Way::Switched) {
            return real;
        }
        let link = real.with_extension("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        // A component below the link, so that it is on the way.
        fs::create_dir_all(link.join("in")).unwrap();
        link.join("in")
    }

    fn replace(self, path: &Path) {
        match self {
            Way::Renamed => {
                fs::rename(path, path.with_extension("old")).unwrap();
                fs::create_dir(path).unwrap();
            }
            Way::MountedOver => {
                let other = path.with_extension("other");
                fs::create_dir(&other).unwrap();
                let none: Option<&str> = None;
                nix::mount::mount(Some(&other), path, none, nix::mount::MsFlags::MS_BIND, none).unwrap();
            }
            Way::Switched => {
                let link = path.parent().unwrap();
                let other = link.with_extension("other");
                fs::create_dir_all(other.join("in")).unwrap();
                let new = link.with_extension("new");
                std::os::unix::fs::symlink(&other, &new).unwrap();
                fs::rename(new, link).unwrap();
            }
        }
    }
}

/// The row of a process whose directory is not where it was, after a look that the process is fine but for that.
fn lost(lab: &Lab, pid: i32) -> String {
    let attested = attest(lab, &[&pid.to_string()]);
    assert_eq!((attested.code(), attest(lab, &["--all"]).code()), (Some(3), Some(3)), "{attested:#?}");
    let wrong: Vec<&str> = attested.stdout.lines().filter(|line| line.trim().starts_with("NO")).collect();
    assert!(wrong.len() == 1 && wrong[0].contains("its directories"), "{attested:#?}");
    let all = attest(lab, &["--all"]).stdout;
    let line = all.lines().find(|line| line.split_whitespace().nth(1) == Some(&pid.to_string())).expect("its line");
    assert!(line.starts_with("NO") && line.contains("its directories: ") && line.contains("start"), "{line}");
    wrong[0].to_owned()
}

#[track_caller]
fn there(lab: &Lab, pid: i32) {
    let attested = attest(lab, &[&pid.to_string()]);
    assert!(attested.ok() && !attested.stdout.contains("note: whether"), "{attested:#?}");
    let json = attest(lab, &["--json", &pid.to_string()]).stdout;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    let windows = found["windows"].as_array().unwrap();
    assert!(!windows.is_empty() && windows.iter().all(|one| one["state"] == "there"), "{found:#}");
}

fn an_agents_directory_that_was_replaced_is_said_in_the_log_and_by_attest(lab: &Lab) {
    lab.needs_root("the mounts of other users' processes");
    let network = lab.network();
    let (_, mut config, log) = places(lab);
    let guest = Guest::new(&network.guest).patient(40);
    for way in WAYS {
        let directory = way.prepare(lab, "backend");
        config.socket = directory.join("metadata_proxy");
        let agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
        let gate = Gate::start(lab, &network.gate, &config);
        assert_eq!(guest.get("/").unwrap().text(), "one", "{way:?}");
        there(lab, gate.pid);
        drop(agent);
        way.replace(&directory);
        let _agent = RecordingAgent::start(&config.socket, Answer::ok("two"));
        assert_eq!(
            guest.get("/").unwrap().status,
            503,
            "{way:?}: the window shows the directory that it was opened for"
        );
        let line = log.find("cannot be reached", 5.0).expect("a line");
        for word in ["the agent does not run", "replaced", "nsgate attest", "start anew"] {
            assert!(line.contains(word), "{way:?}: {word}: {line}");
        }
        let row = lost(lab, gate.pid);
        let named =
            format!("replaced: /backend (the way to {} leads to another directory now)", config.socket.display());
        assert!(row.contains(&named) && row.contains("start it anew"), "{way:?}: {row}");
        drop(gate);
        let gate = Gate::start(lab, &network.gate, &config);
        assert_eq!(guest.get("/").unwrap().text(), "two", "{way:?}");
        there(lab, gate.pid);
    }
    // With nothing in its place the agent that is left is still asked, and the next one will not be.
    let directory = lab.directory("moved", 0o755);
    config.socket = directory.join("metadata_proxy");
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("three"));
    let gate = Gate::start(lab, &network.gate, &config);
    fs::rename(&directory, directory.with_extension("old")).unwrap();
    assert_eq!(guest.get("/").unwrap().text(), "three");
    assert!(lost(lab, gate.pid).contains("moved away: /backend"), "{}", lost(lab, gate.pid));
}

fn a_worker_whose_agents_directory_was_replaced_says_that_the_pool_is_to_be_started_anew(lab: &Lab) {
    let world = nsgate_tests::pool::world(lab);
    let (_, mut config, log) = places(lab);
    let guest = Guest::new(&world.network.guest).patient(40);
    for way in WAYS {
        let directory = way.prepare(lab, "pooled");
        config.socket = directory.join("metadata_proxy");
        let second = format!("--backend={}", config.socket.display());
        let agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
        let mut pool = Pool::start_with(lab, &[&second]);
        let network = keeper(lab, &world.network.gate, &config);
        assert_eq!(guest.get("/").unwrap().text(), "one", "{way:?}");
        there(lab, pool.worker());
        drop(agent);
        way.replace(&directory);
        let _agent = RecordingAgent::start(&config.socket, Answer::ok("two"));
        assert_eq!(guest.get("/").unwrap().status, 503, "{way:?}");
        assert!(wait_until(5.0, || pool.said("start anew, of the pool where one serves")), "{way:?}");
        let row = lost(lab, pool.worker());
        assert!(row.contains("replaced: /backend2 (") && row.contains("start the pool anew"), "{way:?}: {row}");
        // Another keeper changes nothing: the worker holds the directory.
        drop(network);
        let network = keeper(lab, &world.network.gate, &config);
        assert_eq!(guest.get("/").unwrap().status, 503, "{way:?}");
        there(lab, network.pid);
        let next = Pool::start_with(lab, &[&second, "--replace"]);
        assert!(wait_until(10.0, || guest.get("/").is_ok_and(|answer| answer.text() == "two")), "{way:?}");
        assert!(pool.ended_within(20.0));
        there(lab, next.worker());
        drop((network, next));
    }
    drop(log);
}

fn a_pools_directory_that_was_replaced_is_said_by_attest_of_its_keepers(lab: &Lab) {
    let world = nsgate_tests::pool::world(lab);
    let (_, mut config, log) = places(lab);
    config.socket = lab.socket();
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &world.network.gate, &config);
    there(lab, keeper.pid);
    drop(pool);
    Way::Renamed.replace(socket_path(lab).parent().unwrap());
    let pool = Pool::start(lab);
    let line = log.find("if the directory of the pool's socket was removed", 30.0).expect("a line");
    assert!(line.contains("or replaced") && line.contains("serving by itself"), "{line}");
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200, "the keeper serves by itself");
    let row = lost(lab, keeper.pid);
    assert!(row.contains("replaced: /worker (") && row.contains("start it anew"), "{row}");
    drop((keeper, pool));
}

fn a_pools_own_directory_that_was_replaced_is_said_of_each_process_that_listens_there(lab: &Lab) {
    let _world = nsgate_tests::pool::world(lab);
    let directory = socket_path(lab).parent().unwrap().to_owned();
    for workers in ["--workers=1", "--workers=2"] {
        let pool = Pool::start_with(lab, &[workers]);
        let listen: Vec<i32> = [Some(pool.worker()), pool.crew().first().copied()].into_iter().flatten().collect();
        assert_eq!(listen.len(), if workers.ends_with('1') { 1 } else { 2 }, "the worker, or zygote and dispatcher");
        listen.iter().for_each(|pid| there(lab, *pid));
        Way::Renamed.replace(&directory);
        for pid in &listen {
            let row = lost(lab, *pid);
            assert!(
                row.contains("moved away: its socket (none is at ") && row.contains("start the pool anew"),
                "{row}"
            );
        }
        // Another one's is at its place.
        let stranger = nsgate_tests::pool::Stranger::start(lab, "");
        for pid in &listen {
            let row = lost(lab, *pid);
            assert!(row.contains("replaced: its socket (another one is at "), "{row}");
        }
        drop(stranger);
        // A directory that is moved back is found again.
        fs::remove_dir(&directory).unwrap();
        fs::rename(directory.with_extension("old"), &directory).unwrap();
        listen.iter().for_each(|pid| there(lab, *pid));
    }
}

fn a_pool_whose_directory_was_replaced_is_not_replaced_beside_its_back(lab: &Lab) {
    let world = nsgate_tests::pool::world(lab);
    let directory = socket_path(lab).parent().unwrap().to_owned();
    let pid_file = lab.state().join("pool.pid");
    let named = format!("--pid-file={}", pid_file.display());
    let mut pool = Pool::start_with(lab, &[&named]);
    let keeper = keeper(lab, &world.network.gate, &Config::new(Kind::Network));
    let guest = Guest::new(&world.network.guest);
    nsgate_tests::pool::in_the_pool(lab, 1);
    assert!(served(&guest));
    Way::Renamed.replace(&directory);
    for more in [&["--replace", &named][..], &["--replace"], &[&named]] {
        let refused = Pool::refused(lab, more);
        let pid = pool.worker().to_string();
        assert!(
            refused.code() == Some(1) && refused.stderr.contains(&format!("process {pid} is this pool's")),
            "{refused:#?}"
        );
        assert!(refused.stderr.contains(&format!("kill {pid}")) && !socket_path(lab).exists(), "{refused:#?}");
        assert!(served(&guest) && !pool.ended_within(0.1), "the worker serves");
        assert_eq!(fs::read_to_string(&pid_file).unwrap().trim(), pool.supervisor().to_string());
    }
    // As the line says, the directory goes back to its place.
    fs::remove_dir(&directory).unwrap();
    fs::rename(directory.with_extension("old"), &directory).unwrap();
    let next = Pool::start_with(lab, &["--replace", &named]);
    assert!(pool.ended_within(15.0), "the worker has left");
    nsgate_tests::pool::in_the_pool(lab, 1);
    assert!(served(&guest) && keeper.alive());
    drop(next);
}

fn a_logs_directory_that_was_replaced_is_said_by_attest(lab: &Lab) {
    lab.needs_root("the mounts of other users' processes");
    let network = lab.network();
    for way in WAYS {
        let (_, mut config, _log) = places(lab);
        let _agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
        let directory = way.prepare(lab, "logs");
        config.log = directory.join("socket");
        let log = SyslogReader::bind(&config.log);
        let gate = Gate::start(lab, &network.gate, &config);
        there(lab, gate.pid);
        drop(log);
        way.replace(&directory);
        let log = SyslogReader::bind(&config.log);
        assert_eq!(Guest::new(&network.guest).get("/lost").unwrap().status, 200);
        assert!(log.all(1.5).is_empty(), "{way:?}");
        assert!(lost(lab, gate.pid).contains("replaced: /log-directory ("), "{way:?}: {}", lost(lab, gate.pid));
    }
}

/// The directory at the path's end decides, and not the names on the way.
fn a_directory_that_moves_with_its_path_is_none_that_was_replaced(lab: &Lab) {
    lab.needs_root("the mounts of other users' processes");
    let network = lab.network();
    let (directory, config, _log) = places(lab);
    let _agent = RecordingAgent::start(&config.socket, Answer::ok("one"));
    let gate = Gate::start(lab, &network.gate, &config);
    let moved = directory.with_extension("moved");
    fs::rename(&directory, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &directory).unwrap();
    there(lab, gate.pid);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
}

fn the_directory_of_a_hosts_configuration_that_was_replaced_is_said(lab: &Lab) {
    lab.needs_root("the mounts of other users' processes");
    let network = lab.network();
    let _nova = host::Nova::start(&network);
    let log = lab.directory("log", 0o755).join("socket");
    let text = host::three_instances().replace("/dev/log", &log.display().to_string());
    let log = SyslogReader::bind(&log);
    let gate = host::start(lab, &network, &text);
    let reader = host::reader_of(gate.pid);
    there(lab, reader);
    let directory = Path::new(host::CONFIG).parent().unwrap();
    Way::Renamed.replace(directory);
    host::replace(&text);
    let row = lost(lab, reader);
    assert!(row.contains("replaced: configuration (the way to ") && row.contains("start it anew"), "{row}");
    // The one of before is read still; once its text is gone the log says what may be the cause.
    fs::remove_file(directory.with_extension("old").join(Path::new(host::CONFIG).file_name().unwrap())).unwrap();
    gate.signal(nix::sys::signal::Signal::SIGHUP);
    let line = log.find("it is not there", 5.0).expect("a line");
    assert!(line.contains("or replaced, a start anew reads the new one"), "{line}");
}
