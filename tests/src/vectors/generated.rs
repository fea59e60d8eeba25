//! Every header that names an identity, in every spelling.

use super::{ADDRESS, Honest, PATH, UUID, Vector, get_with, post_with, replaced};

/// The value that a guest would forge.
fn value(header: &str) -> &'static str {
    match header {
        "Forwarded" => "for=10.99.100.100",
        "X-Forwarded-For" | "X-Real-IP" | "X-Forwarded-Host" => ADDRESS,
        _ => UUID,
    }
}

/// `X-OVN-Network-ID`, as documents write it.
fn titled(header: &str) -> String {
    let word = |word: &str| match word {
        "id" | "ip" | "ovn" => word.to_ascii_uppercase(),
        _ => word[..1].to_ascii_uppercase() + &word[1..],
    };
    header.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// What nsgate must do with a spelling.
#[derive(Clone, Copy)]
enum Fate {
    /// The request arrives without it.
    Dropped,
    /// The request is refused with 400.
    Refused,
}
use Fate::{Dropped, Refused};

/// The text in the place of a header line.
struct Spelling {
    name: &'static str,
    lines: Vec<u8>,
    fate: Fate,
}

/// Headers with every spelling.
pub(super) fn all() -> Vec<Vector> {
    let crossed = |header: &str| [in_a_head(header, value(header)), around(header, value(header))].concat();
    nsgate_forwarder::identity_headers().flat_map(|header| crossed(&titled(header))).collect()
}

fn in_a_head(header: &str, value: &str) -> Vec<Vector> {
    let mut seen = Vec::new();
    let mut vectors = Vec::new();
    for Spelling { name, lines, fate } in spellings(header, value) {
        // A name without a `-` is the same in several spellings.
        if seen.contains(&lines) {
            continue;
        }
        let (name, bytes) = (format!("{header}: {name}"), get_with(&lines));
        vectors.push(match fate {
            Dropped => Vector::clean(name, bytes, Honest::get()),
            Refused => Vector::refused(name, 400, bytes),
        });
        seen.push(lines);
    }
    vectors
}

fn spellings(header: &str, value: &str) -> Vec<Spelling> {
    let joined = |with: &str| header.replace('-', with);
    let last_underscore = || {
        let at = header.rfind('-').unwrap_or(header.len());
        format!("{}{}", &header[..at], header[at..].replace('-', "_"))
    };
    let turned: String = header
        .chars()
        .enumerate()
        .map(|(at, c)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
        .collect();
    let plain = |name: &'static str, spelled: &str, fate| Spelling {
        name,
        lines: format!("{spelled}: {value}\r\n").into_bytes(),
        fate,
    };
    let raw =
        |name: &'static str, template: &[u8], fate| Spelling { name, lines: filled(template, header, value), fate };
    let long = "v".repeat(9000);
    vec![
        plain("exact", header, Dropped),
        plain("lower case", &header.to_lowercase(), Dropped),
        plain("upper case", &header.to_uppercase(), Dropped),
        plain("turning case", &turned, Dropped),
        plain("underscores", &joined("_"), Dropped),
        plain("underscores, lower case", &joined("_").to_lowercase(), Dropped),
        plain("underscores, upper case", &joined("_").to_uppercase(), Dropped),
        plain("first underscore", &header.replacen('-', "_", 1), Dropped),
        plain("last underscore", &last_underscore(), Dropped),
        plain("HTTP_ before it", &format!("HTTP_{}", joined("_").to_uppercase()), Dropped),
        plain("HTTP- before it", &format!("HTTP-{header}"), Dropped),
        plain("dots", &joined("."), Dropped),
        plain("plus signs", &joined("+"), Dropped),
        plain("tildes", &joined("~"), Dropped),
        plain("exclamation marks", &joined("!"), Dropped),
        plain("bars", &joined("|"), Dropped),
        plain("apostrophes", &joined("'"), Dropped),
        plain("spaces inside", &joined(" "), Refused),
        plain("slashes", &joined("/"), Refused),
        plain("at signs", &joined("@"), Refused),
        plain("brackets", &format!("({header})"), Refused),
        plain("quoted name", &format!("\"{header}\""), Refused),
        raw("no space after the colon", b"<N>:<V>\r\n", Dropped),
        raw("tab after the colon", b"<N>:\t<V>\r\n", Dropped),
        raw("space before the colon", b"<N> : <V>\r\n", Refused),
        raw("tab before the colon", b"<N>\t: <V>\r\n", Refused),
        raw("leading space", b" <N>: <V>\r\n", Refused),
        raw("leading tab", b"\t<N>: <V>\r\n", Refused),
        raw("folded away behind a harmless header", b"Accept: a\r\n <N>: <V>\r\n", Refused),
        raw("folded value", b"<N>:\r\n <V>\r\n", Refused),
        raw("folded value, tab", b"<N>:\r\n\t<V>\r\n", Refused),
        raw("folded after the value", b"<N>: <V>\r\n \r\n", Refused),
        raw("twice", b"<N>: <V>\r\n<N>: <V>\r\n", Dropped),
        raw("twice, in two spellings", b"<N>: <V>\r\n<n>: <V>\r\n", Dropped),
        raw("comma list", b"<N>: <V>, <V>\r\n", Dropped),
        raw("quoted value", b"<N>: \"<V>\"\r\n", Dropped),
        raw("empty value", b"<N>:\r\n", Dropped),
        raw("blank value", b"<N>: \t \r\n", Dropped),
        raw("two colons", b"<N>:: <V>\r\n", Dropped),
        raw("colon first", b":<N>: <V>\r\n", Refused),
        raw("equals sign for the colon", b"<N>=<V>\r\n", Refused),
        raw("semicolon for the colon", b"<N>; <V>\r\n", Refused),
        raw("name alone", b"<N>\r\n", Refused),
        raw("NUL before the name", b"\0<N>: <V>\r\n", Refused),
        raw("NUL in the name", &with_separators(header, b"\0"), Refused),
        raw("NUL behind the name", b"<N>\0: <V>\r\n", Refused),
        raw("NUL in the value", b"<N>: <V>\0\r\n", Refused),
        raw("NUL in a harmless value", b"Accept: a\0<N>: <V>\r\n", Refused),
        raw("control byte before the name", b"\x01<N>: <V>\r\n", Refused),
        raw("control byte behind the name", b"<N>\x1f: <V>\r\n", Refused),
        raw("vertical tab before the colon", b"<N>\x0b: <V>\r\n", Refused),
        raw("form feed before the name", b"\x0c<N>: <V>\r\n", Refused),
        raw("form feed before the value", b"<N>:\x0c<V>\r\n", Refused),
        raw("vertical tab for a line end", b"Accept: a\x0b<N>: <V>\r\n", Refused),
        raw("form feed for a line end", b"Accept: a\x0c<N>: <V>\r\n", Refused),
        raw("file separator for a line end", b"Accept: a\x1c<N>: <V>\r\n", Refused),
        raw("DEL behind the name", b"<N>\x7f: <V>\r\n", Refused),
        raw("DEL in the value", b"<N>: <V>\x7f\r\n", Refused),
        raw("8-bit space behind the name", b"<N>\xa0: <V>\r\n", Refused),
        raw("8-bit byte before the name", b"\xff<N>: <V>\r\n", Refused),
        raw("8-bit value", b"<N>: \xa0<V>\xff\r\n", Dropped),
        raw("next line (0x85) in a harmless value", b"Accept: a\x85<N>: <V>\r\n", Dropped),
        raw("UTF-8 line separator in a harmless value", b"Accept: a\xe2\x80\xa8<N>: <V>\r\n", Dropped),
        raw("escaped line end in a harmless value", b"Accept: a%0d%0a<N>: <V>\r\n", Dropped),
        raw("soft hyphens", &with_separators(header, b"\xad"), Refused),
        raw("UTF-8 hyphens", &with_separators(header, b"\xe2\x80\x91"), Refused),
        raw("nominated by Connection", b"<N>: <V>\r\nConnection: <N>\r\n", Dropped),
        raw("nominated by Connection, underscores", b"Connection: keep-alive, <M>\r\n<M>: <V>\r\n", Dropped),
        raw("only nominated", b"Connection: <N>\r\n", Dropped),
        raw("bare LF before it", b"Accept: a\n<N>: <V>\r\n", Refused),
        raw("bare LF behind it", b"<N>: <V>\nAccept: a\r\n", Refused),
        raw("bare CR before it", b"Accept: a\r<N>: <V>\r\n", Refused),
        raw("bare CR behind it", b"<N>: <V>\rAccept: a\r\n", Refused),
        raw("CR before the colon", b"<N>\r: <V>\r\n", Refused),
        raw("two CRs before LF", b"Accept: a\r\r\n<N>: <V>\r\n", Refused),
        raw("LF CR for a line end", b"Accept: a\n\r<N>: <V>\r\n", Refused),
        raw("behind a line that is only a space", b"Accept: a\r\n \r\n<N>: <V>\r\n", Refused),
        raw("behind an empty line that ends with LF", b"Accept: a\r\n\n<N>: <V>\r\n", Refused),
        raw("behind 90 harmless headers", &[&b"Harmless: a\r\n".repeat(90)[..], b"<N>: <V>\r\n"].concat(), Dropped),
        raw("behind a long harmless header", &[b"Harmless: ", long.as_bytes(), b"\r\n<N>: <V>\r\n"].concat(), Dropped),
        raw("long value", &[b"<N>: <V>,", long.as_bytes(), b"\r\n"].concat(), Dropped),
        raw("long blank before the value", &[b"<N>:", &b" ".repeat(5000)[..], b"<V>\r\n"].concat(), Dropped),
    ]
}

/// The placeholders filled in: `<N>` the name, `<n>` in lower case, `<M>` with underscores, `<V>` the value.
fn filled(template: &[u8], header: &str, value: &str) -> Vec<u8> {
    let parts = [("<N>", header), ("<n>", &header.to_lowercase()), ("<M>", &header.replace('-', "_")), ("<V>", value)];
    parts.iter().fold(template.to_vec(), |bytes, (mark, part)| replaced(&bytes, mark, part))
}

/// The name with other separators, or with one behind it if it has none.
fn with_separators(header: &str, separator: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = header.split('-').map(str::as_bytes).collect();
    [&parts.join(separator)[..], if parts.len() == 1 { separator } else { b"" }, b": <V>\r\n"].concat()
}

/// The same names outside of an ordinary head.
fn around(header: &str, value: &str) -> Vec<Vector> {
    let line = format!("{header}: {value}\r\n");
    let name = |what: &str| format!("{header}: {what}");
    let post = Honest::of("POST", PATH, b"hello");
    let chunked = b"Transfer-Encoding: chunked\r\n";
    let pretended = format!("GET /hidden HTTP/1.1\r\nHost: a\r\n{line}\r\n");
    let pretending = Honest::of("POST", PATH, pretended.as_bytes());
    let refused = |what: &str, status, bytes: Vec<u8>, honest: &Honest| {
        Vector::new(name(what), bytes, vec![honest.clone()], 0, Some(status))
    };
    let chunks = |rest: String| post_with(chunked, rest.as_bytes());
    let escaped = format!("{PATH}%20HTTP/1.1%0d%0a{header}:%20{value}");
    let dropped = |what: &str, bytes: Vec<u8>| Vector::clean(name(what), bytes, post.clone());
    let extension = chunks(format!("5;{header}={value}\r\nhello\r\n0\r\n\r\n"));
    vec![
        dropped("in a trailer", chunks(format!("5\r\nhello\r\n0\r\n{line}\r\n"))),
        dropped(
            "in an announced trailer",
            post_with(
                format!("Trailer: {header}\r\nTransfer-Encoding: chunked\r\n").as_bytes(),
                format!("5\r\nhello\r\n0\r\n{line}\r\n").as_bytes(),
            ),
        ),
        // The value of an extension is a token, or in quotes.
        if value.contains('=') {
            refused("in a chunk extension", 400, extension, &post)
        } else {
            dropped("in a chunk extension", extension)
        },
        dropped("in a quoted chunk extension", chunks(format!("5;a=\"{header}: {value}\"\r\nhello\r\n0\r\n\r\n"))),
        refused("in a chunk extension, behind LF", 400, chunks(format!("5;a\n{line}hello\r\n0\r\n\r\n")), &post),
        refused(
            "before the request line",
            400,
            format!("{line}GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\n").into(),
            &Honest::get(),
        ),
        refused(
            "behind a space after the request line",
            400,
            format!("GET {PATH} HTTP/1.1\r\n {line}Host: a\r\n\r\n").into(),
            &Honest::get(),
        ),
        refused(
            "in the request line",
            400,
            format!("GET {PATH} HTTP/1.1 {line}Host: a\r\n\r\n").into(),
            &Honest::get(),
        ),
        refused(
            "behind 100 harmless headers",
            431,
            get_with(&[&b"Harmless: a\r\n".repeat(100)[..], line.as_bytes()].concat()),
            &Honest::get(),
        ),
        refused(
            "very long value",
            431,
            get_with(format!("{header}: {value},{}\r\n", "v".repeat(20_000)).as_bytes()),
            &Honest::get(),
        ),
        refused(
            "very long name",
            431,
            get_with(format!("{header}{}: {value}\r\n", "-v".repeat(10_000)).as_bytes()),
            &Honest::get(),
        ),
        Vector::clean(
            name("before Host"),
            format!("GET {PATH} HTTP/1.1\r\n{line}Host: a\r\nConnection: close\r\n\r\n"),
            Honest::get(),
        ),
        Vector::clean(name("in HTTP/1.0"), format!("GET {PATH} HTTP/1.0\r\n{line}\r\n"), Honest::get()),
        Vector::clean(
            name("in a POST"),
            post_with(format!("{line}Content-Length: 5\r\nConnection: close\r\n").as_bytes(), b"hello"),
            post.clone(),
        ),
        Vector::clean(
            name("in a body that pretends to be a request"),
            post_with(
                format!("Content-Length: {}\r\nConnection: close\r\n", pretended.len()).as_bytes(),
                pretended.as_bytes(),
            ),
            pretending.clone(),
        ),
        Vector::clean(
            name("in a chunked body that pretends to be a request"),
            post_with(
                b"Transfer-Encoding: chunked\r\nConnection: close\r\n",
                format!("{:x}\r\n{pretended}\r\n0\r\n\r\n", pretended.len()).as_bytes(),
            ),
            pretending.clone(),
        ),
        Vector::clean(
            name("escaped in the target"),
            format!("GET {escaped} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            Honest::of("GET", &escaped, b""),
        ),
        Vector::new(
            name("in a second request"),
            format!(
                "GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n{line}Connection: close\r\n\r\n"
            ),
            vec![Honest::get(), Honest::of("GET", "/second", b"")],
            2,
            None,
        ),
        Vector::new(
            name("with a space before the colon, in a second request"),
            format!(
                "GET {PATH} HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n{header} : {value}\r\n\r\n"
            ),
            vec![Honest::get(), Honest::of("GET", "/second", b"")],
            1,
            Some(400),
        ),
        Vector::new(
            name("in the body of a GET"),
            [get_with(format!("Content-Length: {}\r\n", pretended.len()).as_bytes()), pretended.clone().into_bytes()]
                .concat(),
            vec![Honest::of("GET", PATH, pretended.as_bytes())],
            1,
            None,
        ),
    ]
}
