//! Whether an agent was deceived, by the bytes it got and nothing else.

use std::fmt;

use super::exchange::Answered;
use super::loose::{self, folded};

/// Names that agents, Nova and frameworks take for an identity or an address, as CGI folds them.
const IDENTITIES: [&str; 12] = [
    "X_FORWARDED_FOR",
    "X_NEUTRON_NETWORK_ID",
    "X_NEUTRON_ROUTER_ID",
    "X_OVN_NETWORK_ID",
    "X_INSTANCE_ID",
    "X_INSTANCE_ID_SIGNATURE",
    "X_TENANT_ID",
    "X_METADATA_PROVIDER",
    "X_METADATA_PROVIDER_SIGNATURE",
    "FORWARDED",
    "X_REAL_IP",
    "X_FORWARDED_HOST",
];

/// What a program must tell the agent about the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The name of the identity header.
    pub header: &'static str,
    /// Its value.
    pub id: String,
    /// The guest's address, in `X-Forwarded-For`.
    pub address: String,
}

/// What became of a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The agent got nothing; the last status the guest got, if any.
    Refused(Option<u16>),
    /// The agent got honest requests under the true identity.
    Clean,
    /// The agent got something a guest chose, and why.
    Forged(String),
}

impl Verdict {
    /// Whether it is [`Verdict::Forged`].
    pub fn is_forged(&self) -> bool {
        matches!(self, Verdict::Forged(_))
    }

    /// `refused`, `clean` or `forged`.
    pub fn class(&self) -> &'static str {
        match self {
            Verdict::Refused(_) => "refused",
            Verdict::Clean => "clean",
            Verdict::Forged(_) => "forged",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Refused(Some(status)) => write!(out, "refused {status}"),
            Verdict::Refused(None) => out.write_str("refused, no answer"),
            Verdict::Clean => out.write_str("clean"),
            Verdict::Forged(why) => write!(out, "forged: {why}"),
        }
    }
}

/// Judges what the agent got on its connections, when the guest honestly asked `honest` times.
pub fn verdict(records: &[Vec<u8>], honest: usize, answered: &Answered, truth: &Truth) -> Verdict {
    if records.is_empty() {
        return Verdict::Refused(answered.statuses.last().copied());
    }
    let deceived = records.iter().find_map(|record| deception(record, truth));
    if let Some(why) = deceived {
        return Verdict::Forged(why);
    }
    if records.len() > honest {
        return Verdict::Forged(format!("{} requests for {honest}", records.len()));
    }
    Verdict::Clean
}

/// What a forgiving reader would believe although it is not so.
fn deception(record: &[u8], truth: &Truth) -> Option<String> {
    let readings = loose::readings(record);
    readings.iter().find_map(|requests| match requests[..] {
        [ref request] => lie(request, truth),
        _ => Some(format!("{} requests in one", requests.len())),
    })
}

fn lie(request: &loose::Request, truth: &Truth) -> Option<String> {
    let own = folded(truth.header.as_bytes());
    let truths = [(own.as_str(), truth.id.as_bytes()), ("X_FORWARDED_FOR", truth.address.as_bytes())];
    for (name, value) in &request.fields {
        if name == "CONNECTION" {
            // The next proxy removes the headers that Connection names (RFC 9110, section 7.6.1): here the gate's own.
            let mut nominated = value.split(|byte| *byte == b',').map(folded);
            if let Some(name) = nominated.find(|word| truths.iter().any(|(own, _)| own == word)) {
                return Some(format!("{name} nominated by Connection"));
            }
        }
        let true_value = truths.iter().find(|(own, _)| own == name);
        let guests = match true_value {
            Some((_, truth)) => value != truth,
            None => IDENTITIES.contains(&name.as_str()) && !value.is_empty(),
        };
        if guests {
            return Some(format!("{name} of the guest's"));
        }
    }
    truths.iter().find_map(|(own, _)| {
        let count = request.fields.iter().filter(|(name, _)| name == own).count();
        (count != 1).then(|| format!("{own} {count} times"))
    })
}
