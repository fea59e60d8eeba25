//! A gate's own processor time for a request: one that has a door of `nsgate agent`, and one of the same build whose agent closes
//! after each answer. A third one refuses each request, and asks nobody: what guests cost by themselves.

use std::fs;
use std::net::SocketAddr;

use nsgate_tests::config::NETWORK;
use nsgate_tests::{Config, Gate, Kind, Lab, Network};

use super::super::load::Drain;
use super::super::spent::{LOADS, for_any_answer};
use super::canned::closing_agent;
use super::cloud::address;
use super::hops::SecondHopPeer;

/// The gates listen here: the one with a door, the one whose agent closes, and the one that refuses.
const PLACES: [&str; 3] = ["10.0.0.1:8301", "10.0.0.1:8302", "10.0.0.1:8303"];

/// One kind of work.
pub(super) struct GateWork {
    pub(super) name: &'static str,
    /// Of each round: microseconds for a request behind `nsgate agent`, behind an agent that closes, and for one that is refused.
    pub(super) rounds: Vec<[f64; PLACES.len()]>,
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
    lab.site("[guards]\npaths = [\"/openstack\"]\n");
    let refusing = Gate::start(lab, &network.gate, &config(PLACES[2], "00000001-9f7b-4b59-9a55-0d3c1f6e2b10"));
    lab.site("");
    let pids = [bound.pid, closing.pid, refusing.pid];
    let mut works = LOADS.map(|(name, _)| GateWork { name, rounds: Vec::new() });
    for round in 0..rounds {
        for ((_, words), work) in LOADS.iter().zip(&mut works) {
            let mut spent = [0.0; PLACES.len()];
            // The first gate of a round changes from round to round.
            for gate in (0..PLACES.len()).map(|gate| (gate + round) % PLACES.len()) {
                let url = format!("http://{}/latest/meta-data/", PLACES[gate]);
                let (cost, said) = for_any_answer(&network.guest, &url, words, pids[gate], seconds);
                assert_eq!(said.contains("Non-2xx"), gate == 2, "{said}");
                spent[gate] = cost;
            }
            println!("  {}: {:.1}, {:.1} and {:.1} µs", work.name, spent[0], spent[1], spent[2]);
            work.rounds.push(spent);
        }
    }
    works.into()
}
