//! What a compiled policy permits, read from the table beside its program.

/// One permitted system call, as its policy has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermittedCall {
    /// Its name.
    pub name: &'static str,
    /// Which code needs it, and when.
    pub reason: &'static str,
    /// With which arguments, in words; empty for any.
    pub when: &'static str,
    /// The policy that says so: the role's, or one that it includes.
    pub policy: &'static str,
    /// The line of that policy's text which names the call, from 1 on.
    pub line: usize,
    /// The architectures with a comma between them; empty for all.
    architectures: &'static str,
}

impl PermittedCall {
    /// Whether it is permitted on this architecture, as Rust calls it: `x86_64`.
    #[must_use]
    pub fn is_on(&self, architecture: &str) -> bool {
        self.architectures.is_empty() || self.architectures.split(',').any(|name| name == architecture)
    }
}

/// Reads a table, whose lines the build has written.
pub(crate) fn read(table: &'static str) -> impl Iterator<Item = PermittedCall> {
    table.lines().filter_map(|line| {
        let mut words = line.splitn(6, '\t');
        let mut next = || words.next();
        let (policy, line, architectures) = (next()?, next()?.parse().ok()?, next()?);
        Some(PermittedCall { policy, line, architectures, name: next()?, when: next()?, reason: next()? })
    })
}
