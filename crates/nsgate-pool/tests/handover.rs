//! A gate that the configuration crate makes can be handed over: what the worker reads is what the keeper has read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::{Config, Limits, haproxy, native};
use nsgate_pool::{Offer, OfferError, protocol::Request};
use proptest::{collection::vec, prelude::*, sample::select};

/// The worker has the same gate and the same log, or the message is too long and the keeper is told so.
fn is_handed_over(config: &Config) {
    match Offer::new(config) {
        Ok(_) => {}
        Err(OfferError::TooLong { .. }) => return,
        Err(error) => panic!("{error}"),
    }
    let message = Request::Serve(Box::new(config.clone())).to_bytes();
    let Request::Serve(read) = Request::parse(&message).unwrap_or_else(|reason| panic!("{reason}\n{config:#?}")) else {
        panic!("another word");
    };
    assert_eq!(read.gate, config.gate);
    assert_eq!(read.process.log, config.process.log);
    assert_eq!(read.process.audit, config.process.audit);
}

/// A number within the bounds of a key, more often than not at one of them.
fn within(low: u32, high: u32) -> impl Strategy<Value = u32> {
    prop_oneof![Just(low), Just(high), low..=high]
}

fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u32..=86_400).prop_map(|seconds| format!("{seconds}s")),
        (1u32..=86_400_000).prop_map(|millis| format!("{millis}ms")),
        (1u32..=1440).prop_map(|minutes| format!("{minutes}m")),
        Just("24h".to_owned()),
    ]
}

/// Characters that a text may hold: blanks, quotes, and letters of other scripts.
fn words() -> impl Strategy<Value = String> {
    "[ -~é漢\u{202e}\u{feff}]{1,40}"
}

fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn limits() -> impl Strategy<Value = String> {
    let keys = [
        ("connections", 1, Limits::MOST_CONNECTIONS),
        ("requests_per_source", 1, 65_536),
        ("backend_requests", 1, 65_536),
        ("unfinished_heads", 1, 65_536),
        ("unfinished_heads_per_source", 1, 65_536),
        ("target_bytes", 64, 262_144),
        ("head_bytes", 1024, 262_144),
        ("headers", 8, 1000),
        ("body_bytes", 0, 16_777_216),
        ("backend_request_bytes", 512, 33_554_432),
    ];
    let some = keys.map(|(key, low, high)| {
        proptest::option::of(within(low, high)).prop_map(move |said| said.map(|number| format!("{key} = {number}\n")))
    });
    Vec::from(some).prop_map(|said| said.into_iter().flatten().collect())
}

fn timeouts() -> impl Strategy<Value = String> {
    let keys = ["request", "connect", "client", "server", "keep_alive", "body", "connection"];
    let some = keys.map(|key| proptest::option::of(time()).prop_map(move |said| said.map(|said| (key, said))));
    Vec::from(some)
        .prop_map(|said| said.into_iter().flatten().map(|(key, said)| format!("{key} = \"{said}\"\n")).collect())
}

/// Guards, each off or on.
fn guards() -> impl Strategy<Value = String> {
    let line = |text: &'static str| proptest::option::of(Just(text.to_owned()));
    let all = vec![
        line("refuse_forwarded = true\n").boxed(),
        line("hosts = [\"169.254.169.254\", \"fe80::a9fe:a9fe\", \"metadata.google.internal\"]\n").boxed(),
        line("require_header = { name = \"Metadata-Flavor\", value = \"Google\" }\n").boxed(),
        line("tokens = \"optional\"\n").boxed(),
        line("methods = [\"GET\", \"HEAD\", \"POST\"]\n").boxed(),
        proptest::option::of(vec("[a-z0-9._~-]{1,30}", 1..40).prop_map(|all| {
            let all: Vec<String> =
                all.iter().filter(|one| !one.starts_with('.')).map(|one| format!("\"/{one}/\"")).collect();
            format!("paths = [{}]\n", all.join(", "))
        }))
        .boxed(),
        proptest::option::of(
            time().prop_map(|after| format!("expiring = {{ names = [\"user_data\"], after = \"{after}\" }}\n")),
        )
        .boxed(),
        proptest::option::of((1u8..=255).prop_map(|hops| format!("hop_limit = {hops}\n"))).boxed(),
    ];
    all.prop_map(|said: Vec<Option<String>>| said.into_iter().flatten().collect())
}

prop_compose! {
    fn native_text()(
        kind in select(vec!["network_id", "router_id", "ovn_network_id"]),
        ports in vec(1u16.., 1..6),
        backend in "/[a-zA-Z0-9 \"\\\\é_-]{1,50}",
        retries in within(0, 100),
        owner in proptest::option::of(within(0, u32::MAX - 1)),
        tag in words(),
        rates in vec((within(1, 1_000_000), 1000u32..=86_400_000), 0..5),
        (limits, timeouts, guards) in (limits(), timeouts(), guards()),
        trace in any::<bool>(),
    ) -> String {
        let listen: Vec<String> = ports.iter().map(|port| format!("\"169.254.169.254:{port}\"")).collect();
        let mut text = format!(
            "{kind} = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [{}]\nbackend = {}\nuser = \"neutron\"\n\
             retries = {retries}\n", listen.join(", "), toml_text(&backend));
        if let Some(owner) = owner {
            text.push_str(&format!("backend_owner = {owner}\n"));
        }
        text.push_str(&format!("[log]\ntag = {}\n[limits]\n{limits}[timeouts]\n{timeouts}", toml_text(&tag)));
        for (requests, window) in rates {
            text.push_str(&format!("[[rate_limits]]\nrequests = {requests}\nwindow = \"{window}ms\"\n"));
        }
        text.push_str(&format!("[guards]\n{guards}"));
        if trace {
            text.push_str("[trace]\n");
        }
        text
    }
}

const NEUTRON: &str = include_str!("../../nsgate-config/tests/fixtures/2026.2-neutron-network-ratelimit-v6.cfg");

/// A time as haproxy writes it, of so many milliseconds at least.
fn haproxy_time(shortest: u32) -> impl Strategy<Value = String> {
    let whole = prop_oneof![
        (1u32..=86_400).prop_map(|seconds| format!("{seconds}s")),
        (1u32..=1440).prop_map(|minutes| format!("{minutes}m")),
        (shortest * 1000..=90_000_000).prop_map(|micros| format!("{micros}us")),
        (shortest..=86_400_000).prop_map(|millis| format!("{millis}ms")),
    ];
    prop_oneof![whole, (shortest..=86_400_000).prop_map(|millis| millis.to_string()), Just("1d".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_gate_that_a_toml_describes_can_be_handed_over(text in native_text()) {
        let parsed = native::parse("x", &text);
        prop_assume!(parsed.is_ok());
        is_handed_over(&parsed.unwrap().config);
    }

    #[test]
    fn every_gate_that_neutron_or_a_deployer_describes_can_be_handed_over(
        (maxconn, own, n) in (within(1, 1_000_000), proptest::option::of(within(1, 1_000_000)), proptest::option::of(within(1, u32::MAX))),
        server in proptest::option::of(within(1, 65_536)),
        retries in within(0, 100),
        times in vec(haproxy_time(1), 5),
        tag in "[!-~]{1,128}",
        (window, requests) in (haproxy_time(1000), within(1, 1_000_000)),
    ) {
        let names = ["http-request", "connect", "client", "server", "http-keep-alive"];
        let times: Vec<String> = names.iter().zip(times).map(|(name, time)| format!("    timeout {name} {time}\n")).collect();
        let words = [own.map(|own| format!("    maxconn {own}\n")), Some(format!("    retries {retries}\n"))];
        let words: String = words.into_iter().flatten().chain(times).collect();
        let tag = format!("'{}'", tag.replace('\'', ""));
        let text = NEUTRON.lines().filter(|line| !["timeout", "retries"].iter().any(|word| line.trim().starts_with(word)));
        let text: String = text.map(|line| match line.split_whitespace().next() {
            Some("maxconn") => format!("    maxconn {maxconn}\n"),
            Some("log-tag") => format!("    log-tag {tag}\n"),
            Some("server") => match server {
                Some(server) => format!("{line} maxconn {server}\n"),
                None => format!("{line}\n"),
            },
            Some("defaults") => format!("{line}\n{words}"),
            Some("stick-table") => format!("    stick-table type ip size 1m expire {window} store http_req_rate({window})\n"),
            _ if line.contains("http_req_rate(") => {
                let (before, _) = line.rsplit_once(' ').unwrap();
                format!("{} {requests} }}\n", before.rsplit_once(' ').unwrap().0)
            }
            _ => format!("{line}\n"),
        }).collect();
        let parsed = haproxy::parse("x", &text);
        prop_assume!(parsed.is_ok());
        let mut config = parsed.unwrap().config;
        // `-n`, behind the file.
        if let Some(n) = n {
            config.gate.limits.limit_connections(n);
        }
        is_handed_over(&config);
    }
}
