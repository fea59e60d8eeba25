//! A directory that a process sees is removed and made anew: by a service manager (`RuntimeDirectory=`), or with a volume.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nsgate_tests::gate::communicate;
use nsgate_tests::lab::wait_until;
use nsgate_tests::pool::{Pool, keeper, socket_path};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, Started, SyslogReader, suite};

fn main() {
    suite!["vanished":
        an_agent_that_restarts_in_its_directory_is_found_and_nothing_is_complained_of,
        an_agents_directory_that_was_made_anew_is_said_in_the_log_and_by_attest,
        a_pools_directory_that_was_made_anew_is_said_in_the_log_and_by_attest,
        a_logs_directory_that_was_made_anew_is_said_by_attest,
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
    // What the line says mends it.
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
    assert!(attested.stdout.contains("note: nobody is at the other end"), "{attested:#?}");
}
