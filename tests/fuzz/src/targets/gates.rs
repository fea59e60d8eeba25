//! The gates and the guests of the targets.

use nsgate_config::{Gate, native};
use std::net::SocketAddr;
use std::sync::OnceLock;

/// The identity of every gate.
pub const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

const KINDS: [&str; 3] = ["network_id", "router_id", "ovn_network_id"];
const LIMITS: [&str; 3] = [
    "",
    "[limits]\nhead_bytes = 1024\ntarget_bytes = 100\nheaders = 8\nbody_bytes = 64\nbackend_request_bytes = 512\n",
    "[limits]\nhead_bytes = 4096\nbody_bytes = 8192\nbackend_request_bytes = 33554432\n",
];

/// The guards that refuse a request by its head alone.
const GUARDS: &str = "[guards]\nmethods = [\"GET\", \"POST\"]\npaths = [\"/openstack/\", \"/p\"]\n";

/// Each kind of identity with narrow, usual and wide limits, and one with guards; any number is one.
pub fn gate(number: u8) -> &'static Gate {
    static GATES: OnceLock<Vec<Gate>> = OnceLock::new();
    let gates = GATES.get_or_init(|| {
        let pairs = LIMITS.iter().flat_map(|limits| KINDS.map(|kind| (kind, *limits))).chain([(KINDS[0], GUARDS)]);
        let text = |(kind, limits)| {
            let rest = "listen = [\"169.254.169.254:80\"]\nbackend = \"/b\"\nuser = \"u\"\n";
            format!("{kind} = \"{ID}\"\n{rest}{limits}")
        };
        pairs.map(|pair| native::parse("x", &text(pair)).expect("a gate").config.gate).collect()
    });
    &gates[usize::from(number) % gates.len()]
}

/// Where a guest may be, and how the agent must be told of it.
pub const PEERS: [(&str, &str); 4] = [
    ("10.0.0.5:41234", "10.0.0.5"),
    ("[fe80::f816:3eff:fe4b:1]:41234", "fe80::f816:3eff:fe4b:1"),
    ("[::ffff:10.0.0.6]:41234", "10.0.0.6"),
    ("[2001:db8::1]:1", "2001:db8::1"),
];

/// One of them.
pub fn peer(number: u8) -> (SocketAddr, &'static str) {
    let (address, told) = PEERS[usize::from(number) % PEERS.len()];
    (address.parse().expect("an address"), told)
}
