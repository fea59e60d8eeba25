//! Every text that Neutron wrote for a namespace is accepted and means what it meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::{Config, Identity, haproxy, native};
use std::time::Duration;

const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

fn fixtures() -> Vec<(String, String)> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cfg"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    all.sort();
    assert_eq!(all.len(), 41);
    all
}

fn read(name: &str) -> Config {
    let (_, text) = fixtures().into_iter().find(|(found, _)| found == name).unwrap();
    haproxy::parse(name, &text).unwrap_or_else(|errors| panic!("{errors}")).config
}

#[test]
fn all_but_the_host_wide_proxy_are_accepted_without_a_warning() {
    for (name, text) in fixtures() {
        match haproxy::parse(&name, &text) {
            Ok(parsed) => {
                assert!(!name.contains("hostproxy"), "{name}");
                assert_eq!(parsed.warnings, [], "{name}");
            }
            Err(errors) => {
                assert!(name.contains("hostproxy"), "{name}:\n{errors}");
                assert!(errors.to_string().contains("host-wide"), "{errors}");
            }
        }
    }
}

#[test]
fn each_means_what_its_name_says() {
    for (name, text) in fixtures().into_iter().filter(|(name, _)| !name.contains("hostproxy")) {
        let Config { gate, process } = haproxy::parse(&name, &text).unwrap().config;
        let header = if name.contains("ovn") {
            "X-OVN-Network-ID"
        } else if name.contains("router") {
            "X-Neutron-Router-ID"
        } else {
            "X-Neutron-Network-ID"
        };
        assert_eq!(gate.identity.header(), header, "{name}");
        assert_eq!(matches!(gate.identity, Identity::Router(_)), name.contains("router"), "{name}");
        assert_eq!(gate.backend.path().as_str(), "/var/lib/neutron/metadata_proxy", "{name}");
        assert_eq!(gate.limits.connections, 1024, "{name}");
        assert_eq!(gate.retries, 3, "{name}");
        assert_eq!(gate.timeouts.server, Duration::from_secs(32), "{name}");
        assert_eq!(gate.timeouts.request, Duration::from_secs(30), "{name}");
        assert_eq!(gate.rate_limits.len(), if name.contains("ratelimit") { 2 } else { 0 }, "{name}");
        assert_eq!(process.user.to_string(), "neutron", "{name}");
        assert!(process.daemon && !process.allow_root, "{name}");
        assert!(process.pid_file.unwrap().as_str().contains(&gate.identity.uuid().to_string()), "{name}");
        let tagged = process.log.unwrap().tag;
        assert!(tagged == "haproxy" || tagged.contains(&gate.identity.uuid().to_string()), "{name}: {tagged}");
        assert_eq!(gate.listeners.len(), if name.ends_with("-v6") { 2 } else { 1 }, "{name}");
    }
}

#[test]
fn the_odd_spellings_of_bind_are_one_address() {
    let listeners = |name: &str| read(name).gate.listeners.iter().map(ToString::to_string).collect::<Vec<_>>();
    let both = ["169.254.169.254:80", "[fe80::a9fe:a9fe]:80%tap4f2a9c1d-30"];
    assert_eq!(listeners("2025.2-neutron-network-plain-v6"), both);
    assert_eq!(listeners("2026.2-neutron-network-plain-v6"), both);
    assert_eq!(listeners("victoria-neutron-network-plain-v6"), both);
    assert_eq!(listeners("2025.2-neutron-router-plain"), ["[::]:9697"]);
    assert_eq!(listeners("pike-neutron-router-plain"), ["0.0.0.0:9697"]);
}

#[test]
fn both_limiter_tables_hold() {
    let limits = read("2026.2-neutron-network-ratelimit-v6").gate.rate_limits;
    let said: Vec<_> = limits.iter().map(|limit| (limit.requests, limit.window.as_secs())).collect();
    assert_eq!(said, [(6, 60), (2, 10)]);
}

#[test]
fn rendered_as_toml_each_is_the_same_gate() {
    for (name, text) in fixtures().into_iter().filter(|(name, _)| !name.contains("hostproxy")) {
        let config = haproxy::parse(&name, &text).unwrap().config;
        let rendered = native::render(&config);
        let again =
            native::parse("rendered", &rendered).unwrap_or_else(|errors| panic!("{name}:\n{rendered}\n{errors}"));
        assert_eq!(again.config, config, "{name}:\n{rendered}");
    }
}

#[test]
fn unknown_words_are_refused() {
    let (_, text) = fixtures().into_iter().find(|(name, _)| name == "pike-neutron-network-plain").unwrap();
    for line in text.lines().filter(|line| line.starts_with("    ")) {
        let word = line.split_whitespace().next().unwrap();
        let broken = text.replacen(line, &line.replacen(word, &format!("{word}-x"), 1), 1);
        let errors = haproxy::parse("x", &broken).expect_err(line);
        assert!(errors.to_string().contains(&format!("{word}-x")), "{line}\n{errors}");
    }
    let native = format!("network_id = \"{ID}\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\nuser = \"u\"\n");
    native::parse("x", &native).unwrap();
    let errors = native::parse("x", &(native + "usr = \"v\"\n")).unwrap_err();
    let first = &errors.0[0];
    assert_eq!((first.line, first.column), (5, 1), "{errors}");
    assert!(first.message.contains("`usr`") && first.help.as_ref().unwrap().contains("`user`"), "{errors}");
}
