//! Versions of HTTP: two are served, by their exact names (RFC 9112, section 2.3).

use super::{ADDRESS, Honest, PATH, Vector, hidden};

pub(super) fn all() -> Vec<Vector> {
    let request = |version: &str| format!("GET {PATH} {version}\r\nHost: a\r\nConnection: close\r\n\r\n");
    let bad = |what: &str, version: &str| Vector::refused(format!("version: {what}"), 400, request(version));
    let raw = |what: &str, bytes: String| Vector::refused(format!("version: {what}"), 400, bytes);
    let old = |what: &str, lines: &str| {
        Vector::clean(format!("version: {what}"), format!("GET {PATH} HTTP/1.0\r\n{lines}\r\n"), Honest::get())
    };
    vec![
        bad("1.2", "HTTP/1.2"),
        bad("1.9", "HTTP/1.9"),
        bad("2.0", "HTTP/2.0"),
        bad("2", "HTTP/2"),
        bad("3.0", "HTTP/3.0"),
        bad("0.9", "HTTP/0.9"),
        bad("0.0", "HTTP/0.0"),
        bad("10.1", "HTTP/10.1"),
        bad("1.10", "HTTP/1.10"),
        bad("1.01", "HTTP/1.01"),
        bad("01.1", "HTTP/01.1"),
        bad("1", "HTTP/1"),
        bad("1.", "HTTP/1."),
        bad(".1", "HTTP/.1"),
        bad("11", "HTTP/11"),
        bad("1,1", "HTTP/1,1"),
        bad("1.1 with letters behind", "HTTP/1.1a"),
        bad("+1.1", "HTTP/+1.1"),
        bad("-1.1", "HTTP/-1.1"),
        bad("lower case", "http/1.1"),
        bad("mixed case", "Http/1.1"),
        bad("another protocol", "HTTPS/1.1"),
        bad("ICAP", "ICAP/1.0"),
        bad("RTSP", "RTSP/1.0"),
        bad("without a slash", "HTTP1.1"),
        bad("a space inside", "HTTP/ 1.1"),
        bad("a space before the slash", "HTTP /1.1"),
        bad("full-width digit", "HTTP/1.\u{ff11}"),
        bad("a NUL behind", "HTTP/1.1\0"),
        bad("empty", ""),
        raw("HTTP/0.9, CRLF", format!("GET {PATH}\r\n")),
        raw("HTTP/0.9, LF", format!("GET {PATH}\n")),
        raw("HTTP/0.9, with a request behind", format!("GET {PATH}\r\n{}", hidden())),
        raw("HTTP/0.9, with headers", format!("GET {PATH}\r\nHost: a\r\nX-Forwarded-For: {ADDRESS}\r\n\r\n")),
        raw("the preface of HTTP/2", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{}", hidden())),
        raw(
            "the preface of HTTP/2, and a settings frame",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned(),
        ),
        Vector::new(
            "version: HTTP/1.0 that asks to keep the connection",
            format!(
                "GET {PATH} HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /second HTTP/1.0\r\nX-Forwarded-For: {ADDRESS}\r\n\r\n"
            ),
            vec![Honest::get(), Honest::of("GET", "/second", b"")],
            2,
            None,
        ),
        Vector::new(
            "version: HTTP/1.0, and a request behind it",
            format!("GET {PATH} HTTP/1.0\r\n\r\n{}", hidden()),
            vec![Honest::get()],
            1,
            None,
        ),
        old("HTTP/1.0 without a host", ""),
        old("HTTP/1.0 with a host", "Host: a\r\n"),
        Vector::clean("version: HTTP/1.1", request("HTTP/1.1"), Honest::get()),
    ]
}
