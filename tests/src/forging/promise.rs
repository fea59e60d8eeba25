//! What nsgate promises for a vector, compared with what happened, byte for byte.

use super::exchange::End;
use super::judge::{Truth, Verdict};
use super::{Outcome, strict};
use crate::vectors::Honest;

/// How the promise was broken, if it was.
pub fn broken(outcome: &Outcome, truth: &Truth) -> Option<String> {
    let Outcome { vector, answered, records, verdict } = outcome;
    if let Verdict::Forged(why) = verdict {
        return Some(format!("the agent was deceived: {why}"));
    }
    if records.len() != vector.forwarded {
        return Some(format!("the agent got {} requests, not {}", records.len(), vector.forwarded));
    }
    for (record, honest) in records.iter().zip(&vector.honest) {
        if let Err(why) = understood(record, honest, truth) {
            return Some(format!("the agent got something else: {why}"));
        }
    }
    let mut statuses = vec![200; vector.forwarded];
    statuses.extend(vector.refused);
    if answered.statuses != statuses {
        return Some(format!("the guest was told {:?}, not {statuses:?}", answered.statuses));
    }
    let closed = match answered.end {
        End::Closed => true,
        // A request that is cut off is refused when no more bytes can come. A good connection may stay open.
        End::AnsweredWhenAsked => vector.refused.is_some(),
        End::ClosedWhenAsked => vector.refused.is_none(),
        End::Open => false,
    };
    (!closed).then(|| format!("the connection ended {:?}", answered.end))
}

/// Reads a request by the letter and compares it with what the guest meant.
fn understood(record: &[u8], honest: &Honest, truth: &Truth) -> Result<(), String> {
    let request = strict::read(record)?;
    let strict::Request { method, target, fields, body } = &request;
    if (method, target, body) != (&honest.method, &honest.target, &honest.body) {
        return Err(format!("{method} {target} with {} bytes", body.len()));
    }
    if let Some((name, _)) = fields.iter().find(|(name, _)| !known(name, truth)) {
        return Err(format!("the header {name}"));
    }
    let true_values =
        [(truth.header, &truth.id), ("x-forwarded-for", &truth.address), ("connection", &"close".to_owned())];
    for (name, value) in true_values {
        if request.values(name) != [value.as_bytes()] {
            return Err(format!("{name} is not once {value}"));
        }
    }
    let first: Vec<&str> = fields.iter().take(2).map(|(name, _)| name.as_str()).collect();
    if first != [&truth.header.to_ascii_lowercase(), "x-forwarded-for"] {
        return Err(format!("the identity is not first: {first:?}"));
    }
    Ok(())
}

fn known(name: &str, truth: &Truth) -> bool {
    let own = ["x-forwarded-for", "content-length", "connection"];
    let passes = || nsgate_forwarder::passing_headers().iter().any(|header| header.name() == name);
    own.contains(&name) || name.eq_ignore_ascii_case(truth.header) || passes()
}
