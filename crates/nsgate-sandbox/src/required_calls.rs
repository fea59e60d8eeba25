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
const NO_CALL: u32 = 0x3fff_ffff;

/// What the program answers to a call on this architecture; a program that cannot be understood kills.
pub(crate) fn answer(program: &[sock_filter], call: u32, arguments: [u64; 6]) -> u32 {
    run(program, call, calls::audit_architecture().unwrap_or(0), arguments).unwrap_or(libc::SECCOMP_RET_KILL_PROCESS)
}

/// What becomes of a call that the program does not name.
pub(crate) fn mismatch(program: &[sock_filter]) -> u32 {
    answer(program, NO_CALL, [0; 6])
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

/// Refuses a policy that lacks a call which every process makes after the filter is loaded. The last read-back reads the
/// descriptor `status`. A process that `never_returns` from `main` needs no call that the standard library makes then.
pub(crate) fn check_required_calls(
    role: &'static str,
    program: &[sock_filter],
    status: RawFd,
    never_returns: bool,
) -> Result<()> {
    let status = u64::try_from(status).unwrap_or(0);
    let fcntl: &[Needed] = if cfg!(debug_assertions) { &[DEVELOPMENT] } else { &[] };
    let lacking: Vec<String> = NEEDED
        .iter()
        .chain(fcntl)
        .filter(|needed| !(never_returns && needed.of_main))
        .filter(|needed| {
            let first = if needed.of_status { status } else { 0 };
            let number = u32::try_from(needed.number).unwrap_or(NO_CALL);
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
    /// The standard library calls it when `main` ends.
    of_main: bool,
    why: &'static str,
}

/// A call with the descriptor of the status.
const fn of_status(name: &'static str, number: libc::c_long, why: &'static str) -> Needed {
    Needed { name, number, of_status: true, second: 0, of_main: false, why }
}

/// A call with any arguments.
const fn of_all(name: &'static str, number: libc::c_long, why: &'static str) -> Needed {
    Needed { of_status: false, ..of_status(name, number, why) }
}

/// A call that the standard library makes when `main` ends.
const fn of_main(name: &'static str, number: libc::c_long, why: &'static str) -> Needed {
    Needed { of_main: true, ..of_all(name, number, why) }
}

/// Found by running a program that does nothing under a policy of nothing, and adding what it was killed for.
const NEEDED: [Needed; 6] = [
    of_status("read", libc::SYS_read, "the last read-back reads /proc/self/status"),
    of_status("close", libc::SYS_close, "and closes it"),
    of_all("brk", libc::SYS_brk, "the heap grows"),
    of_main(
        "sigaltstack",
        libc::SYS_sigaltstack,
        "the standard library takes its overflow handler down when main ends",
    ),
    of_main("munmap", libc::SYS_munmap, "and gives that handler's stack back"),
    of_all("exit_group", libc::SYS_exit_group, "the end"),
];

const DEVELOPMENT: Needed = Needed {
    name: "fcntl",
    number: libc::SYS_fcntl,
    of_status: true,
    second: 1,
    of_main: false,
    why: "F_GETFD: debug assertions ask whether a descriptor is open when it is closed",
};

#[cfg(test)]
mod tests {
    use super::{NO_CALL, answer, check_required_calls, mismatch};
    use crate::{
        Filter,
        compile::{Mismatch, WholePolicy},
    };

    const ALL: [&str; 6] = ["read", "close", "brk", "sigaltstack", "munmap", "exit_group"];

    fn program(text: &str, mismatch: Mismatch) -> Vec<seccompiler::sock_filter> {
        let here = std::env::consts::ARCH;
        WholePolicy::read("own", text, &|_| None).unwrap().compile(here, mismatch, false).unwrap()
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
        assert!(check_required_calls("own", &program(&with(&ALL, ""), Mismatch::Kill), 5, false).is_ok());
        for lacking in ALL {
            let names: Vec<&str> = ALL.into_iter().filter(|name| *name != lacking).collect();
            let error = check_required_calls("own", &program(&with(&names, ""), Mismatch::Kill), 5, false)
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("`{lacking}`")) && error.contains("own policy"), "{error}");
            assert!(ALL.iter().filter(|name| error.contains(&format!("`{name}`"))).count() == 1, "{error}");
            // A filter that logs lets it pass.
            assert!(check_required_calls("own", &program(&with(&names, ""), Mismatch::Log), 5, false).is_ok());
        }
    }

    #[test]
    fn a_call_that_passes_for_another_descriptor_is_none() {
        let names: Vec<&str> = ALL.into_iter().filter(|name| *name != "read").collect();
        let of_seven =
            "[[syscall]]\nname = \"read\"\nreason = \"r\"\nwhen = [[{ arg = 0, equals = 7, means = \"seven\" }]]\n";
        let program = program(&with(&names, of_seven), Mismatch::Kill);
        assert!(check_required_calls("own", &program, 7, false).is_ok());
        assert!(check_required_calls("own", &program, 5, false).unwrap_err().to_string().contains("`read`"));
    }

    #[test]
    fn a_process_that_never_returns_from_main_does_without_what_main_ends_with() {
        let names: Vec<&str> = ALL.into_iter().filter(|name| !["sigaltstack", "munmap"].contains(name)).collect();
        let program = program(&with(&names, ""), Mismatch::Kill);
        assert!(
            check_required_calls("own", &program, 5, true).is_ok()
                && check_required_calls("own", &program, 5, false).is_err()
        );
    }

    #[test]
    fn the_kernels_answers_are_known_before_it_is_asked() {
        let text = include_str!("../tests/addresses.toml");
        let filter = Filter::from_toml("own", text).unwrap();
        let call =
            |number: libc::c_long, arguments| answer(filter.program(), u32::try_from(number).unwrap(), arguments);
        assert_eq!(call(libc::SYS_socket, [1, 0, 0, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(call(libc::SYS_socket, [2, 0, 0, 0, 0, 0]), mismatch(filter.program()));
        assert_eq!(call(libc::SYS_connect, [9, 0, 15, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(call(libc::SYS_connect, [9, 0, 16, 0, 0, 0]), mismatch(filter.program()));
        assert_ne!(answer(filter.program(), NO_CALL, [0; 6]), libc::SECCOMP_RET_ALLOW);
        // An address is compared as a whole: both halves.
        let filter = filter.at(&[("path", 0x7f12_3456_7018), ("how", 0x7f12_3456_7000)]).unwrap();
        let open = |path, how| {
            let number = u32::try_from(libc::SYS_openat2).unwrap();
            (0..16).any(|directory| {
                answer(filter.program(), number, [directory, path, how, 24, 0, 0]) == libc::SECCOMP_RET_ALLOW
            })
        };
        assert!(open(0x7f12_3456_7018, 0x7f12_3456_7000));
        assert!(!open(0x7f13_3456_7018, 0x7f12_3456_7000) && !open(0x7f12_3456_7019, 0x7f12_3456_7000));
    }
}
