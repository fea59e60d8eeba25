//! Runs `nsgate doctor`, reads its findings, and types its remedies as a person would.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::gate::communicate;
use crate::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader};

/// `nsgate doctor` with these words.
pub fn doctor(lab: &Lab, more: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.arg("doctor").arg(format!("--state={}", lab.state().display())).args(more);
    communicate(command, Duration::from_secs(30))
}

/// The findings of this level: subject, fault and remedy of each.
pub fn found(lab: &Lab, level: &str) -> Vec<(String, String, String)> {
    let said = doctor(lab, &["--json"]);
    let all: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:#?}"));
    let word = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let all = all.as_array().unwrap().iter().filter(|one| one["level"] == level);
    all.map(|one| (word(one, "about"), word(one, "what"), word(one, "do"))).collect()
}

/// Checks that `about` has one fault, that it names `word` and a remedy, and that the exit status tells of it.
#[track_caller]
pub fn only(lab: &Lab, about: &str, word: &str) {
    let wrong = found(lab, "wrong");
    let [one] = wrong.as_slice() else { panic!("one thing about {about}, {word}: {wrong:#?}") };
    assert!(one.0 == about && one.1.contains(word) && !one.2.is_empty(), "{about}, {word}: {wrong:#?}");
    let page = doctor(lab, &[]);
    assert_eq!(page.code(), Some(3), "{page:#?}");
    assert!(page.stdout.contains("NO ") && page.stdout.contains("  do: "), "{page:#?}");
    assert!(page.stdout.contains("1 thing is wrong"), "{page:#?}");
}

/// Runs the first command in the remedy of the one fault, as a person would type it.
#[track_caller]
pub fn obeyed(lab: &Lab) {
    let wrong = found(lab, "wrong");
    let remedy = &wrong.first().expect("something is wrong").2;
    let typed = remedy.split('`').nth(1).unwrap_or_else(|| panic!("no command in {remedy}"));
    let mut command = Command::new("sh");
    command.args(["-ec", typed]);
    let said = communicate(command, Duration::from_secs(10));
    assert!(said.ok() && said.stderr.is_empty(), "{typed}: {said:#?}");
}

/// A host with one network: a log, an agent, and a gate as Neutron's agent has started it.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub network: Network,
    /// Its log.
    pub log: Option<SyslogReader>,
    /// Its agent.
    pub agent: Option<RecordingAgent>,
    /// Its gate.
    pub gate: Gate,
}

/// Makes it.
pub fn world(lab: &Lab) -> World {
    lab.needs_root("other users' processes");
    let network = lab.network();
    let log = Some(SyslogReader::bind(Path::new("/dev/log")));
    let agent = Some(RecordingAgent::start(&lab.socket(), Answer::ok("hello")));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    World { network, log, agent, gate }
}
