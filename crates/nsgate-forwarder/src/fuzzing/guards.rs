//! The guards of a gate, with requests from memory and a clock of the caller's.

use crate::{
    TokenKey,
    guards::{GuardOutcome, Guarded, GuardedRequest},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use nsgate_config::Guards;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

/// The product's guards.
pub struct Guard(Option<Guarded>);

/// Whose requests these are.
const IDENTITY: &[u8] = b"x-neutron-network-id: 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

impl Guard {
    /// Guards with a key.
    #[must_use]
    pub fn new(guards: &Guards, key: TokenKey) -> Self {
        let guarded = Guarded::new(guards);
        if let Some(guarded) = &guarded {
            guarded.key(key);
        }
        Self(guarded)
    }

    /// Judges a request: nothing if it passes, a token if it asks for one. Fields that are none are left out.
    ///
    /// # Errors
    /// The status and the reason's name.
    pub fn check_request(
        &self,
        peer: IpAddr,
        method: &str,
        target: &[u8],
        fields: &[(&[u8], &[u8])],
        now: Instant,
    ) -> Result<Option<String>, (u16, &'static str)> {
        let field = |(name, value): &(&[u8], &[u8])| {
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().filter_map(field) {
            headers.append(name, value);
        }
        self.check_headers(peer, method, target, &headers, now)
    }

    /// The same for headers that are there already: nothing but the guards' own time.
    ///
    /// # Errors
    /// The status and the reason's name.
    pub fn check_headers(
        &self,
        peer: IpAddr,
        method: &str,
        target: &[u8],
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Option<String>, (u16, &'static str)> {
        let Some(guarded) = &self.0 else { return Ok(None) };
        let single = guarded.checked_target(target);
        let target = single.as_deref().unwrap_or(target);
        let asked = GuardedRequest { peer, identity: IDENTITY, method, target, headers, now };
        match guarded.check_request(&asked, &mut None) {
            Ok(GuardOutcome::Passes) => Ok(None),
            Ok(GuardOutcome::Answered(given)) => Ok(Some(given.token)),
            Err(refusal) => Err((refusal.status, refusal.reason.name())),
        }
    }
}

/// A token as a gate with this key gives it out.
#[must_use]
pub fn token(key: &TokenKey, peer: IpAddr, life: Duration, now: Instant) -> String {
    key.token(peer, IDENTITY, life, now)
}

/// Whether a gate with this key takes a token.
#[must_use]
pub fn is_good(key: &TokenKey, token: &[u8], peer: IpAddr, now: Instant) -> bool {
    key.is_good(token, peer, IDENTITY, now)
}
