//! A request as an event for an audit: one JSON object in one line.
//!
//! Promises that nothing a guest or the agent wrote is in it, but for numbers: words come from closed lists
//! ([`Reason`](crate::Reason), [`PathClass`], methods), addresses and ids are written anew. So it needs no escaping,
//! and is shorter than [`LONGEST`].

use crate::{
    AccessRecord, PathClass, Reason, TokenUse,
    digits::{address, digits},
};
use nsgate_config::Identity;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// No event is longer, in bytes: with its header it fits a syslog message of 1,024.
pub const LONGEST: usize = 900;

/// Whose gate it is, as every event of it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOrigin {
    kind: &'static str,
    /// Empty for a host's proxy.
    id: String,
}

impl EventOrigin {
    /// One network's, or one router's.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        let kind = match identity {
            Identity::Network(_) => "network",
            Identity::Router(_) => "router",
            Identity::OvnNetwork(_) => "ovn-network",
        };
        Self { kind, id: identity.uuid().to_string() }
    }

    /// A whole host's: the source says which instance.
    #[must_use]
    pub fn host() -> Self {
        Self { kind: "host", id: String::new() }
    }

    /// `network`, `router`, `ovn-network` or `host`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The UUID; empty for a host's.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Events of the same network that were lost or left out since the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missed {
    /// Beyond the configured rate.
    pub suppressed: u64,
    /// Not taken by where they were to go.
    pub lost: u64,
}

impl Missed {
    /// So many.
    #[must_use]
    pub fn new(suppressed: u64, lost: u64) -> Self {
        Self { suppressed, lost }
    }
}

/// The methods that an event names; any other is `other`, since a guest may write what it likes there.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// What an event says of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSummary {
    /// The method, if it is a usual one.
    pub method: &'static str,
    /// What was asked for.
    pub class: PathClass,
}

impl RequestSummary {
    /// `None` if the guest sent nothing that looks like a request.
    #[must_use]
    pub fn of(record: &AccessRecord) -> Option<Self> {
        let line = record.request_line.as_slice();
        let first = line.iter().position(|byte| *byte == b' ')?;
        let (method, rest) = line.split_at(first);
        let rest = rest.get(1..).unwrap_or_default();
        let target = rest.rsplitn(2, |byte| *byte == b' ').last().unwrap_or_default();
        let method = METHODS.into_iter().find(|known| known.as_bytes() == method);
        if method.is_none() && target.first() != Some(&b'/') {
            return None;
        }
        let cut = line.len() >= crate::exchange::LONGEST_LINE && !rest.contains(&b'?');
        let class = if cut { PathClass::Long } else { PathClass::of(path_in(target)) };
        Some(Self { method: method.unwrap_or("other"), class })
    }
}

/// Where a target's path begins: a refused one may be in absolute-form.
fn path_in(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    match target.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"http://") => {
            rest.iter().position(|byte| *byte == b'/').and_then(|at| rest.get(at..)).unwrap_or(b"/")
        }
        _ => target,
    }
}

/// The event, without the end of line.
#[must_use]
pub fn format(network: &EventOrigin, record: &AccessRecord, missed: Missed) -> String {
    let mut text = String::with_capacity(512);
    text.push_str("{\"time\":\"");
    write_moment(record.started, &mut text);
    text.push_str("\",\"network_kind\":\"");
    text.push_str(network.kind);
    text.push('"');
    write_word(",\"network\":", (!network.id.is_empty()).then_some(network.id.as_str()), &mut text);
    text.push_str(",\"source\":\"");
    address(record.client.ip(), |piece| text.push_str(piece));
    text.push('"');
    write_number(",\"port\":", Some(record.client.port().into()), &mut text);
    let asked = RequestSummary::of(record);
    write_word(",\"method\":", asked.map(|asked| asked.method), &mut text);
    write_word(",\"class\":", asked.map(|asked| asked.class.name()), &mut text);
    write_number(",\"status\":", (record.status != 0).then(|| record.status.into()), &mut text);
    write_word(",\"verdict\":", Some(record.verdict().name()), &mut text);
    write_word(",\"reason\":", record.reason.map(Reason::name), &mut text);
    write_word(",\"token\":", record.token.map(TokenUse::name), &mut text);
    write_number(",\"head_us\":", record.head_time.map(micros), &mut text);
    write_number(",\"queue_us\":", record.queue_time.map(micros), &mut text);
    write_number(",\"connect_us\":", record.connect_time.map(micros), &mut text);
    write_number(",\"agent_us\":", record.response_time.map(micros), &mut text);
    write_number(",\"total_us\":", Some(micros(record.total_time)), &mut text);
    write_number(",\"bytes\":", Some(record.bytes), &mut text);
    write_number(",\"retries\":", Some(record.retries.into()), &mut text);
    write_word(",\"trace_id\":", record.trace.map(|trace| trace.to_string()).as_deref(), &mut text);
    for (key, count) in [(",\"suppressed\":", missed.suppressed), (",\"lost\":", missed.lost)] {
        if count > 0 {
            write_number(key, Some(count), &mut text);
        }
    }
    text.push('}');
    text
}

/// Writes `key` and a word in quotes, or `null`. The word is of a closed list, or has nothing to escape.
pub fn write_word(key: &str, word: Option<&str>, text: &mut String) {
    text.push_str(key);
    match word {
        Some(word) => {
            text.push('"');
            text.push_str(word);
            text.push('"');
        }
        None => text.push_str("null"),
    }
}

/// Writes `key` and a number, or `null`.
pub fn write_number(key: &str, number: Option<u64>, text: &mut String) {
    text.push_str(key);
    match number {
        Some(number) => digits(number, 1, text),
        None => text.push_str("null"),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Writes a moment in UTC with microseconds (RFC 3339, section 5.6). From days to a date by Howard Hinnant's
/// `civil_from_days` (chrono-compatible low-level date algorithms), whose year begins with March.
pub fn write_moment(time: SystemTime, text: &mut String) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    digits(year, 4, text);
    for (before, part) in [('-', month), ('-', day), ('T', hour), (':', minute), (':', second)] {
        text.push(before);
        digits(part, 2, text);
    }
    text.push('.');
    digits(since.subsec_micros().into(), 6, text);
    text.push('Z');
}

#[cfg(test)]
mod tests {
    use super::{EventOrigin, LONGEST, Missed, PathClass, RequestSummary, format, write_moment};
    use crate::{AccessRecord, Reason, TokenUse, trace::Traces};
    use nsgate_config::Identity;
    use std::time::{Duration, UNIX_EPOCH};

    const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

    fn record(line: &[u8]) -> AccessRecord {
        AccessRecord {
            head_time: Some(Duration::from_micros(120)),
            queue_time: Some(Duration::ZERO),
            connect_time: Some(Duration::from_micros(40)),
            response_time: Some(Duration::from_millis(2)),
            total_time: Duration::from_micros(2400),
            status: 200,
            bytes: 440,
            connections: 1,
            served: true,
            request_line: line.to_vec(),
            ..AccessRecord::begun(
                "10.0.0.5:41234".parse().unwrap(),
                UNIX_EPOCH + Duration::from_micros(1_700_000_000_345_678),
            )
        }
    }

    #[test]
    fn an_event_says_who_asked_for_what_and_what_came_of_it() {
        let network = EventOrigin::of(&Identity::Network(ID.parse().unwrap()));
        assert_eq!(
            format(&network, &record(b"GET /latest/user-data?token=s3cret HTTP/1.1"), Missed::default()),
            format!(
                "{{\"time\":\"2023-11-14T22:13:20.345678Z\",\"network_kind\":\"network\",\"network\":\"{ID}\",\
                 \"source\":\"10.0.0.5\",\"port\":41234,\"method\":\"GET\",\"class\":\"user-data\",\"status\":200,\
                 \"verdict\":\"passed\",\"reason\":null,\"token\":null,\"head_us\":120,\"queue_us\":0,\"connect_us\":40,\
                 \"agent_us\":2000,\"total_us\":2400,\"bytes\":440,\"retries\":0,\"trace_id\":null}}"
            )
        );
    }

    #[test]
    fn nothing_that_a_guest_wrote_is_in_it() {
        for line in [
            &b"GET /s3cret?s3cret HTTP/1.1"[..],
            b"S3CRET /s3cret HTTP/1.1",
            b"GET s3cret s3cret s3cret",
            b"s3cret",
            b"\x16\x03\x01 s3cret \"}\n",
            b"GET /\"},{\"s3cret\":\" HTTP/1.1",
        ] {
            let refused = AccessRecord { reason: Some(Reason::Target), status: 400, head_time: None, ..record(line) };
            let event = format(&EventOrigin::host(), &refused, Missed { suppressed: 7, lost: 2 });
            assert!(!event.to_lowercase().contains("s3cret"), "{event}");
            assert!(event.is_ascii() && !event.contains(['\n', '\\']) && event.matches('{').count() == 1, "{event}");
            assert!(event.ends_with(",\"suppressed\":7,\"lost\":2}"), "{event}");
        }
    }

    #[test]
    fn a_request_line_is_a_method_and_a_class() {
        let asked = |line: &[u8]| RequestSummary::of(&record(line)).map(|asked| (asked.method, asked.class.name()));
        assert_eq!(asked(b"POST /openstack/latest/password HTTP/1.1"), Some(("POST", "password")));
        assert_eq!(asked(b"GET /latest/user-data"), Some(("GET", "user-data")), "a refused one may have no version");
        assert_eq!(asked(b"BREW /latest/user-data HTTP/1.1"), Some(("other", "user-data")));
        assert_eq!(asked(b"GET http://169.254.169.254/latest/user-data HTTP/1.1"), Some(("GET", "user-data")));
        assert_eq!(asked(b"GET HTTP://h/latest/ HTTP/1.1"), Some(("GET", "index")));
        assert_eq!(asked(b"GET http://h HTTP/1.1"), Some(("GET", "index")));
        assert_eq!(asked(b""), None);
        assert_eq!(asked(b"\x16\x03\x01"), None);
        let long = format!("GET /{}/../latest/user-data HTTP/1.1", "a".repeat(2000));
        assert_eq!(asked(&long.as_bytes()[..1024]), Some(("GET", "long")), "what was cut off may be a secret's name");
        let query = format!("GET /latest/user-data?{} HTTP/1.1", "a".repeat(2000));
        assert_eq!(asked(&query.as_bytes()[..1024]), Some(("GET", "user-data")));
        assert_eq!(PathClass::ALL.len(), 10);
    }

    #[test]
    fn the_longest_event_keeps_its_bound() {
        let huge = Some(Duration::from_micros(u64::MAX));
        for reason in Reason::ALL {
            let longest = AccessRecord {
                client: "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535".parse().unwrap(),
                head_time: huge,
                queue_time: huge,
                connect_time: huge,
                response_time: huge,
                total_time: Duration::from_micros(u64::MAX),
                status: 599,
                bytes: u64::MAX,
                retries: u32::MAX,
                reason: Some(*reason),
                token: Some(TokenUse::Absent),
                trace: Some(Traces::new(true).begin().0),
                ..record(b"OPTIONS /network_data.json HTTP/1.1")
            };
            let network = EventOrigin::of(&Identity::OvnNetwork(ID.parse().unwrap()));
            let event = format(&network, &longest, Missed { suppressed: u64::MAX, lost: u64::MAX });
            assert!(event.len() <= LONGEST, "{}: {event}", event.len());
        }
    }

    #[test]
    fn a_moment_is_a_date_in_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (68_169_599, "1972-02-28T23:59:59.000000Z"),
            (68_169_600, "1972-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            let mut text = String::new();
            write_moment(UNIX_EPOCH + Duration::from_secs(seconds), &mut text);
            assert_eq!(text, expected, "{seconds}");
        }
    }
}
