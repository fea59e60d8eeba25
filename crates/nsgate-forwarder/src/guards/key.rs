//! Session tokens: what is in one, and whether it is good.
//!
//! Promises that a token is good only with the key that made it, from the address and under the identity it was made for,
//! and until it expires; nothing is remembered of it. A token is 82 hexadecimal digits: a version (1 byte), the time at
//! which it expires in milliseconds since the key was made (8 bytes, big-endian), and the HMAC-SHA256 (RFC 2104) of
//! version, time, address and identity.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Of the form above.
const VERSION: u8 = 1;
const TIME: usize = 8;
const MAC: usize = 32;
/// Random bytes of a key: as many as a block of SHA-256 has.
const SECRET: usize = 64;
/// Bytes of a token, before they are written as digits.
const LENGTH: usize = 1 + TIME + MAC;

/// Longest life of a token, as AWS has it.
pub(super) const LONGEST: Duration = Duration::from_secs(21_600);

/// The key of tokens. Clones share it. As text it goes from one process to another that serves the same gate, so that
/// tokens outlive the first.
#[derive(Clone)]
pub struct TokenKey(Arc<SigningKey>);

struct SigningKey {
    mac: Hmac<Sha256>,
    /// Times are counted from here, by a clock that cannot be set and that goes on as long as the host does.
    began: Instant,
}

/// Never with its content.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key of tokens")
    }
}

impl TokenKey {
    /// A key from 64 random bytes of the kernel's (getrandom(2)): as long as a block of SHA-256. The caller forgets them.
    #[must_use]
    pub fn new(random: &[u8; SECRET]) -> Self {
        Self::of(random, Instant::now())
    }

    /// A key as text, from the same random bytes: when it was made, in milliseconds of CLOCK_MONOTONIC
    /// (clock_gettime(2)), and 128 hexadecimal digits. `now` is what that clock says.
    #[must_use]
    pub fn text(random: &[u8; SECRET], now: Duration) -> String {
        let mut text = format!("{} ", millis(now));
        text.reserve_exact(SECRET * 2);
        push_digits(&mut text, random);
        text
    }

    /// Reads a key; `now` is what CLOCK_MONOTONIC says. `None` if this is not one, or one of another boot.
    #[must_use]
    pub fn read(text: &str, now: Duration) -> Option<Self> {
        let (began, digits) = text.split_once(' ')?;
        let age = now.checked_sub(Duration::from_millis(began.parse().ok()?))?;
        let secret: [u8; SECRET] = read_digits(digits.as_bytes())?;
        Some(Self::of(&secret, Instant::now().checked_sub(age)?))
    }

    fn of(secret: &[u8; SECRET], began: Instant) -> Self {
        Self(Arc::new(SigningKey { mac: Hmac::new(&(*secret).into()), began }))
    }

    /// A token for this address under this identity, good for `life` from `now` on.
    pub(crate) fn token(&self, source: IpAddr, identity: &[u8], life: Duration, now: Instant) -> String {
        let expiry = self.since(now).saturating_add(millis(life));
        let mac = self.mac(VERSION, expiry, source, identity).finalize().into_bytes();
        let mut token = String::with_capacity(LENGTH * 2);
        push_digits(&mut token, [VERSION].iter().chain(&expiry.to_be_bytes()).chain(&mac));
        token
    }

    /// Whether this is such a token. The code is compared in a time that does not depend on where it differs.
    pub(crate) fn is_good(&self, token: &[u8], source: IpAddr, identity: &[u8], now: Instant) -> bool {
        let Some((version, expiry, mac)) = parse(token) else { return false };
        let left = expiry.saturating_sub(self.since(now));
        version == VERSION
            && self.mac(version, expiry, source, identity).verify_slice(&mac).is_ok()
            && (1..=millis(LONGEST)).contains(&left)
    }

    fn mac(&self, version: u8, expiry: u64, source: IpAddr, identity: &[u8]) -> Hmac<Sha256> {
        let source = match source.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut mac = self.0.mac.clone();
        mac.update(&[version]);
        mac.update(&expiry.to_be_bytes());
        mac.update(&source.octets());
        mac.update(identity);
        mac
    }

    fn since(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.0.began))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes two lower-case hexadecimal digits for each byte.
fn push_digits<'b>(text: &mut String, bytes: impl IntoIterator<Item = &'b u8>) {
    for byte in bytes {
        text.extend([*byte >> 4, *byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
}

/// Reads as many bytes as there must be. There is one way to write each: lower-case digits, all of them.
fn read_digits<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    if digits.len() != N * 2 {
        return None;
    }
    let (mut bytes, mut wrong) = ([0; N], 0);
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let worth = WORTH.get(usize::from(*digit)).copied().unwrap_or(NO_DIGIT);
            wrong |= worth & NO_DIGIT;
            *byte = (*byte << 4) | worth;
        }
    }
    (wrong == 0).then_some(bytes)
}

/// The parts of a token.
fn parse(token: &[u8]) -> Option<(u8, u64, [u8; MAC])> {
    let bytes = read_digits::<LENGTH>(token)?;
    let (version, rest) = bytes.split_first()?;
    let (time, mac) = rest.split_first_chunk::<TIME>()?;
    Some((*version, u64::from_be_bytes(*time), mac.try_into().ok()?))
}

/// What each byte is worth as a digit. No branch for each: digits are as good as random, and no processor foresees them.
static WORTH: [u8; 256] = worth();
const NO_DIGIT: u8 = 0x80;

const fn worth() -> [u8; 256] {
    let mut worth = [NO_DIGIT; 256];
    let (mut rest, mut byte): (&mut [u8], u8) = (&mut worth, 0);
    while let [one, more @ ..] = rest {
        *one = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => NO_DIGIT,
        };
        (rest, byte) = (more, byte.wrapping_add(1));
    }
    worth
}

#[cfg(test)]
mod tests;
