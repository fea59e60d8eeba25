//! What is accepted means what it means to haproxy 2.6: each of these texts was read by both.

use crate::{Config, LogLevel, Parsed, haproxy::parse};
use std::time::Duration;

/// With every word that Neutron writes, so that a warning is about what was changed.
const WHOLE: &str = include_str!("../../../tests/fixtures/2026.2-neutron-network-ratelimit-v6.cfg");

fn changed(old: &str, new: &str) -> String {
    assert!(WHOLE.contains(old), "{old}");
    WHOLE.replacen(old, new, 1)
}

#[track_caller]
fn accepted(text: &str) -> Parsed {
    parse("x", text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn silent(text: &str) -> Config {
    let parsed = accepted(text);
    assert_eq!(parsed.warnings, []);
    parsed.config
}

/// The gate, and the one warning that says in which way it is another.
#[track_caller]
fn warned(text: &str, word: &str) -> Config {
    let Parsed { config, warnings } = accepted(text);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].message.contains(word), "{warnings:#?}");
    config
}

#[track_caller]
fn refused(text: &str, word: &str) {
    let errors = parse("x", text).expect_err(word).to_string();
    assert!(errors.contains(word), "{errors}");
}

#[test]
fn what_haproxy_refuses_is_refused() {
    for (old, new, word) in [
        ("\nglobal\n", "\nglobal foo\n", "`foo` is not expected behind `global`"),
        ("listen listener\n", "listen\n", "`listen` needs a name"),
        ("listen listener\n", "listen listener 1.2.3.4:80\n", "`1.2.3.4:80` is not expected behind `listen`"),
        ("listen listener\n", "listen listen/er\n", "'/'"),
        ("listen listener\n", "listen base_rate_limiter\n", "beside `listen base_rate_limiter`"),
        ("backend burst_rate_limiter\n", "backend burst_rate_limiter x\n", "`x` is not expected behind `backend`"),
        ("backend burst_rate_limiter\n", "backend b(rst\n", "'('"),
        ("local0 info\n", "local0 info garbage\n", "`garbage` is not a level"),
        ("local0 info\n", "local0 info err x\n", "`x` is not expected here"),
        ("nbthread    2\n", "nbthread    65\n", "`65`"),
        ("type ip size", "size", "no `type`"),
        ("type ip size", "type string size", "`type string`"),
        ("size 10k ", "", "no `size`"),
        ("size 10k", "size banana", "`banana` is not the size"),
        ("size 10k", "size 0", "`0` is not the size"),
        ("size 10k", "size 10kb", "`10kb` is not the size"),
        ("size 10k", "size 4194304k", "`4194304k` is not the size"),
        ("expire 60s", "expire soon", "`soon` is not a time"),
        ("expire 60s", "expire 25d", "too long a time"),
        ("server metadata", "server meta/data", "'/'"),
        ("    daemon\n", "    chroot\n", "`chroot`: its value is missing"),
        ("    daemon\n", "    tune.bufsiz 32768\n", "`tune.bufsiz` is not known"),
        ("    daemon\n", "    ssl-default-x y\n", "`ssl-default-x` is not known"),
        ("    daemon\n", "    spread-checks 51\n", "`51` is not a number from 0 to 50"),
        ("    daemon\n", "    cpu-map 1\n", "its value is missing"),
        ("    daemon\n", "    cpu-map some 0-3\n", "`some` names no processes"),
        ("    daemon\n", "    cpu-map 1 0-\n", "`0-` names no processors"),
        ("    daemon\n", "    hard-stop-after soon\n", "`soon` is not a time"),
        ("    daemon\n", "    quiet please\n", "`please` is not expected here"),
        ("    daemon\n", "    master-worker off\n", "`off` is none of"),
        ("option dontlognull\n", "option abortonclose x\n", "`x` is not expected here"),
        ("option dontlognull\n", "timeout check soon\n", "`soon` is not a time"),
        ("option dontlognull\n", "balance banana\n", "`banana` is none of"),
        ("option dontlognull\n", "description here\n", "not known in section `defaults`"),
        ("    mode http\n", "    mode\u{a0}http\n", "not known"),
        ("    mode http\n", "    mode\u{3000}http\n", "not known"),
        ("    mode http\n", "    mode ht\\x7\n", "two hexadecimal digits"),
        ("    mode http\n", "    mode http # \0\n", "a NUL byte"),
        ("    mode http\n", "    .if 1\n    mode http\n    .endif\n", "a text has no conditions"),
        ("\nglobal\n", "\u{feff}global\n", "a byte order mark"),
    ] {
        refused(&changed(old, new), word);
    }
    let words = format!("    tune.bufsize {}\n    daemon\n", ["1"; 64].join(" "));
    refused(&changed("    daemon\n", &words), "more than 64 words");
    refused(WHOLE.trim_end(), "the last line has no end");
    let long = |length: usize| changed("/var/lib/neutron/metadata_proxy", &format!("/{}", "s".repeat(length - 1)));
    assert!(parse("x", &long(97)).is_ok());
    refused(&long(98), "98 bytes long; haproxy takes a socket's up to 97");
}

#[test]
fn of_a_word_that_a_gate_does_not_follow_it_is_said_what_haproxy_would_do() {
    let warned = |old: &str, new: &str| {
        let parsed = parse("x", &changed(old, &format!("{old}{new}"))).unwrap_or_else(|error| panic!("{new}: {error}"));
        let about = new.trim().split(' ').take(if new.contains("option") || new.contains("timeout") { 2 } else { 1 });
        let about = format!("`{}", about.collect::<Vec<_>>().join(" "));
        let mut said =
            parsed.warnings.into_iter().map(|warning| warning.message).filter(|said| said.starts_with(&about));
        said.next().unwrap_or_else(|| panic!("no warning about {about}"))
    };
    for (new, word) in [
        ("    option tcplog\n", "log connections without request and status"),
        ("    option httpclose\n", "close a guest's connection behind each answer"),
        ("    option http-ignore-probes\n", "neither answer nor log"),
        ("    option http-keep-alive\n", "keep its connections to the agent"),
        ("    option http-pretend-keepalive\n", "not tell the agent"),
        ("    option log-separate-errors\n", "at the level `err`"),
        ("    errorfile 400 /dev/null\n", "close the connection in the place of this answer"),
        ("    timeout queue 5s\n", "503"),
        ("    option tcpka\n", "TCP keep-alive"),
        ("    option tcplog\n", "log connections"),
    ] {
        let said = warned("    mode http\n", new);
        assert!(said.contains("is not followed: haproxy would") && said.contains(word), "{new}: {said}");
        assert!(!said.contains("changes nothing"), "{new}: {said}");
    }
    for (new, word) in [
        ("    tune.http.logurilen 64\n", "cut request lines in the log"),
        ("    tune.http.maxhdr 32\n", "more header fields"),
        ("    tune.bufsize 8192\n", "400 to a head that is longer"),
        ("    log-send-hostname here\n", "the name of a host into each line"),
        ("    strict-limits\n", "would not start with fewer descriptors"),
    ] {
        let said = warned("    daemon\n", new);
        assert!(said.contains("is not followed: haproxy would") && said.contains(word), "{new}: {said}");
    }
    assert!(warned("    mode http\n", "    option splice-auto\n").ends_with("it changes nothing"));
}

#[test]
fn a_word_of_the_preprocessor_is_refused_wherever_it_stands() {
    for word in [".if 1", ".notice \"a\"", ".diag \"a\"", ".else"] {
        for text in [format!("{word}\n{WHOLE}"), WHOLE.replacen("    mode http\n", &format!("    {word}\n"), 1)] {
            refused(&text, "a text has no conditions");
        }
        let host = format!("{word}\nfrontend f\n");
        let said = crate::haproxy::parse_host("x", &host).unwrap_err().to_string();
        assert!(said.contains("a text has no conditions"), "{said}");
    }
}

#[test]
fn words_with_escapes_are_what_they_are_to_haproxy() {
    let tag =
        |written: &str| silent(&changed("log-tag     haproxy-metadata-proxy", &format!("log-tag {written}"))).process;
    for (written, meant) in [
        (r"a\x62", "ab"),
        (r"a\ b", "a b"),
        (r"'a\x62'", r"a\x62"),
        (r"a\b", r"a\b"),
        (r#""a\$b""#, "a$b"),
        (r"a$b", "a$b"),
        (r#"a"b c"'d'"#, "ab cd"),
        (r"a\#b", "a#b"),
    ] {
        let found = tag(written).log.unwrap().tag;
        assert_eq!(found.strip_suffix("-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"), Some(meant), "{written}");
    }
    refused(&changed("log-tag     ", r"log-tag a\tb"), "printable");
    refused(&changed("log-tag     ", "log-tag \"$HOME\""), "environment variables");
    refused(&changed("log-tag     ", "log-tag \"\" "), "an empty word");
    // haproxy puts variables into addresses whether they are in quotes or not.
    refused(&changed("/var/lib/neutron/metadata_proxy", "/var/$HOME/x"), "contains `$`");
    refused(&changed("/dev/log", "/dev/${LOG}"), "contains `$`");
}

#[test]
fn the_end_of_a_line_is_what_it_is_to_haproxy() {
    assert_eq!(silent(&WHOLE.replace('\n', "\r\n")), silent(WHOLE));
    assert_eq!(silent(&changed("    mode http\n", "\u{b}mode\u{c}http\n")), silent(WHOLE));
    refused(&changed("    mode http\n", "    mode http\r    maxconn 5\n"), "haproxy reads nothing behind it");
}

#[test]
fn defaults_hold_for_the_sections_behind_them_and_for_no_other() {
    let server = |text: &str| accepted(text).config.gate.timeouts.server.as_secs();
    let behind = WHOLE.to_owned() + "defaults\n    timeout server 5s\n    mode http\n";
    assert_eq!(server(&behind), 32);
    let (above, listen) = WHOLE.split_once("listen listener").unwrap();
    let (_, defaults) = above.split_once("defaults").unwrap();
    let (defaults, _) = defaults.split_once("backend").unwrap();
    let other = defaults.replace("timeout server          32s", "timeout server 7s");
    let between = format!("{above}defaults{other}listen listener{listen}");
    assert_eq!(server(&between), 7);
    // Nothing of the first one is left.
    refused(&changed("listen listener\n", "defaults\nlisten listener\n"), "no `mode http`");
    assert_eq!(server(&changed("defaults\n", "defaults named\n")), 32);
    assert_eq!(server(&changed("listen listener\n", "listen listener\n    timeout server 6s\n")), 6);
    for (old, new) in [("defaults\n", "defaults a from b\n"), ("listen listener\n", "listen listener from a\n")] {
        refused(&changed(old, new), "from` is not accepted");
    }
    refused(&changed("defaults\n", "defaults a b\n"), "`b` is not expected");
}

#[test]
fn the_first_maxconn_and_the_first_pidfile_count() {
    let text = changed("    maxconn     1024\n", "    maxconn 7\n    maxconn 9\n");
    assert_eq!(warned(&text, "a second `maxconn`: the first one counts").gate.limits.connections, 7);
    let text = WHOLE.to_owned() + "global\n    maxconn 9\n";
    assert_eq!(warned(&text, "the first one counts").gate.limits.connections, 1024);
    let text = changed("    pidfile ", "    pidfile /run/first.pid\n    pidfile ");
    let config = warned(&text, "a second `pidfile`: the first one counts");
    assert_eq!(config.process.pid_file.unwrap().as_str(), "/run/first.pid");
    // A proxy's own is the last one.
    let text = changed("    retries                 3\n", "    retries 3\n    maxconn 9\n    maxconn 7\n");
    assert_eq!(silent(&text).gate.limits.connections, 7);
    let text = changed("    maxconn     1024\n", "").replacen("    retries", "    maxconn 4096\n    retries", 1);
    assert_eq!(silent(&text).gate.limits.connections, 4096);
}

#[test]
fn the_next_request_is_waited_for_as_long_as_haproxy_waits() {
    let without = changed("    timeout http-keep-alive 30s\n", "");
    let text = without.replacen("timeout http-request    30s", "timeout http-request 11s", 1);
    assert_eq!(silent(&text).gate.timeouts.keep_alive, Duration::from_secs(11));
    let text = without.replacen("    timeout http-request    30s\n", "", 1);
    let timeouts = warned(&text, "`timeout http-request` (30s); haproxy would wait for ever").gate.timeouts;
    assert_eq!((timeouts.keep_alive, timeouts.request), (Duration::from_secs(32), Duration::from_secs(30)));
}

#[test]
fn what_is_not_said_is_refused_or_said_to_differ() {
    refused(&changed("    mode http\n", ""), "no `mode http`");
    for (line, word) in [
        ("    option httplog\n", "no `option httplog`"),
        ("    option dontlognull\n", "no `option dontlognull`"),
        ("    option forwardfor\n", "no `option forwardfor`"),
        ("    option http-server-close\n", "no `option http-server-close`"),
        ("    maxconn     1024\n", "no `maxconn`"),
        ("    group       neutron\n", "no `group`"),
        ("    timeout client          32s\n", "`timeout client` (32s); haproxy would wait for ever"),
        ("    timeout server          32s\n", "`timeout server`"),
        ("    timeout connect         30s\n", "`timeout connect`"),
        ("    log         /dev/log local0 info\n", "no `log`: haproxy would log nothing"),
    ] {
        warned(&changed(line, ""), word);
    }
}

#[test]
fn requests_are_logged_where_haproxy_logs_them() {
    let level = |text: &str| warned(text, "requests are not logged").process.log.unwrap().level;
    assert_eq!(silent(WHOLE).process.log.unwrap().level, LogLevel::Info);
    assert_eq!(level(&changed("    log global\n", "")), LogLevel::Notice);
    // haproxy copies the lines above.
    let log = "    log         /dev/log local0 info\n";
    assert_eq!(level(&(changed(log, "") + "global\n" + log)), LogLevel::Notice);
    let text = changed("local0 info\n", "local0 err\n").replacen("    log global\n", "", 1);
    assert_eq!(level(&text), LogLevel::Error);
    let both = silent(&changed("local0 info\n", "local0 info emerg\n")).process.log.unwrap();
    assert_eq!(both.level, LogLevel::Info);
    warned(&changed("local0 info\n", "local0 info notice\n"), "each line under its own level");
    warned(&changed("local0 info\n", "local0 crit\n"), "errors are logged as well");
}

#[test]
fn a_rate_limit_counts_what_haproxy_counts() {
    let track = "    http-request track-sc1 src table burst_rate_limiter\n";
    refused(&changed(track, &track.replace("sc1", "sc0")), "a second `track-sc0`: haproxy uses only the first one");
    refused(&changed(track, &format!("{track}{}", track.replace("sc1", "sc2"))), "filled twice");
    refused(&(changed(track, "") + track), "below a line that denies");
    let text = changed(track, &track.replace("sc1", "sc2"));
    assert_eq!(silent(&text), silent(WHOLE));
    refused(&changed("type ip ", "type ip type ip "), "`type` is said twice");
    refused(&changed("size 10k ", "size 10k peers x "), "`peers x` is not accepted");
    let short = changed("expire 60s store http_req_rate(60s)", "expire 5s store http_req_rate(60s)");
    assert_eq!(warned(&short, "a gate counts the whole window").gate.rate_limits, silent(WHOLE).gate.rate_limits);
    for expire in ["expire 2d", "expire 0", "expire 60000", ""] {
        silent(&changed("expire 60s", expire));
    }
    warned(&changed("size 10k", "size 100"), "a gate remembers 10240 sources");
}

#[test]
fn an_identity_in_capitals_is_said_to_be_written_small() {
    let text = WHOLE.replace("Network-ID 7a1c4d2e", "Network-ID 7A1C4D2E");
    let id = warned(&text, "in small letters").gate.identity.uuid().to_string();
    assert!(id.starts_with("7a1c4d2e"), "{id}");
}

#[test]
fn a_word_with_a_blank_in_it_is_not_two_words() {
    refused(&changed("timeout client ", "timeout\\ client "), "`timeout client` is not known");
}
