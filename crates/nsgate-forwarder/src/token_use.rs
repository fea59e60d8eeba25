//! How requests stand to session tokens, for logs and metrics.

/// How a request stands to session tokens, where the gate's guards know of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenUse {
    /// It has none.
    Absent,
    /// It has a good one.
    Good,
    /// It has one that is not the gate's, not the source's, or too old.
    Bad,
    /// It asks for one.
    Asked,
}

impl TokenUse {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Absent, Self::Good, Self::Bad, Self::Asked];

    /// For logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Asked => "asked",
        }
    }
}
