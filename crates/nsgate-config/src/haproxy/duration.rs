//! Times as haproxy writes them (configuration manual, 2.5 "Time format").

use crate::model::limits::LONGEST;
use std::time::Duration;

/// haproxy's own bound: a time is less than 2^31 ms (`parse_time_err`, src/tools.c).
const BOUND: u64 = 1 << 31;

/// Reads a number with the unit `us`, `ms`, `s`, `m`, `h` or `d`; milliseconds without a unit. More than zero, at most a day.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    match milliseconds(text)? {
        Duration::ZERO => Err("a time of 0 would never wait; write a longer one".to_owned()),
        duration if duration > LONGEST => Err(format!("`{text}` is too long a time; at most 24h")),
        duration => Ok(duration),
    }
}

/// The same with haproxy's own bounds: zero to 24 days.
pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time; write a number and a unit, for instance 30s or 500ms");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let micros = match unit {
        "us" => 1,
        "" | "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return Err(wrong()),
    };
    // haproxy counts in milliseconds and rounds up: a short time never becomes zero.
    let found = number.checked_mul(micros).map(|micros: u64| micros.div_ceil(1000)).filter(|found| *found < BOUND);
    found.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long a time; at most 24h"))
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, parse};
    use std::time::Duration;

    #[test]
    fn units_and_the_default() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("1500"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1d"), Ok(Duration::from_secs(86_400)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "s", "-1s", "0", "0s", "1w", "30 s", "99999999999999999999s", "25d", "86401s", "1.5s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn haproxys_own_bound_is_24_days() {
        assert_eq!(milliseconds("0"), Ok(Duration::ZERO));
        assert_eq!(milliseconds("1us"), Ok(Duration::from_millis(1)));
        assert_eq!(milliseconds("2147483647"), Ok(Duration::from_millis(2_147_483_647)));
        for text in ["2147483648", "25d", "18446744073709551615d", "s"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }
}
