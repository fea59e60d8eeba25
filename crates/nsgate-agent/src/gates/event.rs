//! A request of the second hop as an event for an audit: one JSON object in one line.
//!
//! Promises what a gate's events promise ([`nsgate_forwarder::event`]): nothing that a guest wrote is in it. An id of the directory is
//! in it where it needs no escaping.

use super::record::{HopReason, HopRecord};
use nsgate_forwarder::event::{EventOrigin, Missed, write_moment, write_number, write_word};
use std::time::{Duration, SystemTime};

/// Longest id of the directory that an event names, in bytes.
const LONGEST_ID: usize = 64;

impl HopRecord {
    /// `passed`: Nova has answered; `refused`; `failed`: there is no answer of Nova's, for a reason behind the agent.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self.reason {
            None => "passed",
            Some(reason) if reason.is_failure() => "failed",
            Some(_) => "refused",
        }
    }

    /// The instance as an event names it.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.occupant.as_ref().and_then(|occupant| plain(occupant.instance()))
    }
}

/// The event of a request that was answered at `now`, without the end of line.
#[must_use]
pub fn format(record: &HopRecord, now: SystemTime, missed: Missed) -> String {
    let mut text = String::with_capacity(512);
    text.push_str("{\"time\":\"");
    write_moment(now.checked_sub(record.total_time).unwrap_or(now), &mut text);
    text.push_str("\",\"hop\":\"nova\"");
    let origin = record.place.as_ref().map(EventOrigin::of);
    write_word(",\"network_kind\":", origin.as_ref().map(EventOrigin::kind), &mut text);
    write_word(",\"network\":", origin.as_ref().map(EventOrigin::id), &mut text);
    text.push_str(if record.bound { ",\"bound\":true" } else { ",\"bound\":false" });
    write_word(",\"source\":", record.source.map(|source| source.to_string()).as_deref(), &mut text);
    write_word(",\"instance\":", record.instance(), &mut text);
    let project = record.occupant.as_ref().and_then(|occupant| plain(occupant.project()));
    write_word(",\"project\":", project, &mut text);
    write_word(",\"method\":", Some(record.method), &mut text);
    write_word(",\"class\":", Some(record.class.name()), &mut text);
    write_number(",\"status\":", (record.status != 0).then(|| record.status.into()), &mut text);
    write_word(",\"verdict\":", Some(record.verdict()), &mut text);
    write_word(",\"reason\":", record.reason.map(HopReason::name), &mut text);
    write_number(",\"look_up_us\":", record.look_up_time.map(micros), &mut text);
    write_number(",\"nova_us\":", record.nova_time.map(micros), &mut text);
    write_number(",\"total_us\":", Some(micros(record.total_time)), &mut text);
    for (key, count) in [(",\"suppressed\":", missed.suppressed), (",\"lost\":", missed.lost)] {
        if count > 0 {
            write_number(key, Some(count), &mut text);
        }
    }
    text.push('}');
    text
}

/// An id that is a word: a UUID is one, and what Nova and Keystone give out.
fn plain(id: &str) -> Option<&str> {
    let fit = id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    fit.then_some(id)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Occupant;
    use nsgate_config::Identity;
    use nsgate_forwarder::{PathClass, event::LONGEST};
    use std::time::UNIX_EPOCH;

    const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

    fn record(instance: &str) -> HopRecord {
        HopRecord {
            bound: true,
            place: Some(Identity::OvnNetwork(ID.parse().unwrap())),
            source: Some("10.0.0.5".parse().unwrap()),
            method: "GET",
            class: PathClass::UserData,
            occupant: Some(Occupant::new(instance, "5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60").unwrap()),
            status: 200,
            reason: None,
            look_up_time: Some(Duration::from_micros(12)),
            nova_time: Some(Duration::from_millis(2)),
            total_time: Duration::from_micros(2_100),
        }
    }

    #[test]
    fn an_event_names_the_instance_and_what_became_of_the_request() {
        let now = UNIX_EPOCH + Duration::from_micros(1_700_000_000_002_100);
        assert_eq!(
            format(&record("d3f1c2a0-5b7e-4c7a-8a57-6a8d1b9a4e11"), now, Missed::default()),
            format!(
                "{{\"time\":\"2023-11-14T22:13:20.000000Z\",\"hop\":\"nova\",\"network_kind\":\"ovn-network\",\"network\":\"{ID}\",\
                 \"bound\":true,\"source\":\"10.0.0.5\",\"instance\":\"d3f1c2a0-5b7e-4c7a-8a57-6a8d1b9a4e11\",\
                 \"project\":\"5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60\",\"method\":\"GET\",\"class\":\"user-data\",\"status\":200,\
                 \"verdict\":\"passed\",\"reason\":null,\"look_up_us\":12,\"nova_us\":2000,\"total_us\":2100}}"
            )
        );
    }

    #[test]
    fn an_id_that_would_need_escaping_is_left_out_and_the_longest_event_keeps_its_bound() {
        for odd in ["a\"b", "a\\b", "a,b", &"a".repeat(65)] {
            assert!(format(&record(odd), UNIX_EPOCH, Missed::default()).contains("\"instance\":null"), "{odd}");
        }
        let huge = Some(Duration::from_micros(u64::MAX));
        for reason in HopReason::ALL {
            let longest = HopRecord {
                source: Some("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
                occupant: Some(Occupant::new(&"a".repeat(64), &"b".repeat(64)).unwrap()),
                reason: Some(reason),
                look_up_time: huge,
                nova_time: huge,
                ..record("a")
            };
            let missed = Missed::new(u64::MAX, u64::MAX);
            let event = format(&longest, UNIX_EPOCH, missed);
            assert!(event.len() <= LONGEST, "{}: {event}", event.len());
        }
    }
}
