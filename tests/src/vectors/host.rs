//! Host: missing, doubled, or more than a host and a port (RFC 9112, section 3.2).

use super::{ADDRESS, Honest, PATH, Vector};

pub(super) fn all() -> Vec<Vector> {
    let request =
        |lines: &[u8]| [format!("GET {PATH} HTTP/1.1\r\n").as_bytes(), lines, b"Connection: close\r\n\r\n"].concat();
    let lines = |what: &str, lines: &[u8]| Vector::refused(format!("host: {what}"), 400, request(lines));
    let bad = |what: &str, value: &[u8]| lines(what, &[b"Host: ", value, b"\r\n"].concat());
    let good = |what: &str, value: &str| {
        Vector::clean(format!("host: {what}"), request(format!("Host: {value}\r\n").as_bytes()), Honest::get())
    };
    vec![
        lines("missing", b""),
        lines("twice, the same", b"Host: a\r\nHost: a\r\n"),
        lines("twice, different", b"Host: a\r\nHost: b\r\n"),
        lines("twice, one empty", b"Host: a\r\nHost:\r\n"),
        lines("twice, in two cases", b"Host: a\r\nhOST: b\r\n"),
        lines("three times", b"Host: a\r\nHost: b\r\nHost: c\r\n"),
        lines("space before the colon", b"Host : a\r\n"),
        lines("leading space", b" Host: a\r\n"),
        lines("folded", b"Host:\r\n a\r\n"),
        lines("underscored instead", b"H_ost: a\r\n"),
        lines("NUL in the name", b"Ho\0st: a\r\n"),
        bad("a path", b"a/latest/"),
        bad("a path of a URL", b"http://a/"),
        bad("user", b"user@a"),
        bad("user and password", b"user:password@a"),
        bad("a query", b"a?b"),
        bad("a fragment", b"a#b"),
        bad("a list", b"a, b"),
        bad("a space", b"a b"),
        bad("a tab", b"a\tb"),
        bad("a backslash", b"a\\b"),
        bad("quoted", b"\"a\""),
        bad("less and greater", b"<a>"),
        bad("a NUL", b"a\0"),
        bad("a CR", b"a\rX: b"),
        bad("an LF", b"a\nX: b"),
        bad("8-bit byte", b"\xe4"),
        bad("UTF-8", "\u{e4}.example".as_bytes()),
        bad("braces", b"{a}"),
        bad("form feed before", b"\x0ca"),
        good("an address", "169.254.169.254"),
        good("an address and a port", "169.254.169.254:80"),
        good("IPv6", "[fe80::a9fe:a9fe]:80"),
        good("IPv6 with a zone", "[fe80::1%25eth0]"),
        good("empty", ""),
        good("a name", "metadata.example"),
        good("a name with an escape", "a%2fb"),
        good("another guest's address", ADDRESS),
        good("a bad port", "a:99999"),
        good("a port that is no number", "a:b"),
    ]
}
