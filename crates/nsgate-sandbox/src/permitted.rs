//! A policy that was compiled when the program was built: the filter's program, and beside it what it permits.

use seccompiler::sock_filter;

/// A compiled policy ([`compile`](crate::writing_a_policy), feature `compile` of a build script).
#[derive(Debug)]
pub struct CompiledPolicy {
    name: &'static str,
    calls: usize,
    program: &'static [sock_filter],
    table: &'static str,
}

impl CompiledPolicy {
    /// What a build script writes: a name, the number of system calls, the program, and a line of `table` for each call.
    #[must_use]
    pub const fn new(name: &'static str, calls: usize, program: &'static [sock_filter], table: &'static str) -> Self {
        Self { name, calls, program, table }
    }

    /// Its name, which is also that of its file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many system calls it permits on the architecture that the program was built for.
    #[must_use]
    pub fn number_of_calls(&self) -> usize {
        self.calls
    }

    /// What it permits on every architecture: what it includes first, and then what it adds.
    pub fn permitted(&self) -> impl Iterator<Item = PermittedCall> + use<> {
        parse_table(self.table)
    }

    /// The program for the kernel.
    #[must_use]
    pub fn program(&self) -> &'static [sock_filter] {
        self.program
    }
}

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
    /// The policy that says so, or one that it includes.
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
fn parse_table(table: &'static str) -> impl Iterator<Item = PermittedCall> {
    table.lines().filter_map(|line| {
        let mut words = line.splitn(6, '\t');
        let mut next = || words.next();
        let (policy, line, architectures) = (next()?, next()?.parse().ok()?, next()?);
        Some(PermittedCall { policy, line, architectures, name: next()?, when: next()?, reason: next()? })
    })
}
