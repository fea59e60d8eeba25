//! Request targets: four forms of which a gate serves two, and paths that must arrive unchanged (RFC 9112, section 3.2).

use super::{Honest, PATH, Vector};

pub(super) fn all() -> Vec<Vector> {
    let request = |target: &[u8]| [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat();
    let bad = |what: &str, target: &[u8]| Vector::refused(format!("target: {what}"), 400, request(target));
    let same = |what: &str, target: &str| {
        Vector::clean(format!("target: {what}"), request(target.as_bytes()), Honest::of("GET", target, b""))
    };
    let asked = |host: &str, target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
    };
    let absolute = |what: &str, host: &str, target: &str, origin: &str| {
        Vector::clean(format!("target: absolute, {what}"), asked(host, target), Honest::of("GET", origin, b""))
    };
    let other = |what: &str, host: &str, target: &str| {
        Vector::refused(format!("target: absolute, {what}"), 400, asked(host, target))
    };
    let options = b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let connect = |target: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    let long = format!("/{}", "a".repeat(3000));
    vec![
        bad("absolute", b"http://169.254.169.254/latest/"),
        bad("absolute, another host", b"http://10.0.0.1/latest/"),
        bad("absolute, user and password", b"http://a:b@169.254.169.254/"),
        bad("absolute, upper case", b"HTTP://169.254.169.254/"),
        bad("absolute, another scheme", b"file:///etc/passwd"),
        bad("absolute, a UNIX socket", b"http+unix://%2Frun%2Fa.sock/"),
        bad("absolute, without a host", b"http:///latest/"),
        bad("absolute, one slash", b"http:/latest/"),
        absolute("Host's", "169.254.169.254", "http://169.254.169.254/latest/?a=http://b/", "/latest/?a=http://b/"),
        absolute("Host's, in capitals", "metadata.example", "HTTP://METADATA.example/a", "/a"),
        absolute("Host's, its port said", "169.254.169.254", "http://169.254.169.254:80/a", "/a"),
        absolute("Host's, Host's port said", "169.254.169.254:80", "http://169.254.169.254/a", "/a"),
        absolute("Host's, an empty port", "169.254.169.254", "http://169.254.169.254:/a", "/a"),
        absolute("Host's, another port in both", "169.254.169.254:81", "http://169.254.169.254:81/a", "/a"),
        absolute("Host's, IPv6", "[fe80::a9fe:a9fe]", "http://[FE80::a9fe:a9fe]:80/a", "/a"),
        absolute("Host's, without a path", "a", "http://a", "/"),
        absolute("Host's, a query without a path", "a", "http://a?b/c", "/?b/c"),
        absolute("Host's, two slashes", "a", "http://a//10.0.0.1/", "//10.0.0.1/"),
        absolute("Host's, the path a URL", "a", "http://a/http://b/", "/http://b/"),
        other("another port", "169.254.169.254", "http://169.254.169.254:81/"),
        other("another port in Host", "169.254.169.254:81", "http://169.254.169.254/"),
        other("Host is empty", "", "http://a/"),
        other("only a port", "", "http://:80/"),
        other("user of Host's", "a", "http://user@a/"),
        other("https to Host", "a", "https://a/"),
        other("a longer name", "a", "http://a.example/"),
        other("a fragment", "a", "http://a#b"),
        Vector::refused(
            "target: absolute, OPTIONS without a path",
            400,
            &b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"[..],
        ),
        Vector::clean(
            "target: absolute, HTTP/1.0 without Host",
            format!("GET http://a{PATH} HTTP/1.0\r\n\r\n"),
            Honest::get(),
        ),
        Vector::refused("target: absolute, without Host", 400, format!("GET http://a{PATH} HTTP/1.1\r\n\r\n")),
        bad("authority", b"169.254.169.254:80"),
        bad("asterisk in a GET", b"*"),
        bad("asterisk and a path", b"*/latest/"),
        Vector::new("target: asterisk in OPTIONS", &options[..], vec![Honest::of("OPTIONS", "*", b"")], 0, Some(400)),
        Vector::new(
            "target: CONNECT",
            connect("10.0.0.1:22"),
            vec![Honest::of("CONNECT", "10.0.0.1:22", b"")],
            0,
            Some(400),
        ),
        Vector::new("target: CONNECT with a path", connect(PATH), vec![Honest::of("CONNECT", PATH, b"")], 0, Some(400)),
        bad("no slash", b"latest/meta-data/"),
        bad("a question mark first", b"?a=b"),
        bad("empty", b""),
        bad("a fragment", b"/latest/#/../secret"),
        bad("a space", b"/latest/ meta-data/"),
        bad("a tab", b"/latest/\tmeta-data/"),
        bad("a version inside", b"/latest/ HTTP/1.1 /meta-data/"),
        bad("two versions", b"/latest/ HTTP/1.1 HTTP/1.1"),
        bad("a version 1.0 inside", b"/latest/ HTTP/1.0"),
        bad("NUL", b"/latest/\0"),
        bad("CR", b"/latest/\rX: a"),
        bad("LF", b"/latest/\nX: a"),
        bad("DEL", b"/latest/\x7f"),
        bad("control byte", b"/latest/\x01"),
        bad("vertical tab for a space", b"/latest/\x0bHTTP/1.1"),
        bad("8-bit byte", b"/latest/\xe4"),
        bad("UTF-8", "/latest/\u{e4}".as_bytes()),
        bad("8-bit space", b"/latest/\xa0"),
        bad("less and greater", b"/latest/<a>"),
        Vector::refused("target: 5,000 bytes", 414, request(format!("/{}", "a".repeat(5000)).as_bytes())),
        Vector::refused("target: 20,000 bytes", 414, request(format!("/{}", "a".repeat(20_000)).as_bytes())),
        same("two dots", "/latest/../../etc/passwd"),
        same("one dot", "/latest/./meta-data/."),
        same("two slashes", "//latest//meta-data//"),
        same("two slashes and a host", "//10.0.0.1/latest/"),
        same("escaped dots", "/%2e%2e/%2E%2E/"),
        same("escaped slash", "/latest%2Fmeta-data%2f"),
        same("escaped line ends", "/%0d%0aX-Forwarded-For:%2010.0.0.99"),
        same("escaped NUL", "/latest/%00"),
        same("escaped space and version", "/%20HTTP/1.1"),
        same("a bad escape", "/%zz%"),
        same("a URL in the path", "/http://10.0.0.1/"),
        same("a URL in the query", "/?url=http://10.0.0.1/%23"),
        same("two question marks", "/?a?b"),
        same("an empty query", "/?"),
        same("semicolons", "/latest;X-Forwarded-For=10.0.0.99/a"),
        same("an at sign", "/@10.0.0.1/"),
        same("a colon", "/:80/"),
        same("quotation marks", "/latest/\"a\""),
        same("backslashes", "/latest\\..\\a"),
        same("braces and bars", "/{a}|b"),
        same("commas", "/a,b"),
        same("marks of RFC 3986", "/-._~!$&'()*+,;=:@"),
        same("a query that looks like a header", "/?X-Forwarded-For:10.0.0.99"),
        same("3,000 bytes", &long),
    ]
}
