//! The sections of a text.

/// A section of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Global,
    Defaults,
    Backend,
    Listen,
    Frontend,
}

impl Section {
    pub(super) const ALL: [Self; 5] = [Self::Global, Self::Defaults, Self::Backend, Self::Listen, Self::Frontend];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Defaults => "defaults",
            Self::Backend => "backend",
            Self::Listen => "listen",
            Self::Frontend => "frontend",
        }
    }

    pub(super) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == text)
    }

    pub(super) fn names() -> &'static str {
        "global, defaults, backend, listen"
    }
}
