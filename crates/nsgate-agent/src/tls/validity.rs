//! Until when a certificate is valid (RFC 5280, section 4.1.2.5). rustls does not ask that of an authority.

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version of a certificate, which a first version leaves out.
const VERSION: u8 = 0xa0;

/// The last second in which a certificate in DER is valid, in Unix time. `None` if that cannot be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<u64> {
    let mut certificate = element(&mut &*certificate, SEQUENCE)?;
    let mut fields = element(&mut certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        any(&mut fields)?;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        any(&mut fields)?;
    }
    let mut times = element(&mut fields, SEQUENCE)?;
    any(&mut times)?;
    let (tag, digits) = any(&mut times)?;
    seconds(tag, digits)
}

fn element<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    any(rest).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The next element: its tag and its content.
fn any<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (head, after) = rest.split_at_checked(2)?;
    let [tag, short] = head else { return None };
    let (length, after) = match short {
        0..0x80 => (usize::from(*short), after),
        _ => {
            let (long, after) =
                after.split_at_checked(usize::from(short & 0x7f)).filter(|(long, _)| long.len() <= 4)?;
            (long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), after)
        }
    };
    let (content, after) = after.split_at_checked(length)?;
    *rest = after;
    Some((*tag, content))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` as Unix time; 0 before 1970.
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => text.split_at_checked(2).map(|(year, rest)| (year.parse::<i64>(), rest))?,
        GENERALIZED_TIME => text.split_at_checked(4).map(|(year, rest)| (year.parse(), rest))?,
        _ => return None,
    };
    let year = year
        .ok()
        .map(|year| if tag == GENERALIZED_TIME { year } else { year + if year < 50 { 2000 } else { 1900 } })?;
    let mut parts = [0i64; 5];
    for (part, at) in parts.iter_mut().zip((0..).step_by(2)) {
        *part = rest.get(at..at + 2)?.parse().ok()?;
    }
    let [month, day, hour, minute, second] = parts;
    // Days of a year that begins with March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some(u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_unix_time() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (UTC_TIME, "240229120001Z", Some(1_709_208_001)),
            (GENERALIZED_TIME, "20240229120001Z", Some(1_709_208_001)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "2024022912000Z", None),
            (UTC_TIME, "240229120001", None),
            (UTC_TIME, "24022912+001Z", None),
            (0x16, "240229120001Z", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in
            [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 2, 0x30, 0], &[0x30; 9]]
        {
            assert_eq!(not_after(bytes), None, "{bytes:?}");
        }
    }
}
