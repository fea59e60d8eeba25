//! Several requests on one connection: each is judged alone, and what follows a bad one is not read.

use super::{ADDRESS, Honest, PATH, UUID, Vector, hidden, post_with};

const SECOND: &str = "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

pub(super) fn all() -> Vec<Vector> {
    let first = format!("GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n");
    let closing = format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let second = || Honest::of("GET", "/second", b"");
    let then_bad = |what: &str, status: u16, bad: &str| {
        let bytes = format!("{first}{bad}{}", hidden());
        Vector::new(format!("pipeline: {what}"), bytes, vec![Honest::get(), second()], 1, Some(status))
    };
    let forged = format!("X-Forwarded-For: {ADDRESS}\r\nX-Neutron-Network-ID: {UUID}\r\nX_OVN_Network_ID: {UUID}\r\n");
    let both = |what: &str, bytes: String| {
        Vector::new(format!("pipeline: {what}"), bytes, vec![Honest::get(), second()], 2, None)
    };
    let line = "GET /second HTTP/1.1\r\nHost: a\r\n";
    vec![
        both("two", format!("{first}{SECOND}")),
        both(
            "two, both forged",
            format!("GET {PATH} HTTP/1.1\r\nHost: a\r\n{forged}\r\n{line}{forged}Connection: close\r\n\r\n"),
        ),
        Vector::new("pipeline: twenty", first.repeat(19) + &closing, vec![Honest::get(); 20], 20, None),
        Vector::new("pipeline: behind one that closes", closing.clone() + &hidden(), vec![Honest::get()], 1, None),
        Vector::new("pipeline: garbage behind one that closes", closing + "\0\0\0\0", vec![Honest::get()], 1, None),
        Vector::new(
            "pipeline: behind a POST",
            post_with(b"Content-Length: 5\r\n", format!("hello{SECOND}").as_bytes()),
            vec![Honest::of("POST", PATH, b"hello"), second()],
            2,
            None,
        ),
        then_bad("then two lengths", 400, &format!("{line}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")),
        then_bad(
            "then both framings",
            400,
            &format!("{line}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        then_bad("then a bare LF", 400, &format!("{line}A: b\n{forged}\r\n")).then_hidden(),
        then_bad("then a NUL", 400, "\0"),
        both("a CRLF too many between them", format!("{first}\r\n{SECOND}")),
        both("four CRLFs too many between them", format!("{first}{}{SECOND}", "\r\n".repeat(4))),
        both(
            "a CRLF too many behind a body",
            format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\r\n{SECOND}"),
        ),
        Vector::new("pipeline: then nothing but a CRLF", format!("{first}\r\n"), vec![Honest::get()], 1, None),
        then_bad("then five CRLFs too many", 400, &"\r\n".repeat(5)).then_hidden(),
        then_bad("then an LF too many", 400, "\n").then_hidden(),
        then_bad("then a space too many", 400, " "),
        then_bad("then garbage", 400, "garbage\r\n\r\n"),
        then_bad("then HTTP/0.9", 400, "GET /second\r\n"),
        both("then an upgrade", format!("{first}{line}Upgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n")),
        then_bad("then another host in absolute-form", 400, "GET http://b/second HTTP/1.1\r\nHost: a\r\n\r\n"),
        then_bad("then a request without a host", 400, "GET /second HTTP/1.1\r\n\r\n").then_hidden(),
        then_bad("then CONNECT", 400, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
        then_bad("then an unknown expectation", 417, &format!("{line}Expect: magic\r\n\r\n")).then_hidden(),
        then_bad("then too large a body", 413, &format!("{line}Content-Length: 5000\r\n\r\n")),
        then_bad("then the preface of HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Vector::new(
            "pipeline: a GET whose body is a request, and another",
            [
                format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", hidden().len()),
                hidden(),
                SECOND.to_owned(),
            ]
            .concat(),
            vec![Honest::of("GET", PATH, hidden().as_bytes()), second()],
            2,
            None,
        ),
        Vector::new(
            "pipeline: a HEAD with a body, and another",
            format!("HEAD {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello{SECOND}"),
            vec![Honest::of("HEAD", PATH, b"hello"), second()],
            2,
            None,
        ),
    ]
}
