//! What real clients send and RFC 9112 allows is answered, and the agent gets nothing of it but the request: offers to
//! upgrade, targets in absolute-form, empty lines between requests, chunk extensions and trailers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_forwarder::Reason;
use served::{HELLO, Served, get, one, rest};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

/// Asks once on a connection of its own; the request line, headers and body that the agent saw, if it saw any.
async fn asked(served: &Served, request: &str) -> (String, Option<String>) {
    let before = served.seen().len();
    let answer = served.ask(request).await;
    let seen = served.seen();
    assert!(seen.len() <= before + 1, "{request:?}: more than one request: {seen:?}");
    (answer, seen.get(before).cloned())
}

/// As the agent must see a request without a body.
fn plain(line: &str, host: &str) -> String {
    let id = served::NETWORK;
    format!(
        "{line} HTTP/1.1\r\nx-neutron-network-id: {id}\r\nx-forwarded-for: 127.0.0.1\r\nhost: {host}\r\n\
         connection: close\r\n\r\n"
    )
}

/// As Java's `HttpClient` (JDK 11 to 25) writes every plain request, and curl and nghttp when they offer HTTP/2.
const OFFERS: [&str; 6] = [
    "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\nUpgrade: h2c\r\n",
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n",
    "Connection: upgrade\r\n",
    "Upgrade: websocket\r\n",
    "UPGRADE:\r\nhttp2-settings:\r\nUpgrade: h2c, TLS/1.2\r\nConnection: keep-alive , UPGRADE\r\n",
];

#[tokio::test]
async fn an_offer_to_upgrade_is_dropped_and_the_request_answered() {
    let served = Served::with("", HELLO).await;
    for offer in OFFERS {
        let mut guest = served.guest().await;
        // Twice on one connection: the offer has no effect on what follows.
        for turn in 1..=2 {
            let before = served.seen().len();
            let request = format!("GET /a HTTP/1.1\r\n{offer}Host: h\r\n\r\n");
            guest.write_all(request.as_bytes()).await.unwrap();
            let answer = one(&mut guest).await;
            assert!(
                answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("hello"),
                "{offer}: {turn}: {answer}"
            );
            assert!(!answer.to_lowercase().contains("upgrade"), "{answer}");
            assert_eq!(served.seen()[before..], [plain("GET /a", "h")], "{offer}: {turn}");
        }
        let post = format!("POST /a HTTP/1.1\r\nHost: h\r\n{offer}Content-Length: 3\r\nConnection: close\r\n\r\nabc");
        let (answer, seen) = asked(&served, &post).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{offer}: {answer}");
        assert!(seen.unwrap().ends_with("\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"), "{offer}");
    }
}

#[tokio::test]
async fn a_tunnel_and_http_2_with_prior_knowledge_stay_refused() {
    let served = Served::with("", HELLO).await;
    for (request, reason) in [
        ("CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", Reason::Connect),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Reason::Version),
    ] {
        let (answer, seen) = asked(&served, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
        assert_eq!(seen, None);
        assert_eq!(served.records.0.lock().unwrap().last().unwrap().reason, Some(reason), "{request:?}");
    }
}

#[tokio::test]
async fn an_absolute_target_of_the_same_host_is_answered_as_origin_form() {
    let served = Served::with("", HELLO).await;
    for (target, host, line) in [
        ("http://169.254.169.254/latest/", "169.254.169.254", "GET /latest/"),
        ("HTTP://169.254.169.254:80/a?b=http://c/", "169.254.169.254", "GET /a?b=http://c/"),
        ("http://169.254.169.254/a", "169.254.169.254:80", "GET /a"),
        ("http://169.254.169.254:/a", "169.254.169.254:80", "GET /a"),
        ("http://Metadata.Example/a", "metadata.example:", "GET /a"),
        ("http://[fe80::A9FE:a9fe%25eth0]/a", "[fe80::a9fe:a9fe%25eth0]:80", "GET /a"),
        ("http://169.254.169.254:8080/a", "169.254.169.254:8080", "GET /a"),
        ("http://169.254.169.254", "169.254.169.254", "GET /"),
        ("http://169.254.169.254?q", "169.254.169.254", "GET /?q"),
        ("http://169.254.169.254//a//b", "169.254.169.254", "GET //a//b"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (answer, seen) = asked(&served, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {answer}");
        assert_eq!(seen, Some(plain(line, host)), "{target}");
        let logged = served.records.0.lock().unwrap().last().unwrap().request_line.clone();
        assert_eq!(String::from_utf8(logged).unwrap(), format!("{line} HTTP/1.1"), "{target}");
    }
    // HTTP/1.0 knows no Host: the target says whom it means (RFC 9112, section 3.2.2).
    let (answer, seen) = asked(&served, "GET http://h:80/a HTTP/1.0\r\n\r\n").await;
    assert!(answer.contains(" 200 OK\r\n"), "{answer}");
    assert_eq!(seen, Some(plain("GET /a", "h:80")));
}

#[tokio::test]
async fn an_absolute_target_of_another_host_is_400_and_reaches_nobody() {
    let served = Served::with("", HELLO).await;
    for (target, host, version) in [
        ("http://10.0.0.1/", "169.254.169.254", "HTTP/1.1"),
        ("http://10.0.0.1/", "169.254.169.254", "HTTP/1.0"),
        ("http://169.254.169.254:8080/", "169.254.169.254", "HTTP/1.1"),
        ("http://169.254.169.254/", "169.254.169.254:8080", "HTTP/1.1"),
        ("http://169.254.169.254/", "", "HTTP/1.1"),
        ("http://169.254.169.254.rebound.example/", "169.254.169.254", "HTTP/1.1"),
        ("http://user@169.254.169.254/", "169.254.169.254", "HTTP/1.1"),
        ("http://a:b@169.254.169.254/", "169.254.169.254", "HTTP/1.1"),
        ("https://169.254.169.254/", "169.254.169.254", "HTTP/1.1"),
        ("ftp://169.254.169.254/", "169.254.169.254", "HTTP/1.1"),
        ("http:///latest/", "", "HTTP/1.1"),
        ("http:/latest/", "169.254.169.254", "HTTP/1.1"),
        ("http://:80/", "", "HTTP/1.1"),
        ("http://169.254.169.254#a", "169.254.169.254", "HTTP/1.1"),
        ("http://169.254.169.254\\a", "169.254.169.254", "HTTP/1.1"),
        ("169.254.169.254", "169.254.169.254", "HTTP/1.1"),
    ] {
        let request = format!("GET {target} {version}\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let (answer, seen) = asked(&served, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
        assert_eq!(seen, None, "{target}");
    }
    for request in [
        "GET http://h/ HTTP/1.1\r\nConnection: close\r\n\r\n",
        "OPTIONS http://h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ] {
        assert!(asked(&served, request).await.0.starts_with("HTTP/1.1 400 "), "{request}");
    }
}

#[tokio::test]
async fn guards_judge_an_absolute_target_like_any_other() {
    let guards = "[guards]\nhosts = [\"169.254.169.254\"]\nmethods = [\"GET\"]\npaths = [\"/latest/\"]\n";
    let served = Served::with(guards, HELLO).await;
    for (line, host, status) in [
        ("GET http://169.254.169.254/latest/", "Host: 169.254.169.254\r\n", "200"),
        ("GET http://169.254.169.254/openstack/", "Host: 169.254.169.254\r\n", "403"),
        ("GET http://169.254.169.254/latest/../x", "Host: 169.254.169.254\r\n", "403"),
        ("GET http://rebound.example/latest/", "Host: rebound.example\r\n", "421"),
        ("PUT http://169.254.169.254/latest/", "Host: 169.254.169.254\r\n", "405"),
    ] {
        let (answer, seen) = asked(&served, &format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{line}: {answer}");
        assert_eq!(seen.is_some(), status == "200", "{line}");
    }
    for (target, status) in [("http://169.254.169.254/latest/", "200"), ("http://rebound.example/latest/", "421")] {
        let (answer, _) = asked(&served, &format!("GET {target} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_few_empty_lines_before_a_request_are_passed_over() {
    let served = Served::with("", HELLO).await;
    for lines in 1..=4 {
        let (answer, seen) = asked(&served, &("\r\n".repeat(lines) + &get("/a"))).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{lines}: {answer}");
        assert_eq!(seen, Some(plain("GET /a", "169.254.169.254")));
    }
    for bad in ["\r\n".repeat(5), "\n".to_owned(), "\r\n\n".to_owned(), "\r".to_owned(), " \r\n".to_owned()] {
        let (answer, seen) = asked(&served, &(bad.clone() + &get("/a"))).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bad:?}: {answer}");
        assert_eq!(seen, None, "{bad:?}");
    }
}

#[tokio::test]
async fn an_empty_line_behind_a_body_keeps_the_connection() {
    let served = Served::with("[timeouts]\nkeep_alive = \"1s\"\nrequest = \"300ms\"\n", HELLO).await;
    let mut guest = served.guest().await;
    for turn in 1..=3 {
        guest.write_all(b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\n").await.unwrap();
        assert!(one(&mut guest).await.ends_with("hello"), "{turn}");
    }
    // An empty line begins no request: the guest has `keep_alive` for the next one, and is not told 408.
    assert!(timeout(Duration::from_millis(600), guest.read(&mut [0; 100])).await.is_err(), "the connection was ended");
    guest.write_all(get("/last").as_bytes()).await.unwrap();
    assert!(rest(&mut guest).await.ends_with("hello"));
    assert_eq!(served.records.0.lock().unwrap().len(), 4, "four requests, four lines");
    // And one that goes away behind an empty line has said no half of a request.
    let answer = served.ask("POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn chunk_extensions_and_trailers_are_read_and_never_forwarded() {
    let served = Served::with("", HELLO).await;
    let head = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n";
    let next = get("/next");
    for (body, data) in [
        ("5;a=b\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5;a\r\nhello\r\n0;b=\"c;\\\"d\"\r\n\r\n", "hello"),
        ("5 ; a = b ;c\r\nhello\r\n0\r\n\r\n", "hello"),
        ("2;a=\"\"\r\nhe\r\n3\t;\tb\r\nllo\r\n000;x\r\n\r\n", "hello"),
        ("5\r\nhello\r\n0\r\nA: b\r\nX-Forwarded-For: 10.0.0.99\r\nContent-Length: 0\r\n\r\n", "hello"),
        ("0;x=y\r\nA:\r\n\r\n", ""),
    ] {
        for piece in [1, 7, 10_000] {
            let before = served.seen().len();
            let mut guest = served.guest().await;
            for part in format!("{head}{body}{next}").as_bytes().chunks(piece) {
                guest.write_all(part).await.unwrap();
            }
            let answers = rest(&mut guest).await;
            assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{body:?}, {piece}: {answers}");
            let seen = served.seen().split_off(before);
            let expected = format!("\r\nhost: h\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{data}", data.len());
            assert!(seen.len() == 2 && seen[0].ends_with(&expected), "{body:?}: {seen:?}");
            assert!(!seen[0].contains("10.0.0.99") && seen[1].starts_with("GET /next "), "{body:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn an_extension_or_a_trailer_that_is_none_is_400() {
    let served = Served::with("", HELLO).await;
    for (body, reason) in [
        ("5;\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;=b\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a b\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=b \r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=\"b\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=\"\\\r\n\"\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a\rhello\r\n0\r\n\r\n", Reason::Chunk),
        ("5;\0\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;a=\"\0\"\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5;\u{e4}\r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("5 \r\nhello\r\n0\r\n\r\n", Reason::ChunkExtension),
        ("0\r\n A: b\r\n\r\n", Reason::Trailer),
        ("0\r\nA: b\r\n c\r\n\r\n", Reason::Trailer),
        ("0\r\nA : b\r\n\r\n", Reason::Trailer),
        ("0\r\nA\r\n\r\n", Reason::Trailer),
        ("0\r\n: b\r\n\r\n", Reason::Trailer),
        ("0\r\nA: b\nC: d\r\n\r\n", Reason::Trailer),
        ("0\r\nA: b\rC: d\r\n\r\n", Reason::Trailer),
        ("0\r\nA: \0\r\n\r\n", Reason::Trailer),
    ] {
        let request = format!("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let (answer, seen) = asked(&served, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
        assert_eq!((answer.matches("HTTP/1.1 ").count(), seen), (1, None), "{body:?}: {answer}");
        assert_eq!(served.records.0.lock().unwrap().last().unwrap().reason, Some(reason), "{body:?}");
    }
    let long = "a".repeat(20_000);
    for (body, status) in [
        (format!("5;{long}\r\nhello\r\n0\r\n\r\n"), "413"),
        (format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "a".repeat(900)).repeat(20)), "413"),
        (format!("0\r\nA: {long}\r\n\r\n"), "431"),
        (format!("0\r\n{}\r\n", "A: b\r\n".repeat(101)), "431"),
    ] {
        let request = format!("POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let (answer, seen) = asked(&served, &request).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{body:.40?}: {answer}");
        assert_eq!(seen, None, "{body:.40?}");
    }
}

#[tokio::test]
async fn a_first_line_that_cannot_become_one_is_answered_at_once() {
    let served = Served::with("[timeouts]\nrequest = \"20s\"\n[limits]\ntarget_bytes = 64\n", HELLO).await;
    let long = format!("GET /{}", "a".repeat(64));
    for (bytes, status, reason) in [
        ("GET /x\r\n", "400", Reason::RequestLine),
        ("GET\r\n", "400", Reason::RequestLine),
        ("GET /x HTTP/2.0\r\n", "400", Reason::Version),
        ("GET /x HTTP/1.1x", "400", Reason::Version),
        ("GET /x HTTQ", "400", Reason::Version),
        ("GET  ", "400", Reason::Target),
        ("GET x", "400", Reason::Target),
        ("GET /\u{e4}", "400", Reason::Target),
        ("GET https:", "400", Reason::Target),
        ("GET http://user@", "400", Reason::Target),
        ("CONNECT ", "400", Reason::Connect),
        ("PRI ", "400", Reason::Version),
        ("\u{16}\u{3}\u{1}", "400", Reason::Method),
        ("GET\t", "400", Reason::Method),
        ("A23456789012345678901234567890123", "400", Reason::Method),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "400", Reason::RequestLine),
        ("GET /\rX", "400", Reason::BareCr),
        ("GET /x\n", "400", Reason::BareLf),
        ("GE\0", "400", Reason::Nul),
        (&long, "414", Reason::TargetTooLong),
    ] {
        let mut guest = served.guest().await;
        guest.write_all(bytes.as_bytes()).await.unwrap();
        let answer =
            timeout(Duration::from_secs(5), rest(&mut guest)).await.unwrap_or_else(|_| panic!("{bytes:?}: no answer"));
        assert_eq!(answer.split(' ').nth(1), Some(status), "{bytes:?}: {answer}");
        assert_eq!(served.records.0.lock().unwrap().last().unwrap().reason, Some(reason), "{bytes:?}");
    }
    assert!(served.seen().is_empty());
    // A line that can still become one is waited for.
    let mut guest = served.guest().await;
    guest.write_all(b"GET /x HTTP/1.").await.unwrap();
    assert!(timeout(Duration::from_millis(200), guest.read(&mut [0; 10])).await.is_err());
}
