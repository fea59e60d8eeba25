//! Numbers and addresses as text.
//!
//! Without `core::fmt`, which takes several times as many instructions for so many short pieces as a line has.

use std::net::IpAddr;

/// A number in decimal, with zeros in front where it has fewer than `least` digits.
pub(crate) fn digits(number: u64, least: usize, text: &mut String) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    (digits.len()..least).for_each(|_| text.push('0'));
    text.push_str(digits);
}

/// Hands `put` the pieces of an address.
pub(crate) fn address(address: IpAddr, mut put: impl FnMut(&str)) {
    match address {
        IpAddr::V4(address) => {
            let (mut buffer, [first, rest @ ..]) = (itoa::Buffer::new(), address.octets());
            put(buffer.format(first));
            for octet in rest {
                put(".");
                put(buffer.format(octet));
            }
        }
        IpAddr::V6(address) => put(&address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{address, digits};

    #[test]
    fn numbers_have_the_digits_asked_for() {
        for (number, least, expected) in
            [(0, 1, "0"), (0, 3, "000"), (7, 2, "07"), (123, 2, "123"), (u64::MAX, 1, "18446744073709551615")]
        {
            let mut text = String::new();
            digits(number, least, &mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn addresses_are_what_the_standard_library_writes() {
        for known in ["0.0.0.0", "10.0.200.5", "255.255.255.255", "::", "fe80::a9fe:a9fe", "::ffff:10.0.0.5"] {
            let mut text = String::new();
            address(known.parse().unwrap(), |piece| text.push_str(piece));
            assert_eq!(text, known);
        }
    }
}
