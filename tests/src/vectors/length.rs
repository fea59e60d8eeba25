//! Content-Length in forms that two parsers read differently (RFC 9110, section 8.6; RFC 9112, section 6.3).

use super::{Honest, PATH, Vector, bad_post, cut_post, get_with, good_post, hidden, post_with};

pub(super) fn all() -> Vec<Vector> {
    let bad = |what: &str, value: &[u8]| {
        let rest = [b"hello", hidden().as_bytes()].concat();
        bad_post(&format!("length: {what}"), 400, &[b"Content-Length: ", value, b"\r\n"].concat(), &rest)
    };
    let lines = |what: &str, status: u16, lines: &[u8]| {
        let rest = [b"hello", hidden().as_bytes()].concat();
        bad_post(&format!("length: {what}"), status, lines, &rest)
    };
    let mut vectors = vec![
        bad("plus sign", b"+5"),
        bad("minus sign", b"-5"),
        bad("minus zero", b"-0"),
        bad("hexadecimal", b"0x5"),
        bad("hexadecimal letters", b"a"),
        bad("octal prefix", b"0o5"),
        bad("exponent", b"5e0"),
        bad("decimal point", b"5.0"),
        bad("underscore between digits", b"1_0"),
        bad("thousands", b"1,000"),
        bad("list of the same", b"5, 5").then_hidden(),
        bad("list of different ones", b"5, 0"),
        bad("list with an empty element", b"5,"),
        bad("list that begins empty", b",5"),
        bad("semicolon", b"5;a"),
        bad("space between digits", b"5 0"),
        bad("tab between digits", b"5\t0"),
        bad("quoted", b"\"5\""),
        bad("apostrophes", b"'5'"),
        bad("empty", b""),
        bad("blank", b" \t"),
        bad("a word", b"five"),
        bad("letters behind", b"5abc"),
        bad("letters before", b"abc5"),
        bad("NUL behind", b"5\0").then_hidden(),
        bad("NUL before", b"\x005").then_hidden(),
        bad("vertical tab before", b"\x0b5"),
        bad("form feed before", b"\x0c5"),
        bad("form feed behind", b"5\x0c"),
        bad("8-bit space before", b"\xa05"),
        bad("next line (0x85) before", b"\x855"),
        bad("full-width digit", "\u{ff15}".as_bytes()),
        bad("Arabic digit", "\u{0665}".as_bytes()),
        bad("superscript digit", b"\xb2"),
        bad("folded", b"\r\n 5").then_hidden(),
        bad("folded in the middle", b"5\r\n 0"),
        bad("bare CR behind", b"5\r").then_hidden(),
        bad("bare LF behind", b"5\nA: b").then_hidden(),
        lines("twice the same", 400, b"Content-Length: 5\r\nContent-Length: 5\r\n").then_hidden(),
        lines("twice, different", 400, b"Content-Length: 5\r\nContent-Length: 0\r\n"),
        lines("twice, different, the other way", 400, b"Content-Length: 0\r\nContent-Length: 5\r\n"),
        lines("twice, in two cases", 400, b"Content-Length: 5\r\ncontent-length: 6\r\n"),
        lines("a good and a bad one", 400, b"Content-Length: 5\r\nContent-Length: five\r\n"),
        lines("a good and an empty one", 400, b"Content-Length: 5\r\nContent-Length:\r\n"),
        lines("space before the colon", 400, b"Content-Length : 5\r\n"),
        lines("tab before the colon", 400, b"Content-Length\t: 5\r\n"),
        lines("leading space", 400, b" Content-Length: 5\r\n").then_hidden(),
        lines("folded behind a harmless header", 400, b"Accept: a\r\n Content-Length: 5\r\n").then_hidden(),
        lines("underscore", 400, b"Content_Length: 5\r\n").then_hidden(),
        lines("underscore beside the true one", 400, b"Content-Length: 5\r\nContent_Length: 0\r\n").then_hidden(),
        lines("NUL in the name", 400, b"Content\0Length: 5\r\n"),
        lines("control byte before the name", 400, b"\x01Content-Length: 5\r\n"),
        lines("8-bit byte in the name", 400, b"Content\xadLength: 5\r\n"),
        lines("behind a bare LF", 400, b"Accept: a\nContent-Length: 5\r\n").then_hidden(),
        lines("behind a bare CR", 400, b"Accept: a\rContent-Length: 5\r\n").then_hidden(),
        lines("2^64 and 5", 413, b"Content-Length: 18446744073709551621\r\n"),
        lines("2^32 and 5", 413, b"Content-Length: 4294967301\r\n"),
        lines("2^63", 413, b"Content-Length: 9223372036854775808\r\n"),
        lines("a hundred digits", 413, format!("Content-Length: {}\r\n", "9".repeat(100)).as_bytes()),
        good_post("length: leading zeros", b"Content-Length: 0005\r\nConnection: close\r\n", b"hello", b"hello"),
        good_post("length: blanks around", b"Content-Length: \t5 \t\r\nConnection: close\r\n", b"hello", b"hello"),
        good_post("length: no space", b"Content-Length:5\r\nConnection: close\r\n", b"hello", b"hello"),
        good_post("length: zero", b"Content-Length: 0\r\nConnection: close\r\n", b"", b""),
        good_post("length: none in a POST", b"Connection: close\r\n", b"", b""),
        // Other separators: a server that folds every name would obey these, but none is sent to the agent.
        good_post(
            "length: dot in the name, beside the true one",
            b"Content-Length: 5\r\nContent.Length: 0\r\nConnection: close\r\n",
            b"hello",
            b"hello",
        ),
        good_post(
            "length: HTTP_CONTENT_LENGTH beside the true one",
            b"Content-Length: 5\r\nHTTP_CONTENT_LENGTH: 0\r\nConnection: close\r\n",
            b"hello",
            b"hello",
        ),
        cut_post("length: more than what comes", b"Content-Length: 50\r\n", b"hello"),
        Vector::clean(
            "length: a body in a GET",
            [get_with(b"Content-Length: 5\r\n"), b"hello".to_vec()].concat(),
            Honest::of("GET", PATH, b"hello"),
        ),
        Vector::clean(
            "length: nominated by Connection",
            post_with(b"Content-Length: 5\r\nConnection: close, Content-Length\r\n", b"hello"),
            Honest::of("POST", PATH, b"hello"),
        ),
    ];
    vectors.extend(behind());
    vectors
}

/// CL.0 and 0.CL: a request behind a body that one of two parsers does not see.
fn behind() -> Vec<Vector> {
    let body = hidden().into_bytes();
    let with_body = |method: &str, path: &str| {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    };
    let once = |method: &str, path: &str| {
        Vector::clean(
            format!("length: CL.0, {method} {path}"),
            with_body(method, path),
            Honest::of(method, path, &body),
        )
    };
    let inner = format!("GET {PATH} HTTP/1.1\r\nX: ");
    let zero = format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length : {}\r\n\r\n{inner}{}", inner.len(), hidden());
    vec![
        once("GET", PATH),
        once("HEAD", PATH),
        once("OPTIONS", "/"),
        once("DELETE", PATH),
        once("POST", "/resources/images/"),
        once("PUT", "/..%2f"),
        Vector::refused("length: 0.CL, hidden by a space before the colon", 400, zero),
        Vector::refused(
            "length: 0.CL, hidden by a fold",
            400,
            format!("GET {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n {}\r\n\r\n{inner}{}", inner.len(), hidden()),
        )
        .then_hidden(),
        Vector::new(
            "length: 0, and a request behind it",
            post_with(b"Content-Length: 0\r\n", b"GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            vec![Honest::of("POST", PATH, b""), Honest::of("GET", "/second", b"")],
            2,
            None,
        ),
        Vector::new(
            "length: shorter than what is sent",
            post_with(b"Content-Length: 5\r\n", b"hello world"),
            vec![Honest::of("POST", PATH, b"hello")],
            1,
            Some(400),
        ),
    ]
}
