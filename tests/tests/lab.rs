//! The laboratory itself: what the other suites stand on.

use std::fs;
use std::path::Path;

use nsgate_tests::network::{GUEST_LINK_LOCAL, METADATA_V4};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Namespace, RecordingAgent, procfs, suite};

fn main() {
    suite!["lab":
        a_world_starts_empty,
        a_gate_carries_a_request,
        a_gate_carries_a_request_over_link_local_ipv6,
    ]
}

fn a_world_starts_empty(_: &Lab) {
    assert_eq!(fs::read_dir("/run/netns").unwrap().count(), 0, "no namespace of the host is seen");
    assert!(!Path::new("/dev/log").exists(), "no log socket of the host is seen");
    assert!(procfs::having("").len() <= 1, "no process of the host is seen");
    assert!(Path::new("/dev/null").exists());
    let namespace = Namespace::create("one");
    assert!(namespace.listening().is_empty());
}

fn a_gate_carries_a_request(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    assert!(network.gate.listening().contains(&(METADATA_V4.into(), 80)));
    let answer = Guest::new(&network.guest).get("/latest/meta-data/hostname").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()));
    assert_eq!(agent.only().header("X-Forwarded-For"), ["10.0.0.11"]);
    drop(gate);
    assert!(network.gate.listening().is_empty(), "the gate is gone");
}

fn a_gate_carries_a_request_over_link_local_ipv6(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network).with_v6());
    let answer = Guest::link_local(&network.guest).get("/openstack").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(agent.only().header("X-Forwarded-For"), [GUEST_LINK_LOCAL.to_string()]);
}
