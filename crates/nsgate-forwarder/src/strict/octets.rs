//! Which bytes a part of a head is written with.

/// `tchar` of RFC 9110, section 5.6.2.
pub(super) static TOKEN: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");
/// What a host and a port are written with (RFC 3986, section 3.2.2), without the comma that joins two fields.
pub(super) static HOST: [bool; 256] = alphanumeric_and(b"-._~:[]%!$&'()*+;=");

/// Which bytes are an ASCII letter, a digit or one of these.
const fn alphanumeric_and(others: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let (mut rest, mut byte): (&mut [bool], u8) = (&mut set, 0);
    while let [member, more @ ..] = rest {
        *member = byte.is_ascii_alphanumeric() || contains(others, byte);
        (rest, byte) = (more, byte.wrapping_add(1));
    }
    set
}

const fn contains(mut bytes: &[u8], wanted: u8) -> bool {
    while let [byte, rest @ ..] = bytes {
        if *byte == wanted {
            return true;
        }
        bytes = rest;
    }
    false
}

pub(super) fn has(set: &[bool; 256], byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or(false)
}
