//! Nothing a guest forged reaches the agent: every vector, judged by what a recording agent got.
//!
//! nsgate alone is asked here. `cargo xtask forging` asks haproxy and nginx as well, for the totals of `docs/forging.md`.

use std::collections::HashSet;
use std::io::Write;
use std::process::{Command, Stdio};

use nsgate_tests::forging::{self, Answered, Contender, End, Outcome, Tried, Truth, Verdict};
use nsgate_tests::program::{target, workspace};
use nsgate_tests::vectors::{self, Vector};
use nsgate_tests::{Kind, Lab, suite};

fn main() {
    suite!["forging":
        nothing_forged_reaches_the_agent,
        nothing_forged_reaches_the_agent_of_ovn,
        three_readers_understand_the_same_request,
        the_vectors_are_many_and_all_different,
        the_judge_knows_a_forgery,
    ]
}

fn under_test(lab: &Lab) -> Contender {
    Contender::Haproxy(lab.program.clone())
}

fn nothing_forged_reaches_the_agent(lab: &Lab) {
    let tried = forging::try_all(lab, &[under_test(lab)], Kind::Network, &vectors::all());
    assert_promises_kept(&tried[0]);
}

fn nothing_forged_reaches_the_agent_of_ovn(lab: &Lab) {
    let tried = forging::try_all(lab, &[under_test(lab)], Kind::Ovn, &vectors::generated());
    assert_promises_kept(&tried[0]);
}

fn assert_promises_kept(tried: &Tried) {
    let broken: Vec<String> = tried
        .outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: {}", outcome.vector.name, outcome.broken_promise(&tried.truth)?)))
        .collect();
    assert!(broken.is_empty(), "{} of {} vectors:\n{}", broken.len(), tried.outcomes.len(), broken.join("\n"));
}

/// http.server and WebOb, as Neutron's agents use them; the third reader is `forging::strict`, asked by every promise.
fn three_readers_understand_the_same_request(lab: &Lab) {
    let python = target().join("neutron/venv/bin/python");
    if !python.exists() {
        lab.skip("no WebOb: `cargo xtask test neutron` makes target/neutron/venv");
    }
    let served = |vectors: Vec<Vector>| vectors.into_iter().filter(|vector| vector.forwarded > 0).collect::<Vec<_>>();
    let mut records = Vec::new();
    for (kind, vectors) in [(Kind::Network, served(vectors::all())), (Kind::Ovn, served(vectors::generated()))] {
        let tried = forging::try_all(lab, &[under_test(lab)], kind, &vectors).remove(0);
        assert_promises_kept(&tried);
        records.extend(tried.outcomes.iter().flat_map(|outcome| for_python(outcome, &tried.truth)));
    }
    let mut command = Command::new(python);
    command.arg(workspace().join("tests/neutron/differential.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    let text = serde_json::to_vec(&records).expect("JSON");
    child.stdin.take().expect("a pipe").write_all(&text).expect("the records");
    let out = child.wait_with_output().expect("python's end");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

/// Every request of an outcome, with what the guest meant by it.
fn for_python(outcome: &Outcome, truth: &Truth) -> Vec<serde_json::Value> {
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let both = outcome.records.iter().zip(&outcome.vector.honest);
    both.map(|(bytes, honest)| {
        serde_json::json!({
            "name": outcome.vector.name, "bytes": latin(bytes),
            "method": honest.method, "target": honest.target, "body": latin(&honest.body),
            "header": truth.header, "id": truth.id, "address": truth.address,
        })
    })
    .collect()
}

fn the_vectors_are_many_and_all_different(_: &Lab) {
    let vectors = vectors::all();
    assert!(vectors.len() >= 200, "{}", vectors.len());
    let names: HashSet<&str> = vectors.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), vectors.len(), "two vectors have one name");
    for vector in &vectors {
        assert!(!vector.honest.is_empty() && vector.forwarded <= vector.honest.len(), "{}", vector.name);
    }
    let generated = vectors::generated();
    let mut bytes = HashSet::new();
    let twice = generated.iter().find(|vector| !bytes.insert(&vector.bytes));
    assert!(twice.is_none(), "{}", twice.unwrap().name);
}

/// A suite whose judge is blind passes; so it is shown what it must see.
fn the_judge_knows_a_forgery(_: &Lab) {
    let truth = Truth { header: "X-Neutron-Network-ID", id: "7a1c".to_owned(), address: "10.0.0.11".to_owned() };
    let answered = Answered { statuses: vec![200], end: End::Closed };
    let judge = |records: &[Vec<u8>], honest| forging::judge::verdict(records, honest, &answered, &truth);
    let own = "X-Neutron-Network-ID: 7a1c\r\nX-Forwarded-For: 10.0.0.11\r\n";
    let head = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{own}{lines}\r\n").into_bytes();
    assert_eq!(judge(&[head("")], 1), Verdict::Clean);
    assert_eq!(judge(&[head("Accept: X-Forwarded-For\r\n")], 1), Verdict::Clean);
    assert_eq!(judge(&[], 1), Verdict::Refused(Some(200)));
    assert!(judge(&[head(""), head("")], 1).is_forged(), "more requests than the guest asked");
    assert!(judge(&[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()], 1).is_forged(), "no identity");
    for lines in [
        "x-forwarded-for: 10.0.0.99\r\n",
        "X_Forwarded_For: 10.0.0.99\r\n",
        "X.Forwarded-For : 10.0.0.99\r\n",
        "\x01X-Forwarded-For\u{a0}: 10.0.0.99\r\n",
        "Accept: a\nX-Instance-ID: 1\r\n",
        "Accept: a\rX-Instance-ID: 1\r\n",
        "Accept: a\r\n X-Instance-ID: 1\r\n",
        "X-Forwarded-For: 10.0.0.11\r\n",
        "X-Neutron-Network-ID:\r\n",
        "Connection: close, x_forwarded_for\r\n",
        "Content-Length: 0\r\n\r\nGET / HTTP/1.1\r\n",
        "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Tenant-ID: 1\r\n",
        "Content-Length: 39\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nA: b\r\n",
        "Content-Length: 18\r\nContent_Length: 0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        assert!(judge(&[head(lines)], 1).is_forged(), "{lines:?}");
    }
}
