//! The native dialect: what is refused, where, and with which words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::native::{Draft, on_command_line, parse};

const GOOD: &str = r#"network_id = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"
listen = ["169.254.169.254:80"]
backend = "/var/lib/neutron/metadata_proxy"
user = "neutron"
retries = 3
[log]
level = "info"
[limits]
connections = 100
[timeouts]
server = "30s"
[[rate_limits]]
requests = 10
window = "10s"
"#;

#[test]
fn every_bad_value_is_refused_at_its_place() {
    parse("x", GOOD).unwrap();
    let table: &[(&str, &str, usize, usize, &str)] = &[
        ("7a1c4d2e-", "7a1c", 1, 14, "not a UUID"),
        ("network_id", "netwrk_id", 1, 1, "netwrk_id"),
        ("network_id = ", "router_id = \"x\"\nnetwork_id = ", 1, 13, "second identity"),
        ("169.254.169.254:80", "169.254.169.254:0", 2, 11, "port 0"),
        ("169.254.169.254:80", "169.254.169.254:65536", 2, 11, "65536"),
        ("169.254.169.254:80", "169.254.169.254:80 ", 2, 11, "80 "),
        ("169.254.169.254:80", "fe80::1:80", 2, 11, "not an address"),
        ("169.254.169.254:80", "[fe80::1]:80", 2, 11, "link-local"),
        ("[\"169.254.169.254:80\"]", "[]", 0, 0, "`listen`"),
        ("/var/lib/neutron/metadata_proxy", "metadata_proxy", 3, 11, "absolute"),
        ("/var/lib/neutron/metadata_proxy", "/a/../b", 3, 11, "`..`"),
        ("\"neutron\"", "\"0\"", 4, 8, "looks like a number"),
        ("\"neutron\"", "-1", 4, 8, "-1"),
        ("\"neutron\"", "4294967295", 4, 8, "4294967295"),
        ("\"neutron\"", "true", 4, 8, ""),
        ("retries = 3", "retries = -3", 5, 11, "0 to 100"),
        ("level = \"info\"", "level = \"loud\"", 7, 9, "one of error"),
        ("connections = 100", "connections = 0", 9, 15, "1 to 1000000"),
        ("connections = 100", "connections = 5\nconnections_per_source = 6", 10, 26, "1 to 5"),
        ("connections = 100", "connnections = 5", 9, 1, "connnections"),
        ("\"30s\"", "\"30\"", 11, 10, "not a time"),
        ("\"30s\"", "0", 11, 10, "longer than zero"),
        ("\"30s\"", "\"25h\"", 11, 10, "at most 24h"),
        ("requests = 10", "requests = 0", 13, 12, "1 to"),
        ("\"10s\"", "\"500ms\"", 14, 10, "at least one second"),
        ("user = ", "user == ", 4, 7, ""),
        ("user = \"neutron\"\n", "", 0, 0, "--user"),
    ];
    for (old, new, line, column, word) in table {
        assert!(GOOD.contains(old), "{old}");
        let errors = parse("x", &GOOD.replacen(old, new, 1)).expect_err(new);
        let first = errors.0.first().unwrap();
        let said = errors.to_string();
        assert!(said.contains(word), "{new}:\n{said}");
        assert_eq!((first.line, first.column), (*line, *column), "{new}:\n{said}");
    }
}

#[test]
fn a_flag_that_is_wrong_is_named_as_a_flag() {
    let mut draft = Draft::read("x", GOOD).unwrap();
    draft.backend = Some(on_command_line("relative".to_owned()));
    let errors = draft.finish("x", GOOD).unwrap_err();
    assert!(errors.to_string().contains("--backend: `relative`"), "{errors}");
}

#[test]
fn finding_6_a_port_is_1_to_65535() {
    for port in ["0", "65536", "80 ", "0x50", "+80", "-1", "", "٨٠"] {
        assert!(parse("x", &GOOD.replace(":80", &format!(":{port}"))).is_err(), "{port:?}");
    }
    for port in ["1", "65535"] {
        assert!(parse("x", &GOOD.replace(":80", &format!(":{port}"))).is_ok(), "{port:?}");
    }
}

#[test]
fn finding_7_a_name_that_looks_like_a_number_is_refused() {
    for name in ["0", "-1", "12ab", "4294967295", "+5", "", "a b", "a:b"] {
        assert!(parse("x", &GOOD.replace("\"neutron\"", &format!("\"{name}\""))).is_err(), "{name:?}");
    }
    parse("x", &GOOD.replace("\"neutron\"", "998")).expect("a number that is written as one is asked for");
}
