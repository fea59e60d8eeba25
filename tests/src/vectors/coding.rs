//! Transfer-Encoding: beside a length, obfuscated, or unknown (CL.TE, TE.CL, TE.TE; RFC 9112, sections 6.1 and 6.3).

use super::{Honest, PATH, Vector, bad_post, good_post, hidden, post_with};

pub(super) fn all() -> Vec<Vector> {
    let mut vectors = with_a_length();
    vectors.extend(spelled_oddly());
    vectors.extend(accepted());
    vectors
}

/// Both framings in one head: the length sees the hidden request as body, the coding as a request, or the other way.
fn with_a_length() -> Vec<Vector> {
    let ends_early = format!("0\r\n\r\n{}", hidden());
    let inside = format!("{:x}\r\n{}\r\n0\r\n\r\n", hidden().len(), hidden());
    let length = |n: usize| format!("Content-Length: {n}\r\n");
    let both = |what: &str, lines: String, rest: &str| {
        bad_post(&format!("coding: {what}"), 400, lines.as_bytes(), rest.as_bytes())
    };
    let coding = "Transfer-Encoding: chunked\r\n";
    let first_line = format!("{:x}\r\n", hidden().len()).len();
    vec![
        both("CL.TE", length(ends_early.len()) + coding, &ends_early),
        both("CL.TE, the coding first", coding.to_owned() + &length(ends_early.len()), &ends_early),
        both("CL.TE, one letter left over", length(6) + coding, "0\r\n\r\nG"),
        both("TE.CL", length(first_line) + coding, &inside),
        both("TE.CL, the coding first", coding.to_owned() + &length(first_line), &inside),
        both("both, agreeing", length(15) + coding, "5\r\nhello\r\n0\r\n\r\n"),
        both("length 0 and chunks", length(0) + coding, &inside),
        both("both, the length in another case", "content-length: 5\r\n".to_owned() + coding, &ends_early),
        both("both, the length empty", "Content-Length:\r\n".to_owned() + coding, &ends_early),
        both("both, the length bad", "Content-Length: five\r\n".to_owned() + coding, &ends_early),
        both("both, nominated by Connection", length(5) + coding + "Connection: Transfer-Encoding\r\n", &ends_early),
        both("both, length nominated", length(5) + coding + "Connection: Content-Length\r\n", &ends_early),
        both("identity and a length", length(5) + "Transfer-Encoding: identity\r\n", "hello"),
        both(
            "length and an underscored coding",
            length(ends_early.len()) + "Transfer_Encoding: chunked\r\n",
            &ends_early,
        ),
    ]
}

/// Codings that one parser takes for `chunked` and another does not. A length stands beside most, as an attacker would.
fn spelled_oddly() -> Vec<Vector> {
    let rest = format!("0\r\n\r\n{}", hidden());
    let value = |what: &str, value: &[u8]| {
        let lines = [b"Transfer-Encoding: ", value, b"\r\n"].concat();
        bad_post(&format!("coding: {what}"), 400, &lines, rest.as_bytes())
    };
    let lines = |what: &str, lines: &[u8]| {
        let beside = format!("Content-Length: {}\r\n", rest.len());
        let lines = [beside.as_bytes(), lines].concat();
        bad_post(&format!("coding: length beside it, {what}"), 400, &lines, rest.as_bytes())
    };
    vec![
        value("xchunked", b"xchunked"),
        value("chunkedx", b"chunkedx"),
        value("chunk", b"chunk"),
        value("chunked-false", b"chunked-false"),
        value("identity", b"identity"),
        value("gzip", b"gzip"),
        value("gzip, chunked", b"gzip, chunked").then_hidden(),
        value("chunked, gzip", b"chunked, gzip"),
        value("identity, chunked", b"identity, chunked").then_hidden(),
        value("chunked, identity", b"chunked, identity"),
        value("chunked twice in a list", b"chunked, chunked"),
        value("empty element behind", b"chunked,").then_hidden(),
        value("empty element before", b",chunked").then_hidden(),
        value("a parameter", b"chunked;q=1"),
        value("an empty parameter", b"chunked;"),
        value("quoted", b"\"chunked\""),
        value("apostrophes", b"'chunked'"),
        value("vertical tab before", b"\x0bchunked"),
        value("vertical tab behind", b"chunked\x0b"),
        value("form feed before", b"\x0cchunked"),
        value("form feed behind", b"chunked\x0c"),
        value("NUL behind", b"chunked\0").then_hidden(),
        value("NUL inside", b"chu\0nked"),
        value("DEL behind", b"chunked\x7f"),
        value("8-bit space before", b"\xa0chunked"),
        value("8-bit byte behind", b"chunked\xff"),
        value("next line (0x85) behind", b"chunked\x85"),
        value("long s, whose upper case is S", "chun\u{212a}ed".as_bytes()),
        value("space inside", b"chu nked"),
        value("two words", b"chunked chunked"),
        value("empty", b""),
        value("bare CR behind", b"chunked\r").then_hidden(),
        value("bare LF behind", b"chunked\nA: b").then_hidden(),
        value("folded", b"\r\n chunked").then_hidden(),
        value("folded behind", b"chunked\r\n , identity"),
        value("twice", b"chunked\r\nTransfer-Encoding: chunked"),
        value("chunked, then identity", b"chunked\r\nTransfer-Encoding: identity"),
        value("identity, then chunked", b"identity\r\nTransfer-Encoding: chunked").then_hidden(),
        value("chunked, then an unknown one", b"chunked\r\nTransfer-Encoding: cow"),
        value("chunked, then empty", b"chunked\r\nTransfer-Encoding:").then_hidden(),
        lines("space before the colon", b"Transfer-Encoding : chunked\r\n"),
        lines("tab before the colon", b"Transfer-Encoding\t: chunked\r\n"),
        lines("leading space", b" Transfer-Encoding: chunked\r\n"),
        lines("leading tab", b"\tTransfer-Encoding: chunked\r\n"),
        lines("folded behind a harmless header", b"Accept: a\r\n Transfer-Encoding: chunked\r\n"),
        lines("bare LF before", b"Accept: a\nTransfer-Encoding: chunked\r\n"),
        lines("bare CR before", b"Accept: a\rTransfer-Encoding: chunked\r\n"),
        lines("two CRs before", b"Accept: a\r\r\nTransfer-Encoding: chunked\r\n"),
        lines("NUL in the name", b"Transfer\0Encoding: chunked\r\n"),
        lines("control byte before", b"\x1fTransfer-Encoding: chunked\r\n"),
        lines("8-bit byte behind the name", b"Transfer-Encoding\xa0: chunked\r\n"),
        lines("soft hyphen", b"Transfer\xadEncoding: chunked\r\n"),
        lines("space in the name", b"Transfer Encoding: chunked\r\n"),
        lines("underscore", b"Transfer_Encoding: chunked\r\n"),
        lines("colon first", b":Transfer-Encoding: chunked\r\n"),
        lines("equals sign", b"Transfer-Encoding=chunked\r\n"),
        lines("upper case", b"TRANSFER-ENCODING: CHUNKED\r\n"),
        lines("tab before the value", b"Transfer-Encoding:\tchunked\r\n"),
        lines("no space", b"Transfer-Encoding:chunked\r\n"),
    ]
}

/// Requests with one meaning, which are served. The agent gets a length, and no coding.
fn accepted() -> Vec<Vector> {
    let body = b"5\r\nhello\r\n0\r\n\r\n";
    let coded = |what: &str, lines: &[u8]| {
        good_post(&format!("coding: {what}"), &[lines, b"Connection: close\r\n"].concat(), body, b"hello")
    };
    let inside = format!("{:x}\r\n{}\r\n0\r\n\r\n", hidden().len(), hidden());
    let second = "5\r\nhello\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let old = format!("POST {PATH} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}", hidden());
    vec![
        coded("plain", b"Transfer-Encoding: chunked\r\n"),
        coded("upper case", b"TRANSFER-ENCODING: CHUNKED\r\n"),
        coded("blanks around", b"Transfer-Encoding: \t chunked \t\r\n"),
        coded("another header of a similar name", b"X-Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        coded("TE beside it", b"TE: trailers\r\nTransfer-Encoding: chunked\r\n"),
        coded("Trailer beside it", b"Trailer: X-Forwarded-For\r\nTransfer-Encoding: chunked\r\n"),
        good_post(
            "coding: a request in a chunk",
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n",
            inside.as_bytes(),
            hidden().as_bytes(),
        ),
        Vector::new(
            "coding: chunks, and a request behind them",
            post_with(b"Transfer-Encoding: chunked\r\n", second.as_bytes()),
            vec![Honest::of("POST", PATH, b"hello"), Honest::of("GET", "/second", b"")],
            2,
            None,
        ),
        // RFC 9112, section 6.1: a server that gets a coding in HTTP/1.0 must take the framing for faulty.
        Vector::new("coding: in HTTP/1.0", old, vec![Honest::of("POST", PATH, b"")], 0, Some(400)),
    ]
}
