//! Whose gate a process is: the name that its small root carries, for the next start to read back.

use nsgate_config::Identity;
use nsgate_sandbox::attest;
use std::fmt;

/// Whom a process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The guests of one network or router.
    One(Identity),
    /// Those of a whole host.
    Host,
    /// No network for long: a pool's worker, a courier.
    Unmarked,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(identity) => write!(f, "nsgate:{}:{}", identity.header(), identity.uuid()),
            Self::Host => f.write_str("nsgate:host"),
            Self::Unmarked => f.write_str("nsgate"),
        }
    }
}

/// Whom a running process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The guests of one network or router.
    One(Identity),
    /// Those of a whole host.
    Host,
}

/// Whom process `pid` serves, by the name of the small root that it stands in, which its starter chose and it cannot change;
/// `None` if it stands in none, or the reader may not know.
#[must_use]
pub fn whose(pid: i32) -> Option<Whose> {
    parse_mark(&attest::name_of_root(pid)?)
}

/// A mark as it is written.
fn parse_mark(name: &str) -> Option<Whose> {
    let name = name.strip_prefix("nsgate:")?;
    if name == "host" {
        return Some(Whose::Host);
    }
    let (header, uuid) = name.split_once(':')?;
    let uuid = uuid.parse().ok()?;
    let kinds = [Identity::Network(uuid), Identity::Router(uuid), Identity::OvnNetwork(uuid)];
    kinds.into_iter().find(|kind| kind.header() == header).map(Whose::One)
}

impl Mark {
    /// For people.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::One(identity) => format!("{} {}", identity.header(), identity.uuid()),
            Self::Host => "this host".to_owned(),
            Self::Unmarked => "no gate".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Whose, parse_mark};
    use nsgate_config::Identity;

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let uuid = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().unwrap();
        for identity in [Identity::Network(uuid), Identity::Router(uuid), Identity::OvnNetwork(uuid)] {
            assert_eq!(parse_mark(&Mark::One(identity).to_string()), Some(Whose::One(identity)));
        }
        assert_eq!(parse_mark(&Mark::Host.to_string()), Some(Whose::Host));
        assert_eq!(parse_mark(&Mark::Unmarked.to_string()), None);
        for other in [
            "tmpfs",
            "nsgate:",
            "nsgate:X-Neutron-Network-ID:\"}",
            "nsgate:X-Other:7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10",
        ] {
            assert_eq!(parse_mark(other), None, "{other}");
        }
    }
}
