//! Privileges: none comes back, and nothing that confines can be loosened.

use libc::{
    SYS_add_key, SYS_capset, SYS_keyctl, SYS_landlock_create_ruleset, SYS_landlock_restrict_self, SYS_personality,
    SYS_prctl, SYS_prlimit64, SYS_request_key, SYS_seccomp, SYS_setgid, SYS_setgroups, SYS_setregid, SYS_setresgid,
    SYS_setresuid, SYS_setreuid, SYS_setrlimit, SYS_setuid,
};

use super::{Arg, NOTHING, NULL, Probe, call, each_killed, killed, n, text, zeroes};

pub(super) fn probes() -> Vec<Probe> {
    let root = || n(0);
    let set = |option: i32, value: i64| call(SYS_prctl, [n(option), n(value), n(0), n(0), n(0)]);
    vec![
        each_killed(
            "become-root",
            "setuid, setreuid, setresuid to 0",
            [
                call(SYS_setuid, [root()]),
                call(SYS_setreuid, [root(), root()]),
                call(SYS_setresuid, [root(), root(), root()]),
            ],
        ),
        each_killed(
            "become-roots-group",
            "setgid, setregid, setresgid to 0",
            [
                call(SYS_setgid, [root()]),
                call(SYS_setregid, [root(), root()]),
                call(SYS_setresgid, [root(), root(), root()]),
            ],
        ),
        killed("setgroups", "joins group 0", [call(SYS_setgroups, [n(1), zeroes(4)])]),
        killed(
            "capset",
            "takes capabilities back",
            [call(SYS_capset, [Arg::Bytes(capability_header()), Arg::Bytes(vec![0xff; 24])])],
        ),
        killed(
            "ambient-capability",
            "raises an ambient capability",
            [call(SYS_prctl, [n(libc::PR_CAP_AMBIENT), n(libc::PR_CAP_AMBIENT_RAISE), n(0), n(0), n(0)])],
        ),
        killed("securebits", "unlocks securebits", [set(libc::PR_SET_SECUREBITS, 0)]),
        killed("dumpable", "becomes dumpable again", [set(libc::PR_SET_DUMPABLE, 1)]),
        killed("no-new-privs-off", "switches no_new_privs off", [set(libc::PR_SET_NO_NEW_PRIVS, 0)]),
        killed("be-traced", "lets anyone trace it (PR_SET_PTRACER)", [set(0x5961_6d61, -1)]),
        killed("outlive-the-supervisor", "forgets the signal at its parent's death", [set(libc::PR_SET_PDEATHSIG, 0)]),
        killed("reaper", "adopts orphans (PR_SET_CHILD_SUBREAPER)", [set(libc::PR_SET_CHILD_SUBREAPER, 1)]),
        killed("memory-may-be-executed", "switches write-xor-execute off (PR_SET_MDWE)", [set(65, 0)]),
        each_killed(
            "seccomp-off",
            "replaces the filter: prctl(PR_SET_SECCOMP), seccomp(2) with a filter, strict mode, a listener",
            [
                set(libc::PR_SET_SECCOMP, 0),
                call(SYS_seccomp, [n(1), n(0), allow_everything()]),
                call(SYS_seccomp, [n(0), n(1), NULL]),
                call(SYS_seccomp, [n(1), n(8), allow_everything()]),
            ],
        ),
        each_killed(
            "landlock-anew",
            "makes and enters another Landlock domain",
            [
                call(SYS_landlock_create_ruleset, [Arg::Bytes(vec![1, 0, 0, 0, 0, 0, 0, 0]), n(8), n(0)]),
                call(SYS_landlock_restrict_self, [NOTHING, n(0)]),
            ],
        ),
        each_killed(
            "personality",
            "makes readable memory executable, switches address randomisation off (personality)",
            [0x0040_0000, 0x0004_0000].map(|persona| call(SYS_personality, [n(persona)])),
        ),
        each_killed(
            "raise-limits",
            "raises its limits of processes, descriptors and core files: setrlimit, prlimit64",
            [libc::RLIMIT_NPROC, libc::RLIMIT_NOFILE, libc::RLIMIT_CORE].into_iter().flat_map(|limit| {
                let limit = i64::from(limit);
                [
                    call(SYS_setrlimit, [n(limit), Arg::Bytes(vec![0xff; 16])]),
                    call(SYS_prlimit64, [n(0), n(limit), Arg::Bytes(vec![0xff; 16]), NULL]),
                ]
            }),
        ),
        killed(
            "limits-of-a-neighbour",
            "reads a neighbour's limits (prlimit64)",
            [call(SYS_prlimit64, [Arg::Neighbour, n(7), NULL, zeroes(16)])],
        ),
        each_killed(
            "keys",
            "the kernel's key rings: add_key, request_key, keyctl",
            [
                call(SYS_add_key, [text("user"), text("nsgate.lab"), text("x"), n(1), n(-2)]),
                call(SYS_request_key, [text("user"), text("nsgate.lab"), NULL, n(0)]),
                call(SYS_keyctl, [n(0), n(-3), n(0)]),
            ],
        ),
    ]
}

/// `struct __user_cap_header_struct`, version 3, for itself.
fn capability_header() -> Vec<u8> {
    [0x2008_0522u32, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `struct sock_fprog` with one step that allows.
fn allow_everything() -> Arg {
    Arg::Words(vec![Arg::N(1), Arg::Bytes(vec![0x06, 0, 0, 0, 0, 0, 0xff, 0x7f])])
}
