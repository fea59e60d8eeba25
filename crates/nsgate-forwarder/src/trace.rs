//! A trace context of the gate's own (W3C Trace Context, level 1, version 00).
//!
//! A guest's `traceparent`, `tracestate` and `baggage` never reach the agent: they are not in the table of what passes.

use std::{
    collections::hash_map::RandomState,
    fmt::{self, Write},
    hash::BuildHasher,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The id that all parts of one trace have: the gate's event, and what agent and Nova record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u64; 2]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0;
        write!(f, "{high:016x}{low:016x}")
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes a context for each request. Its numbers are those of a keyed hash over a counter (SipHash, of the standard
/// library), whose key the kernel gave before the filter closed: no guest can guess them, and none takes a system call.
pub(crate) struct Traces {
    key: RandomState,
    /// The moment, in nanoseconds: workers of one pool may have their keys from the same parent.
    salt: Duration,
    next: AtomicU64,
    sampled: bool,
}

impl Traces {
    pub(crate) fn new(sampled: bool) -> Self {
        #[allow(clippy::disallowed_methods, reason = "any two starts differ; nothing counts on it")]
        let salt = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { key: RandomState::new(), salt, next: AtomicU64::new(0), sampled }
    }

    /// The id of one more trace, and the header field with the end of its line.
    pub(crate) fn begin(&self) -> (TraceId, Vec<u8>) {
        let id = TraceId([self.number(), self.number()]);
        let mut field = String::with_capacity(72);
        // Writing to a String cannot fail.
        let _ = write!(field, "traceparent: 00-{id}-{:016x}-{:02x}\r\n", self.number(), u8::from(self.sampled));
        (id, field.into_bytes())
    }

    /// A number that is not zero: an id of zeros is none.
    fn number(&self) -> u64 {
        self.key.hash_one((self.salt, self.next.fetch_add(1, Ordering::Relaxed))).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Traces;
    use std::collections::HashSet;

    #[test]
    fn a_context_is_version_00_with_two_ids_and_flags() {
        let (id, field) = Traces::new(true).begin();
        let field = String::from_utf8(field).unwrap();
        let value = field.strip_prefix("traceparent: ").and_then(|rest| rest.strip_suffix("\r\n")).unwrap();
        let parts: Vec<&str> = value.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3], parts.len()), ("00", id.to_string().as_str(), "01", 4));
        let plain = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        assert!(parts[1].len() == 32 && parts[2].len() == 16 && parts.iter().all(|part| plain(part)), "{value}");
        assert!(String::from_utf8(Traces::new(false).begin().1).unwrap().ends_with("-00\r\n"));
    }

    #[test]
    fn no_two_traces_have_one_id() {
        let makers = [Traces::new(true), Traces::new(true)];
        let ids: HashSet<String> = (0..2000).map(|number| makers[number % 2].begin().0.to_string()).collect();
        assert_eq!(ids.len(), 2000);
    }
}
