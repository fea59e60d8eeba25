//! Values of passing headers that contain what looks like the end of a line, or like a second header.

use nsgate_forwarder::passing_headers;

use super::{ADDRESS, Honest, UUID, Vector, get_with};

pub(super) fn all() -> Vec<Vector> {
    let mut vectors = Vec::new();
    // The request has a Host already, and a second one is refused.
    for name in passing_headers().iter().map(|header| header.name()).filter(|name| *name != "host") {
        let value = |what: &str, value: &[u8]| {
            let lines = [name.as_bytes(), b": ", value, b"\r\n"].concat();
            Vector::clean(format!("values: {name}, {what}"), get_with(&lines), Honest::get())
        };
        let forged = format!("X-Forwarded-For: {ADDRESS}");
        vectors.extend([
            value("a header inside", format!("a {forged}").as_bytes()),
            value("escaped line ends", format!("a%0D%0A{forged}").as_bytes()),
            value("backslashes for line ends", format!("a\\r\\n{forged}").as_bytes()),
            value("an encoded word", b"=?utf-8?q?a=0D=0AX-Forwarded-For=3A_b?="),
            value("next line (0x85)", format!("a?{forged}").replace('?', "\u{85}").as_bytes()),
            value("0x85 alone", &[b"a\x85", forged.as_bytes()].concat()),
            value("line and paragraph separators", format!("a\u{2028}{forged}\u{2029}b").as_bytes()),
            value("letters whose low byte is CR and LF", format!("a\u{010d}\u{010a}{forged}").as_bytes()),
            value("full-width line end", format!("a\u{ff0d}\u{ff0a}{forged}").as_bytes()),
            value("bytes that are no UTF-8", &[b"\xff\xfe\xc0\x8d\xc0\x8a", forged.as_bytes()].concat()),
            value("an unclosed quote", format!("\"a, {forged}").as_bytes()),
            value("a comment", format!("a ({forged})").as_bytes()),
            value("empty", b""),
        ]);
        let refused = |what: &str, value: &[u8]| {
            let lines = [name.as_bytes(), b":", value, b"\r\n"].concat();
            Vector::refused(format!("values: {name}, {what}"), 400, get_with(&lines))
        };
        vectors.extend([
            refused("form feed before", b"\x0ca"),
            refused("form feed behind", b"a\x0c"),
            refused("vertical tab behind", b"a\x0b"),
            refused("ESC inside", b"a\x1b[2J"),
            refused("CR behind", b"a\r"),
        ]);
    }
    vectors.push(Vector::clean(
        "values: the same passing header twice",
        get_with(format!("Accept: a\r\nAccept: X-Neutron-Network-ID: {UUID}\r\n").as_bytes()),
        Honest::get(),
    ));
    vectors
}
