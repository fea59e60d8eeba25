//! Names of system calls by number, for the architectures that there are policies for.

/// What the kernel calls an architecture in its audit lines (`AUDIT_ARCH_*` of `linux/audit.h`), what Rust calls it, and its
/// calls: a number and a name to a line. One text, and no table of pointers: a process that never looks at it pays no memory.
const ARCHITECTURES: [(u32, &str, &str); 3] = [
    (0xc000_003e, "x86_64", include_str!("calls/x86_64.txt")),
    (0xc000_00b7, "aarch64", include_str!("calls/generic.txt")),
    (0xc000_00f3, "riscv64", include_str!("calls/generic.txt")),
];

/// The number by which the kernel audits this architecture.
pub(crate) fn audit_architecture() -> Option<u32> {
    ARCHITECTURES.iter().find(|(_, name, _)| *name == std::env::consts::ARCH).map(|(number, ..)| *number)
}

/// The architecture's name, by number or by name as auditd writes it.
pub(crate) fn architecture(word: &str) -> Option<&'static str> {
    let number = u32::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let known = ARCHITECTURES.iter().find(|(audit, name, _)| Some(*audit) == number || *name == word);
    known.map(|(_, name, _)| *name)
}

/// What an architecture is called that a process can make calls of beside its own, by the number in the kernel's lines.
pub(crate) fn foreign(word: &str) -> Option<&'static str> {
    match u32::from_str_radix(word.trim_start_matches("0x"), 16).ok()? {
        0x4000_0003 => Some("i386"),
        0x4000_0028 => Some("arm"),
        0x4000_00f3 => Some("riscv32"),
        _ => None,
    }
}

/// The name of a call on this architecture. Takes no memory: a signal handler asks.
pub(crate) fn name(architecture: &str, call: i64) -> Option<&'static str> {
    lines(architecture)?.find(|(number, _)| *number == call).map(|(_, name)| name)
}

/// The number of a call on this architecture.
pub(crate) fn call_number(architecture: &str, call: &str) -> Option<i64> {
    lines(architecture)?.find(|(_, name)| *name == call).map(|(number, _)| number)
}

fn lines(architecture: &str) -> Option<impl Iterator<Item = (i64, &'static str)>> {
    let (.., text) = ARCHITECTURES.iter().find(|(_, name, _)| *name == architecture)?;
    Some(text.lines().filter_map(|line| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, name))
    }))
}

#[cfg(test)]
mod tests {
    use super::{architecture, audit_architecture, call_number, name};

    #[test]
    fn a_call_has_the_c_librarys_number() {
        let here = std::env::consts::ARCH;
        // The C library's numbers, for a few that differ between architectures.
        for (call, known) in [
            ("openat", libc::SYS_openat),
            ("execve", libc::SYS_execve),
            ("mprotect", libc::SYS_mprotect),
            ("sigaltstack", libc::SYS_sigaltstack),
            ("clone3", libc::SYS_clone3),
            ("getrandom", libc::SYS_getrandom),
        ] {
            assert_eq!((call_number(here, call), name(here, known)), (Some(known), Some(call)));
        }
    }

    #[test]
    fn architectures_are_known_by_number_and_by_name() {
        for (word, known) in [("c000003e", "x86_64"), ("0xc00000b7", "aarch64"), ("riscv64", "riscv64")] {
            assert_eq!(architecture(word), Some(known));
        }
        assert_eq!(architecture("40000003"), None, "i386");
        assert!(audit_architecture().is_some());
        assert_eq!((name("x86_64", 257), name("aarch64", 56)), (Some("openat"), Some("openat")));
        assert_eq!(name("x86_64", -1), None);
    }
}
