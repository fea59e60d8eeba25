//! Holdings as a table for people.

use super::{holdings::Holdings, row::VerdictRow};
use std::fmt;

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "process {} ({}), {}: {}", self.pid, self.name, self.in_words, self.command.join(" "))?;
        let width = |pick: fn(&VerdictRow) -> &String| self.verdict.iter().map(|row| pick(row).chars().count()).max();
        let what = width(|row| &row.what).unwrap_or(0);
        let expected = width(|row| &row.expected).unwrap_or(0);
        for row in &self.verdict {
            let mark = match row.ok {
                Some(true) => "ok",
                Some(false) => "NO",
                None => "??",
            };
            writeln!(f, "  {mark}  {:<what$}  {:<expected$}  {}", row.what, row.expected, row.found)?;
        }
        match &self.descriptors {
            Some(kinds) => {
                let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
                writeln!(f, "  descriptors: {}", kinds.join(", "))?;
            }
            None => writeln!(f, "  descriptors: unreadable; ask as root")?,
        }
        let namespaces: Vec<String> = self
            .namespaces
            .iter()
            .map(|namespace| match (namespace.inode, namespace.shared) {
                (Some(inode), Some(true)) => format!("{} {inode} (shared)", namespace.kind),
                (Some(inode), _) => format!("{} {inode}", namespace.kind),
                (None, _) => format!("{} unreadable", namespace.kind),
            })
            .collect();
        writeln!(f, "  namespaces: {}", namespaces.join(", "))?;
        let abi = self.kernel.landlock_abi;
        let missing =
            if self.kernel.missing.is_empty() { "nothing".to_owned() } else { self.kernel.missing.join("; ") };
        writeln!(f, "  this kernel: Landlock ABI {abi}; cannot give: {missing}")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))?;
        self.unseen.iter().try_for_each(|unseen| writeln!(f, "  not seen: {unseen}"))
    }
}
