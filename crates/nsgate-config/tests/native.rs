//! The native dialect: what is refused, where, and with which words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::{
    Tokens,
    native::{Draft, Site, on_command_line, parse, render},
};
use std::num::NonZeroU8;

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
fn a_port_is_1_to_65535() {
    for port in ["0", "65536", "80 ", "0x50", "+80", "-1", "", "٨٠"] {
        assert!(parse("x", &GOOD.replace(":80", &format!(":{port}"))).is_err(), "{port:?}");
    }
    for port in ["1", "65535"] {
        assert!(parse("x", &GOOD.replace(":80", &format!(":{port}"))).is_ok(), "{port:?}");
    }
}

#[test]
fn a_name_that_looks_like_a_number_is_refused() {
    for name in ["0", "-1", "12ab", "4294967295", "+5", "", "a b", "a:b"] {
        assert!(parse("x", &GOOD.replace("\"neutron\"", &format!("\"{name}\""))).is_err(), "{name:?}");
    }
    parse("x", &GOOD.replace("\"neutron\"", "998")).expect("a number that is written as one is asked for");
}

const GUARDS: &str = r#"[guards]
refuse_forwarded = true
hosts = ["169.254.169.254", "fe80::a9fe:a9fe", "metadata.example"]
require_header = { name = "Metadata-Flavor", value = "Google" }
tokens = "required"
methods = ["GET", "HEAD"]
paths = ["/openstack/", "/latest/meta-data"]
hide_paths = true
expiring = { names = ["user_data", "user-data"], after = "10m" }
hop_limit = 1
"#;

#[test]
fn every_guard_is_read_and_written() {
    let text = format!("{GOOD}{GUARDS}");
    let config = parse("x", &text).unwrap().config;
    let guards = &config.gate.guards;
    assert!(guards.refuse_forwarded && guards.hosts.len() == 3 && guards.methods.len() == 2 && guards.paths.len() == 2);
    assert!(guards.hide_paths);
    assert_eq!((guards.tokens, guards.hop_limit), (Tokens::Required, NonZeroU8::new(1)));
    assert_eq!(guards.expiring.as_ref().map(|expiring| expiring.after.as_secs()), Some(600));
    let written = render(&config);
    assert_eq!(parse("y", &written).unwrap().config, config, "{written}");
    // One line switches a guard on, and alone it is written and read as well.
    for line in GUARDS.lines().skip(1) {
        // The only one that is about another.
        let line = if line.starts_with("hide_paths") { &format!("paths = [\"/\"]\n{line}") } else { line };
        let config = parse("x", &format!("{GOOD}[guards]\n{line}\n")).unwrap().config;
        assert!(!config.gate.guards.is_off(), "{line}");
        assert_eq!(parse("y", &render(&config)).unwrap().config, config, "{line}");
    }
    let off = parse("x", GOOD).unwrap().config;
    assert!(off.gate.guards.is_off() && !render(&off).contains("guards"));
}

#[test]
fn a_guard_that_is_wrong_is_refused_at_its_place() {
    let table: &[(&str, usize, usize, &str)] = &[
        ("refuse_forwarded = 1", 2, 20, "expected a boolean"),
        ("refuse_forwardd = true", 2, 1, "unknown field `refuse_forwardd`"),
        ("hosts = []", 2, 9, "1 to 16"),
        ("hosts = [\"a\", \"169.254.169.254:80\"]", 2, 15, "without a port"),
        ("hosts = [\"a\", \"A\"]", 2, 15, "named twice"),
        ("hosts = \"a\"", 2, 9, "expected a sequence"),
        ("require_header = { name = \"Metadata\" }", 2, 18, "missing field `value`"),
        ("require_header = { name = \"a b\", value = \"c\" }", 2, 18, "not the name of a header"),
        ("require_header = { name = \"X-Forwarded-For\", value = \"c\" }", 2, 18, "a header of proxies"),
        ("require_header = { name = \"a\", value = \"b\", more = 1 }", 2, 45, "unknown field `more`"),
        ("tokens = \"on\"", 2, 10, "\"off\", \"optional\", \"required\""),
        ("tokens = true", 2, 10, "expected a string"),
        ("methods = [\"get\"]", 2, 12, "capital letters"),
        ("methods = [\"CONNECT\"]", 2, 12, "not a tunnel"),
        ("paths = [\"/openstack\", \"/openstack/\"]", 2, 24, "named twice"),
        ("paths = [\"/a/../b\"]", 2, 10, "not the beginning of a path"),
        ("paths = [\"/a%2fb\"]", 2, 10, "not the beginning of a path"),
        ("hide_paths = true", 2, 14, "no path is refused without `paths`"),
        ("hide_paths = 404", 2, 14, "expected a boolean"),
        ("expiring = { names = [\"user_data\"] }", 2, 12, "missing field `after`"),
        ("expiring = { names = [\"a/b\"], after = \"10m\" }", 2, 23, "not a component"),
        ("expiring = { names = [], after = \"10m\" }", 2, 22, "1 to 16"),
        ("expiring = { names = [\"user_data\"], after = \"0m\" }", 2, 45, "longer than zero"),
        ("hop_limit = 0", 2, 13, "1 to 255"),
        ("hop_limit = 256", 2, 13, "1 to 255"),
        ("hop_limit = \"1\"", 2, 13, "expected i64"),
    ];
    for (line, at, column, word) in table {
        let text = format!("[guards]\n{line}\n");
        let errors = Site::parse("x", &text).expect_err(line);
        let (first, said) = (errors.0.first().unwrap(), errors.to_string());
        assert!(said.contains(word), "{line}:\n{said}");
        assert_eq!((first.line, first.column), (*at, *column), "{line}:\n{said}");
        assert!(parse("x", &format!("{GOOD}{text}")).is_err(), "{line}: a gate's own text");
    }
}

#[test]
fn an_audit_and_a_trace_are_read_and_written() {
    for table in [
        "[audit]\nto = \"syslog\"",
        "[audit]\nto = \"fd:3\"\nevents_per_second = 7",
        "[trace]",
        "[trace]\nsampled = false\n[audit]\nto = \"stderr\"",
    ] {
        let config = parse("x", &format!("{GOOD}{table}\n")).unwrap().config;
        assert!(config.process.audit.is_some() || config.gate.trace.is_some(), "{table}");
        assert_eq!(parse("y", &render(&config)).unwrap().config, config, "{table}");
    }
    let rate =
        |text: &str| parse("x", &format!("{GOOD}{text}")).unwrap().config.process.audit.unwrap().events_per_second;
    assert_eq!((rate("[audit]\nto = \"syslog\"\n"), rate("[audit]\nto = \"fd:3\"\nevents_per_second = 7")), (100, 7));
    let off = parse("x", GOOD).unwrap().config;
    assert!(off.process.audit.is_none() && off.gate.trace.is_none());
    assert!(!render(&off).contains("audit") && !render(&off).contains("trace"));
}

#[test]
fn an_audit_that_is_wrong_is_refused_at_its_place() {
    for (text, line, column, word) in [
        ("[audit]\n", 1, 1, "missing field `to`"),
        ("[audit]\nto = \"file\"\n", 2, 6, "\"syslog\", \"journald\", \"stderr\", \"fd:3\""),
        ("[audit]\nto = 3\n", 2, 6, "expected a string"),
        ("[audit]\nto = \"fd:2\"\n", 2, 6, "fd:3 to fd:1023"),
        ("[audit]\nto = \"syslog\"\nevents_per_second = 0\n", 3, 21, "1 to 100000"),
        ("[audit]\nto = \"syslog\"\nrate = 5\n", 3, 1, "unknown field `rate`"),
        ("[trace]\nsampled = 1\n", 2, 11, "expected a boolean"),
        ("[trace]\nid = \"x\"\n", 2, 1, "unknown field `id`"),
    ] {
        let errors = Site::parse("x", text).expect_err(text);
        let (first, said) = (errors.0.first().unwrap(), errors.to_string());
        assert!(said.contains(word), "{text}:\n{said}");
        assert_eq!((first.line, first.column), (line, column), "{text}:\n{said}");
        assert!(parse("x", &format!("{GOOD}{text}")).is_err(), "{text}: a gate's own text");
    }
}

#[test]
fn a_site_says_the_same_as_a_gate() {
    let site = Site::parse("x", GUARDS).unwrap();
    assert_eq!(site.guards, parse("x", &format!("{GOOD}{GUARDS}")).unwrap().config.gate.guards);
    let error = Site::parse("x", "[guard]\n").unwrap_err().to_string();
    assert!(error.contains("unknown field `guard`"), "{error}");
}
