//! Chunks whose sizes, ends, extensions and trailers have been read in two ways (RFC 9112, section 7.1).

use super::{ADDRESS, UUID, Vector, bad_post, cut_post, good_post, hidden};

const CODING: &[u8] = b"Transfer-Encoding: chunked\r\n";

pub(super) fn all() -> Vec<Vector> {
    let mut vectors = bad();
    vectors.extend(good());
    vectors
}

fn bad() -> Vec<Vector> {
    let behind = hidden();
    let bad = |what: &str, body: &str| {
        let rest = format!("{body}{behind}");
        bad_post(&format!("chunks: {what}"), 400, CODING, rest.as_bytes())
    };
    let raw = |what: &str, body: &[u8]| {
        let rest = [body, behind.as_bytes()].concat();
        bad_post(&format!("chunks: {what}"), 400, CODING, &rest)
    };
    let end = "\r\n0\r\n\r\n";
    vec![
        bad("size that wraps at 2^32", &format!("100000005\r\nhello{end}")),
        bad("size that wraps at 2^64", &format!("10000000000000005\r\nhello{end}")),
        bad("size with many zeros", &format!("{}5\r\nhello{end}", "0".repeat(100))).then_hidden(),
        bad("size of 2^64 - 1", &format!("ffffffffffffffff\r\nhello{end}")),
        bad("size with 0x", &format!("0x5\r\nhello{end}")),
        bad("plus sign", &format!("+5\r\nhello{end}")),
        bad("minus sign", &format!("-5\r\nhello{end}")),
        bad("minus zero", "5\r\nhello\r\n-0\r\n\r\n"),
        bad("underscore between digits", &format!("0_5\r\nhello{end}")),
        bad("not a number", &format!("g\r\nhello{end}")),
        bad("digits, then letters", &format!("5g\r\nhello{end}")),
        bad("empty size", &format!("\r\nhello{end}")),
        bad("leading space", &format!(" 5\r\nhello{end}")).then_hidden(),
        bad("leading tab", &format!("\t5\r\nhello{end}")).then_hidden(),
        bad("trailing space", &format!("5 \r\nhello{end}")).then_hidden(),
        bad("trailing tab", &format!("5\t\r\nhello{end}")).then_hidden(),
        bad("trailing comma", &format!("5,\r\nhello{end}")),
        bad("decimal point", &format!("5.0\r\nhello{end}")),
        bad("quoted", &format!("\"5\"\r\nhello{end}")),
        raw("NUL before the size", b"\x005\r\nhello\r\n0\r\n\r\n"),
        raw("NUL behind the size", b"5\0\r\nhello\r\n0\r\n\r\n"),
        raw("vertical tab behind the size", b"5\x0b\r\nhello\r\n0\r\n\r\n"),
        raw("8-bit space behind the size", b"5\xa0\r\nhello\r\n0\r\n\r\n"),
        bad("LF behind the size", &format!("5\nhello{end}")).then_hidden(),
        bad("CR behind the size", &format!("5\rhello{end}")),
        bad("two CRs behind the size", &format!("5\r\r\nhello{end}")),
        bad("LF behind the data", "5\r\nhello\n0\r\n\r\n").then_hidden(),
        bad("CR behind the data", "5\r\nhello\r0\r\n\r\n"),
        bad("nothing behind the data", "5\r\nhello0\r\n\r\n"),
        bad("any two bytes behind the data", "5\r\nhelloXX0\r\n\r\n"),
        bad("an empty line behind the data", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        bad("less data than the size", "6\r\nhello\r\n0\r\n\r\n"),
        bad("more data than the size", "4\r\nhello\r\n0\r\n\r\n"),
        bad("LF for every end", "5\nhello\n0\n\n").then_hidden(),
        bad("LF behind the last size", "5\r\nhello\r\n0\n\r\n").then_hidden(),
        bad("LF for the last line", "5\r\nhello\r\n0\r\n\n").then_hidden(),
        bad("CR for the last line", "5\r\nhello\r\n0\r\n\r"),
        bad("nothing behind the last size", "5\r\nhello\r\n0\r\n"),
        bad("extension without a name", &format!("5;\r\nhello{end}")).then_hidden(),
        bad("extension with a quoted value", &format!("5;a=\"\r\n\"\r\nhello{end}")),
        bad("extension that hides a size behind LF", &format!("5;\n0\r\n\r\n{end}")),
        bad("extension that hides a size behind CR", &format!("5;\rxx\r\nhello{end}")),
        bad("extension with a NUL", &format!("5;\0\r\nhello{end}")).then_hidden(),
        bad("extension without a value", &format!("5;a=\r\nhello{end}")).then_hidden(),
        bad("extension with a blank behind it", &format!("5;a=b \r\nhello{end}")).then_hidden(),
        bad("extension whose quotes stay open", &format!("5;a=\"b\r\nhello{end}")).then_hidden(),
        bad("extension that escapes a line's end", &format!("5;a=\"\\\r\n\"\r\nhello{end}")),
        bad("extension with something behind its quotes", &format!("5;a=\"b\"c\r\nhello{end}")).then_hidden(),
        bad("extension that ends with LF", &format!("5;a\nhello{end}")).then_hidden(),
        bad("extension with an 8-bit name", &format!("5;\u{e4}\r\nhello{end}")).then_hidden(),
        bad("trailer without a colon", "0\r\nA\r\n\r\n").then_hidden(),
        bad("trailer with a space before its colon", "0\r\nA : b\r\n\r\n").then_hidden(),
        bad("trailer with a bare CR", "0\r\nA: b\rX-Forwarded-For: 10.0.0.99\r\n\r\n").then_hidden(),
        bad("trailer with a NUL", "0\r\nA: \0\r\n\r\n").then_hidden(),
        bad("trailer with a bare LF", "0\r\nA: b\nC: d\r\n\r\n").then_hidden(),
        bad("trailer that is a fold", "0\r\n A: b\r\n\r\n").then_hidden(),
        bad("no chunk at all", ""),
        cut_post("chunks: cut off in the size", CODING, b"5"),
        cut_post("chunks: cut off in the data", CODING, b"5\r\nhel"),
        cut_post("chunks: cut off before the last line", CODING, b"5\r\nhello\r\n0\r\n"),
        bad_post(
            "chunks: more than 4096 bytes",
            413,
            CODING,
            &[b"1001\r\n", &[b'a'; 4097][..], b"\r\n0\r\n\r\n"].concat(),
        ),
        bad_post("chunks: ffffffff bytes", 413, CODING, b"ffffffff\r\nhello"),
        bad_post(
            "chunks: an extension of 20,000 bytes",
            413,
            CODING,
            format!("5;{}\r\nhello{end}{behind}", "a".repeat(20_000)).as_bytes(),
        )
        .then_hidden(),
        bad_post(
            "chunks: a trailer of 20,000 bytes",
            431,
            CODING,
            format!("0\r\nA: {}\r\n\r\n{behind}", "b".repeat(20_000)).as_bytes(),
        )
        .then_hidden(),
        bad_post(
            "chunks: 101 trailers",
            431,
            CODING,
            format!("0\r\n{}\r\n{behind}", "A: b\r\n".repeat(101)).as_bytes(),
        )
        .then_hidden(),
    ]
}

fn good() -> Vec<Vector> {
    let lines = [CODING, b"Connection: close\r\n"].concat();
    let good = |what: &str, rest: &[u8], body: &[u8]| good_post(&format!("chunks: {what}"), &lines, rest, body);
    vec![
        good("several", b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n", b"hello"),
        good("size with leading zeros", b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
        good("size in upper case", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        good("data that looks like the end", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
        good("data of any bytes", b"4\r\n\0\xff\r\n\r\n0\r\n\r\n", b"\0\xff\r\n"),
        good("empty body", b"0\r\n\r\n", b""),
        good("extension", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
        good("extension behind a space", b"5 ;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
        good("extensions with every blank", b"5 ; a =\tb ;c\r\nhello\r\n0\r\n\r\n", b"hello"),
        good("extension with escapes in its quotes", b"5;a=\"b;\\\"c\\\\\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        good("extension at the last chunk", b"5\r\nhello\r\n0;a\r\n\r\n", b"hello"),
        good("extension that looks like a chunk", b"5;0\r\nhello\r\n0;5\r\n\r\n", b"hello"),
        good("trailer", b"5\r\nhello\r\n0\r\nA: b\r\n\r\n", b"hello"),
        good("trailer without a value", b"5\r\nhello\r\n0\r\nA:\r\n\r\n", b"hello"),
        good(
            "trailer that repeats the framing",
            b"5\r\nhello\r\n0\r\nContent-Length: 0\r\nTransfer-Encoding: identity\r\n\r\n",
            b"hello",
        ),
        good(
            "trailer with every identity",
            format!("0\r\nX-Forwarded-For: {ADDRESS}\r\nX-Neutron-Network-ID: {UUID}\r\nX_Instance_ID: {UUID}\r\n\r\n")
                .as_bytes(),
            b"",
        ),
        good("one byte each", &[&b"1\r\na\r\n".repeat(200)[..], b"0\r\n\r\n"].concat(), &[b'a'; 200]),
    ]
}
