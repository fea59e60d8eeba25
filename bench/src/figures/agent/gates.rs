//! A gate's own processor time for a request: one that has a door of `nsgate agent`, and one of the same build whose agent closes
//! after each answer.

use std::fs;
use std::net::SocketAddr;

use nsgate_tests::config::NETWORK;
use nsgate_tests::{Config, Gate, Kind, Lab, Network};

use super::super::load::Drain;
use super::super::spent::{LOADS, for_a_request};
use super::canned::closing_agent;
use super::cloud::address;
use super::hops::SecondHopPeer;

/// The gates listen here: the one with a door, and the one whose agent closes.
const PLACES: [&str; 2] = ["10.0.0.1:8301", "10.0.0.1:8302"];

/// One kind of work.
pub(super) struct GateWork {
    pub(super) name: &'static str,
    /// Of each round: microseconds for a request behind `nsgate agent`, and behind an agent that closes.
    pub(super) rounds: Vec<[f64; 2]>,
}

/// Both gates, the loads in turns.
pub(super) fn measure(lab: &Lab, nova: SocketAddr, document: &str, (rounds, seconds): (usize, u64)) -> Vec<GateWork> {
    let network = Network::create();
    let _log = Drain::start();
    let instances = lab.directory("gates", 0o755).join("instances.toml");
    let table = |number| {
        format!(
            "[[instance]]\nnetwork = \"{NETWORK}\"\naddress = \"{}\"\ninstance = \"instance-{number}\"\nproject = \"project\"\n",
            address(number)
        )
    };
    fs::write(&instances, table(0)).expect("instances");
    let directory = format!("kind = \"file\"\npath = \"{}\"\n", instances.display());
    let hop = SecondHopPeer::nsgate_at(lab, "gates", &directory, nova, document, "requests_per_instance = 64");
    lab.site(&format!("agent = \"{}\"\n", hop.socket.display()));
    let config = |place: &str, id: &str| Config::new(Kind::Ovn).with_id(id).with_binds(&[place]);
    let bound = Gate::start(lab, &network.gate, &config(PLACES[0], NETWORK));
    lab.site("");
    closing_agent(&lab.socket());
    let closing = Gate::start(lab, &network.gate, &config(PLACES[1], "00000000-9f7b-4b59-9a55-0d3c1f6e2b10"));
    let mut works = LOADS.map(|(name, _)| GateWork { name, rounds: Vec::new() });
    for round in 0..rounds {
        for ((_, words), work) in LOADS.iter().zip(&mut works) {
            let mut spent = [0.0; 2];
            // The first gate of a round changes from round to round.
            for gate in [round % 2, 1 - round % 2] {
                let url = format!("http://{}/latest/meta-data/", PLACES[gate]);
                spent[gate] = for_a_request(&network.guest, &url, words, [bound.pid, closing.pid][gate], seconds);
            }
            println!("  {}: {:.1} and {:.1} µs", work.name, spent[0], spent[1]);
            work.rounds.push(spent);
        }
    }
    works.into()
}
