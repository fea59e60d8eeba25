//! What is true of every connection of a guest, with any bytes.

use super::gates::ID;
use super::input::small_pieces;
use super::wire::{Request, message, requests, responses};
use nsgate_config::Gate;
use nsgate_forwarder::fuzzing::{Pieces, ServedConnection, serve};
use std::net::SocketAddr;

/// Whether a header may stand in a request to the agent, beside the identity.
fn may_pass(name: &str) -> bool {
    let own = ["x-forwarded-for", "content-length", "connection"];
    own.contains(&name) || nsgate_forwarder::passing_headers().iter().any(|header| header.name() == name)
}

/// Serves `bytes` whole, one by one and in pieces of `lengths`: the result is the same each time, and correct. Where a
/// guard refuses, the connection goes on if the whole body has come. There the rest of the result depends on the pieces.
pub fn serve_and_check(
    gate: &Gate,
    peer: (SocketAddr, &str),
    bytes: &[u8],
    lengths: &[usize],
    agent: &Pieces,
) -> ServedConnection {
    let whole = serve(gate, peer.0, &Pieces::whole(bytes), agent);
    check(gate, peer.1, bytes, &whole);
    for lengths in [lengths, small_pieces(bytes)] {
        let parts = serve(gate, peer.0, &Pieces::new(bytes, lengths), agent);
        if gate.guards.is_off() {
            assert_eq!(show(&parts), show(&whole), "the verdict depends on where the bytes are cut");
        } else {
            check(gate, peer.1, bytes, &parts);
        }
    }
    whole
}

fn check(gate: &Gate, told: &str, bytes: &[u8], served: &ServedConnection) {
    assert!(!served.stuck, "the connection waits for nothing");
    let meant = requests(bytes);
    assert!(served.to_agent.len() <= meant.len(), "more requests than the guest sent: {}", show(served));
    for text in &served.to_agent {
        rebuilt(gate, told, text, &meant);
    }
    in_order(&served.to_agent, &meant);
    let methods: Vec<&str> = meant.iter().map(|request| request.method.as_str()).collect();
    let answers = responses(&served.to_guest, &methods);
    // A guard may refuse a request by its head, before a malformed body.
    let most = meant.len() + usize::from(!gate.guards.is_off());
    assert!(answers.len() <= most, "more answers than requests: {}", show(served));
    let told = answers.len() + usize::from(served.refused.is_some());
    assert!(
        served.records.len() >= told,
        "an answer without a line in the log, or two to one request: {}",
        show(served)
    );
}

fn show(served: &ServedConnection) -> String {
    let ServedConnection { to_agent, to_guest, refused, reset, stuck, records } = served;
    let agent: Vec<_> = to_agent.iter().map(|text| String::from_utf8_lossy(text)).collect();
    // A guest that cuts its body off may get `100 Continue` first, or not: that depends on time.
    let guest = String::from_utf8_lossy(to_guest).replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    let records: Vec<_> = records.iter().map(|(status, line)| (status, String::from_utf8_lossy(line))).collect();
    format!("{agent:?}\n{guest:?}\n{refused:?} reset={reset} stuck={stuck}\n{records:?}")
}

/// What reaches the agent is what the guest meant, in the guest's order; refused ones are left out.
fn in_order(to_agent: &[Vec<u8>], meant: &[Request]) {
    let mut meant = meant.iter();
    for text in to_agent {
        let text = message(text).expect("a request");
        let words: Vec<&str> = text.line.split(' ').collect();
        let same =
            |request: &&Request| request.method == words[0] && request.target == words[1] && request.body == text.rest;
        assert!(meant.any(|request| same(&request)), "not what the guest meant: {}", text.line);
    }
}

/// One request, the identity first and once, nothing that is not allowed.
fn rebuilt(gate: &Gate, told: &str, bytes: &[u8], meant: &[Request]) {
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let text = message(bytes).unwrap_or_else(|| panic!("not a request: {shown:?}"));
    let words: Vec<&str> = text.line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words.as_slice() else { panic!("request line: {shown:?}") };
    assert!(target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic()), "target: {shown:?}");
    assert!(meant.iter().any(|request| request.method == *method && request.target == *target), "{shown:?}");

    let identity = gate.identity.header().to_ascii_lowercase();
    assert_eq!(text.fields.first(), Some(&(identity.as_str(), ID.as_bytes())), "{shown:?}");
    assert_eq!(text.fields.get(1), Some(&("x-forwarded-for", told.as_bytes())), "{shown:?}");
    assert_eq!(text.all("connection"), [b"close"], "{shown:?}");
    for (index, (name, value)) in text.fields.iter().enumerate() {
        assert!(index == 0 || may_pass(name), "`{name}` passed: {shown:?}");
        assert_eq!(text.all(name).len(), 1, "`{name}` twice: {shown:?}");
        assert!(value.iter().all(|byte| matches!(byte, 0x20..=0x7e | b'\t')), "`{name}` is not plain: {shown:?}");
    }
    // A reader that folds `-` and `_` must not find a second identity.
    let folded = |name: &str| name.replace('_', "-").to_ascii_lowercase();
    let like = |name: &&(&str, &[u8])| {
        ["x-neutron-", "x-ovn-", "x-instance", "x-tenant", "forwarded"].iter().any(|stem| folded(name.0).contains(stem))
    };
    assert_eq!(text.fields.iter().filter(like).count(), 2, "{shown:?}");

    assert_eq!(text.rest.len(), text.length().unwrap_or(0), "length: {shown:?}");
    assert!(bytes.len() <= gate.limits.backend_request_bytes as usize, "{} bytes: {shown:?}", bytes.len());
    assert!(text.rest.len() <= gate.limits.body_bytes as usize, "{shown:?}");
}
