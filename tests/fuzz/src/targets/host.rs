//! The configuration of a whole host's proxy.

use super::configuration::{diagnostics, files};
use crate::Target;
use nsgate_config::{HostProxy, haproxy};
use std::collections::HashMap;
use std::net::IpAddr;

/// The input is the text.
pub const TARGET: Target = Target {
    name: "host",
    promise: "each address is the instance that a second reader finds for it, or the text is refused at a place in it",
    run,
    words: &[
        "global\n",
        "frontend public\n",
        "backend backend_a\n",
        "    bind *:80 name clear\n",
        "    mode http\n",
        "    monitor-uri /monitoruri\n",
        "    stats uri /admin/stats\n",
        "    acl instance_a src 240.0.0.2\n",
        "    acl instance_b src 240.0.0.3\n",
        "    acl instance_a src fd00::2\n",
        "    use_backend backend_a if instance_a\n",
        "    use_backend backend_b if instance_b\n",
        "    http-request set-header X-Instance-ID 5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a00\n",
        "    http-request set-header X-Tenant-ID 0123456789abcdef0123456789abcde0\n",
        "    http-request set-header X-Instance-ID-Signature ",
        "    server metasrv 192.0.2.10:8775\n",
        "    server metasrv [2001:db8::1]:8775\n",
        "240.0.0.2",
        "::ffff:240.0.0.2",
        " src ",
        " if ",
        "acl ",
    ],
    seeds: || files("../../crates/nsgate-config/tests/fixtures", "cfg").into_iter().filter(|text| host(text)).collect(),
    longest: 6000,
};

fn host(text: &[u8]) -> bool {
    haproxy::is_host_proxy(&String::from_utf8_lossy(text))
}

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match haproxy::parse_host("x", &text) {
        Ok(parsed) => {
            diagnostics(&text, &parsed.warnings);
            agrees(&text, &parsed.config.proxy);
        }
        Err(errors) => {
            assert!(!errors.0.is_empty() && errors.0.len() <= 20, "{} errors", errors.0.len());
            diagnostics(&text, &errors.0);
        }
    }
}

/// A reader of its own, which knows words and nothing else, finds the same instance for each address.
fn agrees(text: &str, proxy: &HostProxy) {
    if text.contains(['\\', '"', '\'', '#', '$']) {
        return;
    }
    let (mut acls, mut rules, mut ids) = (Vec::new(), Vec::new(), HashMap::new());
    let mut section = "";
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["backend", name, ..] => section = name,
            // `::ffff:240.0.0.2` is the same guest as `240.0.0.2`.
            ["acl", name, "src", address] => {
                acls.extend(address.parse().map(|address: IpAddr| (address.to_canonical(), *name)));
            }
            ["use_backend", name, "if", acl] => rules.push((*acl, *name)),
            ["http-request", "set-header", header, id] if header.eq_ignore_ascii_case("X-Instance-ID") => {
                ids.insert(section, *id);
            }
            _ => {}
        }
    }
    for (address, _) in &acls {
        // haproxy takes the first rule whose condition holds; an acl that no rule asks for means nothing.
        let rule = rules.iter().find(|(acl, _)| acls.contains(&(*address, *acl)));
        let expected = rule.and_then(|(_, backend)| ids.get(backend));
        let found = proxy.instances.at(*address).map(|instance| instance.id.to_string());
        assert_eq!(found, expected.map(|id| id.to_ascii_lowercase()), "{address}");
    }
    assert!(proxy.instances.len() <= acls.len(), "{} of {}", proxy.instances.len(), acls.len());
}
