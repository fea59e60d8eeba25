//! Times in TOML: a number with a unit, or seconds.

use super::draft::DraftTime;
use crate::model::limits::LONGEST;
use std::time::Duration;

/// Reads a time: more than zero, at most a day.
pub(super) fn parse(time: &DraftTime) -> Result<Duration, String> {
    let duration = match time {
        DraftTime::Seconds(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        DraftTime::Text(text) => text_time(text),
    };
    match duration {
        Some(duration) if duration > Duration::ZERO && duration <= LONGEST => Ok(duration),
        Some(_) => Err("a time is longer than zero and at most 24h".to_owned()),
        None => Err("this is not a time; write \"30s\", \"500ms\", \"2m\" or a number of seconds".to_owned()),
    }
}

fn text_time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.bytes().take_while(u8::is_ascii_digit).count())?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// The shortest exact way to write a time.
pub(super) fn write(duration: Duration) -> String {
    match duration.as_millis() {
        millis if millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{millis}ms"),
    }
}
