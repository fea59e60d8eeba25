//! A token is good for one address, in one network, with one key, until its time is over.

use super::{LENGTH, LONGEST, TokenKey, VERSION};
use proptest::prelude::*;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

const NETWORK: &[u8] = b"x-neutron-network-id: 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

fn key() -> TokenKey {
    TokenKey::new(&[7; 64])
}

fn source(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_token_is_good_for_its_address_and_its_network_until_it_expires() {
    let (key, now) = (key(), Instant::now());
    let guest = source("10.0.0.5");
    let token = key.token(guest, NETWORK, Duration::from_secs(60), now);
    let at = |millis| now + Duration::from_millis(millis);
    assert_eq!(token.len(), LENGTH * 2);
    assert!(key.is_good(token.as_bytes(), guest, NETWORK, now));
    assert!(key.is_good(token.as_bytes(), guest, NETWORK, at(59_998)));
    assert!(key.is_good(token.as_bytes(), source("::ffff:10.0.0.5"), NETWORK, now), "the same guest, dual-stack");
    assert!(!key.is_good(token.as_bytes(), guest, NETWORK, at(60_000)), "expired");
    assert!(!key.is_good(token.as_bytes(), source("10.0.0.6"), NETWORK, now), "another guest");
    assert!(!key.is_good(token.as_bytes(), source("::10.0.0.5"), NETWORK, now), "another address that looks alike");
    let other = b"x-neutron-network-id: 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b11";
    assert!(!key.is_good(token.as_bytes(), guest, other, now), "another network");
    let other = b"x-neutron-router-id: 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
    assert!(!key.is_good(token.as_bytes(), guest, other, now), "a router with the network's number");
    assert!(!TokenKey::new(&[8; 64]).is_good(token.as_bytes(), guest, NETWORK, now), "another process");
}

#[test]
fn a_token_that_would_last_too_long_is_bad_whoever_made_it() {
    let (key, now) = (key(), Instant::now());
    let guest = source("fe80::1");
    let longest = key.token(guest, NETWORK, LONGEST, now);
    assert!(key.is_good(longest.as_bytes(), guest, NETWORK, now));
    let longer = key.token(guest, NETWORK, LONGEST + Duration::from_secs(2), now);
    assert!(!key.is_good(longer.as_bytes(), guest, NETWORK, now));
    let for_ever = key.token(guest, NETWORK, Duration::MAX, now);
    assert!(!key.is_good(for_ever.as_bytes(), guest, NETWORK, now));
}

#[test]
fn another_version_is_bad() {
    let (key, now) = (key(), Instant::now());
    let guest = source("10.0.0.5");
    let token = key.token(guest, NETWORK, LONGEST, now);
    for version in 0..=u8::MAX {
        let other = format!("{version:02x}{}", token.get(2..).unwrap());
        assert_eq!(key.is_good(other.as_bytes(), guest, NETWORK, now), version == VERSION, "{version}");
    }
}

#[test]
fn the_key_says_nothing_of_itself() {
    assert_eq!(format!("{:?}", TokenKey::new(&[0x41; 64])), "a key of tokens");
}

proptest! {
    /// A token that was cut, lengthened or changed in one digit is bad.
    #[test]
    fn whatever_is_changed_makes_it_bad(at in 0..LENGTH * 2, digit in any::<u8>(), length in 0..LENGTH * 2, more in "[0-9a-f]{1,8}") {
        let (key, now) = (key(), Instant::now());
        let guest = source("10.0.0.5");
        let token = key.token(guest, NETWORK, LONGEST, now).into_bytes();
        let mut changed = token.clone();
        changed[at] = digit;
        prop_assert_eq!(key.is_good(&changed, guest, NETWORK, now), changed == token);
        prop_assert!(!key.is_good(&token[..length], guest, NETWORK, now));
        prop_assert!(!key.is_good(&[&token, more.as_bytes()].concat(), guest, NETWORK, now));
        prop_assert!(!key.is_good(&token.to_ascii_uppercase(), guest, NETWORK, now) || token == token.to_ascii_uppercase());
    }

    /// A made-up token is bad, and the parser does not panic.
    #[test]
    fn what_is_made_up_is_bad(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "01[0-9a-f]{80}".prop_map(String::into_bytes),
    ]) {
        prop_assert!(!key().is_good(&bytes, source("10.0.0.5"), NETWORK, Instant::now()));
    }

    /// A token of one address is bad for every other address.
    #[test]
    fn a_token_is_one_guests(one in any::<u128>(), other in any::<u128>()) {
        let (key, now) = (key(), Instant::now());
        let address = |bits: u128| IpAddr::V6(std::net::Ipv6Addr::from_bits(bits));
        let token = key.token(address(one), NETWORK, LONGEST, now);
        let same = address(one).to_canonical() == address(other).to_canonical();
        prop_assert_eq!(key.is_good(token.as_bytes(), address(other), NETWORK, now), same);
    }
}
