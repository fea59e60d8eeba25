//! How a guest comes to a token and shows it: IMDSv2 (AWS, "Use the Instance Metadata Service to access instance
//! metadata", and what its SDKs send).
//!
//! `PUT /latest/api/token` with `X-aws-ec2-metadata-token-ttl-seconds` is answered by the gate. A program that can be
//! talked into a `GET` cannot be talked into that, as a rule, nor into sending the token with it.

use super::{
    headers::is_forwarded,
    key::{LONGEST, TokenKey},
    request::GuardedRequest,
};
use crate::{Reason, refusal::Refusal, token_use::TokenUse};
use http::{HeaderMap, HeaderName};
use nsgate_config::Tokens;
use std::{sync::OnceLock, time::Duration};

/// Carries a token.
pub(super) static TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
/// How long a token is to be good, in seconds from 1 to 21,600.
pub(crate) static TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
/// Where one is asked for.
const PATH: &[u8] = b"/latest/api/token";

/// The tokens of one gate.
pub(super) struct Session {
    required: bool,
    key: OnceLock<TokenKey>,
}

/// A token that was given out.
#[derive(Debug)]
pub(crate) struct IssuedToken {
    pub(crate) token: String,
    /// Seconds that it is good for.
    pub(crate) life: u64,
}

impl Session {
    /// `None` where the gate knows of no tokens.
    pub(super) fn new(tokens: Tokens) -> Option<Self> {
        let required = match tokens {
            Tokens::Off => return None,
            Tokens::Optional => false,
            Tokens::Required => true,
        };
        Some(Self { required, key: OnceLock::new() })
    }

    pub(super) fn key(&self, key: TokenKey) {
        // A second key would make tokens bad that were given out already.
        let _ = self.key.set(key);
    }

    pub(super) fn lacks_key(&self) -> bool {
        self.key.get().is_none()
    }

    /// A token for a request that asks for one; nothing for a request that may pass.
    pub(super) fn check_token(
        &self,
        asked: &GuardedRequest<'_>,
        token: &mut Option<TokenUse>,
    ) -> Result<Option<IssuedToken>, Refusal> {
        let subject = first_line(asked.identity);
        if asked.method == "PUT" && asked.target == PATH {
            *token = Some(TokenUse::Asked);
            // AWS gives no token through a proxy: the token would be the proxy's.
            if is_forwarded(asked.headers) {
                return Err(Refusal::guard(403, Reason::Forwarded));
            }
            let life = life(asked.headers).ok_or(Refusal::guard(400, Reason::TokenLife))?;
            let key = self.key.get().ok_or(Refusal::guard(503, Reason::NoTokenKey))?;
            let token = key.token(asked.peer, subject, life, asked.now);
            return Ok(Some(IssuedToken { token, life: life.as_secs() }));
        }
        let mut shown = asked.headers.get_all(&TOKEN).iter();
        let Some(first) = shown.next() else {
            *token = Some(TokenUse::Absent);
            return if self.required { Err(Refusal::guard(401, Reason::MissingToken)) } else { Ok(None) };
        };
        let good = shown.next().is_none()
            && self.key.get().is_some_and(|key| key.is_good(first.as_bytes(), asked.peer, subject, asked.now));
        *token = Some(if good { TokenUse::Good } else { TokenUse::Bad });
        if good { Ok(None) } else { Err(Refusal::guard(401, Reason::WrongToken)) }
    }
}

/// Whom a token is for: the network, the router, or the instance.
fn first_line(identity: &[u8]) -> &[u8] {
    identity.split(|byte| *byte == b'\r').next().unwrap_or_default()
}

/// How long a token is wanted for: a whole number of seconds from 1 to 21,600, said once.
fn life(headers: &HeaderMap) -> Option<Duration> {
    let mut all = headers.get_all(&TTL).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let digits =
        value.to_str().ok().filter(|text| text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let life = Duration::from_secs(digits.parse().ok()?);
    (life >= Duration::from_secs(1) && life <= LONGEST).then_some(life)
}

#[cfg(test)]
mod tests {
    use super::life;
    use http::{HeaderMap, HeaderValue};
    use std::time::Duration;

    fn asked(values: &[&str]) -> Option<u64> {
        let field = |value: &&str| (super::TTL.clone(), HeaderValue::from_str(value).unwrap());
        life(&values.iter().map(field).collect::<HeaderMap>()).as_ref().map(Duration::as_secs)
    }

    #[test]
    fn a_life_is_1_to_21600_seconds_said_once() {
        for (values, life) in [
            (vec!["1"], Some(1)),
            (vec!["21600"], Some(21_600)),
            (vec!["00060"], Some(60)),
            (vec![], None),
            (vec![""], None),
            (vec!["0"], None),
            (vec!["21601"], None),
            (vec!["99999999999999999999"], None),
            (vec!["-1"], None),
            (vec!["+1"], None),
            (vec!["1.5"], None),
            (vec!["60s"], None),
            (vec!["0x3c"], None),
            (vec!["60", "60"], None),
        ] {
            assert_eq!(asked(&values), life, "{values:?}");
        }
    }
}
