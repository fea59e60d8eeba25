//! What a gate demands of a request beside being well-formed ([`nsgate_config::Guards`]): judged after the strict reader and
//! before the agent hears of it.
//!
//! Promises that a request which a guard refuses does not reach the agent, that each refusal has its own [`Reason`], and that a gate
//! whose guards are off does none of this.

mod expiry;
mod headers;
mod host;
mod key;
mod paths;
mod request;
mod session;

pub use key::TokenKey;
pub(crate) use request::GuardedRequest;

use crate::{Reason, TokenUse, refusal::Refusal};
use expiry::Expiry;
use http::{HeaderMap, HeaderValue};
use nsgate_config::Guards;
use session::Session;
pub(crate) use session::{IssuedToken, TTL};

/// The guards of one gate, or of one host.
pub(crate) struct Guarded {
    guards: Guards,
    session: Option<Session>,
    expiry: Option<Expiry>,
    /// What 405 says beside it (RFC 9110, section 15.5.6).
    allow: Option<HeaderValue>,
}

/// What becomes of a request that no guard refuses.
#[derive(Debug)]
pub(crate) enum GuardOutcome {
    /// It goes to the agent.
    Passes,
    /// The gate answers it with a token.
    Answered(IssuedToken),
}

impl Guarded {
    /// The guards, if there are any.
    pub(crate) fn new(guards: &Guards) -> Option<Self> {
        let allow: Vec<&str> = guards.methods.iter().map(nsgate_config::MethodName::as_str).collect();
        (!guards.is_off()).then(|| Self {
            session: Session::new(guards.tokens),
            expiry: guards.expiring.clone().map(Expiry::new),
            allow: HeaderValue::from_str(&allow.join(", ")).ok(),
            guards: guards.clone(),
        })
    }

    /// Tokens are made and checked with this key from now on. Without one none is good and none is given out.
    pub(crate) fn key(&self, key: TokenKey) {
        if let Some(session) = &self.session {
            session.key(key);
        }
    }

    /// Whether tokens are wanted and there is no key to make one with.
    pub(crate) fn lacks_key(&self) -> bool {
        self.session.as_ref().is_some_and(Session::lacks_key)
    }

    /// The target by which a request is judged, and which the agent gets, where that is not what the guest wrote: a gate
    /// with guards on paths takes several `/` in a row for one in every decision.
    pub(crate) fn checked_target(&self, target: &[u8]) -> Option<Vec<u8>> {
        if self.looks_at_paths() { paths::with_single_slashes(target) } else { None }
    }

    fn looks_at_paths(&self) -> bool {
        !self.guards.paths.is_empty() || self.expiry.is_some()
    }

    /// Judges a request. `token` is told how it stands to tokens, also where it is refused.
    pub(crate) fn check_request(
        &self,
        asked: &GuardedRequest<'_>,
        token: &mut Option<TokenUse>,
    ) -> Result<GuardOutcome, Refusal> {
        let Guards { refuse_forwarded, hosts, require_header, methods, paths, hide_paths, .. } = &self.guards;
        if *refuse_forwarded && headers::is_forwarded(asked.headers) {
            return Err(Refusal::guard(403, Reason::Forwarded));
        }
        if !hosts.is_empty() && !host::is_among(hosts, asked.headers) {
            return Err(Refusal::guard(421, Reason::ForeignHost));
        }
        if require_header.as_ref().is_some_and(|header| !headers::has(header, asked.headers)) {
            return Err(Refusal::guard(403, Reason::MissingHeader));
        }
        if let Some(session) = &self.session {
            if let Some(given) = session.check_token(asked, token)? {
                return Ok(GuardOutcome::Answered(given));
            }
        }
        if !methods.is_empty() && !methods.iter().any(|method| method.as_str() == asked.method) {
            return Err(Refusal::guard(405, Reason::ForbiddenMethod));
        }
        if !self.looks_at_paths() {
            return Ok(GuardOutcome::Passes);
        }
        paths::check_path(paths, *hide_paths, asked.path())?;
        match &self.expiry {
            Some(expiry) if expiry.has_passed(asked.peer, asked.path(), asked.now) => {
                Err(Refusal::guard(403, Reason::ExpiredPath))
            }
            _ => Ok(GuardOutcome::Passes),
        }
    }

    /// Takes away what was between guest and gate: the agent has no use for a token, and no business with it.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if self.session.is_some() {
            headers.remove(&session::TOKEN);
            headers.remove(&TTL);
        }
    }

    /// The header that belongs to a refusal, if one does.
    pub(crate) fn explains(&self, refusal: &Refusal) -> Option<(http::HeaderName, HeaderValue)> {
        match refusal.reason {
            Reason::ForbiddenMethod => Some((http::header::ALLOW, self.allow.clone()?)),
            // RFC 9110, section 15.5.2: a 401 says how it would be otherwise.
            Reason::MissingToken | Reason::WrongToken => {
                Some((http::header::WWW_AUTHENTICATE, HeaderValue::from_static(session::TOKEN.as_str())))
            }
            _ => None,
        }
    }
}
