//! What is said to a pool's worker, and what it says.

use super::configuration::files;
use crate::Target;
use nsgate_config::haproxy;
use nsgate_pool::protocol::{Reply, Request};

/// The input is one message.
pub const TARGET: Target = Target {
    name: "handover",
    promise: "a message is read as what it would be written as, or refused in one short sentence",
    run,
    words: &[
        "nsgate-pool 1 serve\n",
        "nsgate-pool 1 finish\n",
        "nsgate-pool 1 list\n",
        "nsgate-pool 1 remove\nrouter 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10",
        "nsgate-pool 1 leave\n",
        "nsgate-pool 1 stores\n",
        "nsgate-pool 1 keep\nnetwork 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10",
        "nsgate-pool 1 serving\n",
        "nsgate-pool 1 refused\n",
        "nsgate-pool 1 end\n",
        "nsgate-pool 1 network\n",
        "nsgate-pool 1 done\n",
        "nsgate-pool 2 ",
        "identity ovn-network 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "listen 169.254.169.254:80\nbackend /b/agent\nage 1\nconnections 2\nrequests 3\nserved 1\nrejected 1\nfailed 1\n",
        "18446744073709551615",
        "network_id = ",
        "listen = [\"169.254.169.254:80\", \"[fe80::a9fe:a9fe]:80%tap0\"]\n",
        "backend = \"/b/agent\"\n",
        "user = \"neutron\"\n",
        "[limits]\n",
        "[log]\n",
    ],
    seeds: || {
        let texts = files("../../crates/nsgate-config/tests/fixtures", "cfg").into_iter();
        let gates = texts.filter_map(|text| haproxy::parse("x", &String::from_utf8_lossy(&text)).ok());
        let serve = gates.map(|parsed| Request::Serve(Box::new(parsed.config)).to_bytes());
        serve.take(8).chain([Request::List.to_bytes()]).collect()
    },
    longest: 6000,
};

fn run(bytes: &[u8]) {
    match Request::parse(bytes) {
        Ok(request) => assert_eq!(Request::parse(&request.to_bytes()), Ok(request)),
        Err(reason) => sentence(reason.reason()),
    }
    match Reply::parse(bytes) {
        Ok(reply) => {
            let written = reply.to_bytes();
            assert!(written.len() <= bytes.len().max(64) + 64, "{} from {}", written.len(), bytes.len());
            assert_eq!(Reply::parse(&written), Ok(reply.clone()));
            match reply {
                Reply::Refused(reason) | Reply::End(reason) => sentence(&reason),
                Reply::Silent(worker) => sentence(&worker.reason),
                _ => {}
            }
        }
        Err(reason) => sentence(reason.reason()),
    }
}

/// What a log can hold: one line, not long.
fn sentence(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 9000, "{}", text.len());
}
