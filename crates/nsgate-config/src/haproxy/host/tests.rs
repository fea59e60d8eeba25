//! The configuration of a whole host: as Neutron writes it, with everything that could be wrong, and ten thousand instances.

use super::{ParsedHost, is_host_proxy, parse_host};
use std::{fmt::Write, net::IpAddr};

const FIXTURE: &str = include_str!("../../../tests/fixtures/2026.2-hostproxy-3-instances.cfg");

fn read(text: &str) -> ParsedHost {
    parse_host("x", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refused(text: &str) -> String {
    parse_host("x", text).expect_err("refused").to_string()
}

fn address(number: u32) -> IpAddr {
    std::net::Ipv4Addr::from(u32::from(std::net::Ipv4Addr::new(240, 0, 0, 2)) + number).into()
}

/// What Neutron writes for so many instances.
fn text(instances: u32) -> String {
    let (head, _) = FIXTURE.split_once("    acl ").unwrap();
    let mut text = head.to_owned();
    let name = |number: u32| format!("5f0c7c3e-0b1d-4a7c-9a57-2f6d{number:08x}_{}", address(number));
    for number in 0..instances {
        writeln!(text, "    acl instance_{} src {}\n", name(number), address(number)).unwrap();
    }
    for number in 0..instances {
        writeln!(text, "\n    use_backend backend_{0} if instance_{0}\n", name(number)).unwrap();
    }
    for number in 0..instances {
        write!(
            text,
            "\nbackend backend_{}\n    mode            http\n    balance         roundrobin\n    retries         3\n    \
             option redispatch\n    timeout http-request    30s\n    timeout connect         30s\n    timeout server    \
             30s\n\n    http-request set-header X-Instance-ID 5f0c7c3e-0b1d-4a7c-9a57-2f6d{number:08x}\n    \
             http-request set-header X-Tenant-ID 0123456789abcdef0123456789abcde0\n    http-request set-header \
             X-Instance-ID-Signature {number:064x}\n\n    server metasrv 192.0.2.10:8775\n\n",
            name(number)
        )
        .unwrap();
    }
    text
}

#[test]
fn neutrons_text_is_a_host_of_three() {
    assert!(is_host_proxy(FIXTURE));
    let ParsedHost { config, warnings } = read(FIXTURE);
    assert_eq!(warnings, []);
    let proxy = config.proxy;
    assert_eq!(proxy.instances.len(), 3);
    let second = proxy.instances.at("240.0.0.3".parse().unwrap()).unwrap();
    assert_eq!(second.id.to_string(), "5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01");
    assert_eq!(second.project.to_string(), "0123456789abcdef0123456789abcde1");
    assert_eq!(second.signature.hexadecimal(), format!("{:064x}", 0x0157_9bde));
    assert_eq!(proxy.instances.at("::ffff:240.0.0.3".parse().unwrap()), Some(second));
    for stranger in ["240.0.0.1", "240.0.0.5", "::1", "0.0.0.0"] {
        assert_eq!(proxy.instances.at(stranger.parse().unwrap()), None, "{stranger}");
    }
    assert_eq!(proxy.server.to_string(), "192.0.2.10:8775");
    assert_eq!(proxy.listeners[0].to_string(), "0.0.0.0:80");
    assert_eq!(proxy.monitor.unwrap().as_str(), "/monitoruri");
    assert_eq!(proxy.statistics.unwrap().as_str(), "/admin/stats");
    assert_eq!((proxy.timeouts.server.as_secs(), proxy.timeouts.client.as_secs(), proxy.retries), (30, 32, 3));
    assert!(config.process.daemon && config.process.user.to_string() == "neutron");
}

#[test]
fn a_server_may_have_a_name() {
    let named = FIXTURE.replace("192.0.2.10:8775", "nova.example:8775");
    assert_eq!(read(&named).config.proxy.summary(), "3 instances through nova.example:8775");
}

#[test]
fn a_signature_is_never_shown() {
    let shown = format!("{:?}", read(FIXTURE).config);
    assert!(shown.contains("5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01") && !shown.contains("579bde"), "{shown}");
    assert!(refused(&FIXTURE.replacen("1579bde", "1579bdeg", 1)).contains("64 hexadecimal digits"));
    assert!(refused(&FIXTURE.replacen("1579bde", "1579bdg", 1)).contains("64 hexadecimal digits"));
}

#[test]
fn what_would_mean_something_else_is_refused() {
    for (from, to, word) in [
        ("src 240.0.0.3\n", "src 240.0.0.0/8\n", "not the address of one instance"),
        ("src 240.0.0.3\n", "src 240.0.0.2\n", "second instance at 240.0.0.2"),
        ("src 240.0.0.3\n", "hdr(host) evil\n", "not one address"),
        ("src 240.0.0.3\n", "src 240.0.0.3 240.0.0.9\n", "not one address"),
        ("if instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01_240.0.0.3", "if TRUE", "no `acl TRUE`"),
        ("X-Tenant-ID 0123456789abcdef0123456789abcde1", "X-Evil x", "no header `X-Evil`"),
        ("X-Tenant-ID 0123456789abcdef0123456789abcde1", "X-Instance-ID 5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a00", "twice"),
        ("X-Instance-ID 5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01", "X-Instance-ID ../../x", "not a UUID"),
        (
            "server metasrv 192.0.2.10:8775\n\n\nbackend",
            "server metasrv 192.0.2.11:8775\n\n\nbackend",
            "another server",
        ),
        (
            "server metasrv 192.0.2.10:8775\n\n\nbackend",
            "server metasrv nova.example:8775\n\n\nbackend",
            "another server than `nova.example:8775`",
        ),
        (
            "server metasrv 192.0.2.10:8775\n\n\nbackend",
            "server metasrv no/va:8775\n\n\nbackend",
            "`no/va` is neither an address nor the name of a host",
        ),
        ("server metasrv 192.0.2.10:8775\n\n\nbackend", "server metasrv 192.0.2.10:0\n\n\nbackend", "port 0"),
        ("    option redispatch\n", "    http-request deny\n", "in this form"),
        ("    retries         3\n", "    retries         300\n", "0 to 100"),
        ("    monitor-uri     /monitoruri\n", "    monitor-uri     relative\n", "not a path"),
        ("    user        neutron\n", "", "no `user`"),
        ("    user        neutron\n", "    user        0\n", "looks like a number"),
        ("    bind            *:80 name clear\n", "", "no `bind`"),
        ("    mode            http\n    log", "    mode            tcp\n    log", "mode tcp"),
        ("frontend public\n", "frontend public\nfrontend other\n", "second `frontend`"),
        ("frontend public\n", "listen l\nfrontend public\n", "`listen` beside"),
        ("frontend public\n", "frontend public\n    default_backend x\n", "default_backend"),
        ("frontend public\n", "frontend \"public\n", "quotes"),
    ] {
        assert!(FIXTURE.contains(from), "{from}");
        let errors = refused(&FIXTURE.replacen(from, to, 1));
        assert!(errors.contains(word), "{from} -> {to}:\n{errors}");
    }
}

#[test]
fn an_error_has_its_place() {
    let errors = parse_host("x", &FIXTURE.replacen("src 240.0.0.3\n", "src nowhere\n", 1)).unwrap_err();
    let first = &errors.0[0];
    let line = FIXTURE.lines().position(|line| line.contains("src 240.0.0.3")).unwrap() + 1;
    assert_eq!((first.line, first.length), (line, "nowhere".len()));
    assert_eq!(first.source.get(first.column - 1..), Some("nowhere"));
}

#[test]
fn each_of_ten_thousand_instances_is_found() {
    let instances = read(&text(10_000)).config.proxy.instances;
    assert_eq!(instances.len(), 10_000);
    for number in 0..10_000 {
        let found = instances.at(address(number)).unwrap();
        assert_eq!(found.id.to_string().get(24..), Some(format!("2f6d{number:08x}").as_str()));
    }
}

#[test]
fn no_line_is_taken_for_an_empty_one() {
    // `http-request deny` of an operator, eleven words; before the section, in it, and in an instance's.
    let deny = "    http-request deny deny_status 403 if { src 240.0.0.2 } { method POST }\n";
    for before in ["    acl instance_", "\nbackend backend_", "    server metasrv"] {
        assert!(FIXTURE.contains(before));
        let errors = refused(&FIXTURE.replacen(before, &format!("{deny}{before}"), 1));
        assert!(errors.contains("http-request"), "{errors}");
    }
    let nine = " a b c d e f g h i";
    for (from, word) in [
        ("src 240.0.0.3", "this `acl` is not one address"),
        ("if instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01_240.0.0.3", "this `use_backend` has not exactly one"),
        ("X-Tenant-ID 0123456789abcdef0123456789abcde1", "in this form"),
        ("server metasrv 192.0.2.10:8775", "in this form"),
        ("frontend public", "`a` is not expected behind `frontend`"),
        ("\nglobal", "`a` is not expected behind `global`"),
        ("\nbackend backend_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01_240.0.0.3", "`a` is not expected behind `backend`"),
        ("option          dontlognull", "`a` is not expected"),
        ("maxconn     1024", "`a`"),
    ] {
        assert!(FIXTURE.contains(from), "{from}");
        let errors = refused(&FIXTURE.replacen(from, &format!("{from}{nine}"), 1));
        assert!(errors.contains(word), "{from}:\n{errors}");
    }
    // A line that changes nothing may be as long as haproxy has it.
    let parsed = read(&FIXTURE.replacen("    daemon\n", &format!("    daemon\n    description{nine}\n"), 1));
    assert!(parsed.warnings[0].message.contains("`description` tunes"), "{:?}", parsed.warnings);
}

#[test]
fn defaults_hold_for_the_sections_behind_them() {
    let own =
        ["retries         3", "timeout connect         30s", "timeout server          30s", "mode            http"];
    let (head, instances) = FIXTURE.split_at(FIXTURE.find("\nbackend ").unwrap());
    let mut bare = instances.to_owned();
    for line in own {
        bare = bare.replace(&format!("    {line}\n"), "");
    }
    assert!(refused(&format!("{head}{bare}")).contains("no `mode http`"));
    let defaults = "\ndefaults\n    mode http\n    retries 5\n    timeout connect 5s\n    timeout server 6s\n";
    for text in [format!("{defaults}{head}{bare}"), format!("{head}{defaults}{bare}")] {
        let proxy = read(&text).config.proxy;
        assert_eq!((proxy.retries, proxy.timeouts.connect.as_secs(), proxy.timeouts.server.as_secs()), (5, 5, 6));
    }
    // After the backends they belong to none, and a backend's own words come first.
    assert!(refused(&format!("{head}{bare}{defaults}")).contains("no `mode http`"));
    assert_eq!(read(&format!("{defaults}{FIXTURE}")).config, read(FIXTURE).config);
    // An instance whose backend says less than the first one.
    for line in own.iter().take(3) {
        let (first, rest) = instances.split_at(instances.find("server metasrv").unwrap());
        let text = format!("{head}{first}{}", rest.replacen(&format!("    {line}\n"), "", 1));
        assert!(refused(&text).contains("differs from that of the first backend"), "{line}");
    }
    let text = format!("{head}{}", bare.replace("\n    balance", "\n    mode http\n    balance"));
    let parsed = read(&text);
    let said = &parsed.warnings[0].message;
    assert!(said.contains("`timeout connect` (30s), `timeout server` (32s)"), "{said}");
    assert_eq!(parsed.config.proxy.retries, 3);
}

#[test]
fn what_haproxy_refuses_is_refused() {
    let acl = "    acl instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01_240.0.0.3 src 240.0.0.3\n";
    for (from, to, word) in [
        ("frontend public\n", "frontend\n", "`frontend` needs a name"),
        ("frontend public\n", "frontend pub/lic\n", "'/'"),
        ("frontend public\n", "frontend public from d\n", "from` is not accepted"),
        ("instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a00_240.0.0.2 src", "or src", "a word of conditions"),
        ("instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a00_240.0.0.2 src", "a!b src", "'!'"),
        (acl, "", "no `acl instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01_240.0.0.3` above"),
        ("    mode            http\n    log", "    log", "there is no `mode http`"),
        ("    mode            http\n    balance", "    balance", "has no `mode http`"),
        ("server metasrv ", "server meta/srv ", "'/'"),
        ("\nglobal\n", "\n# \0\nglobal\n", "a NUL byte"),
        ("\nglobal\n", "\u{feff}\nglobal\n", "a byte order mark"),
        ("    option redispatch\n", "    option redispatch\r    retries 5\n", "haproxy reads nothing behind it"),
    ] {
        assert!(FIXTURE.contains(from), "{from}");
        let errors = refused(&FIXTURE.replacen(from, to, 1));
        assert!(errors.contains(word), "{from} -> {to}:\n{errors}");
    }
    let below = FIXTURE.replacen(acl, "", 1).replacen("\n\n\nbackend", &format!("\n{acl}\nbackend"), 1);
    assert!(below.contains(acl) && refused(&below).contains("above"));
    assert!(refused(FIXTURE.trim_end()).contains("the last line has no end"));
    assert_eq!(read(&FIXTURE.replace('\n', "\r\n")).config, read(FIXTURE).config);
}
