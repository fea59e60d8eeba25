//! What a filter answers to a call, found out before it is loaded: the program is run here as the kernel would (seccomp(2)).
//!
//! A policy that lacks what this crate and the standard library call once it is loaded would end the process without a word,
//! after everything was given away. It is refused while the caller can still be told.

use crate::{Error, Result, calls};
use seccompiler::sock_filter;
use std::os::fd::RawFd;

/// Offsets in `struct seccomp_data`, of the number, the architecture, and the first argument.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;
/// A number that no call has.
const NOBODYS: u32 = 0x3fff_ffff;

/// What the program answers to a call on this architecture; a program that cannot be understood kills.
pub(crate) fn answer(program: &[sock_filter], call: u32, arguments: [u64; 6]) -> u32 {
    run(program, call, calls::own().unwrap_or(0), arguments).unwrap_or(libc::SECCOMP_RET_KILL_PROCESS)
}

/// What becomes of a call that the program does not name.
pub(crate) fn mismatch(program: &[sock_filter]) -> u32 {
    answer(program, NOBODYS, [0; 6])
}

/// The instructions that seccompiler writes.
fn run(program: &[sock_filter], call: u32, architecture: u32, arguments: [u64; 6]) -> Option<u32> {
    let load = |offset: u32| match offset {
        NUMBER => Some(call),
        ARCHITECTURE => Some(architecture),
        _ => {
            let place = offset.checked_sub(ARGUMENTS)?;
            let argument = arguments.get(usize::try_from(place / 8).ok()?)?;
            // The low half of an argument comes first: every architecture with a policy is little-endian.
            u32::try_from((argument >> (place % 8 * 8)) & u64::from(u32::MAX)).ok()
        }
    };
    let (mut next, mut accumulator) = (0, 0u32);
    loop {
        let step = program.get(next)?;
        next += 1;
        let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
        match u32::from(step.code) {
            LOAD => accumulator = load(step.k)?,
            AND => accumulator &= step.k,
            RETURN => return Some(step.k),
            ALWAYS => next += usize::try_from(step.k).ok()?,
            EQUAL => next += jump(accumulator == step.k),
            GREATER => next += jump(accumulator > step.k),
            NOT_LESS => next += jump(accumulator >= step.k),
            ANY_BIT => next += jump(accumulator & step.k != 0),
            _ => return None,
        }
    }
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const ALWAYS: u32 = libc::BPF_JMP | libc::BPF_JA;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const NOT_LESS: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

/// Refuses an embedder's policy without which what comes after the filter cannot be done. `status` is the descriptor
/// that the last read-back reads.
pub(crate) fn judge(role: &'static str, program: &[sock_filter], status: RawFd) -> Result<()> {
    let status = u64::try_from(status).unwrap_or(0);
    let fcntl: &[Needed] = if cfg!(debug_assertions) { &[DEVELOPMENT] } else { &[] };
    let lacking: Vec<String> = NEEDED
        .iter()
        .chain(fcntl)
        .filter(|needed| {
            let first = if needed.of_status { status } else { 0 };
            let number = u32::try_from(needed.number).unwrap_or(NOBODYS);
            refuses(answer(program, number, [first, needed.second, 0, 0, 0, 0]))
        })
        .map(|needed| format!("`{}` ({})", needed.name, needed.why))
        .collect();
    if lacking.is_empty() { Ok(()) } else { Err(Error::Needed { role, lacking: lacking.join(", ") }) }
}

/// Whether the process, or the call, ends there.
fn refuses(answer: u32) -> bool {
    ![libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_LOG].contains(&(answer & libc::SECCOMP_RET_ACTION_FULL))
}

/// A call that comes after the filter in every process.
struct Needed {
    name: &'static str,
    number: libc::c_long,
    /// Its first argument is the descriptor of the status, and not 0.
    of_status: bool,
    second: u64,
    why: &'static str,
}

const fn needed(name: &'static str, number: libc::c_long, of_status: bool, why: &'static str) -> Needed {
    Needed { name, number, of_status, second: 0, why }
}

/// Found by running a program that does nothing under a policy of nothing, and adding what it was killed for.
const NEEDED: [Needed; 6] = [
    needed("read", libc::SYS_read, true, "the last read-back reads /proc/self/status"),
    needed("close", libc::SYS_close, true, "and closes it"),
    needed("brk", libc::SYS_brk, false, "the heap grows"),
    needed(
        "sigaltstack",
        libc::SYS_sigaltstack,
        false,
        "the standard library takes its overflow handler down when main ends",
    ),
    needed("munmap", libc::SYS_munmap, false, "and gives that handler's stack back"),
    needed("exit_group", libc::SYS_exit_group, false, "the end"),
];

const DEVELOPMENT: Needed = Needed {
    name: "fcntl",
    number: libc::SYS_fcntl,
    of_status: true,
    second: 1,
    why: "F_GETFD: debug assertions ask whether a descriptor is open when it is closed",
};

#[cfg(test)]
mod tests {
    use super::{NOBODYS, answer, judge, mismatch};
    use crate::{
        Filter, Role,
        compile::{Mismatch, Whole},
    };

    const ALL: [&str; 6] = ["read", "close", "brk", "sigaltstack", "munmap", "exit_group"];

    fn program(text: &str, mismatch: Mismatch) -> Vec<seccompiler::sock_filter> {
        let here = std::env::consts::ARCH;
        Whole::read("own", text, &|_| None).unwrap().compile(here, mismatch, false).unwrap()
    }

    fn entry(name: &str) -> String {
        format!("[[syscall]]\nname = \"{name}\"\nreason = \"r\"\n")
    }

    fn with(names: &[&str], more: &str) -> String {
        let more = if cfg!(debug_assertions) { entry("fcntl") + more } else { more.to_owned() };
        names.iter().map(|name| entry(name)).collect::<String>() + &more
    }

    #[test]
    fn a_policy_without_a_call_that_comes_after_it_is_refused_by_the_name_of_the_call() {
        assert!(judge("own", &program(&with(&ALL, ""), Mismatch::Kill), 5).is_ok());
        for lacking in ALL {
            let names: Vec<&str> = ALL.into_iter().filter(|name| *name != lacking).collect();
            let error = judge("own", &program(&with(&names, ""), Mismatch::Kill), 5).unwrap_err().to_string();
            assert!(error.contains(&format!("`{lacking}`")) && error.contains("own policy"), "{error}");
            assert!(ALL.iter().filter(|name| error.contains(&format!("`{name}`"))).count() == 1, "{error}");
            // A filter that logs lets it pass.
            assert!(judge("own", &program(&with(&names, ""), Mismatch::Log), 5).is_ok());
        }
    }

    #[test]
    fn a_call_that_passes_for_another_descriptor_is_none() {
        let names: Vec<&str> = ALL.into_iter().filter(|name| *name != "read").collect();
        let of_seven =
            "[[syscall]]\nname = \"read\"\nreason = \"r\"\nwhen = [[{ arg = 0, equals = 7, means = \"seven\" }]]\n";
        let program = program(&with(&names, of_seven), Mismatch::Kill);
        assert!(judge("own", &program, 7).is_ok());
        assert!(judge("own", &program, 5).unwrap_err().to_string().contains("`read`"));
    }

    #[test]
    fn the_kernels_answers_are_known_before_it_is_asked() {
        let gate = Filter::from(Role::Gate);
        let call = |number: libc::c_long, arguments| answer(gate.program(), u32::try_from(number).unwrap(), arguments);
        assert_eq!(call(libc::SYS_socket, [1, 0, 0, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(call(libc::SYS_socket, [2, 0, 0, 0, 0, 0]), mismatch(gate.program()));
        assert_eq!(call(libc::SYS_connect, [9, 0, 15, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(call(libc::SYS_connect, [9, 0, 16, 0, 0, 0]), mismatch(gate.program()));
        assert_ne!(answer(gate.program(), NOBODYS, [0; 6]), libc::SECCOMP_RET_ALLOW);
        // An address is compared as a whole: both halves.
        let reader = Filter::from(Role::Reader).at(&[("path", 0x7f12_3456_7018), ("how", 0x7f12_3456_7000)]).unwrap();
        let open = |path, how| {
            let number = u32::try_from(libc::SYS_openat2).unwrap();
            (0..16).any(|directory| {
                answer(reader.program(), number, [directory, path, how, 24, 0, 0]) == libc::SECCOMP_RET_ALLOW
            })
        };
        assert!(open(0x7f12_3456_7018, 0x7f12_3456_7000));
        assert!(!open(0x7f13_3456_7018, 0x7f12_3456_7000) && !open(0x7f12_3456_7019, 0x7f12_3456_7000));
    }
}
