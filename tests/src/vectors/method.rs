//! Methods: odd bytes, odd spacing, and the ones that mean more than a question (RFC 9110, section 9).

use super::{Honest, PATH, Vector};

pub(super) fn all() -> Vec<Vector> {
    let request =
        |method: &[u8]| [method, b" ", PATH.as_bytes(), b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat();
    let bad = |what: &str, method: &[u8]| Vector::refused(format!("method: {what}"), 400, request(method));
    let same = |what: &str, method: &str| {
        Vector::clean(format!("method: {what}"), request(method.as_bytes()), Honest::of(method, PATH, b""))
    };
    let line = |what: &str, line: &str| {
        Vector::refused(format!("method: {what}"), 400, format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n"))
    };
    vec![
        bad("empty", b""),
        bad("a space before", b" GET"),
        bad("a space behind", b"GET "),
        bad("a tab behind", b"GET\t"),
        bad("NUL inside", b"G\0T"),
        bad("NUL behind", b"GET\0"),
        bad("8-bit byte", b"G\xcbT"),
        bad("UTF-8", "G\u{c9}T".as_bytes()),
        bad("control byte", b"\x01GET"),
        bad("DEL", b"GET\x7f"),
        bad("colon", b"GET:"),
        bad("slash", b"GET/"),
        bad("brackets", b"G(E)T"),
        bad("quoted", b"\"GET\""),
        bad("comma", b"GET,POST"),
        bad("semicolon", b"GET;a"),
        bad("equals sign", b"A=B"),
        bad("at sign", b"G@T"),
        bad("two words", b"GET GET"),
        bad("33 letters", &[b'A'; 33]),
        bad("CONNECT", b"CONNECT"),
        bad("HTTP/2's preface", b"PRI *"),
        line("tab for a space", &format!("GET\t{PATH}\tHTTP/1.1")),
        line("vertical tab for a space", &format!("GET\x0b{PATH}\x0bHTTP/1.1")),
        line("form feed for a space", &format!("GET\x0c{PATH}\x0cHTTP/1.1")),
        line("two spaces", &format!("GET  {PATH} HTTP/1.1")),
        line("two spaces before the version", &format!("GET {PATH}  HTTP/1.1")),
        line("a space behind the version", &format!("GET {PATH} HTTP/1.1 ")),
        line("alone", "GET"),
        line("a header line for a request line", "Host: a"),
        line("a status line for a request line", "HTTP/1.1 200 OK"),
        same("lower case", "get"),
        same("mixed case", "Get"),
        same("unknown", "FROBNICATE"),
        same("every odd letter of a token", "!#$%&'*+-.^_`|~"),
        same("32 letters", &"A".repeat(32)),
        same("TRACE", "TRACE"),
        same("OPTIONS", "OPTIONS"),
        same("DELETE", "DELETE"),
        same("PROPFIND", "PROPFIND"),
        same("HEAD", "HEAD"),
        same("connect in lower case", "connect"),
    ]
}
