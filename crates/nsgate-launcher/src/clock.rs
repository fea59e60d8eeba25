//! Local time for log lines, in a process that can open no file.

use crate::sys;
use std::cell::Cell;

/// A point in time as the host's clock on the wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
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
    /// Seconds east of Greenwich.
    pub offset: i32,
}

impl LocalTime {
    fn of(found: &libc::tm) -> Self {
        let small = |number: libc::c_int| u8::try_from(number).unwrap_or(0);
        Self {
            year: found.tm_year.saturating_add(1900),
            month: small(found.tm_mon) + 1,
            day: small(found.tm_mday).max(1),
            hour: small(found.tm_hour),
            minute: small(found.tm_min),
            second: small(found.tm_sec),
            offset: i32::try_from(found.tm_gmtoff).unwrap_or(0),
        }
    }
}

/// Reads the zone's rules (tzset(3)); later changes of /etc/localtime are not seen.
pub(crate) fn read_zone() {
    sys::tzset();
}

thread_local! {
    /// The second that was asked for last: lines of a log ask for the same one again and again.
    static LAST: Cell<Option<(i64, LocalTime)>> = const { Cell::new(None) };
}

/// The local time of a moment, in seconds since 1970. Opens no file once the process was launched; summer time
/// begins and ends by the rules that were read at the start.
#[must_use]
pub fn local_time(unix_seconds: i64) -> LocalTime {
    match LAST.get() {
        Some((second, known)) if second == unix_seconds => known,
        _ => {
            let found = LocalTime::of(&sys::local_time(unix_seconds));
            LAST.set(Some((unix_seconds, found)));
            found
        }
    }
}
