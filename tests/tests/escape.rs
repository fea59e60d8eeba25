//! Escape: code that runs in a confined gate reaches its agent and the guests that are connected, and nothing else.
//!
//! One test for each probe of `nsgate_tests::probes`; before them, what such code can do, and that the probes do what
//! they say where nothing holds them back. `NSGATE_ESCAPE=no` leaves the suite out, for builds that log forbidden calls
//! instead of ending the process.

#[cfg(target_arch = "x86_64")]
fn main() {
    probing::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("suite escape: calls are injected through the registers of x86_64; this is {}", std::env::consts::ARCH);
    println!("escape: 0 passed, 0 failed, 1 skipped");
}

#[cfg(target_arch = "x86_64")]
mod probing {
    use std::process::{Child, Command, Stdio};

    use nix::errno::Errno;
    use nsgate_tests::escape::Ground;
    use nsgate_tests::harness::{self, Test};
    use nsgate_tests::inject::{self, Entry, Outcome, Tracee};
    use nsgate_tests::probes::{self, Arg, Call, Probe};
    use nsgate_tests::{Lab, sys};

    pub(super) fn main() {
        if std::env::var_os("NSGATE_ESCAPE").is_some_and(|wish| wish == "no") {
            println!("suite escape: left out, as NSGATE_ESCAPE=no wishes");
            println!("escape: 0 passed, 0 failed, 1 skipped");
            return;
        }
        let mut tests = vec![
            Test { name: "the_agent_is_reached", run: &the_agent_is_reached },
            Test { name: "a_connected_guest_is_reached", run: &a_connected_guest_is_reached },
            Test { name: "calls_do_what_they_say_where_nothing_confines", run: &calls_do_what_they_say },
            Test { name: "a_search_finds_what_is_there", run: &a_search_finds_what_is_there },
            Test { name: "every_probe_has_a_name_of_its_own", run: &every_probe_has_a_name_of_its_own },
        ];
        tests.extend(probes::all().into_iter().flat_map(|(_, probes)| probes).map(test));
        harness::main("escape", &tests)
    }

    fn test(probe: Probe) -> Test {
        let name = probe.name;
        Test { name, run: Box::leak(Box::new(move |lab: &Lab| holds(lab, &probe))) }
    }

    fn holds(lab: &Lab, probe: &Probe) {
        if let Some(abi) = probe.landlock {
            let known = sys::landlock_abi();
            if known < abi {
                lab.skip(&format!("only Landlock refuses this, from ABI {abi}; this kernel knows {known}"));
            }
        }
        let ran = Ground::new(lab).run(probe);
        for (variant, end) in ran.ends.iter().enumerate() {
            assert_eq!(*end, probe.expected, "{}, variant {variant}; {:?}", probe.tries, ran.broken);
        }
        assert!(!ran.ends.is_empty() && ran.broken.is_empty(), "{}: {:?}", probe.tries, ran.broken);
    }

    fn call(number: i64, arguments: impl Into<Vec<Arg>>) -> Call {
        Call { entry: Entry::Syscall, number: number as u64, arguments: arguments.into() }
    }

    fn the_agent_is_reached(lab: &Lab) {
        let address = b"\x01\0/agent\0".to_vec();
        let length = Arg::N(address.len() as u64);
        let calls = [
            call(libc::SYS_socket, [Arg::N(1), Arg::N(1), Arg::N(0)]),
            call(libc::SYS_connect, [Arg::Made(0), Arg::Bytes(address), length]),
        ];
        let (_gate, answers) = Ground::new(lab).calls(&calls);
        assert_eq!(answers.get(1), Some(&Outcome::Returned(0)), "{answers:?}");
    }

    fn a_connected_guest_is_reached(lab: &Lab) {
        let arguments = [Arg::Guest, Arg::Bytes(b"x".to_vec()), Arg::N(1), Arg::N(0x4000), Arg::N(0), Arg::N(0)];
        let (_gate, answers) = Ground::new(lab).calls(&[call(libc::SYS_sendto, arguments)]);
        assert_eq!(answers, [Outcome::Returned(1)]);
    }

    /// A process of ours that nothing confines.
    struct Free(Child);

    impl Free {
        fn start() -> Free {
            let mut command = Command::new("sleep");
            command.arg("600").env("WORD", "a word in the environment");
            Free(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
        }

        fn pid(&self) -> i32 {
            self.0.id() as i32
        }
    }

    impl Drop for Free {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn calls_do_what_they_say(lab: &Lab) {
        lab.needs_root("the process is not ours to write to");
        let free = Free::start();
        let mut tracee = Tracee::attach(free.pid()).unwrap();
        let path = tracee.place(b"/etc/passwd\0").unwrap();
        let (here, number) = (i64::from(libc::AT_FDCWD) as u64, libc::SYS_openat as u64);
        let opened = tracee.call(Entry::Syscall, number, [here, path, 0, 0, 0, 0]).unwrap();
        assert!(matches!(opened, Outcome::Returned(descriptor) if descriptor > 2), "{opened:?}");
        let missing = tracee.place(b"/nowhere\0").unwrap();
        let refused = tracee.call(Entry::Syscall, number, [here, missing, 0, 0, 0, 0]).unwrap();
        assert_eq!(refused, Outcome::Refused(Errno::ENOENT));
        // getpid by int 0x80: a kernel built without the 32-bit calls faults instead.
        if let Ok(pid) = tracee.call(Entry::Interrupt, 20, [0; 6]) {
            assert_eq!(pid, Outcome::Returned(free.pid().into()));
        }
        tracee.release().unwrap();
        for (number, expected) in [(libc::SYS_fork, "Forked"), (libc::SYS_execve, "Executed")] {
            let free = Free::start();
            let mut tracee = Tracee::attach(free.pid()).unwrap();
            let shell = tracee.place(b"/bin/sh\0").unwrap();
            let outcome = tracee.call(Entry::Syscall, number as u64, [shell, 0, 0, 0, 0, 0]).unwrap();
            assert!(format!("{outcome:?}").starts_with(expected), "{expected}: {outcome:?}");
        }
    }

    fn a_search_finds_what_is_there(lab: &Lab) {
        lab.needs_root("the process is not ours to read");
        let free = Free::start();
        assert!(!inject::find(free.pid(), b"a word in the environment").unwrap().is_empty());
        assert!(inject::find(free.pid(), b"a word that is nowhere").unwrap().is_empty());
    }

    fn every_probe_has_a_name_of_its_own(_: &Lab) {
        let mut names: Vec<&str> =
            probes::all().iter().flat_map(|(_, probes)| probes).map(|probe| probe.name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
