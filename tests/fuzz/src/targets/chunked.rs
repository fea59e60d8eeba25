//! Chunked request bodies: what counts as their end, and what they amount to.

use super::{
    gates, guest,
    input::{Input, small_pieces},
    wire::{dechunk, dechunk_whole, message},
};
use crate::Target;
use nsgate_config::Limits;
use nsgate_forwarder::fuzzing::{Pieces, chunked};

/// Three bytes choose bound and pieces; the rest is the body.
pub const TARGET: Target = Target {
    name: "chunked",
    promise: "a chunked body ends where its last chunk does, is as long as its chunks, and is cut anywhere; of extensions and \
        trailers nothing is passed on",
    run,
    words: &[
        "0\r\n\r\n",
        "0\r\n",
        "\r\n",
        "5\r\nhello\r\n",
        "00000005\r\nhello\r\n",
        "a\r\n0123456789\r\n",
        ";ext=1",
        " ; ext = \"a;\\\"b\"",
        ";a;b=c",
        "\\",
        "\"",
        "=",
        ";",
        "\t",
        "0x",
        "Trailer: x\r\n",
        "Content-Length: 5\r\n",
        "X-Forwarded-For: 10.0.0.99\r\n",
        "ffffffff\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "1\r\nx\r\n",
        "10\r\n0123456789abcdef\r\n",
        " \r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    seeds,
    longest: 6000,
};

const BOUNDS: [u64; 4] = [4096, 0, 20, u64::MAX];

fn seeds() -> Vec<Vec<u8>> {
    let large = format!("fff\r\n{}\r\n2\r\nxx\r\n0\r\n\r\n", "b".repeat(0xfff));
    let many = format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(500));
    let texts = [
        "0\r\n\r\n",
        "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "0\r\nTrailer: x\r\n\r\n",
        "5;a;b=c;d=\"e;\\\"f\"\r\nhello\r\n0;g\r\nContent-Length: 0\r\nA:\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "5 ;\ta = b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        &large,
        &many,
    ];
    texts.iter().flat_map(|text| [0u8, 2].map(|bound| [&[bound, 3, 17], text.as_bytes()].concat())).collect()
}

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let bound = input.one_of(&BOUNDS);
    let lengths = [usize::from(input.byte()), usize::from(input.byte())];
    let body = input.0;
    let mut limits = Limits::default();
    (limits.head_bytes, limits.headers) = (100, 4);
    let whole = chunked(&Pieces::whole(body), bound, &limits);
    for lengths in [&lengths[..], small_pieces(body)] {
        assert_eq!(
            chunked(&Pieces::new(body, lengths), bound, &limits).map_err(drop),
            whole.clone().map_err(drop),
            "the verdict depends on where the bytes are cut"
        );
    }
    let meant = dechunk_whole(body, 100, 4).filter(|(data, _)| data.len() as u64 <= bound);
    match (&whole, &meant) {
        (Ok((taken, passed, true)), Some((data, length))) => {
            assert_eq!(taken, length);
            // A reader that knows neither extensions nor trailers finds the same in it, and nothing else.
            assert_eq!(dechunk(passed), Some((data.clone(), passed.len())));
        }
        (Ok((taken, _, false)), None) => assert_eq!(*taken, body.len(), "bytes of a body that goes on were left"),
        (Err(400 | 413 | 431), None) => {}
        (verdict, meant) => panic!("{verdict:?}, but {meant:?}"),
    }

    let head = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let gate = gates::gate(0);
    let answer = Pieces::whole(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let served = guest::serve_and_check(gate, gates::peer(0), &[head, body].concat(), &lengths, &answer);
    let room = gate.limits.backend_request_bytes as usize - 512;
    let (aside, trailers) = (gate.limits.head_bytes as usize, gate.limits.headers as usize);
    match dechunk_whole(body, aside, trailers).filter(|(data, _)| data.len() <= gate.limits.body_bytes as usize) {
        Some((data, _)) if data.len() <= room => {
            assert_eq!(served.to_agent.len(), 1, "a good body did not pass");
            assert_eq!(message(&served.to_agent[0]).expect("a request").rest, data);
        }
        Some(_) => {}
        None => assert!(served.to_agent.is_empty(), "a bad body passed"),
    }
}
