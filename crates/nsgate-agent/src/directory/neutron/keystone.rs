//! A request for a token and its answer, as Keystone's API has them (Identity API v3, "Password authentication with scoped
//! authorization").

use super::{
    client::RestAnswer,
    password::{NeutronUser, WipedBytes},
    trouble::RestFault,
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// Path and query. The list of services is not wanted.
pub(super) const TARGET: &str = "/auth/tokens?nocatalog";

/// How long a token is taken to last when Keystone does not say.
const USUAL_LIFE: Duration = Duration::from_secs(300);

/// A token, and what is known of it.
#[derive(Debug)]
pub(super) struct GivenToken {
    /// Never shown.
    pub(super) value: HeaderValue,
    pub(super) lasts: Duration,
    pub(super) roles: Vec<String>,
}

#[derive(Deserialize)]
struct TokenBody {
    token: TokenFacts,
}

#[derive(Deserialize)]
struct TokenFacts {
    expires_at: Option<String>,
    issued_at: Option<String>,
    #[serde(default)]
    roles: Vec<TokenRole>,
}

#[derive(Deserialize)]
struct TokenRole {
    name: String,
}

/// The body of a request for a token of the user's project. It is overwritten when it has been sent. hyper and the kernel have
/// copies of their own while they send it.
pub(super) fn request(user: &NeutronUser) -> Bytes {
    let NeutronUser { name, domain, project, project_domain, password } = user;
    let mut body = WipedBytes(Vec::with_capacity(4096 + 6 * password.reveal().len()));
    let before = json!({ "name": name, "domain": { "name": domain } }).to_string();
    let before = before.strip_suffix('}').unwrap_or_default();
    let scope = json!({ "project": { "name": project, "domain": { "name": project_domain } } });
    body.0.extend_from_slice(br#"{"auth":{"identity":{"methods":["password"],"password":{"user":"#);
    body.0.extend_from_slice(before.as_bytes());
    body.0.extend_from_slice(br#","password":"#);
    // The one place where the password is written. It cannot fail: the text goes to memory.
    let _ = serde_json::to_writer(&mut body.0, password.reveal());
    body.0.extend_from_slice(br#"}}},"scope":"#);
    body.0.extend_from_slice(scope.to_string().as_bytes());
    body.0.extend_from_slice(b"}}");
    Bytes::from_owner(body)
}

/// Reads an answer; `None` if Keystone does not take the password.
pub(super) fn read(answer: &RestAnswer) -> Result<Option<GivenToken>, RestFault> {
    let foreign = |why: &str| RestFault::Foreign(why.to_owned());
    match answer.status {
        StatusCode::CREATED => {}
        StatusCode::UNAUTHORIZED => return Ok(None),
        other => return Err(RestFault::Status(other)),
    }
    let mut value = answer.headers.get("x-subject-token").ok_or_else(|| foreign("it has no X-Subject-Token"))?.clone();
    value.set_sensitive(true);
    // Its content is in no message: a service in Keystone's place may repeat what it was sent.
    let TokenBody { token } =
        serde_json::from_slice(&answer.body).map_err(|_| foreign("its body describes no token"))?;
    let instant = |text: &Option<String>| text.as_deref().and_then(seconds);
    let lasts = match (instant(&token.issued_at), instant(&token.expires_at)) {
        (Some(issued), Some(expires)) => Duration::from_secs(expires.saturating_sub(issued)),
        _ => USUAL_LIFE,
    };
    Ok(Some(GivenToken { value, lasts, roles: token.roles.into_iter().map(|role| role.name).collect() }))
}

/// Seconds since the year 0 of `2026-12-01T05:31:19.000000Z` (ISO 8601, always UTC): only differences are used, so that the clocks of
/// Keystone's host and of this one may differ.
fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let number = |text: Option<&str>| text?.parse::<u64>().ok();
    let mut date = date.split('-');
    let (year, month, day) = (number(date.next())?, number(date.next())?, number(date.next())?);
    let time = time.split(['.', 'Z', '+']).next()?;
    let mut time = time.split(':');
    let (hour, minute, second) = (number(time.next())?, number(time.next())?, number(time.next())?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year > 9999 || hour > 24 || minute > 60 || second > 61
    {
        return None;
    }
    // Days before the first of March are counted with the year before (the Gregorian rule, as `days_from_civil` has it).
    let (year, month) = if month < 3 { (year.checked_sub(1)?, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{super::password::UserPassword, NeutronUser, request, seconds};
    use serde_json::{Value, json};

    #[test]
    fn a_token_lasts_from_when_it_was_issued_to_when_it_expires() {
        for (issued, expires, lasts) in [
            ("2026-12-01T05:31:19.000000Z", "2026-12-01T06:31:19.000000Z", 3600),
            ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", 1),
            ("2024-02-28T12:00:00Z", "2024-03-01T12:00:00Z", 2 * 86_400),
            ("2100-02-28T12:00:00.5+00:00", "2100-03-01T12:00:00Z", 86_400),
        ] {
            assert_eq!(seconds(expires).unwrap() - seconds(issued).unwrap(), lasts, "{issued}");
        }
        for wrong in ["", "2026-12-01", "2026-13-01T00:00:00Z", "T", "99999999999999999999-01-01T00:00:00Z"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_request_is_json_whatever_stands_in_names_and_password() {
        for odd in ["swordfish", "\"}{\\", "\u{e9} \u{1f41f}"] {
            let text = || odd.to_owned();
            let user = NeutronUser {
                name: text(),
                domain: text(),
                project: text(),
                project_domain: text(),
                password: UserPassword::new(odd.into()).unwrap(),
            };
            let body: Value = serde_json::from_slice(&request(&user)).unwrap();
            let domain = json!({ "name": odd });
            assert_eq!(
                body,
                json!({ "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": { "user": { "name": odd, "domain": domain, "password": odd } },
                    },
                    "scope": { "project": { "name": odd, "domain": domain } },
                } })
            );
        }
    }
}
