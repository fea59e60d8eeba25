//! Which system calls each role may use: `policy/*.toml`, compiled in.

use crate::permitted::{self, PermittedCall};
use seccompiler::sock_filter;

/// What a confined process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves guests of one network.
    Gate,
    /// Serves the instances of a whole host.
    HostProxy,
    /// Reads the configuration of a host's proxy anew, and nothing else.
    Reader,
    /// Watches a gate in the foreground.
    Supervisor,
    /// Serves the guests of many networks.
    Worker,
    /// Stands for one network of a worker, and serves it where there is none.
    Keeper,
    /// Hands one network over to a worker that a service manager keeps it for, and ends.
    Courier,
    /// Makes the dispatcher and the workers of a pool that has more than one.
    Zygote,
    /// Passes each peer of such a pool on to its worker.
    Dispatcher,
}

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

impl Role {
    /// Every role.
    pub const ALL: [Self; 9] = [
        Self::Gate,
        Self::HostProxy,
        Self::Reader,
        Self::Supervisor,
        Self::Worker,
        Self::Keeper,
        Self::Courier,
        Self::Zygote,
        Self::Dispatcher,
    ];

    /// Its name, which is also that of its policy file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::HostProxy => "hostproxy",
            Self::Reader => "reader",
            Self::Supervisor => "supervisor",
            Self::Worker => "worker",
            Self::Keeper => "keeper",
            Self::Courier => "courier",
            Self::Zygote => "zygote",
            Self::Dispatcher => "dispatcher",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    pub(crate) fn program(self) -> &'static [sock_filter] {
        match self {
            Self::Gate => &GATE_PROGRAM,
            Self::HostProxy => &HOSTPROXY_PROGRAM,
            Self::Reader => &READER_PROGRAM,
            Self::Supervisor => &SUPERVISOR_PROGRAM,
            Self::Worker => &WORKER_PROGRAM,
            Self::Keeper => &KEEPER_PROGRAM,
            Self::Courier => &COURIER_PROGRAM,
            Self::Zygote => &ZYGOTE_PROGRAM,
            Self::Dispatcher => &DISPATCHER_PROGRAM,
        }
    }

    /// How many system calls it may make on the architecture that this is built for.
    pub(crate) fn number_of_calls(self) -> usize {
        match self {
            Self::Gate => GATE_CALLS,
            Self::HostProxy => HOSTPROXY_CALLS,
            Self::Reader => READER_CALLS,
            Self::Supervisor => SUPERVISOR_CALLS,
            Self::Worker => WORKER_CALLS,
            Self::Keeper => KEEPER_CALLS,
            Self::Courier => COURIER_CALLS,
            Self::Zygote => ZYGOTE_CALLS,
            Self::Dispatcher => DISPATCHER_CALLS,
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Gate => GATE_TABLE,
            Self::HostProxy => HOSTPROXY_TABLE,
            Self::Reader => READER_TABLE,
            Self::Supervisor => SUPERVISOR_TABLE,
            Self::Worker => WORKER_TABLE,
            Self::Keeper => KEEPER_TABLE,
            Self::Courier => COURIER_TABLE,
            Self::Zygote => ZYGOTE_TABLE,
            Self::Dispatcher => DISPATCHER_TABLE,
        }
    }

    /// What it may ask of the kernel, on every architecture.
    pub(crate) fn permitted(self) -> impl Iterator<Item = PermittedCall> {
        permitted::read(self.table())
    }
}

/// What a role may ask of the kernel on this architecture: what its policy includes first, and then what it adds.
#[must_use]
pub fn policy(role: Role) -> Vec<PermittedCall> {
    role.permitted().filter(|call| call.is_on(std::env::consts::ARCH)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Role, policy};
    use crate::compile::{ARCHITECTURES, Mismatch, Problem, Whole, inclusion::PolicyCall, known};
    use crate::{Filter, Refusal};
    use seccompiler::sock_filter;
    use std::collections::BTreeSet;

    /// The text of that policy.
    fn text(name: &str) -> Option<String> {
        std::fs::read_to_string(format!("{}/policy/{name}.toml", env!("CARGO_MANIFEST_DIR"))).ok()
    }

    /// A role's policy with what it includes.
    fn whole(role: Role) -> Whole {
        Whole::read(role.name(), &text(role.name()).unwrap(), &text).unwrap()
    }

    /// A policy of one's own.
    fn own(text: &str) -> Result<Whole, Problem> {
        Whole::read("own", text, &|_| None)
    }

    #[test]
    fn policies_compile_for_every_architecture() {
        for role in Role::ALL {
            let whole = whole(role);
            for arch in ARCHITECTURES {
                assert!(!whole.compile(arch, Mismatch::Kill, false).unwrap().is_empty(), "{arch}");
                let number = whole.calls.iter().filter(|call| call.is_on(arch)).count();
                assert!(number <= 48, "{arch}: {number}");
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
                let today =
                    |name: &str| OLDER.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new).to_owned();
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
    fn a_build_for_another_architecture_ends_with_a_sentence() {
        for arch in ARCHITECTURES {
            assert_eq!(known(arch), Ok(()));
        }
        for arch in ["s390x", "powerpc64", "arm", "x86", "loongarch64", ""] {
            let why = known(arch).unwrap_err();
            assert!(why.contains("amd64, arm64 and riscv64") && why.contains(&format!("not for {arch}")), "{why}");
        }
    }

    #[test]
    fn a_gate_may_use_at_most_32_system_calls_and_never_these() {
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Zygote) {
            assert!(policy(role).len() <= 32, "{}", role.name());
        }
        for role in Role::ALL {
            for name in ["execve", "open", "openat", "bind", "listen", "fork", "ptrace", "kill", "mount", "mprotect"] {
                assert!(policy(role).iter().all(|entry| entry.name != name), "{name}");
            }
            // A zygote makes other processes, and no threads.
            let clones = policy(role).into_iter().filter(|entry| ["clone", "clone3"].contains(&entry.name));
            let clones: Vec<_> = clones.map(|entry| entry.when).collect();
            let fork: &[&str] = &["CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD"];
            assert_eq!(clones, if role == Role::Zygote { fork } else { &[] }, "{}", role.name());
        }
    }

    /// Calls of `one` that `other` may not make with the same arguments, and the other way round, sorted.
    fn differences(one: Role, other: Role) -> [Vec<&'static str>; 2] {
        let of = |role| policy(role).into_iter().map(|call| (call.name, call.when)).collect::<BTreeSet<_>>();
        let (one, other) = (of(one), of(other));
        [(&one, &other), (&other, &one)].map(|(these, those)| these.difference(those).map(|call| call.0).collect())
    }

    #[test]
    fn a_hosts_proxy_may_do_what_a_gate_may_but_for_its_destination() {
        let others = vec!["connect", "getsockopt", "socket"];
        assert_eq!(
            differences(Role::Gate, Role::HostProxy),
            [others.clone(), others],
            "add to serving.toml what both need"
        );
    }

    #[test]
    fn a_worker_and_a_keeper_may_do_what_a_gate_may_and_a_few_things_more() {
        let wait = if cfg!(target_arch = "x86_64") { "poll" } else { "ppoll" };
        let keeper = ["epoll_create1", "eventfd2", "fcntl", wait, "recvmsg", "restart_syscall", "sendmsg"].to_vec();
        assert_eq!(differences(Role::Gate, Role::Keeper), [vec![], keeper]);
        let looks = ["fcntl", "fstat", "getsockname", "getsockopt", wait, "pread64"];
        let worker = looks.into_iter().chain(["recvmsg", "restart_syscall", "sendmsg"]).collect::<Vec<_>>();
        assert_eq!(differences(Role::Gate, Role::Worker), [vec!["getsockopt"], worker]);
    }

    #[test]
    fn a_reader_opens_one_file_and_nothing_but_that() {
        let names: Vec<_> = policy(Role::Reader).iter().map(|call| call.name).collect();
        assert_eq!(names, ["read", "openat2", "fstat", "fgetxattr", "write", "close", "brk", "exit_group"]);
        let opens = policy(Role::Reader).iter().find(|entry| entry.name == "openat2").unwrap().when;
        assert!(opens.contains("the one name") && opens.contains("the directory"), "{opens}");
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Reader) {
            let reads = ["openat2", "fgetxattr"];
            assert!(policy(role).iter().all(|entry| !reads.contains(&entry.name)), "{}", role.name());
        }
    }

    #[test]
    fn a_policy_that_names_addresses_is_completed_once() {
        let steps = |filter: &Filter| filter.program().iter().map(|step| step.k).collect::<Vec<_>>();
        let open = Filter::from(Role::Reader);
        let [path, how] = [0x7f12_3456_7018_usize, 0x7f12_3456_7000];
        let closed = open.clone().at(&[("path", path), ("how", how)]).unwrap();
        let changed: Vec<_> =
            steps(&open).into_iter().zip(steps(&closed)).filter(|(one, other)| one != other).collect();
        let after: Vec<u32> = changed.iter().map(|(_, after)| *after).collect();
        assert_eq!(after.len(), 4, "{changed:x?}");
        for half in [0x7f12, 0x3456_7018, 0x3456_7000] {
            assert!(after.contains(&half), "{half:x}: {after:x?}");
        }
        assert!(closed.at(&[("path", path)]).is_err(), "there is no place for it any more");
        assert!(Filter::from(Role::Gate).at(&[("path", path)]).is_err());
    }

    #[test]
    fn an_argument_has_a_number_or_an_address() {
        let compile = |argument: &str| {
            let text = format!(
                "[[syscall]]\nname = \"read\"\nreason = \"r\"\nwhen = [[{{ arg = 0, {argument}, means = \"m\" }}]]"
            );
            own(&text).and_then(|whole| whole.compile("x86_64", Mismatch::Kill, false)).map(|_| ())
        };
        assert!(compile("equals = 1").is_ok() && compile("address = \"how\"").is_ok());
        for wrong in ["equals = 1, address = \"how\"", "mask = 1", "mask = 1, address = \"how\"", "address = \"where\""]
        {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_zygote_may_do_what_its_children_may_and_make_them() {
        let zygote = policy(Role::Zygote);
        for child in [Role::Worker, Role::Dispatcher] {
            for entry in policy(child) {
                let permitted: Vec<&str> =
                    zygote.iter().filter(|one| one.name == entry.name).map(|one| one.when).collect();
                let part = |part: &str| permitted.iter().any(|when| when.split(", or ").any(|one| one == part));
                let all = permitted.contains(&"") || entry.when.split(", or ").all(part);
                assert!(all, "{} of the {} belongs into zygote.toml as well", entry.name, child.name());
            }
        }
        let children: Vec<_> = [Role::Worker, Role::Dispatcher].into_iter().flat_map(policy).collect();
        let more = zygote.iter().filter(|entry| children.iter().all(|one| one.name != entry.name));
        let (own, makes) =
            (["pidfd_open", "pidfd_send_signal", "waitid"], ["clone", "set_robust_list", "rt_sigprocmask"]);
        let begins = ["getrandom", "epoll_create1", "eventfd2"];
        let narrows = ["prlimit64", "landlock_create_ruleset", "landlock_restrict_self", "prctl", "seccomp"];
        let expected: Vec<_> = makes.into_iter().chain(own).chain(begins).chain(narrows).collect();
        assert_eq!(more.map(|entry| entry.name).collect::<Vec<_>>(), expected);
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
        let all =
            |other| std::collections::BTreeSet::from([libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_KILL_PROCESS, other]);
        let answered =
            |program: &[sock_filter]| answers(program).into_iter().collect::<std::collections::BTreeSet<_>>();
        for role in Role::ALL {
            let (answer, refusal) = match (crate::LOGS_ONLY, cfg!(debug_assertions)) {
                (true, _) => (libc::SECCOMP_RET_LOG, Refusal::Logs),
                (false, true) => (libc::SECCOMP_RET_TRAP, Refusal::Names),
                (false, false) => (libc::SECCOMP_RET_KILL_PROCESS, Refusal::Kills),
            };
            // A foreign architecture kills in every build.
            assert_eq!(answered(role.program()), all(answer));
            assert_eq!(Filter::from(role).refusal(), refusal);
            let whole = whole(role);
            assert!(answers(&whole.compile("x86_64", Mismatch::Log, true).unwrap()).contains(&libc::SECCOMP_RET_LOG));
            let release = Mismatch::of(false, false);
            assert_eq!(
                answered(&whole.compile("x86_64", release, false).unwrap()),
                all(libc::SECCOMP_RET_KILL_PROCESS)
            );
        }
    }

    #[cfg(feature = "compile")]
    #[test]
    fn the_entries_that_the_page_offers_are_taken() {
        let page = include_str!("../POLICY.md");
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() > 1, "{blocks:?}");
        let serving =
            "[[syscall]]\nname = \"connect\"\nreason = \"r\"\n[[syscall]]\nname = \"setsockopt\"\nreason = \"r\"\n";
        let (include, alone): (Vec<&str>, Vec<&str>) = blocks.into_iter().partition(|block| block.contains("include"));
        for block in alone {
            Filter::from_toml("page", block).unwrap();
        }
        for block in include {
            let names: Vec<_> = Whole::read("page", block, &|_| Some(serving.to_owned())).unwrap().calls;
            let names: Vec<&str> = names.iter().map(|call| call.name.as_str()).collect();
            assert_eq!(names, ["connect", "getsockname"]);
            assert!(Filter::from_toml("page", block).is_err(), "it stands alone");
        }
    }

    #[cfg(feature = "compile")]
    #[test]
    fn a_policy_of_ones_own_refuses_as_the_crates_own_do() {
        let own = Filter::from_toml("own", "[[syscall]]\nname = \"read\"\nreason = \"r\"").unwrap();
        assert_eq!(own.refusal(), Filter::from(Role::Gate).refusal());
        let error = Filter::from_toml("own", "[[syscall]]\nname = \"read\"\nreason = \"\"").unwrap_err();
        assert_eq!((error.policy, error.syscall.as_deref()), ("own", Some("read")));
        assert!(Filter::from_toml("own", "[[syscall]]\nname = \"frobnicate\"\nreason = \"r\"").is_err());
    }

    #[test]
    fn an_entry_without_a_reason_is_refused() {
        assert!(own("[[syscall]]\nname = \"read\"\nreason = \" \"").is_err());
    }
}
