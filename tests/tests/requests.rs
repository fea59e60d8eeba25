//! Requests: what the agent sees and what the guest gets, over every kind of listener, in good order and in bad.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::network::GUEST_LINK_LOCAL;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Response, suite};

fn main() {
    suite!["requests":
        ipv4,
        ipv6_link_local,
        the_dual_stack_listener_serves_both,
        an_ipv4_guest_of_a_dual_stack_listener_is_written_as_ipv4,
        the_wildcard_listener_serves,
        a_router_has_its_own_header,
        an_ovn_network_has_its_own_header,
        identity_comes_first_and_once,
        one_write_of_at_most_4096_bytes,
        the_agent_is_told_to_close,
        keep_alive_towards_the_guest,
        two_requests_in_one_packet_are_both_answered,
        http_1_0_without_host,
        a_head_request,
        a_post_with_a_length,
        a_chunked_post_arrives_with_a_length,
        an_answer_with_bare_lf_heads_is_understood,
        an_answer_that_ends_after_the_headers_is_understood,
        an_answer_without_a_length_ends_with_the_connection,
        an_answer_of_20_megabytes_is_streamed,
        forged_identity_headers_are_gone_in_every_spelling,
        forged_identity_in_trailers_is_gone,
        connection_cannot_nominate_the_identity,
        an_ambiguous_request_is_refused_with_400,
        connect_and_http_2_with_prior_knowledge_are_refused,
        an_offer_to_upgrade_is_answered_over_http_1_1,
        a_client_that_takes_the_gate_for_its_proxy_is_answered,
        an_absolute_target_of_another_host_is_refused_with_400,
        an_empty_line_before_a_request_is_passed_over,
        chunk_extensions_and_trailers_reach_nobody,
        a_refused_head_has_no_body,
        a_refusal_before_the_body_is_the_only_answer,
        a_first_line_without_a_version_is_refused_at_once,
        a_head_that_cannot_fit_is_refused_with_431,
        a_body_that_cannot_fit_is_refused_with_413,
    ]
}

struct Served {
    network: Network,
    agent: RecordingAgent,
    _gate: Gate,
}

fn start(lab: &Lab, config: &Config, answer: Answer) -> Served {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), answer);
    let gate = Gate::start(lab, &network.gate, config);
    Served { network, agent, _gate: gate }
}

fn simple(lab: &Lab) -> Served {
    start(lab, &Config::new(Kind::Network), Answer::ok("hello"))
}

impl Served {
    fn guest(&self) -> Guest {
        Guest::new(&self.network.guest)
    }

    fn at(&self, from: &str, to: &str) -> Guest {
        let to: SocketAddr = to.parse().unwrap();
        Guest::talking(&self.network.guest, from.parse().unwrap(), to)
    }
}

#[track_caller]
fn assert_hello(answer: std::io::Result<Response>) {
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
}

fn ipv4(lab: &Lab) {
    let served = simple(lab);
    assert_hello(served.guest().get("/"));
    assert_eq!(served.agent.only().header("X-Forwarded-For"), ["10.0.0.11"]);
}

fn ipv6_link_local(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network).with_v6(), Answer::ok("hello"));
    assert_hello(Guest::link_local(&served.network.guest).get("/"));
    let seen = served.agent.only();
    assert_eq!(seen.header("X-Forwarded-For"), [GUEST_LINK_LOCAL.to_string()], "no scope id");
    assert_hello(served.guest().get("/"));
}

fn router(binds: &[&str]) -> Config {
    Config::new(Kind::Router).with_binds(binds)
}

fn the_dual_stack_listener_serves_both(lab: &Lab) {
    let served = start(lab, &router(&[":::9697"]), Answer::ok("hello"));
    assert_hello(served.at("10.0.0.11", "10.0.0.1:9697").get("/"));
    assert_hello(served.at("fd00::11", "[fd00::1]:9697").get("/"));
}

fn an_ipv4_guest_of_a_dual_stack_listener_is_written_as_ipv4(lab: &Lab) {
    let served = start(lab, &router(&[":::9697"]), Answer::ok("hello"));
    assert_hello(served.at("10.0.0.11", "10.0.0.1:9697").get("/"));
    assert_eq!(served.agent.only().header("X-Forwarded-For"), ["10.0.0.11"]);
}

fn the_wildcard_listener_serves(lab: &Lab) {
    let served = start(lab, &router(&["0.0.0.0:9697"]), Answer::ok("hello"));
    assert_hello(served.at("10.0.0.11", "10.0.0.1:9697").get("/"));
}

fn assert_identity(lab: &Lab, kind: Kind) {
    let served = start(lab, &Config::new(kind), Answer::ok("hello"));
    assert_hello(served.guest().get("/"));
    let seen = served.agent.only();
    assert_eq!(seen.header(kind.header()), [NETWORK]);
    let others = [Kind::Network, Kind::Router, Kind::Ovn].into_iter().filter(|other| *other != kind);
    others.for_each(|other| assert!(seen.header(other.header()).is_empty(), "{}", seen.text()));
}

fn a_router_has_its_own_header(lab: &Lab) {
    assert_identity(lab, Kind::Router);
}

fn an_ovn_network_has_its_own_header(lab: &Lab) {
    assert_identity(lab, Kind::Ovn);
}

fn identity_comes_first_and_once(lab: &Lab) {
    let served = simple(lab);
    assert_hello(served.guest().get_with("/", "X-Client: one\r\n"));
    let text = served.agent.only().text().to_ascii_lowercase();
    let names: Vec<&str> =
        text.split("\r\n").skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let mut first: Vec<&str> = names.iter().take(2).copied().collect();
    first.sort_unstable();
    assert_eq!(first, ["x-forwarded-for", "x-neutron-network-id"], "{names:?}");
}

fn one_write_of_at_most_4096_bytes(lab: &Lab) {
    let served = simple(lab);
    let body = "b".repeat(1500);
    let headers: String = (0..40).map(|n| format!("X-Client-{n}: {}\r\n", "c".repeat(100))).collect();
    let mut stream = served.guest().connect().unwrap();
    write!(stream, "POST / HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(body.as_bytes()).unwrap();
    assert_hello(Response::read(&mut stream));
    let seen = served.agent.only();
    assert!(seen.bytes.len() <= 4096, "{} bytes", seen.bytes.len());
    assert_eq!(seen.first_read, seen.bytes.len(), "one read sees it all");
    assert_eq!(seen.body(), body.as_bytes());
}

fn the_agent_is_told_to_close(lab: &Lab) {
    let served = simple(lab);
    assert_hello(served.guest().get("/"));
    assert_eq!(served.agent.only().header("Connection"), ["close"]);
}

fn keep_alive_towards_the_guest(lab: &Lab) {
    let served = simple(lab);
    let mut stream = served.guest().connect().unwrap();
    for _ in 0..20 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_hello(Response::read(&mut stream));
    }
    assert_eq!(served.agent.seen().len(), 20);
}

fn two_requests_in_one_packet_are_both_answered(lab: &Lab) {
    let served = simple(lab);
    let mut stream = served.guest().connect().unwrap();
    stream.write_all(&b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)).unwrap();
    assert_hello(Response::read(&mut stream));
    assert_hello(Response::read(&mut stream));
    assert_eq!(served.agent.seen().len(), 2);
}

fn http_1_0_without_host(lab: &Lab) {
    let served = simple(lab);
    assert_hello(served.guest().ask("GET / HTTP/1.0\r\n\r\n"));
}

fn a_head_request(lab: &Lab) {
    let served = start(
        lab,
        &Config::new(Kind::Network),
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec()),
    );
    let answer = served.guest().exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer:?}");
    assert!(answer.contains("content-length: 5"), "{answer:?}");
}

fn a_post_with_a_length(lab: &Lab) {
    let served = simple(lab);
    assert_hello(served.guest().ask("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nsecret"));
    assert_eq!(served.agent.only().body(), b"secret");
}

fn a_chunked_post_arrives_with_a_length(lab: &Lab) {
    let served = simple(lab);
    assert_hello(
        served
            .guest()
            .ask("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsec\r\n3\r\nret\r\n0\r\n\r\n"),
    );
    let seen = served.agent.only();
    assert_eq!(seen.header("Content-Length"), ["6"]);
    assert!(seen.header("Transfer-Encoding").is_empty());
    assert_eq!(seen.body(), b"secret");
}

fn raw(lab: &Lab, bytes: &[u8]) -> Served {
    start(lab, &Config::new(Kind::Network), Answer::Bytes(bytes.to_vec()))
}

fn an_answer_with_bare_lf_heads_is_understood(lab: &Lab) {
    let served = raw(lab, b"HTTP/1.1 404 Not Found\nContent-Type: text/plain\nContent-Length: 3\n\nno\n");
    let answer = served.guest().get("/").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (404, "no\n"));
}

fn an_answer_that_ends_after_the_headers_is_understood(lab: &Lab) {
    let served = raw(lab, b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0");
    let answer = served.guest().get("/").unwrap();
    assert_eq!((answer.status, answer.body.len()), (404, 0));
}

fn an_answer_without_a_length_ends_with_the_connection(lab: &Lab) {
    let served = raw(lab, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello");
    assert_hello(served.guest().get("/"));
}

fn an_answer_of_20_megabytes_is_streamed(lab: &Lab) {
    let body = "0123456789abcdef".repeat(20 * 65_536);
    let served = raw(lab, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    let before = nsgate_tests::procfs::Process::new(served._gate.pid).private_dirty();
    let answer = served.guest().get("/").unwrap();
    assert!(answer.body == body.as_bytes(), "the bytes differ");
    let after = nsgate_tests::procfs::Process::new(served._gate.pid).private_dirty();
    assert!(after < before + 4096, "{before} KiB became {after} KiB: the answer was not streamed");
}

fn spellings(name: &str) -> Vec<String> {
    let mixed = |name: &str| {
        let flip = |(i, c): (usize, char)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        name.chars().enumerate().map(flip).collect::<String>()
    };
    vec![name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replacen('-', "_", 1), mixed(name)]
}

fn assert_only_truth(lab: &Lab, request: impl Fn(&str) -> String) {
    let served = simple(lab);
    for name in nsgate_forwarder::identity_headers() {
        for spelling in spellings(name) {
            let Ok(answer) = served.guest().ask(&request(&format!("{spelling}: forged-value\r\n"))) else { continue };
            if answer.status == 400 {
                continue;
            }
            assert_eq!(answer.status, 200, "{spelling}");
            let seen = served.agent.seen().pop().expect("a request");
            assert!(!seen.text().contains("forged-value"), "{spelling} reached the agent:\n{}", seen.text());
            assert_eq!(seen.header("X-Neutron-Network-ID"), [NETWORK], "{spelling}");
            assert_eq!(seen.header("X-Forwarded-For"), ["10.0.0.11"], "{spelling}");
        }
    }
}

fn forged_identity_headers_are_gone_in_every_spelling(lab: &Lab) {
    assert_only_truth(lab, |line| format!("GET / HTTP/1.1\r\nHost: a\r\n{line}{line}Connection: close\r\n\r\n"));
}

fn forged_identity_in_trailers_is_gone(lab: &Lab) {
    assert_only_truth(lab, |line| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n{line}\r\n"
        )
    });
}

fn connection_cannot_nominate_the_identity(lab: &Lab) {
    let served = simple(lab);
    let names = nsgate_forwarder::identity_headers().collect::<Vec<_>>().join(", ");
    assert_hello(served.guest().ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, {names}\r\n\r\n")));
    let seen = served.agent.only();
    assert_eq!(seen.header("Connection"), ["close"]);
    assert_eq!(seen.header("X-Neutron-Network-ID"), [NETWORK]);
}

fn an_ambiguous_request_is_refused_with_400(lab: &Lab) {
    let served = simple(lab);
    let cases: &[(&str, &str)] = &[
        (
            "both length headers",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello"),
        ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
        ("bare LF", "GET / HTTP/1.1\nHost: a\n\n"),
        ("one bare LF", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
        ("bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
        ("NUL", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
        ("obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
        ("space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
        ("unknown transfer coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (
            "chunked twice",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ];
    for (what, request) in cases {
        served.agent.forget();
        let answer = served.guest().patient(3).exchange(request.as_bytes()).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer:?}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{what}: {answer:?}");
        assert!(served.agent.seen().is_empty(), "{what} reached the agent");
    }
}

fn connect_and_http_2_with_prior_knowledge_are_refused(lab: &Lab) {
    let served = simple(lab);
    let cases = [
        &b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    for request in cases {
        let answer = served.guest().patient(3).exchange(request).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert!(!curl(&served, &["--http2-prior-knowledge", "http://169.254.169.254/"]).starts_with("200"));
    assert!(served.agent.seen().is_empty());
}

/// An answer by the guest's own curl: its status, its version and its body.
fn curl(served: &Served, arguments: &[&str]) -> String {
    let mut command = served.network.guest.command("curl");
    command.args(["--silent", "--max-time", "10", "--write-out", "%{http_code} %{http_version} %{num_connects}\n"]);
    let out = command.args(["--output", "-"]).args(arguments).output().expect("curl runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    match text.strip_prefix("hello") {
        Some(rest) => format!("{} hello", rest.trim()),
        None => text.trim().to_owned(),
    }
}

/// curl as it is, and the bytes of Java's `HttpClient` (JDK 11 to 25), which offers HTTP/2 with every plain request.
fn an_offer_to_upgrade_is_answered_over_http_1_1(lab: &Lab) {
    let served = simple(lab);
    let url = "http://169.254.169.254/latest/";
    assert_eq!(curl(&served, &["--http2", url]), "200 1.1 1 hello");
    assert_eq!(curl(&served, &["--http2", "--data", "abc", url]), "200 1.1 1 hello");
    let java = "Connection: Upgrade, HTTP2-Settings\r\nContent-Length: 3\r\nHost: 169.254.169.254\r\n\
        HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\nUpgrade: h2c\r\n\
        User-Agent: Java-http-client/17.0.15\r\n\r\nabc";
    let mut stream = served.guest().connect().unwrap();
    for method in ["GET", "POST", "PUT"] {
        stream.write_all(format!("{method} /latest/ HTTP/1.1\r\n{java}").as_bytes()).unwrap();
        assert_hello(Response::read(&mut stream));
    }
    let seen = served.agent.seen();
    assert_eq!(seen.len(), 5);
    for (seen, method) in seen.iter().zip(["GET", "POST", "GET", "POST", "PUT"]) {
        let text = seen.text();
        assert!(text.starts_with(&format!("{method} /latest/ HTTP/1.1\r\n")), "{text}");
        assert!(!text.to_lowercase().contains("upgrade") && !text.to_lowercase().contains("http2"), "{text}");
        assert_eq!(seen.header("Connection"), ["close"]);
    }
}

/// As a guest whose `http_proxy` leads to the metadata service: the target is in absolute-form.
fn a_client_that_takes_the_gate_for_its_proxy_is_answered(lab: &Lab) {
    let served = simple(lab);
    let proxy = ["--proxy", "http://169.254.169.254:80"];
    for (url, target) in [
        ("http://169.254.169.254/latest/?a=b", "/latest/?a=b"),
        ("http://169.254.169.254:80/latest/", "/latest/"),
        ("http://169.254.169.254", "/"),
    ] {
        served.agent.forget();
        assert_eq!(curl(&served, &[&proxy[..], &[url]].concat()), "200 1.1 1 hello", "{url}");
        let seen = served.agent.only();
        assert!(seen.text().starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{url}: {}", seen.text());
        assert_eq!((seen.header("Host").len(), seen.header("X-Forwarded-For").len()), (1, 1), "{url}");
    }
}

fn an_absolute_target_of_another_host_is_refused_with_400(lab: &Lab) {
    let served = simple(lab);
    for target in
        ["http://10.0.0.1/", "http://169.254.169.254:8080/", "https://169.254.169.254/", "http://a@169.254.169.254/"]
    {
        let answer = served.guest().ask(&format!("GET {target} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")).unwrap();
        assert_eq!(answer.status, 400, "{target}");
    }
    assert!(served.agent.seen().is_empty());
}

fn an_empty_line_before_a_request_is_passed_over(lab: &Lab) {
    let served = simple(lab);
    let mut stream = served.guest().connect().unwrap();
    for lines in 0..=4 {
        let lines = "\r\n".repeat(lines);
        write!(stream, "{lines}POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").unwrap();
        assert_hello(Response::read(&mut stream));
    }
    assert_eq!(served.agent.seen().len(), 5, "on one connection");
    stream.write_all("\r\n".repeat(5).as_bytes()).unwrap();
    assert_eq!(Response::read(&mut stream).unwrap().status, 400, "a few, and no more");
}

fn chunk_extensions_and_trailers_reach_nobody(lab: &Lab) {
    let served = simple(lab);
    let body = "3;a=\"b;\\\"c\"\r\nsec\r\n3 ; d\r\nret\r\n0;e=f\r\nX-Forwarded-For: 10.0.0.99\r\nA:\r\n\r\n";
    let head = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n";
    let mut stream = served.guest().connect().unwrap();
    for turn in 1..=2 {
        write!(stream, "{head}{body}").unwrap();
        assert_hello(Response::read(&mut stream));
        let seen = served.agent.nth(turn).unwrap();
        assert_eq!((seen.body(), seen.header("Content-Length")), (b"secret".to_vec(), vec!["6".to_owned()]));
        assert_eq!(seen.header("X-Forwarded-For"), ["10.0.0.11"]);
    }
    write!(stream, "{head}{}", body.replace("a=", "a")).unwrap();
    assert_eq!(Response::read(&mut stream).unwrap().status, 400, "not of the grammar");
    assert_eq!(served.agent.seen().len(), 2);
}

fn a_refused_head_has_no_body(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network).with_rate("ip", 10, 1), Answer::ok("hello"));
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200"),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "429"),
    ] {
        let answer = String::from_utf8(served.guest().exchange(request.as_bytes()).unwrap()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}

fn a_refusal_before_the_body_is_the_only_answer(lab: &Lab) {
    let served = start(lab, &Config::new(Kind::Network).with_rate("ip", 10, 1), Answer::ok("hello"));
    assert_hello(served.guest().get("/"));
    let bad = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n\r\n";
    let answer = String::from_utf8(served.guest().exchange(bad).unwrap()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
    assert_eq!(served.agent.seen().len(), 1);
}

fn a_first_line_without_a_version_is_refused_at_once(lab: &Lab) {
    let served = simple(lab);
    for line in [&b"GET /x\r\n"[..], b"GET /x HTTP/2", b"\x16\x03\x01\x02\0", b"GET x"] {
        let answer = served.guest().patient(5).exchange(line).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{:?}", String::from_utf8_lossy(line));
    }
    assert!(served.agent.seen().is_empty());
}

fn a_head_that_cannot_fit_is_refused_with_431(lab: &Lab) {
    let served = simple(lab);
    let path = "p".repeat(5000);
    let answer = served.guest().get(&format!("/{path}")).unwrap();
    assert!([414, 431].contains(&answer.status), "{}", answer.line);
    assert!(served.agent.seen().is_empty());
}

fn a_body_that_cannot_fit_is_refused_with_413(lab: &Lab) {
    let served = simple(lab);
    let mut stream = served.guest().connect().unwrap();
    write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").unwrap();
    let _ = stream.write_all(&[b'x'; 8000]);
    assert_eq!(Response::read(&mut stream).unwrap().status, 413);
    assert!(served.agent.seen().is_empty());
}
