//! Heads, and what becomes of them.

use super::{Framing, end_of_head, parse_head};
use crate::Reason;
use nsgate_config::Limits;
use proptest::prelude::*;

fn verdict(head: &[u8]) -> Result<Framing, u16> {
    parse_head(head, &Limits::default()).map(|head| head.framing).map_err(|refusal| refusal.status)
}

#[test]
fn plain_requests_pass() {
    for (head, framing) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Framing::Length(0)),
        ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
        ("GET /a//b/../c?d=%2e%2E&e HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n", Framing::Length(0)),
        ("GET / HTTP/1.1\r\nhost: [fe80::a9fe:a9fe]:80\r\nX-A:\tb \r\n\r\n", Framing::Length(0)),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n", Framing::Length(12)),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n", Framing::Chunked),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-High: \u{e4}\r\nX_Under: y\r\n\r\n", Framing::Length(0)),
    ] {
        assert_eq!(verdict(head.as_bytes()), Ok(framing), "{head}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for rest in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 1",
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 1",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 0x1",
        "Content-Length:",
        "Content-Length: 1 2",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:",
        "Transfer_Encoding: chunked",
        "Content_Length: 5",
        "Host: y",
        "Host : y",
        "X-A : y",
        " folded: y",
        "\tfolded",
        "X-A: b\r\n folded",
        "no colon",
        ": no name",
        "X A: b",
        "X-A: b\0",
        "X-A: \x01",
        "X-A: \x7f",
        "X-A: \x0cb",
        "X-A: b\x0c",
        "Content-Length: \x0c1",
        "Transfer-Encoding: chunked\x0c",
        "X-\u{e4}: b",
        "X-A: a\rb",
        "X-A: a\nX-B: c",
        "X-A\r: b",
    ] {
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{rest}\r\n\r\n");
        assert_eq!(verdict(head.as_bytes()), Err(400), "{rest:?}");
    }
}

#[test]
fn request_lines_have_one_form() {
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET",
        "",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / HTTP/0.9",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/1",
        "GET / HHTTP/1.1",
        "GET / HTTP/HTTP/1.1",
        "GET / HTTP/1.HTTP/1.1",
        "GET http://y/ HTTP/1.1",
        "GET http://x:81/ HTTP/1.1",
        "GET http://u@x/ HTTP/1.1",
        "GET http:/x/ HTTP/1.1",
        "GET http:///x/ HTTP/1.1",
        "GET https://x/ HTTP/1.1",
        "OPTIONS http://x HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT x:80 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "GET x HTTP/1.1",
        "GET /#frag HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET /\x7f HTTP/1.1",
    ] {
        assert_eq!(verdict(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()), Err(400), "{line:?}");
    }
}

#[test]
fn hosts_are_counted() {
    assert_eq!(verdict(b"GET / HTTP/1.1\r\n\r\n"), Err(400));
    assert_eq!(verdict(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), Err(400));
    assert_eq!(verdict(b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), Err(400));
    assert_eq!(verdict(b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), Err(400));
    assert_eq!(verdict(b"GET / HTTP/1.1\r\nHost: u@b\r\n\r\n"), Err(400));
}

#[test]
fn bounds_have_their_status() {
    assert_eq!(verdict(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n"), Err(413));
    assert_eq!(verdict(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"), Err(413));
    assert_eq!(verdict(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n"), Err(417));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100));
    assert_eq!(verdict(many.as_bytes()), Err(431));
    assert_eq!(verdict(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
}

#[test]
fn each_refusal_has_its_own_word() {
    let lines = [
        ("GET /", Reason::RequestLine),
        ("", Reason::RequestLine),
        ("GET / HTTP/1.2", Reason::Version),
        ("G(T / HTTP/1.1", Reason::Method),
        ("CONNECT x:80 HTTP/1.1", Reason::Connect),
        ("GET https://x/ HTTP/1.1", Reason::Target),
        ("GET http://y/ HTTP/1.1", Reason::OtherHost),
        ("PRI * HTTP/2.0", Reason::Version),
        ("GET /\n HTTP/1.1", Reason::BareLf),
        ("GET /\r HTTP/1.1", Reason::BareCr),
        ("GET /\0 HTTP/1.1", Reason::Nul),
    ];
    let fields = [
        (" folded: y", Reason::FoldedHeader),
        ("no colon", Reason::HeaderLine),
        ("X-A : y", Reason::HeaderName),
        ("X-A: \x01", Reason::HeaderValue),
        ("Host: y", Reason::TwoHosts),
        ("Content-Length: 1\r\nContent-Length: 1", Reason::TwoLengths),
        ("Content-Length: +1", Reason::Length),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", Reason::LengthAndChunks),
        ("Transfer-Encoding: gzip", Reason::TransferEncoding),
        ("Content_Length: 5", Reason::FoldedName),
        ("Expect: magic", Reason::Expectation),
        ("Content-Length: 4097", Reason::BodyTooLarge),
    ];
    let lines = lines.map(|(line, reason)| (format!("{line}\r\nHost: x\r\n\r\n"), reason));
    let fields = fields.map(|(field, reason)| (format!("POST / HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n"), reason));
    let others = [
        ("GET / HTTP/1.1\n".to_owned(), Reason::BareLf),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), Reason::NoHost),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(), Reason::Host),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), Reason::OldChunks),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000)), Reason::TargetTooLong),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100)), Reason::TooManyHeaders),
    ];
    for (head, reason) in lines.into_iter().chain(fields).chain(others) {
        let found = parse_head(head.as_bytes(), &Limits::default()).unwrap_err().reason;
        assert_eq!(found, reason, "{head:.80?}");
    }
}

#[test]
fn the_end_of_a_head_is_found_wherever_the_pieces_break() {
    let head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
    for cut in 0..head.len() {
        let first = end_of_head(&head[..cut], 0);
        assert_eq!(first.or_else(|| end_of_head(head, cut)), Some(head.len() - 4), "{cut}");
    }
    let line =
        |bytes: &[u8]| super::RequestLine::default().read(bytes, &Limits::default()).map_err(|refusal| refusal.status);
    assert_eq!(
        (line(b"GET / HTTP/1.1"), line(b"GET / HTTP/1.1\r"), line(b"GET / HTTP/1.1\r\n")),
        (Ok(false), Ok(false), Ok(true))
    );
    assert_eq!(end_of_head(b"GET / HTTP/1.1\nHost: x\r\n\r\n", 0), Some(15), "a bare LF is not waited beyond");
    assert_eq!(end_of_head(b"\nGET", 0), Some(1));
}

proptest! {
    #[test]
    fn what_passes_is_the_same_request_to_another_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut head = bytes;
        head.extend_from_slice(b"\r\n\r\n");
        same(&head);
    }

    #[test]
    fn nearly_good_heads(at in 0usize..60, byte in any::<u8>(), drop in any::<bool>()) {
        let mut head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-A: b\r\n\r\n".to_vec();
        let at = at % head.len();
        if drop { head.remove(at); } else { head[at] = byte; }
        same(&head);
    }
}

fn same(head: &[u8]) {
    let Ok(found) = parse_head(head, &Limits::default()) else { return };
    // As the reader behind gets it.
    let mut shown = head.to_vec();
    for (part, text) in found.instead.iter().rev() {
        shown.splice(part.clone(), text.iter().copied());
    }
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    let length = request.parse(&shown).unwrap().unwrap();
    assert_eq!(length, shown.len());
    assert_eq!(request.path.unwrap().as_bytes(), found.target());
    let lengths = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
    assert!(lengths.count() <= 1);
    assert!(!request.headers.iter().any(|header| header.name.eq_ignore_ascii_case("upgrade")));
}

#[test]
fn what_means_nothing_is_not_passed_on_and_the_target_is_in_origin_form() {
    for (head, shown, line) in [
        ("GET http://h HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", "GET / HTTP/1.0"),
        (
            "GET HTTP://H:80?q HTTP/1.1\r\nUpgrade: a\r\nHost: h\r\nhttp2-settings:\r\n\r\n",
            "GET /?q HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /?q HTTP/1.1",
        ),
        ("GET /a HTTP/1.1\r\nUPGRADE: a\r\nHost: h\r\n\r\n", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a HTTP/1.1"),
    ] {
        let judged = parse_head(head.as_bytes(), &Limits::default()).unwrap();
        let mut text = head.as_bytes().to_vec();
        for (part, instead) in judged.instead.iter().rev() {
            text.splice(part.clone(), instead.iter().copied());
        }
        assert_eq!(String::from_utf8_lossy(&text), shown, "{head:?}");
        assert_eq!(String::from_utf8_lossy(&judged.line), line, "{head:?}");
        assert!(line.as_bytes()[4..].starts_with(judged.target()), "{head:?}");
    }
}

proptest! {
    /// A line is refused at the same byte for the same reason however it is cut into pieces.
    #[test]
    fn a_line_is_judged_the_same_in_pieces(
        line in "(GET|OPTIONS|CONNECT|[A-Z]{1,40}) (/[a-z?#<]{0,9}|http://[a-z:@]{0,6}[/?]?[a-z]{0,3}|[*h]t?) ?(H|HTTP/)?(HTTP/1.[019]|HTTQ)?[\r\n\x00 ]{0,3}",
        cut in 0usize..60,
    ) {
        let mut limits = Limits::default();
        limits.target_bytes = 12;
        let read = |pieces: &[usize]| {
            let mut reader = super::RequestLine::default();
            let mut verdict = Ok(false);
            for end in pieces {
                verdict = reader.read(&line.as_bytes()[..(*end).min(line.len())], &limits);
                if verdict != Ok(false) {
                    break;
                }
            }
            (verdict, reader.seen(line.as_bytes()).to_vec())
        };
        let one_by_one: Vec<usize> = (1..=line.len()).collect();
        prop_assert_eq!(read(&[line.len()]), read(&one_by_one));
        prop_assert_eq!(read(&[line.len()]), read(&[cut, line.len()]));
    }
}
