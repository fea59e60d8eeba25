//! A request as one line, as haproxy's `option httplog` writes it (configuration manual, 8.2.3).

use crate::{
    AccessRecord, Verdict,
    digits::{address, digits},
};
use std::{
    fmt::Write,
    time::{Duration, UNIX_EPOCH},
};

/// A date by the clock on the wall; the caller knows the time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Year, for instance 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The second in which a request began, in seconds since 1970: what the caller makes a [`Date`] of.
#[must_use]
pub fn second(record: &AccessRecord) -> i64 {
    let since = record.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(0)
}

/// The line, without the end of line.
#[must_use]
pub fn format(record: &AccessRecord, date: &Date) -> String {
    let since = record.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let month = MONTHS.get(usize::from(date.month).saturating_sub(1)).unwrap_or(&"Jan");
    let server = if record.served { "metadata" } else { "<NOSRV>" };
    let mut line = String::with_capacity(256);
    address(record.client.ip(), |piece| line.push_str(piece));
    numbers([(":", record.client.port().into(), 1), (" [", date.day.into(), 2)], &mut line);
    line.push('/');
    line.push_str(month);
    let (year, millis) = (u64::try_from(date.year).unwrap_or(0), since.subsec_millis().into());
    let (hour, minute, second) = (date.hour.into(), date.minute.into(), date.second.into());
    numbers([("/", year, 1), (":", hour, 2), (":", minute, 2), (":", second, 2), (".", millis, 3)], &mut line);
    line.push_str("] listener listener/");
    line.push_str(server);
    time(" ", record.head_time, &mut line);
    time("/", record.queue_time, &mut line);
    time("/", record.connect_time, &mut line);
    time("/", record.response_time, &mut line);
    time("/", Some(record.total_time), &mut line);
    line.push(' ');
    match record.status {
        0 => line.push_str("-1"),
        status => digits(status.into(), 1, &mut line),
    }
    numbers([(" ", record.bytes, 1)], &mut line);
    line.push_str(" - - ");
    line.push_str(record.termination.letters());
    let (all, at_agent, retries) = (record.connections.into(), record.served.into(), record.retries.into());
    numbers([("-- ", all, 1), ("/", all, 1), ("/", at_agent, 1), ("/", at_agent, 1), ("/", retries, 1)], &mut line);
    line.push_str(" 0/0 ");
    captured(record, &mut line);
    line.push('"');
    match record.head_time {
        Some(_) => escape(&record.request_line, &mut line),
        None => match request_in(&record.request_line) {
            Some(request) => escape(request, &mut line),
            None => line.push_str("<BADREQ>"),
        },
    }
    line.push('"');
    line
}

/// How the request stands to tokens, and why it was refused, where haproxy writes captured request headers
/// (configuration manual, 8.2.3, `%hr`).
fn captured(record: &AccessRecord, line: &mut String) {
    let token = record.token.map(|token| ("{token:", token.name()));
    let refused = record.reason.filter(|reason| reason.verdict() == Verdict::Refused);
    for (key, word) in [token, refused.map(|reason| ("{reason:", reason.name()))].into_iter().flatten() {
        line.push_str(key);
        line.push_str(word);
        line.push_str("} ");
    }
}

/// What of a refused line is a request's beginning: a method, and a target once that is known to have a path. Anything else
/// may be a part of a body that a guest sent under a wrong length, or another secret.
fn request_in(line: &[u8]) -> Option<&[u8]> {
    const USUAL: [&[u8]; 10] =
        [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI"];
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (method, behind) = line.split_at_checked(end)?;
    let target = behind.get(1..).unwrap_or_default();
    // The strict reader takes no user into a target: a host precedes the path.
    let has_path = target.starts_with(b"/")
        || target.split_at_checked(7).is_some_and(|(scheme, rest)| {
            scheme.eq_ignore_ascii_case(b"http://") && rest.iter().any(|byte| matches!(byte, b'/' | b'?' | b' '))
        });
    let known = USUAL.contains(&method);
    let word = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    match (has_path, known, word) {
        (true, _, true) => Some(line),
        (false, true, _) => Some(method),
        _ => None,
    }
}

/// Numbers, each with its separator and its least number of digits.
fn numbers<const N: usize>(pieces: [(&str, u64, usize); N], line: &mut String) {
    for (before, number, least) in pieces {
        line.push_str(before);
        digits(number, least, line);
    }
}

/// In milliseconds; -1 for what never was.
fn time(before: &str, duration: Option<Duration>, line: &mut String) {
    line.push_str(before);
    match duration {
        Some(duration) => {
            let seconds = duration.as_secs().saturating_mul(1000);
            digits(seconds.saturating_add(duration.subsec_millis().into()), 1, line);
        }
        None => line.push_str("-1"),
    }
}

/// What could break the line, or be taken for its end, is written as `#` and two hexadecimal digits.
fn escape(bytes: &[u8], line: &mut String) {
    let special = |byte: &u8| matches!(byte, b'"' | b'#' | b'{' | b'|' | b'}' | 0..=0x1f | 0x7f..=0xff);
    for piece in bytes.split_inclusive(special) {
        let (plain, special) = match piece.split_last() {
            Some((last, plain)) if special(last) => (plain, Some(last)),
            _ => (piece, None),
        };
        // Nothing is left but ASCII.
        line.push_str(std::str::from_utf8(plain).unwrap_or_default());
        if let Some(byte) = special {
            // Writing to a String cannot fail.
            let _ = write!(line, "#{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessRecord, Date, format};
    use crate::Reason;
    use std::time::{Duration, UNIX_EPOCH};

    fn record() -> AccessRecord {
        let millis = |n| Some(Duration::from_millis(n));
        AccessRecord {
            head_time: millis(1),
            queue_time: millis(0),
            connect_time: millis(2),
            response_time: millis(30),
            total_time: Duration::from_millis(33),
            status: 200,
            bytes: 440,
            connections: 3,
            served: true,
            request_line: b"GET /openstack HTTP/1.1".to_vec(),
            ..AccessRecord::begun(
                "10.0.0.5:41234".parse().unwrap(),
                UNIX_EPOCH + Duration::from_millis(1_700_000_000_345),
            )
        }
    }

    const DATE: Date = Date { year: 2026, month: 11, day: 4, hour: 7, minute: 8, second: 9 };

    #[test]
    fn a_line_is_haproxys() {
        assert_eq!(
            format(&record(), &DATE),
            "10.0.0.5:41234 [04/Nov/2026:07:08:09.345] listener listener/metadata 1/0/2/30/33 200 440 - - ---- 3/3/1/1/0 \
             0/0 \"GET /openstack HTTP/1.1\""
        );
    }

    #[test]
    fn how_a_request_stands_to_tokens_is_where_haproxy_writes_captured_headers() {
        let line = format(&AccessRecord { token: Some(crate::TokenUse::Absent), ..record() }, &DATE);
        assert!(line.ends_with(" 3/3/1/1/0 0/0 {token:absent} \"GET /openstack HTTP/1.1\""), "{line}");
    }

    #[test]
    fn a_guest_cannot_write_a_line_of_its_own() {
        let forged =
            AccessRecord { request_line: b"GET /\r\n\"x\"#\xff\x1b[31m HTTP/1.1".to_vec(), served: false, ..record() };
        let line = format(&forged, &DATE);
        assert!(line.ends_with("\"GET /#0D#0A#22x#22#23#FF#1B[31m HTTP/1.1\""), "{line}");
        assert!(line.is_ascii() && !line.contains('\n') && line.contains("<NOSRV>"));
    }

    #[test]
    fn a_refused_request_is_a_line_with_its_reason_and_what_was_read_of_it() {
        let quoted = |line: &[u8]| {
            let refused =
                AccessRecord { head_time: None, reason: Some(Reason::Target), request_line: line.to_vec(), ..record() };
            let line = format(&refused, &DATE);
            let quoted = line.split_once(" 0/0 {reason:target} \"").map(|(_, quoted)| quoted.to_owned());
            quoted.unwrap_or_else(|| panic!("{line}")).trim_end_matches('"').to_owned()
        };
        for (line, shown) in [
            (&b"GET /latest/ HTTP/1.1"[..], "GET /latest/ HTTP/1.1"),
            (b"GET /latest/?-", "GET /latest/?-"),
            (b"POST /a", "POST /a"),
            (b"PROPFIND /a\"", "PROPFIND /a#22"),
            (b"GET http://h/a HTTP/1.1", "GET http://h/a HTTP/1.1"),
            (b"GET HTTP://h?-", "GET HTTP://h?-"),
            // A user may follow, with a password.
            (b"GET http://user:secret", "GET"),
            (b"GET ", "GET"),
            (b"GET", "GET"),
            (b"PRI", "PRI"),
            (b"CONNECT", "CONNECT"),
            (b"", "<BADREQ>"),
            (b"SECRET", "<BADREQ>"),
            (b"secret /a", "<BADREQ>"),
            (b"my secret /a", "<BADREQ>"),
            (b"password=secret", "<BADREQ>"),
            (b"\x16\x03\x01", "<BADREQ>"),
        ] {
            assert_eq!(quoted(line), shown, "{:?}", String::from_utf8_lossy(line));
        }
        let both = AccessRecord { token: Some(crate::TokenUse::Bad), reason: Some(Reason::WrongToken), ..record() };
        assert!(format(&both, &DATE).ends_with(" 0/0 {token:bad} {reason:wrong-token} \"GET /openstack HTTP/1.1\""));
        let failed = AccessRecord { reason: Some(Reason::AgentSilent), ..record() };
        assert!(format(&failed, &DATE).ends_with(" 0/0 \"GET /openstack HTTP/1.1\""), "the letters say it");
    }

    #[test]
    fn what_never_was_is_a_minus_one() {
        let nothing = AccessRecord {
            head_time: None,
            queue_time: None,
            connect_time: None,
            response_time: None,
            status: 0,
            request_line: Vec::new(),
            served: false,
            ..record()
        };
        let line = format(&nothing, &DATE);
        assert!(line.contains(" listener/<NOSRV> -1/-1/-1/-1/33 -1 440 "), "{line}");
        assert!(line.ends_with("\"<BADREQ>\""), "{line}");
    }
}
