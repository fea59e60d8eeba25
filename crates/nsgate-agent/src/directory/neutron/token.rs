//! The token that questions carry: asked for once by all who need it, renewed before it ends, and when Neutron refuses it.

use super::{
    client::RestClient,
    keystone::{self, GivenToken},
    password::NeutronUser,
    trouble::{NeutronTrouble, RestFault},
};
use http::{HeaderValue, Method};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// The least time between two tokens that are asked for because the one before was refused, and between two tries with a password
/// that was: Keystone may lock a user who fails often.
const PAUSE: Duration = Duration::from_secs(10);
/// A token is renewed this long before its end, or after nine tenths of a short life.
const EARLY: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) struct KeystoneTokens {
    keystone: RestClient,
    user: NeutronUser,
    state: tokio::sync::Mutex<TokenState>,
    given: AtomicU64,
}

#[derive(Debug, Default)]
struct TokenState {
    current: Option<(HeaderValue, Instant)>,
    /// When Neutron last refused a token.
    refused: Option<Instant>,
    /// When Keystone last refused the password.
    rejected: Option<Instant>,
    /// Whether the roles were looked at.
    judged: bool,
}

impl KeystoneTokens {
    pub(super) fn new(keystone: RestClient, user: NeutronUser) -> Self {
        Self { keystone, user, state: tokio::sync::Mutex::default(), given: AtomicU64::new(0) }
    }

    /// How many Keystone gave.
    pub(super) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// A token that is not `refused`.
    pub(super) async fn token(
        &self,
        refused: Option<&HeaderValue>,
        deadline: Instant,
    ) -> Result<HeaderValue, NeutronTrouble> {
        let state = timeout_at(deadline, self.state.lock()).await;
        let Ok(mut state) = state else {
            return Err(self.trouble(RestFault::Silent));
        };
        let now = Instant::now();
        if let Some((current, until)) = &state.current {
            if *until > now && refused != Some(current) {
                return Ok(current.clone());
            }
            if refused == Some(current) {
                // A token that is taken nowhere would cost Keystone one for each question.
                if state.refused.is_some_and(|before| now.saturating_duration_since(before) < PAUSE) {
                    return Ok(current.clone());
                }
                state.refused = Some(now);
            }
        }
        if state.rejected.is_some_and(|before| now.saturating_duration_since(before) < PAUSE) {
            return Err(self.rejected());
        }
        state.current = None;
        let body = keystone::request(&self.user);
        let answer = self.keystone.ask(Method::POST, keystone::TARGET, None, body, deadline).await;
        let answer = answer.and_then(|answer| keystone::read(&answer)).map_err(|fault| self.trouble(fault))?;
        let Some(token) = answer else {
            state.rejected = Some(Instant::now());
            return Err(self.rejected());
        };
        self.given.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut state.judged, true) {
            self.judge(&token);
        }
        state.current = Some((token.value.clone(), now + serves(token.lasts)));
        Ok(token.value)
    }

    fn rejected(&self) -> NeutronTrouble {
        NeutronTrouble::Credentials(self.keystone.authority().to_owned(), self.user.name.clone())
    }

    fn trouble(&self, fault: RestFault) -> NeutronTrouble {
        NeutronTrouble::Keystone(self.keystone.authority().to_owned(), fault)
    }

    /// Neutron hides ports of other projects from a user who may not see them, without a word.
    fn judge(&self, token: &GivenToken) {
        let roles = token.roles.join(", ");
        let NeutronUser { name, project, .. } = &self.user;
        if token.roles.iter().any(|role| role == "service" || role == "admin") {
            tracing::info!("Keystone gives user `{name}` tokens for project `{project}`, with the roles {roles}");
        } else {
            tracing::warn!(
                "user `{name}` has the roles {roles} in project `{project}`, and neither `service` nor `admin`: unless Neutron's \
                 policy says otherwise, it lists this project's ports alone, and guests of all others have no port"
            );
        }
    }
}

/// How long a token serves that lasts so long. A day at most: this clock and Keystone's run alike, and not the same.
fn serves(lasts: Duration) -> Duration {
    lasts.saturating_sub(EARLY).max(lasts / 10 * 9).min(Duration::from_secs(86_400))
}
