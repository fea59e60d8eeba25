//! What the policies of nsgate's processes permit, and what they have in common.

use super::role::Role;
use nsgate_sandbox::compile::{ARCHITECTURES, Mismatch, PolicyCall, WholePolicy};
use nsgate_sandbox::{Filter, LOGS_ONLY, OnRefusal, RefusedCall, reexports::seccompiler::sock_filter};
use std::collections::BTreeSet;

/// The text of that policy.
fn text(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("{}/policy/{name}.toml", env!("CARGO_MANIFEST_DIR"))).ok()
}

/// A role's policy with what it includes.
fn whole(role: Role) -> WholePolicy {
    WholePolicy::read(role.name(), &text(role.name()).unwrap(), &text).unwrap()
}

#[test]
fn policies_compile_for_every_architecture() {
    for role in Role::ALL {
        let whole = whole(role);
        for arch in ARCHITECTURES {
            assert!(!whole.compile(arch, Mismatch::Kill, false).unwrap().is_empty(), "{arch}");
            let number = whole.calls.iter().filter(|call| call.is_on(arch)).count();
            assert!(number <= 48, "{} on {arch}: {number} calls, and at most 48 is said in {}", role.name(), file!());
        }
    }
}

/// x86_64 has older calls beside those that every architecture has, and its C library makes them.
const OLDER: [(&str, &str); 2] = [("epoll_wait", "epoll_pwait"), ("poll", "ppoll")];

#[test]
fn policies_allow_the_same_on_every_architecture() {
    for role in Role::ALL {
        let whole = whole(role);
        let of = |arch: &str| -> Vec<(String, String)> {
            let today = |name: &str| OLDER.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new).to_owned();
            let pair = |call: &PolicyCall| (today(&call.name), call.in_words());
            let mut all: Vec<_> = whole.calls.iter().filter(|call| call.is_on(arch)).map(pair).collect();
            all.sort();
            all
        };
        let here = of("x86_64");
        for arch in ["aarch64", "riscv64"] {
            assert_eq!(of(arch), here, "{arch}: {}", role.name());
        }
    }
}

#[test]
fn a_gate_may_use_at_most_32_system_calls_and_never_these() {
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Zygote) {
        let number = role.permitted().len();
        assert!(number <= 32, "{}: {number} calls, and at most 32 is said in {}", role.name(), file!());
    }
    for role in Role::ALL {
        for name in ["execve", "open", "openat", "bind", "listen", "fork", "ptrace", "kill", "mount", "mprotect"] {
            assert!(role.permitted().iter().all(|entry| entry.name != name), "{name}");
        }
        // A zygote makes other processes, and no threads.
        let clones = role.permitted().into_iter().filter(|entry| ["clone", "clone3"].contains(&entry.name));
        let clones: Vec<_> = clones.map(|entry| entry.when).collect();
        let fork: &[&str] = &["CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD"];
        assert_eq!(clones, if role == Role::Zygote { fork } else { &[] }, "{}", role.name());
    }
}

/// Calls of `one` that `other` may not make with the same arguments, and the other way round, sorted.
fn differences(one: Role, other: Role) -> [Vec<&'static str>; 2] {
    let of = |role: Role| role.permitted().into_iter().map(|call| (call.name, call.when)).collect::<BTreeSet<_>>();
    let (one, other) = (of(one), of(other));
    [(&one, &other), (&other, &one)].map(|(these, those)| these.difference(those).map(|call| call.0).collect())
}

#[test]
fn a_hosts_proxy_may_do_what_a_gate_may_but_for_its_destination() {
    let others = vec!["connect", "getsockopt", "socket"];
    assert_eq!(
        differences(Role::Gate, Role::HostProxy),
        [others.clone(), others],
        "serving.toml has what both need; what only one needs is listed in {}",
        file!()
    );
}

#[test]
fn a_gate_with_a_door_makes_no_socket_and_connects_to_nothing() {
    let (gate, door) = (differences(Role::Gate, Role::BoundGate), vec!["recvmsg"]);
    assert_eq!(gate, [vec!["connect", "getsockopt", "socket"], door]);
    let log = differences(Role::BoundGate, Role::BoundGateWithLog);
    assert_eq!(log, [vec![], vec!["connect", "socket"]]);
    let socket = Role::BoundGateWithLog.permitted().into_iter().find(|call| call.name == "socket").unwrap().when;
    assert!(socket.contains("SOCK_DGRAM"), "{socket}");
}

#[test]
fn a_worker_and_a_keeper_may_do_what_a_gate_may_and_a_few_things_more() {
    let wait = if cfg!(target_arch = "x86_64") { "poll" } else { "ppoll" };
    let keeper = ["epoll_create1", "eventfd2", "fcntl", wait, "recvmsg", "restart_syscall", "sendmsg"].to_vec();
    let listed =
        concat!("what a gate may not do is listed in ", file!(), "; what it may as well belongs into serving.toml");
    assert_eq!(differences(Role::Gate, Role::Keeper), [vec![], keeper], "{listed}");
    let looks = ["fcntl", "fstat", "getsockname", "getsockopt", wait, "pread64"];
    let worker = looks.into_iter().chain(["recvmsg", "restart_syscall", "sendmsg"]).collect::<Vec<_>>();
    assert_eq!(differences(Role::Gate, Role::Worker), [vec!["getsockopt"], worker], "{listed}");
}

#[test]
fn a_reader_opens_one_file_and_nothing_but_that() {
    let names: Vec<_> = Role::Reader.permitted().iter().map(|call| call.name).collect();
    let listed = ["read", "openat2", "fstat", "fgetxattr", "write", "close", "brk", "exit_group"];
    assert_eq!(names, listed, "a reader's calls are listed in {}", file!());
    let opens = Role::Reader.permitted().iter().find(|entry| entry.name == "openat2").unwrap().when;
    assert!(opens.contains("the one name") && opens.contains("the directory"), "{opens}");
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Reader) {
        let reads = ["openat2", "fgetxattr"];
        assert!(role.permitted().iter().all(|entry| !reads.contains(&entry.name)), "{}", role.name());
    }
}

/// Names of what a role may ask, sorted, once each.
fn names(role: Role) -> Vec<&'static str> {
    role.permitted().iter().map(|call| call.name).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_signer_makes_no_socket_and_the_two_others_no_more_than_their_logs_and_databases() {
    let waits = if cfg!(target_arch = "x86_64") { "epoll_wait" } else { "epoll_pwait" };
    let mut own =
        vec!["brk", "clock_gettime", "close", "epoll_ctl", waits, "exit_group", "madvise", "mmap", "mremap", "munmap"];
    own.extend(["read", "recvfrom", "sendto", "write"]);
    assert_eq!(names(Role::Signer), own, "a signer's calls are listed in {}", file!());
    assert_eq!(differences(Role::Signer, Role::SignerWithLog), [vec![], vec!["connect", "socket"]]);
    let socket = Role::SignerWithLog.permitted().into_iter().find(|call| call.name == "socket").unwrap().when;
    assert!(socket.contains("AF_UNIX") && socket.contains("SOCK_DGRAM"), "{socket}");
    let database = vec!["connect", "getrandom", "getsockopt", "setsockopt", "socket"];
    assert_eq!(differences(Role::Signer, Role::SignerWithDatabase), [vec![], database]);
    // A process that reads guests' bytes has what a signer has not, and the other way round.
    assert!(names(Role::Agent).contains(&"accept4") && !names(Role::SignerWithDatabase).contains(&"accept4"));
}

#[test]
fn a_zygote_may_do_what_its_children_may_and_make_them() {
    let zygote = Role::Zygote.permitted();
    for child in [Role::Worker, Role::Dispatcher] {
        for entry in child.permitted() {
            let permitted: Vec<&str> = zygote.iter().filter(|one| one.name == entry.name).map(|one| one.when).collect();
            let part = |part: &str| permitted.iter().any(|when| when.split(", or ").any(|one| one == part));
            let all = permitted.contains(&"") || entry.when.split(", or ").all(part);
            assert!(all, "{} of the {} belongs into zygote.toml as well", entry.name, child.name());
        }
    }
    let children: Vec<_> = [Role::Worker, Role::Dispatcher].into_iter().flat_map(Role::permitted).collect();
    let more = zygote.iter().filter(|entry| children.iter().all(|one| one.name != entry.name));
    let (own, makes) = (["pidfd_open", "pidfd_send_signal", "waitid"], ["clone", "set_robust_list", "rt_sigprocmask"]);
    let begins = ["getrandom", "epoll_create1", "eventfd2"];
    let narrows = ["prlimit64", "landlock_create_ruleset", "landlock_restrict_self", "prctl", "seccomp"];
    let expected: Vec<_> = makes.into_iter().chain(own).chain(begins).chain(narrows).collect();
    let more = more.map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(more, expected, "what a zygote may do and its children may not is listed in {}", file!());
}

/// The last step but one, which every call that was not named comes to, and the first, for a foreign architecture.
fn answers(program: &[sock_filter]) -> Vec<u32> {
    let returns = program.iter().filter(|step| u32::from(step.code) == libc::BPF_RET | libc::BPF_K);
    let mut answers: Vec<u32> = returns.map(|step| step.k).collect();
    answers.sort_unstable();
    answers.dedup();
    answers
}

#[test]
fn what_is_not_named_kills_and_only_a_development_build_names_or_logs_it() {
    let all = |other| BTreeSet::from([libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_KILL_PROCESS, other]);
    let answered = |program: &[sock_filter]| answers(program).into_iter().collect::<BTreeSet<_>>();
    for role in Role::ALL {
        let (answer, refusal) = match (LOGS_ONLY, cfg!(debug_assertions)) {
            (true, _) => (libc::SECCOMP_RET_LOG, OnRefusal::Logs),
            (false, true) => (libc::SECCOMP_RET_TRAP, OnRefusal::Names),
            (false, false) => (libc::SECCOMP_RET_KILL_PROCESS, OnRefusal::Kills),
        };
        // A foreign architecture kills in every build.
        assert_eq!(answered(role.compiled().program()), all(answer));
        assert_eq!(Filter::from(role).refusal(), refusal);
        let whole = whole(role);
        assert!(answers(&whole.compile("x86_64", Mismatch::Log, true).unwrap()).contains(&libc::SECCOMP_RET_LOG));
        let release = Mismatch::of(false, false);
        assert_eq!(answered(&whole.compile("x86_64", release, false).unwrap()), all(libc::SECCOMP_RET_KILL_PROCESS));
    }
}

/// A line about this call.
fn refused(call: &str, architecture: &str) -> RefusedCall {
    RefusedCall::parse(&format!("type=SECCOMP arch={architecture} syscall={call}")).unwrap()
}

#[test]
fn every_entry_is_found_at_its_line_with_its_reason() {
    let here = std::env::consts::ARCH;
    for role in Role::ALL {
        for call in role.permitted() {
            assert_eq!(refused(call.name, here).permitted_by(role.compiled()), Some(call));
            let text = text(call.policy).unwrap();
            let lines: Vec<&str> = text.lines().skip(call.line - 1).take(2).collect();
            assert_eq!(lines, [format!("name = \"{}\"", call.name), format!("reason = \"{}\"", call.reason)]);
        }
        assert_eq!(refused("execve", here).permitted_by(role.compiled()), None);
    }
    assert_eq!(refused("epoll_pwait", "x86_64").permitted_by(Role::Gate.compiled()), None);
    assert!(refused("epoll_pwait", "aarch64").permitted_by(Role::Gate.compiled()).is_some());
}

#[test]
fn a_refused_readers_or_signers_role_is_known_by_its_name() {
    let of = |comm: &str| {
        let line = format!("type=SECCOMP comm=\"{comm}\" arch=c000003e syscall=257");
        Role::of_refused(&RefusedCall::parse(&line).unwrap())
    };
    assert_eq!((of("haproxy-reader"), of("haproxy")), (Some(Role::Reader), None));
    assert_eq!(of("nsgate-signer"), Some(Role::Signer));
}
