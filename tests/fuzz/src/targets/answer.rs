//! Any bytes as the agent's answer: what the guest then reads.

use super::{
    gates,
    input::{Input, small_pieces},
    wire::{Response, dechunk_tolerantly, responses, told, trim},
};
use crate::Target;
use nsgate_forwarder::fuzzing::{Pieces, UnderstoodAnswer, read_answer, serve};

/// Three bytes choose the request and the pieces; the rest is what the agent writes before it closes.
pub const TARGET: Target = Target {
    name: "answer",
    promise: "a part of an answer never looks like the whole, and no header is the agent's that it did not write",
    run,
    words: &[
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\n",
        "HTTP/1.1 404 Not Found\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 304 Not Modified\r\n",
        "HTTP/1.1 999 ",
        "HTTP/1.1 500\r\n",
        "Content-Length: 2\r\n",
        "Content-Length: ",
        "content-length: 0\n",
        "Content-Length: 3\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Connection: close\r\n",
        "Keep-Alive: 5\r\n",
        "Content-Type: text/plain\r\n",
        "Set-Cookie: a\r\n",
        "Trailer: x\r\n",
        "TE: x\r\n",
        "Upgrade: x\r\n",
        "Date: x\r\n",
        "Server: x\r\n",
        "Connection: x-secret\r\n",
        "Proxy-Connection: x\r\n",
        " : x\r\n",
        "X\t: y\r\n",
        "\r\n\r\n",
        "\n\n",
        "\n\r\n",
        "\r\n ",
        "0\r\n\r\n",
        "3\r\nabc\r\n",
        "3\nabc\n",
        "2;x=y\r\nde\r\n",
        "ffffffffffffffff\r\n",
        "T: v\r\n",
        "hi",
    ],
    seeds,
    longest: 6000,
};

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nDate: x\r\n\r\nhi",
        "HTTP/1.1 404 Not Found\nContent-Type: text/html\nContent-Length: 3\n\nbye",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut off",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: x\r\nKeep-Alive: 5\r\nX-High: \u{e4}\r\nA: 1\r\nA: 2\r\nContent-Length: 1\r\n\r\nx",
    ];
    texts.iter().flat_map(|text| [0u8, 1, 2].map(|request| [&[request, 3, 17], text.as_bytes()].concat())).collect()
}

/// What the guest asks, and whether it is a HEAD and whether it is old.
const REQUESTS: [(&str, bool, bool); 3] = [
    ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", false, false),
    ("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", true, false),
    ("GET /x HTTP/1.0\r\n\r\n", false, true),
];

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (request, head_only, old) = input.one_of(&REQUESTS);
    let lengths = [usize::from(input.byte()), usize::from(input.byte())];
    let agent = input.0;
    let understood = read_answer(&Pieces::whole(agent), head_only);
    for lengths in [&lengths[..], small_pieces(agent)] {
        let parts = read_answer(&Pieces::new(agent, lengths), head_only);
        assert_eq!(parts, understood, "the answer depends on where the bytes are cut");
    }
    if let Ok(understood) = &understood {
        plausible(understood, agent, head_only);
    }

    let (peer, _) = gates::peer(0);
    let served = serve(gates::gate(0), peer, &Pieces::whole(request.as_bytes()), &Pieces::new(agent, &lengths));
    assert!(!served.stuck, "the connection waits for nothing");
    assert_eq!((served.to_agent.len(), served.refused), (1, None));
    let method = if head_only { "HEAD" } else { "GET" };
    let mut answers = responses(&served.to_guest, &[method]);
    assert!(answers.len() <= 1, "one request, {} answers", answers.len());
    match (understood, answers.pop()) {
        (Err(status), Some(answer)) => {
            assert_eq!((answer.status, answer.complete), (status, Some(true)));
        }
        (Err(status), None) => panic!("{status}, and the guest heard nothing"),
        (Ok(understood), Some(answer)) => same(&understood, &answer, served.reset, head_only, old),
        // Nothing of a cut answer may have been written yet; but the guest must see that it is cut.
        (Ok(understood), None) => assert!(!understood.complete && served.reset, "a whole answer was lost"),
    }
}

/// The answer that the gate understood is in the agent's bytes.
fn plausible(understood: &UnderstoodAnswer, agent: &[u8], head_only: bool) {
    assert!((200..1000).contains(&understood.status), "{}", understood.status);
    let written: Vec<(Vec<u8>, &[u8])> = agent
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((trim(&line[..colon]).to_ascii_lowercase(), trim(&line[colon + 1..])))
        })
        .collect();
    for (name, value) in &understood.headers {
        let own = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];
        assert!(!own.contains(&name.as_str()), "`{name}` is about the connection");
        assert!(value.iter().all(|byte| !matches!(byte, b'\r' | b'\n' | 0)), "`{name}`: {value:?}");
        let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let same = |found: &[u8]| found == value || (name == "content-length" && number(found) == number(value));
        let found = written.iter().any(|(known, found)| known == name.as_bytes() && same(found));
        assert!(found, "the agent did not write `{name}: {}`", String::from_utf8_lossy(value));
    }
    let told = told(agent).unwrap_or_else(|| panic!("understood, though no other reader does: {understood:?}"));
    assert_eq!(told.status, understood.status);
    assert!(told.lengths.iter().all(|length| *length == told.lengths[0]), "two lengths: {told:?}");
    if head_only || matches!(understood.status, 204 | 304) {
        assert!(understood.body.is_empty() && understood.complete);
        return;
    }
    let meant = match told.lengths.first() {
        _ if told.chunked => dechunk_tolerantly(told.rest),
        Some(length) => usize::try_from(*length).ok().and_then(|length| told.rest.get(..length)).map(<[u8]>::to_vec),
        None => Some(told.rest.to_vec()),
    };
    assert_eq!(understood.complete, meant.is_some(), "{told:?}");
    if let Some(meant) = meant {
        assert_eq!(understood.body, meant);
    }
}

/// The guest reads the answer that the gate understood, and sees whether a part is missing.
fn same(understood: &UnderstoodAnswer, answer: &Response, reset: bool, head_only: bool, old: bool) {
    assert_eq!(answer.status, understood.status);
    for (name, value) in &answer.fields {
        let known = understood.headers.iter().any(|(found, had)| found == name && trim(had) == value);
        let gates = ["content-length", "transfer-encoding", "connection"].contains(&name.as_str());
        assert!(known || gates, "`{name}` came out of nowhere");
    }
    let lost = |name: &String| !answer.fields.iter().any(|(found, _)| found == name) && name != "content-length";
    assert!(!understood.headers.iter().any(|(name, _)| lost(name)), "a header was lost");
    if understood.complete {
        assert!(!reset && answer.complete != Some(false), "a whole answer looks cut");
        assert_eq!(answer.body, understood.body);
    } else {
        assert!(answer.complete != Some(true), "a part looks like the whole");
        assert!(answer.complete == Some(false) || reset, "only a reset tells that this is a part");
    }
    if head_only {
        assert!(answer.body.is_empty());
    } else if !old {
        assert!(answer.complete.is_some() || !understood.complete, "no end was announced to HTTP/1.1");
    }
}
