//! Whose gate a process is: the name that its small root carries, for the next start to read back.

use nsgate_config::Identity;
use std::fmt;

/// Whom a process serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The guests of one network or router.
    One(Identity),
    /// Those of a whole host.
    Host,
    /// Nobody's listener is its own for long: a pool's worker, a courier.
    Nobody,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(identity) => write!(f, "nsgate:{}:{}", identity.header(), identity.uuid()),
            Self::Host => f.write_str("nsgate:host"),
            Self::Nobody => f.write_str("nsgate"),
        }
    }
}

impl Mark {
    /// For people.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::One(identity) => format!("{} {}", identity.header(), identity.uuid()),
            Self::Host => "this host".to_owned(),
            Self::Nobody => "anybody".to_owned(),
        }
    }
}
