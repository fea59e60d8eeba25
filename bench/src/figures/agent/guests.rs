//! Guests that ask at once through a gate: `nsgate` and `nsgate agent`, and haproxy and Neutron's agent.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::gate::write_config;
use nsgate_tests::lab::text;
use nsgate_tests::network::ip;
use nsgate_tests::{Config, Gate, Kind, Lab, Network, Program};

use super::super::load::Drain;
use super::cloud::{Cloud, GUESTS, address};
use super::hops::SecondHopPeer;
use super::load::{LoadOutcome, closed_loop, guest_own};

/// Guests, each with an address and an instance of its own.
pub(super) const AT_ONCE: usize = 64;
const PLACES: [&str; 2] = ["10.0.0.1:8401", "10.0.0.1:8402"];

/// What came of one way.
pub(super) struct GuestsAtOnce {
    pub(super) name: String,
    pub(super) outcome: LoadOutcome,
}

/// For so many seconds each. The order is that of `peers`: Neutron's agent, `nsgate agent`.
pub(super) fn measure(
    lab: &Lab,
    cloud: &Cloud,
    peers: &[SecondHopPeer; 2],
    document: &str,
    seconds: f64,
) -> [GuestsAtOnce; 2] {
    let network = Network::named("gate64", "guest64");
    let guest = network.guest.name();
    ip(&(41..75).map(|host| format!("-n {guest} addr add 10.0.0.{host}/24 dev eth0\n")).collect::<String>());
    cloud.guests(GUESTS..AT_ONCE);
    let _log = Drain::start();
    let mut config = Config::new(Kind::Ovn).with_id(NETWORK).with_binds(&[PLACES[0]]);
    config.socket.clone_from(&peers[0].socket);
    let haproxy = Program::real_haproxy().expect("haproxy was found or installed before");
    let mut command = network.gate.command(&haproxy.path().to_string_lossy());
    command.arg("-f").arg(write_config(lab, &config));
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "haproxy: {started:#?}");
    let pid: i32 = text(&config.pid_file).trim().parse().expect("a pid");
    let ask = |place: &str| {
        network.guest.inside(|| {
            let place: SocketAddr = place.parse().expect("a place");
            let one = |number| guest_own(place, IpAddr::V4(address(number)), document);
            closed_loop((0..AT_ONCE).map(one).collect(), seconds)
        })
    };
    let theirs =
        GuestsAtOnce { name: format!("{} and Neutron's agent", super::super::haproxy_name()), outcome: ask(PLACES[0]) };
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    lab.site(&format!("agent = \"{}\"\n", peers[1].socket.display()));
    let config = Config::new(Kind::Ovn).with_id(NETWORK).with_binds(&[PLACES[1]]);
    let _gate = Gate::start(lab, &network.gate, &config);
    lab.site("");
    let ours = GuestsAtOnce { name: "a gate of nsgate's and `nsgate agent`".to_owned(), outcome: ask(PLACES[1]) };
    for one in [&theirs, &ours] {
        println!("  {}: {} answered, {} refused", one.name, one.outcome.answered, one.outcome.refused);
    }
    [theirs, ours]
}
