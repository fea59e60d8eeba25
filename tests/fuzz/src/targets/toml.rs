//! nsgate's own configuration.

use super::configuration::{diagnostics, reads_back};
use crate::Target;
use nsgate_config::{haproxy, native};

/// The input is the text.
pub const TARGET: Target = Target {
    name: "toml",
    promise: "a text in TOML is a gate that reads back the same, or is refused at a place in it",
    run,
    words: &[
        "network_id = ",
        "router_id = ",
        "ovn_network_id = ",
        "\"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"",
        "listen = [",
        "\"169.254.169.254:80\"",
        "\"[fe80::1]:80%eth0\"",
        "backend = \"/b\"\n",
        "backend_owner = ",
        "user = \"u\"\n",
        "user = 0\n",
        "group = ",
        "allow_root = true\n",
        "freebind = true\n",
        "daemon = true\n",
        "pid_file = \"/p\"\n",
        "netns = ",
        "\"name\"",
        "sandbox = \"strict\"\n",
        "retries = ",
        "[log]\n",
        "socket = \"/dev/log\"\n",
        "facility = \"local0\"\n",
        "level = \"debug\"\n",
        "tag = ",
        "[limits]\n",
        "connections = ",
        "connections_per_source = ",
        "requests_per_source = ",
        "backend_requests = ",
        "unfinished_heads = ",
        "unfinished_heads_per_source = ",
        "target_bytes = ",
        "body = ",
        "connection = ",
        "head_bytes = ",
        "headers = ",
        "body_bytes = ",
        "backend_request_bytes = ",
        "[timeouts]\n",
        "request = ",
        "connect = ",
        "client = ",
        "server = ",
        "keep_alive = ",
        "[[rate_limits]]\n",
        "requests = ",
        "window = ",
        "[guards]\n",
        "refuse_forwarded = true\n",
        "hosts = [\"169.254.169.254\"]\n",
        "require_header = { name = \"Metadata\", value = \"true\" }\n",
        "tokens = \"required\"\n",
        "methods = [\"GET\"]\n",
        "paths = [\"/openstack/\"]\n",
        "expiring = { names = [\"user_data\"], after = \"10m\" }\n",
        "hop_limit = 1\n",
        "[audit]\n",
        "to = \"journald\"\n",
        "to = \"fd:3\"\n",
        "events_per_second = ",
        "[trace]\n",
        "sampled = false\n",
        "\"24h\"",
        "\"1500ms\"",
        "\"60s\"",
        "\"\"\"",
        "'''",
        "\\u0085",
        "\\u007f",
        "\\n",
        "\\\\",
        "{ }",
        "[[",
        "]]",
        "1_000",
        "0x10",
        "1e3",
        "inf",
        "true",
        "1979-05-27",
        "# x\n",
        " = ",
        ".",
    ],
    seeds,
    longest: 3000,
};

fn seeds() -> Vec<Vec<u8>> {
    let fixtures = (super::haproxy::TARGET.seeds)();
    let texts = fixtures.iter().filter_map(|bytes| std::str::from_utf8(bytes).ok());
    let rendered = texts.filter_map(|text| haproxy::parse("x", text).ok()).map(|read| native::render(&read.config));
    let others = [
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\nuser = \"u\"\n",
        "ovn_network_id = '7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10'\nlisten = ['[fe80::1]:80%e']\nbackend = '/b'\nuser = 7\n\
         backend_owner = 'n'\ngroup = 'g\\h'\nnetns = 'a b'\nlog = { tag = 't\"', facility = 'user', level = 'debug' }\n\
         allow_root = true\nfreebind = true\npid_file = '/a\"b'\nsandbox = 'strict'\nrate_limits = [{ requests = 1, window = 5 }]\n",
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\nuser = \"u\"\n\
         [guards]\nrefuse_forwarded = true\nhosts = ['fe80::1', 'a.b']\nrequire_header = { name = 'a', value = '\"' }\n\
         tokens = 'optional'\nmethods = ['GET']\npaths = ['/']\nexpiring = { names = ['x'], after = 1 }\nhop_limit = 255\n",
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"1.2.3.4:80\"]\nbackend = \"/b\"\nuser = \"u\"\n\
         [audit]\nto = 'fd:3'\nevents_per_second = 7\n[trace]\nsampled = false\n",
        "allow_root = true\n",
    ];
    rendered.map(String::into_bytes).chain(others.map(|text| text.as_bytes().to_vec())).collect()
}

fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match native::parse("x", &text) {
        Ok(parsed) => {
            diagnostics(&text, &parsed.warnings);
            reads_back(&parsed.config);
        }
        Err(errors) => {
            assert!(!errors.0.is_empty(), "refused without a reason");
            diagnostics(&text, &errors.0);
        }
    }
    if let Err(errors) = native::Site::parse("x", &text) {
        assert!(!errors.0.is_empty(), "refused without a reason");
        diagnostics(&text, &errors.0);
    }
}
