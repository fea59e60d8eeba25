//! Which system calls each role may use: `policy/*.toml`, compiled in.

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

/// One permitted system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Who needs it and when.
    pub reason: &'static str,
    /// With which arguments, in words; empty for any.
    pub when: &'static str,
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
}

/// What a role may ask of the kernel on this architecture, in the order of its policy file.
#[must_use]
pub fn policy(role: Role) -> &'static [Entry] {
    match role {
        Role::Gate => &GATE_ENTRIES,
        Role::HostProxy => &HOSTPROXY_ENTRIES,
        Role::Reader => &READER_ENTRIES,
        Role::Supervisor => &SUPERVISOR_ENTRIES,
        Role::Worker => &WORKER_ENTRIES,
        Role::Keeper => &KEEPER_ENTRIES,
        Role::Courier => &COURIER_ENTRIES,
        Role::Zygote => &ZYGOTE_ENTRIES,
        Role::Dispatcher => &DISPATCHER_ENTRIES,
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, policy};
    use crate::compile::{ARCHITECTURES, File, Mismatch, known};
    use crate::{Filter, Refusal};
    use seccompiler::sock_filter;

    const TEXTS: [&str; 9] = [
        include_str!("../policy/gate.toml"),
        include_str!("../policy/hostproxy.toml"),
        include_str!("../policy/reader.toml"),
        include_str!("../policy/supervisor.toml"),
        include_str!("../policy/worker.toml"),
        include_str!("../policy/keeper.toml"),
        include_str!("../policy/courier.toml"),
        include_str!("../policy/zygote.toml"),
        include_str!("../policy/dispatcher.toml"),
    ];

    #[test]
    fn policies_compile_for_every_architecture() {
        for text in TEXTS {
            for arch in ARCHITECTURES {
                let file = File::read(text, arch).unwrap();
                assert!(!file.compile(arch, Mismatch::Kill).unwrap().is_empty(), "{arch}");
                assert!(file.syscall.len() <= 48, "{arch}: {}", file.syscall.len());
            }
        }
    }

    /// x86_64 has older calls beside those that every architecture has, and its C library makes them.
    const OLDER: [(&str, &str); 2] = [("epoll_wait", "epoll_pwait"), ("poll", "ppoll")];

    #[test]
    fn policies_allow_the_same_on_every_architecture() {
        for text in TEXTS {
            let of = |arch: &str| -> Vec<(String, Vec<String>)> {
                let file = File::read(text, arch).unwrap();
                let today =
                    |name: &str| OLDER.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new).to_owned();
                let means = |entry: &crate::compile::Syscall| -> Vec<String> {
                    entry.when.iter().flatten().map(|argument| argument.means.clone()).collect()
                };
                let mut all: Vec<_> = file.syscall.iter().map(|entry| (today(&entry.name), means(entry))).collect();
                all.sort();
                all.dedup();
                all
            };
            let here = of("x86_64");
            for arch in ["aarch64", "riscv64"] {
                assert_eq!(of(arch), here, "{arch}: {}", text.lines().next().unwrap_or_default());
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
            let clones = policy(role).iter().filter(|entry| ["clone", "clone3"].contains(&entry.name));
            let clones: Vec<_> = clones.map(|entry| entry.when).collect();
            let fork: &[&str] = &["CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD"];
            assert_eq!(clones, if role == Role::Zygote { fork } else { &[] }, "{}", role.name());
        }
    }

    #[test]
    fn a_hosts_proxy_may_do_what_a_gate_may_but_for_its_destination() {
        let of = |role| policy(role).iter().map(|entry| (entry.name, entry.when)).collect::<Vec<_>>();
        let (gate, host) = (of(Role::Gate), of(Role::HostProxy));
        assert_eq!(gate.len(), host.len());
        let others: Vec<_> = gate.iter().zip(&host).filter(|(one, other)| one != other).map(|(one, _)| one.0).collect();
        assert_eq!(others, ["socket", "connect", "getsockopt"], "what is added to one policy belongs into the other");
    }

    #[test]
    fn a_worker_and_a_keeper_may_do_what_a_gate_may_and_a_few_things_more() {
        let of = |role| policy(role).iter().map(|entry| (entry.name, entry.when)).collect::<Vec<_>>();
        let gate = of(Role::Gate);
        let more = |role| {
            let all = of(role);
            let missing: Vec<_> = gate.iter().filter(|entry| !all.contains(entry)).map(|entry| entry.0).collect();
            let more: Vec<_> = all.iter().filter(|entry| !gate.contains(entry)).map(|entry| entry.0).collect();
            (missing, more)
        };
        let wait = if cfg!(target_arch = "x86_64") { "poll" } else { "ppoll" };
        assert_eq!(
            more(Role::Keeper),
            (vec![], vec!["sendmsg", "recvmsg", wait, "epoll_create1", "eventfd2", "fcntl", "restart_syscall"])
        );
        let looks = ["getsockopt", "getsockname", "fcntl", "recvmsg", "sendmsg", wait];
        let worker = looks.into_iter().chain(["fstat", "pread64", "restart_syscall"]).collect::<Vec<_>>();
        assert_eq!(more(Role::Worker), (vec!["getsockopt"], worker));
    }

    #[test]
    fn a_reader_opens_one_file_and_nothing_but_that() {
        // The text alone: a build for development adds a call of its own.
        let file = File::read(include_str!("../policy/reader.toml"), std::env::consts::ARCH).unwrap();
        let names: Vec<_> = file.syscall.iter().map(|entry| entry.name.as_str()).collect();
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
            File::read(&text, "x86_64").and_then(|file| file.compile("x86_64", Mismatch::Kill)).map(|_| ())
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
        for (role, text) in Role::ALL.into_iter().zip(TEXTS) {
            let (answer, refusal) = match (crate::LOGS_ONLY, cfg!(debug_assertions)) {
                (true, _) => (libc::SECCOMP_RET_LOG, Refusal::Logs),
                (false, true) => (libc::SECCOMP_RET_TRAP, Refusal::Names),
                (false, false) => (libc::SECCOMP_RET_KILL_PROCESS, Refusal::Kills),
            };
            // A foreign architecture kills in every build.
            assert_eq!(answered(role.program()), all(answer));
            assert_eq!(Filter::from(role).refusal(), refusal);
            let file = File::read(text, "x86_64").unwrap();
            assert!(answers(&file.compile("x86_64", Mismatch::Log).unwrap()).contains(&libc::SECCOMP_RET_LOG));
            let release = Mismatch::of(false, false);
            assert_eq!(answered(&file.compile("x86_64", release).unwrap()), all(libc::SECCOMP_RET_KILL_PROCESS));
        }
    }

    #[cfg(feature = "compile")]
    #[test]
    fn the_entries_that_the_page_offers_are_taken() {
        let page = include_str!("../POLICY.md");
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() > 1, "{blocks:?}");
        for block in blocks {
            Filter::from_toml("page", block).unwrap();
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
        assert!(File::read("[[syscall]]\nname = \"read\"\nreason = \" \"", "x86_64").is_err());
    }
}
