//! Where lines, heads and requests end (RFC 9112, section 2.2).

use super::{ADDRESS, Honest, PATH, UUID, Vector, get_with, hidden};

pub(super) fn all() -> Vec<Vector> {
    let line = format!("GET {PATH} HTTP/1.1");
    let forged = format!("X-Forwarded-For: {ADDRESS}");
    let bad = |what: &str, bytes: String| Vector::refused(format!("lines: {what}"), 400, bytes);
    let good = format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n");
    vec![
        bad("LF everywhere", format!("{line}\nHost: a\n{forged}\n\n")),
        bad("LF behind the request line", format!("{line}\nHost: a\r\n{forged}\r\n\r\n")),
        bad("LF behind the last header", format!("{line}\r\nHost: a\n\r\n")),
        bad("LF for the empty line", format!("{line}\r\nHost: a\r\n\n{}", hidden())).then_hidden(),
        bad("CR everywhere", format!("{line}\rHost: a\r{forged}\r\r")),
        bad("CR behind the request line", format!("{line}\rHost: a\r\n\r\n")),
        bad("CR in the request line", format!("GET\r{PATH} HTTP/1.1\r\nHost: a\r\n\r\n")),
        bad("CR for the empty line", format!("{line}\r\nHost: a\r\n\r{forged}\r\n\r\n")),
        bad("CR CR LF for the empty line", format!("{line}\r\nHost: a\r\n\r\r\n{}", hidden())),
        bad("CR in a value, an LF later", format!("{line}\r\nHost: a\r\nAccept: a\r{forged}\r\n\r\n")),
        bad("LF before CRLF", format!("{line}\r\nHost: a\r\nAccept: a\n\r\n\r\n{}", hidden())).then_hidden(),
        bad("a line that is only a CR", format!("{line}\r\nHost: a\r\n\r\r\n\r\n")),
        bad("a line that is only a space", format!("{line}\r\nHost: a\r\n \r\n{forged}\r\n\r\n")),
        bad("a line that is only a tab", format!("{line}\r\nHost: a\r\n\t\r\n{forged}\r\n\r\n")),
        bad("a line that is only a colon", format!("{line}\r\nHost: a\r\n:\r\n\r\n")),
        bad("a line without a colon", format!("{line}\r\nHost: a\r\nharmless\r\n\r\n")),
        bad("a line of NULs", format!("{line}\r\nHost: a\r\n\0\0: a\r\n\r\n")),
        bad("a fold behind Host", format!("{line}\r\nHost: a\r\n b\r\n\r\n")),
        bad("a fold behind the request line", format!("{line}\r\n {forged}\r\nHost: a\r\n\r\n")),
        Vector::clean("lines: CRLF before the request", format!("\r\n{good}"), Honest::get()),
        Vector::clean("lines: four CRLFs before the request", "\r\n".repeat(4) + &good, Honest::get()),
        bad("five CRLFs before the request", "\r\n".repeat(5) + &good),
        bad("CRLF and LF before the request", format!("\r\n\n{good}")),
        bad("LF before the request", format!("\n{good}")),
        bad("CR before the request", format!("\r{good}")),
        bad("a space before the request", format!(" {good}")),
        bad("a NUL before the request", format!("\0{good}")),
        bad("a byte order mark before the request", format!("\u{feff}{good}")),
        bad("only CRLFs", "\r\n".repeat(20)),
        bad("a head that does not end", format!("{line}\r\nHost: a\r\n{forged}\r\n")),
        bad("a head cut off in a name", format!("{line}\r\nHost: a\r\nX-Forw")),
        bad("a head cut off in its end", format!("{line}\r\nHost: a\r\n\r")),
        bad("a PROXY line before the request", format!("PROXY TCP4 {ADDRESS} 10.0.0.1 1 80\r\n{good}")),
        Vector::refused(
            "lines: a binary PROXY header before the request",
            400,
            [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x63\x64\x64\x0a\0\0\x01\0\x01\0\x50", good.as_bytes()].concat(),
        ),
        Vector::refused("lines: a TLS greeting", 400, &b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n"[..]),
        Vector::refused("lines: 101 headers", 431, get_with(&b"A: b\r\n".repeat(101))),
        Vector::refused(
            "lines: a head of 20,000 bytes",
            431,
            get_with(format!("A: {}\r\n", "b".repeat(20_000)).as_bytes()),
        ),
        Vector::clean(
            "lines: the same request under two identities that are spelled like others",
            get_with(format!("X-Forwarded-Fo\u{72}: {ADDRESS}\r\nX-NEUTRON_network-ID: {UUID}\r\n").as_bytes()),
            Honest::get(),
        ),
    ]
}
