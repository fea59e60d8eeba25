//! Bad texts, and what is said of them.

mod meaning;

use super::parse;

const GOOD: &str = "global
    log /dev/log local0 info
    log-tag haproxy-metadata-proxy-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10
    user neutron
    group neutron
    maxconn 1024
    pidfile /var/lib/neutron/external/pids/x.pid.haproxy
    daemon
defaults
    log global
    mode http
    option httplog
    option forwardfor
    retries 3
    timeout client 32s
listen listener
    bind 169.254.169.254:80
    server metadata /var/lib/neutron/metadata_proxy
    http-request set-header X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10
";

/// Replaces a part of the good text; what is said of the result, where, and which word is named.
fn refusal(old: &str, new: &str) -> (usize, usize, String) {
    assert!(GOOD.contains(old), "{old}");
    let errors = parse("x.conf", &GOOD.replacen(old, new, 1)).expect_err(new);
    let first = errors.0.first().unwrap();
    (first.line, first.column, format!("{} {}", first.message, first.help.clone().unwrap_or_default()))
}

#[test]
fn every_bad_text_is_refused_at_its_place_with_its_word() {
    let uuid = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
    let network = "X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
    let table: &[(&str, &str, usize, usize, &str)] = &[
        ("maxconn 1024", "maxcon 1024", 6, 5, "did you mean `maxconn`"),
        ("maxconn 1024", "maxconn 0", 6, 13, "`0`"),
        ("maxconn 1024", "maxconn many", 6, 13, "`many`"),
        ("maxconn 1024", "maxconn", 6, 5, "lacks its value"),
        ("maxconn 1024", "maxconn 5 6", 6, 15, "`6`"),
        ("maxconn 1024", "maxconn -5", 6, 13, "`-5`"),
        ("maxconn 1024", "maxconn +5", 6, 13, "`+5`"),
        ("maxconn 1024", "nbthread none", 6, 14, "`none`"),
        ("maxconn 1024", "uid 0", 6, 5, "`uid` is refused"),
        ("maxconn 1024", "lua-load /x.lua", 6, 5, "`lua-load` is refused"),
        ("log /dev/log local0 info", "log 127.0.0.1:514 local0 info", 2, 9, "`127.0.0.1:514`"),
        ("log /dev/log local0 info", "log stdout format raw local0", 2, 9, "`stdout`"),
        ("log /dev/log local0 info", "log /dev/log local9 info", 2, 18, "`local9`"),
        ("log /dev/log local0 info", "log /dev/log local0 loud", 2, 25, "`loud`"),
        ("log /dev/log local0 info", "log /dev/log", 2, 5, "facility"),
        ("user neutron", "user 0", 4, 10, "looks like a number"),
        ("user neutron", "user 12ab", 4, 10, "looks like a number"),
        ("user neutron", "user -1", 4, 10, "looks like a number"),
        ("user neutron", "user \"a b\"", 4, 10, "' '"),
        ("user neutron", "user \"open", 4, 10, "quote is not closed"),
        ("user neutron", "user neutron\n    user nova", 5, 5, "a second `user"),
        ("user neutron", "", 0, 0, "no `user`"),
        ("pidfile /var", "pidfile var", 7, 13, "absolute"),
        ("pidfile /var/", "pidfile /var/../", 7, 13, "`..`"),
        ("daemon", "daemon now", 8, 12, "`now`"),
        ("log global", "log /dev/log local0", 10, 18, "log global"),
        ("mode http", "mode tcp", 11, 10, "`mode tcp`"),
        ("option httplog", "option httplg", 12, 12, "did you mean `option httplog`"),
        ("option httplog", "option httplog clf", 12, 20, "`clf`"),
        ("option forwardfor", "option forwardfor except 10.0.0.0/8", 13, 23, "except"),
        ("option forwardfor", "option accept-invalid-http-request", 13, 5, "refused"),
        ("option forwardfor", "acl x src 1.2.3.4", 13, 5, "`acl` is refused"),
        ("option forwardfor", "stats uri /stats", 13, 5, "refused"),
        ("retries 3", "retries 1000", 14, 13, "`1000`"),
        ("timeout client 32s", "timeout client 32", 0, 0, ""),
        ("timeout client 32s", "timeout client soon", 15, 20, "`soon`"),
        ("timeout client 32s", "timeout client 0", 15, 20, "0 would never wait"),
        ("timeout client 32s", "timeout client 99d", 15, 20, "too long"),
        ("timeout client 32s", "timeout client 2d", 15, 20, "at most 24h"),
        ("timeout client 32s", "timeout clent 32s", 15, 13, "did you mean `timeout client`"),
        ("bind 169.254.169.254:80", "bind 169.254.169.254:0", 17, 10, "port 0"),
        ("bind 169.254.169.254:80", "bind 169.254.169.254:70000", 17, 10, "70000"),
        ("bind 169.254.169.254:80", "bind 169.254.169.254:0x50", 17, 10, "`0x50`"),
        ("bind 169.254.169.254:80", "bind 169.254.169.254", 17, 10, "no port"),
        ("bind 169.254.169.254:80", "bind metadata:80", 17, 10, "`metadata`"),
        ("bind 169.254.169.254:80", "bind /run/x.sock", 17, 10, "no port"),
        ("bind 169.254.169.254:80", "bind fe80::1:80", 17, 10, "link-local"),
        ("bind 169.254.169.254:80", "bind 224.0.0.1:80", 17, 10, "multicast"),
        ("bind 169.254.169.254:80", "bind 1.2.3.4:80 ssl", 17, 21, "`ssl`"),
        ("bind 169.254.169.254:80", "bind 1.2.3.4:80 accept-proxy on", 17, 21, "`accept-proxy`"),
        ("bind 169.254.169.254:80", "bind 1.2.3.4:80 interface a/b", 17, 31, "`a/b`"),
        ("bind 169.254.169.254:80", "bind 1.2.3.4:80\n    bind 1.2.3.4:80", 18, 10, "twice"),
        ("bind 169.254.169.254:80", "bind", 17, 5, "needs an address"),
        ("bind 169.254.169.254:80", "", 0, 0, "no `bind`"),
        ("server metadata /var/lib/neutron/metadata_proxy", "server metadata 127.0.0.1:80", 18, 21, "absolute"),
        ("server metadata /var/lib/neutron/metadata_proxy", "server metadata", 18, 5, "needs a name and a socket"),
        ("server metadata /var/lib/neutron/metadata_proxy", "server metadata /a/../b", 18, 21, "`..`"),
        ("server metadata /var/lib/neutron/metadata_proxy", "server metadata /a check", 18, 24, "`check`"),
        ("server metadata /var/lib/neutron/metadata_proxy", "server m /a maxconn 65537", 18, 25, "`65537`"),
        ("server metadata /var/lib/neutron/metadata_proxy", "server m /a\n    server n /b", 19, 5, "a second `server`"),
        ("server metadata /var/lib/neutron/metadata_proxy", "", 0, 0, "no `server`"),
        (network, "X-Neutron-Network-ID ../../etc/passwd", 19, 50, "not a UUID"),
        (network, "X-Forwarded-For 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10", 19, 29, "`X-Forwarded-For`"),
        (network, "X-Neutron-Network-ID", 19, 5, "its value"),
        ("http-request set-header", "http-request set-path", 19, 18, "not known"),
        ("http-request set-header", "http-response set-header", 19, 5, "refused"),
        ("listen listener", "frontend public", 16, 1, "host-wide"),
        ("listen listener", "listen a\nlisten listener", 17, 1, "a second `listen`"),
        (
            "listen listener",
            "backend rates\n  stick-table type ip size 1k expire 1s store gpc0\nlisten l",
            17,
            47,
            "`store gpc0`",
        ),
        ("listen listener", "backend rates\nlisten l", 16, 9, "no `stick-table`"),
        ("listen listener", "backend\nlisten l", 16, 1, "needs a name"),
        ("global", "", 2, 5, "stands in no section"),
    ];
    assert!(table.len() >= 60);
    for (old, new, line, column, word) in table {
        if word.is_empty() {
            // haproxy takes a bare number for milliseconds, and so does the dialect.
            parse("x.conf", &GOOD.replacen(old, new, 1)).unwrap();
            continue;
        }
        let (found_line, found_column, said) = refusal(old, new);
        assert!(said.contains(word), "{new}: {said}");
        assert_eq!((found_line, found_column), (*line, *column), "{new}: {said}");
    }
    let both = GOOD.to_owned() + &format!("    http-request set-header X-Neutron-Router-ID {uuid}\n");
    assert!(parse("x", &both).unwrap_err().to_string().contains("a second identity"));
    let none = GOOD.replace(&format!("    http-request set-header {network}\n"), "");
    assert!(parse("x", &none).unwrap_err().to_string().contains("no identity"));
    let removed = GOOD.to_owned() + "    http-request del-header X-Neutron-Network-ID\n";
    assert!(parse("x", &removed).unwrap_err().to_string().contains("removes the identity"));
}

#[test]
fn harmless_tuning_is_accepted_and_warned_about() {
    for line in [
        "tune.bufsize 32768",
        "ulimit-n 65536",
        "stats socket /run/h.sock level admin",
        "cpu-map 1 0",
        "cpu-map auto:1/1-4 0-3",
        "tune.maxaccept -1",
        "tune.ssl.lifetime 68",
        "nosplice",
    ] {
        let parsed = parse("x", &GOOD.replace("    daemon", &format!("    daemon\n    {line}"))).expect(line);
        let word = line.split(' ').next().unwrap().split('.').next().unwrap();
        assert!(parsed.warnings.iter().any(|warning| warning.message.contains(word)), "{line}");
        assert_eq!(parsed.config, parse("x", GOOD).unwrap().config, "{line}");
    }
}

#[test]
fn a_harmless_words_value_is_what_haproxy_takes() {
    for (section, line, word) in [
        ("defaults", "errorfile 999 /x", "`999` is none of: 200, 400"),
        ("defaults", "errorfile 503 /etc", "no file is read that a text names"),
        ("global", "node a,b", "contains ','"),
        ("global", "tune.bufsize x", "not a number from 1024"),
        ("global", "tune.bufsize 32768k", "not a number from 1024"),
        ("global", "stats socket /p level foo", "`foo` is no value of `level`"),
        ("global", "stats socket /p banana 7", "`banana` is none of: mode"),
        ("global", "stats socket /p mode", "lacks its value"),
        ("global", "stats socket p", "has no port"),
        ("global", "stats socket udp@127.0.0.1:7", "no address of a socket"),
        ("global", "stats socket abns@", "no name of an abstract socket"),
        ("global", "ssl-default-bind-options foo", "`foo` is none of: no-sslv3"),
        ("global", "ssl-default-bind-options ssl-min-ver 1.2", "`1.2` is none of: SSLv3"),
        ("global", "ssl-default-server-options ssl-max-ver", "lacks its version"),
        ("global", "ssl-default-server-options prefer-client-ciphers", "is none of: no-sslv3"),
        ("global", "tune.idletimer 66s", "not a time from 0 to 65535 ms"),
        ("global", "tune.ssl.lifetime 7w", "not a time"),
        ("global", "tune.ssl.keylog yes", "`yes` is none of: on, off"),
        ("global", "tune.maxaccept +7", "not a number from -1"),
        ("global", "tune.h2.fe.rxbuf 7x", "not a size"),
        ("global", "tune.ssl.capture-cipherlist-size 7\n    tune.ssl.capture-buffer-size 7", "it was said above"),
        ("global", "cpu-map auto:1/1-4 0-1", "not for as many as there are processors"),
        ("global", "cpu-map 65 0", "names no processes"),
        ("global", "cpu-map 1 1024", "names no processors"),
        ("global", "ulimit-n 7x", "not a number"),
        ("defaults", "backlog x", "not a number"),
    ] {
        let text = GOOD.replacen(&format!("{section}\n"), &format!("{section}\n    {line}\n"), 1);
        let said = parse("x", &text).expect_err(line).to_string();
        assert!(said.contains(word), "{line}: {said}");
    }
    let later = GOOD.replace("    daemon", "    daemon\n    tune.h2.fe.rxbuf 64k");
    let warnings = parse("x", &later).unwrap().warnings;
    assert!(warnings[0].message.contains("haproxy 2.6 refuses the word"), "{warnings:?}");
}

#[test]
fn limiter_lines_must_fit_together() {
    let table = "backend r\n  stick-table type ip size 10k expire 60s store http_req_rate(60s)\n";
    let track = "  http-request track-sc0 src table r\n";
    let deny = "  http-request deny deny_status 429 if { src_http_req_rate(r) gt 6 }\n";
    let with = |tables: &str, lines: &str| GOOD.replace("listen listener\n", &format!("{tables}listen l\n{lines}"));
    assert_eq!(parse("x", &with(table, &(track.to_owned() + deny))).unwrap().config.gate.rate_limits[0].requests, 6);
    assert!(parse("x", &with(table, deny)).unwrap_err().to_string().contains("nothing fills it"));
    assert!(parse("x", &with("", deny)).unwrap_err().to_string().contains("no table `r`"));
    assert!(parse("x", &with("", track)).unwrap_err().to_string().contains("no table `r`"));
    let unused = parse("x", &with(table, track)).unwrap().warnings;
    assert!(unused.iter().any(|warning| warning.message.contains("nothing is denied")), "{unused:?}");
    let many = deny.replace("gt 6", "gt 1000001");
    assert!(parse("x", &with(table, &(track.to_owned() + &many))).unwrap_err().to_string().contains("1 to 1000000"));
    let odd = deny.replace("gt", "ge");
    assert!(parse("x", &with(table, &(track.to_owned() + &odd))).unwrap_err().to_string().contains("deny_status 429"));
}
