//! The haproxy dialect.

use super::configuration::{diagnostics, files, reads_back};
use crate::Target;
use nsgate_config::haproxy;

/// The input is the text.
pub const TARGET: Target = Target {
    name: "haproxy",
    promise: "a text in haproxy's words is a gate that reads back the same from TOML, or is refused at a place in it",
    run,
    words: &[
        "global\n",
        "defaults\n",
        "listen listener\n",
        "backend b\n",
        "frontend f\n",
        "log /dev/log local0 info\n",
        "log global\n",
        "log-tag ",
        "user ",
        "group ",
        "maxconn ",
        "nbthread 2\n",
        "pidfile /p/x\n",
        "daemon\n",
        "mode http\n",
        "option ",
        "option httplog\n",
        "option forwardfor\n",
        "retries ",
        "timeout ",
        "timeout client ",
        "timeout http-request ",
        "bind ",
        "bind 0.0.0.0:80\n",
        "bind [::]:80\n",
        "bind *:80",
        "bind :::80",
        "interface ",
        "name x ",
        "server m /s\n",
        "server m unix@/s maxconn ",
        "stick-table type ip size 10k expire 60s store http_req_rate(60s)\n",
        "http_req_rate(1000000s)",
        "http-request track-sc0 src table b\n",
        "http-request deny deny_status 429 if { src_http_req_rate(b) gt 6 }\n",
        "http-request set-header X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "http-request add-header X-OVN-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "http-request del-header X-Neutron-Router-ID\n",
        "30s",
        "24d",
        "2d",
        "1us",
        "1h",
        "500ms",
        "tune.x 1\n",
        "chroot /x\n",
        "acl x\n",
        "stats socket x\n",
        "\\",
        "\"",
        "'",
        "$HOME",
        "#",
        "%",
        "fe80::1",
        "/a\\ b",
        "local0",
        "emerg",
    ],
    seeds: || files("../../crates/nsgate-config/tests/fixtures", "cfg"),
    longest: 3000,
};

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match haproxy::parse("x", &text) {
        Ok(parsed) => {
            diagnostics(&text, &parsed.warnings);
            reads_back(&parsed.config);
        }
        Err(errors) => {
            assert!(!errors.0.is_empty() && errors.0.len() <= 20, "{} errors", errors.0.len());
            diagnostics(&text, &errors.0);
        }
    }
}
