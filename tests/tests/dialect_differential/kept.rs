//! Kinds of difference that were found, and must not come back.

use crate::suite::Dialect;

/// A name, the part of a text that is replaced, and the replacement.
pub type Kept = (&'static str, &'static str, &'static str);

/// Those of one dialect.
pub fn of(dialect: Dialect) -> &'static [Kept] {
    match dialect {
        Dialect::Gate => GATE,
        Dialect::Host => HOST,
    }
}

const GATE: &[Kept] = &[
    (
        "a text that was cut",
        "X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10",
    ),
    ("a word behind `global`", "global\n", "global foo\n"),
    ("a word behind `defaults`", "defaults\n", "defaults a b\n"),
    ("`defaults` from what is not there", "defaults\n", "defaults from usual\n"),
    ("`listen` without a name", "listen listener\n", "listen\n"),
    ("words behind the name of `listen`", "listen listener\n", "listen listener extra\n"),
    ("`listen` from what is not there", "listen listener\n", "listen listener from usual\n"),
    ("words behind the name of `backend`", "backend base_rate_limiter\n", "backend base_rate_limiter extra\n"),
    ("a name that haproxy refuses", "listen listener\n", "listen li/stener\n"),
    ("a server's name that haproxy refuses", "server metadata /", "server meta/data /"),
    ("several `defaults`", "listen listener\n", "defaults\n    mode http\nlisten listener\n"),
    (
        "`defaults` behind the section",
        "X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\ndefaults\n    timeout client 7s\n    retries 7\n",
    ),
    (
        "an identity in capitals and the same in small letters",
        "    bind 169.254.169.254:80\n",
        "    bind 169.254.169.254:80\n    http-request set-header X-Neutron-Network-ID 7A1C4D2E-9F7B-4B59-9A55-0D3C1F6E2B10\n",
    ),
    ("a second `maxconn`", "maxconn     1024\n", "maxconn 1024\n    maxconn 7\n"),
    ("a second `pidfile`", "daemon\n", "daemon\n    pidfile /run/other\n"),
    ("a second `pidfile` beside a gravest level", "local0 info", "local0 info err\n    pidfile     /run/first"),
    ("a second level", "local0 info", "local0 info garbage"),
    ("a gravest level", "local0 info", "local0 info notice"),
    ("a level above `err`", "local0 info", "local0 emerg"),
    ("no `maxconn`", "maxconn     1024\n", "\n"),
    ("no `timeout http-keep-alive`", "timeout http-keep-alive 30s\n", "\n"),
    (
        "no `timeout http-keep-alive` behind another `timeout http-request`",
        "timeout http-request    30s\n    timeout connect         30s\n    timeout client          32s\n    timeout server          32s\n    timeout http-keep-alive 30s\n",
        "timeout http-request    7s\n    timeout connect         30s\n    timeout client          32s\n    timeout server          32s\n",
    ),
    ("no `timeout http-request`", "timeout http-request    30s\n", "\n"),
    ("no `timeout client`", "timeout client          32s\n", "\n"),
    ("no `timeout server`", "timeout server          32s\n", "\n"),
    ("no `timeout connect`", "timeout connect         30s\n", "\n"),
    ("no `mode http`", "mode http\n", "\n"),
    ("no `log global`", "log global\n", "\n"),
    ("`log` behind `log global`", "    daemon\n", "    daemon\n\ndefaults\n    log global\n"),
    ("no `option httplog`", "option httplog\n", "\n"),
    ("no `option dontlognull`", "option dontlognull\n", "\n"),
    ("no `option http-server-close`", "option http-server-close\n", "\n"),
    ("no `option forwardfor`", "option forwardfor\n", "\n"),
    ("`expire` shorter than the window", "expire 60s store http_req_rate(60s)", "expire 10s store http_req_rate(60s)"),
    ("two of one counter", "http-request track-sc1", "http-request track-sc0"),
    ("one table twice", "table burst_rate_limiter\n", "table base_rate_limiter\n"),
    ("`deny` above `track`", "    http-request track-sc0 src table base_rate_limiter\n", ""),
    (
        "`deny` above `track`, both there",
        "    http-request track-sc0",
        "    http-request deny deny_status 429 if { src_http_req_rate(base_rate_limiter) gt 3 }\n    http-request track-sc0",
    ),
    ("no type", "stick-table type ip ", "stick-table "),
    ("no size", " size 10k", ""),
    ("a size that is none", " size 10k", " size banana"),
    ("a backslash before a letter", "retries                 3", "retries \\3"),
    ("one word with a blank in it", "timeout client ", "timeout\\ client "),
    ("a byte in hexadecimal digits", "log-tag     haproxy", "log-tag \\x68aproxy"),
    ("a byte in hexadecimal digits, in a path", "server metadata /var", "server metadata /\\x76ar"),
    ("a tabulator as an escape", "mode http", "mode\\thttp"),
    ("a blank of another script", "mode http", "mode\u{a0}http"),
    ("a wide blank", "mode http", "mode\u{3000}http"),
    ("a next line", "mode http", "mode\u{85}http"),
    ("a vertical tabulator", "mode http", "mode\u{b}http"),
    (
        "an identity in capitals",
        "X-Neutron-Network-ID 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "X-Neutron-Network-ID 7A1C4D2E-9F7B-4B59-9A55-0D3C1F6E2B10\n",
    ),
    ("a status that has no answer", "defaults\n", "defaults\n    errorfile 999 /x\n"),
    ("a directory as an answer", "defaults\n", "defaults\n    errorfile 503 /etc\n"),
    ("a name that no machine has", "    daemon\n", "    daemon\n    node a,b\n"),
    ("a number that is none", "    daemon\n", "    daemon\n    tune.bufsize x\n"),
    ("an option's value that is none", "    daemon\n", "    daemon\n    stats socket /p level foo\n"),
    ("an option of TLS that is none", "    daemon\n", "    daemon\n    ssl-default-bind-options foo\n"),
    ("what stands once", "    daemon\n", "    tune.ssl.capture-buffer-size 7\n    tune.ssl.capture-buffer-size 7\n"),
    ("what is harmless where haproxy refuses it", "defaults\n", "defaults\n    description words\n"),
];

const HOST: &[Kept] = &[
    (
        "a line of more than eight words",
        "    use_backend",
        "    http-request deny if { path_beg /latest } { src 240.0.0.0/8 } TRUE\n    use_backend",
    ),
    (
        "a line of more than eight words in a backend",
        "    balance         roundrobin\n",
        "    balance roundrobin\n    http-request deny if { path_beg /latest } { src 240.0.0.0/8 } TRUE\n",
    ),
    ("`retries` in `defaults`", "frontend public\n", "defaults\n    retries 7\nfrontend public\n"),
    ("`timeout` in `defaults`", "frontend public\n", "defaults\n    timeout server 7s\nfrontend public\n"),
    ("words behind the name of `frontend`", "frontend public\n", "frontend public extra\n"),
    ("no name of `frontend`", "frontend public\n", "frontend\n"),
    ("no `mode http`", "    mode            http\n", ""),
    ("no `log global`", "    log             global\n", ""),
    ("no `option httplog`", "    option          httplog\n", ""),
    ("no `timeout http-keep-alive`", "    timeout http-keep-alive 30s\n", ""),
    ("no `timeout client`", "    timeout client          32s\n", ""),
    ("no `option redispatch`", "    option redispatch\n", ""),
    ("a second `maxconn`", "maxconn     1024\n", "maxconn 7\n    maxconn 1024\n"),
    ("a status that has no answer", "frontend public\n", "frontend public\n    errorfile 999 /x\n"),
    ("a name that no machine has", "    daemon\n", "    daemon\n    node a,b\n"),
];
