//! How a request ended, in haproxy's letters.

/// Who ended a request and in which state (haproxy configuration manual, 8.5): two letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination(pub(crate) [u8; 2]);

impl Termination {
    /// As it should be.
    pub const NORMAL: Self = Self(*b"--");
    pub(crate) const REFUSED: Self = Self(*b"PR");
    pub(crate) const DENIED: Self = Self(*b"PR");
    pub(crate) const SLOW_REQUEST: Self = Self(*b"cR");
    pub(crate) const CUT_REQUEST: Self = Self(*b"CR");
    pub(crate) const SLOW_BODY: Self = Self(*b"cD");
    pub(crate) const GUEST_LEFT: Self = Self(*b"CD");
    pub(crate) const GUEST_LEFT_WAITING: Self = Self(*b"CH");
    pub(crate) const SLOW_GUEST: Self = Self(*b"cD");
    pub(crate) const BAD_ANSWER: Self = Self(*b"SH");
    pub(crate) const SILENT_AGENT: Self = Self(*b"sD");
    pub(crate) const CUT_ANSWER: Self = Self(*b"SD");
    pub(crate) const NO_AGENT: Self = Self(*b"SC");
    pub(crate) const SLOW_AGENT: Self = Self(*b"sH");

    /// The letters.
    #[must_use]
    pub fn letters(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("--")
    }
}
