//! Every system call of a start fails once, with the errors that it can give: then there is a gate that serves and has its
//! pid file, and a status of 0, or there is nothing, a reason, and another status.

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("suite errors: calls are answered through the registers of x86_64; this is {}", std::env::consts::ARCH);
    println!("errors: 0 passed, 0 failed, 0 skipped");
}

#[cfg(target_arch = "x86_64")]
fn main() {
    suite::main();
}

#[cfg(target_arch = "x86_64")]
mod suite {
    use std::collections::BTreeSet;
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use nix::errno::Errno;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;
    use nsgate_tests::config::NETWORK;
    use nsgate_tests::gate::write_config;
    use nsgate_tests::inject::errors::{self, Begun, Site};
    use nsgate_tests::lab::{text, wait_until};
    use nsgate_tests::{Config, Kind, Lab, Network, procfs, suite};

    pub(super) fn main() {
        suite!["errors":
            a_call_that_fails_in_the_first_part_of_a_start_leaves_nothing_or_a_gate,
            a_call_that_fails_in_the_second_part_of_a_start_leaves_nothing_or_a_gate,
            a_call_that_fails_in_the_third_part_of_a_start_leaves_nothing_or_a_gate,
            a_call_that_fails_in_the_fourth_part_of_a_start_leaves_nothing_or_a_gate,
            every_error_of_a_call_leaves_nothing_or_a_gate,
            a_call_that_fails_in_the_foreground_leaves_nothing_or_a_gate,
            a_process_that_cannot_be_watched_is_ended,
        ]
    }

    /// The errors that a call can answer, the likeliest first.
    fn errors(number: i64) -> &'static [Errno] {
        match number {
            libc::SYS_pidfd_open => &[Errno::EPERM, Errno::ENOSYS, Errno::ENFILE, Errno::EMFILE, Errno::ENOMEM],
            libc::SYS_clone | libc::SYS_clone3 => &[Errno::EAGAIN, Errno::ENOMEM, Errno::EPERM],
            libc::SYS_unshare => &[Errno::EPERM, Errno::ENOSPC, Errno::EINVAL, Errno::ENOSYS],
            libc::SYS_openat => &[Errno::ENFILE, Errno::EACCES, Errno::ENOENT, Errno::EMFILE],
            libc::SYS_openat2 => &[Errno::ENOSYS, Errno::EPERM, Errno::EACCES, Errno::ENFILE, Errno::EAGAIN],
            libc::SYS_socket => &[Errno::EMFILE, Errno::EACCES, Errno::EAFNOSUPPORT, Errno::ENOBUFS],
            libc::SYS_bind => &[Errno::EACCES, Errno::EADDRINUSE, Errno::EADDRNOTAVAIL],
            libc::SYS_listen => &[Errno::EADDRINUSE, Errno::EOPNOTSUPP],
            libc::SYS_mount => &[Errno::EPERM, Errno::EACCES, Errno::EBUSY, Errno::ENODEV, Errno::ENOMEM],
            libc::SYS_mmap | libc::SYS_brk | libc::SYS_mremap | libc::SYS_mprotect => &[Errno::ENOMEM],
            libc::SYS_pipe2 | libc::SYS_epoll_create1 | libc::SYS_eventfd2 | libc::SYS_signalfd4 => {
                &[Errno::ENFILE, Errno::EMFILE, Errno::ENOMEM]
            }
            libc::SYS_write => &[Errno::EIO, Errno::ENOSPC, Errno::EPIPE, Errno::EAGAIN],
            libc::SYS_read => &[Errno::EIO, Errno::EINTR],
            libc::SYS_setresuid | libc::SYS_setresgid | libc::SYS_setgroups => {
                &[Errno::EPERM, Errno::EAGAIN, Errno::EINVAL]
            }
            libc::SYS_seccomp => &[Errno::EINVAL, Errno::EACCES, Errno::ENOMEM, Errno::ENOSYS],
            libc::SYS_landlock_create_ruleset | libc::SYS_landlock_add_rule | libc::SYS_landlock_restrict_self => {
                &[Errno::EPERM, Errno::E2BIG, Errno::ENOMEM]
            }
            libc::SYS_epoll_wait | libc::SYS_epoll_pwait => &[Errno::EINTR],
            libc::SYS_ppoll | libc::SYS_poll | libc::SYS_wait4 | libc::SYS_waitid => &[Errno::EINTR, Errno::ENOMEM],
            _ => &[Errno::EPERM, Errno::ENOSYS, Errno::ENOMEM],
        }
    }

    /// Calls that end the process, that the kernel itself makes, or that are always successful (getuid(2)).
    const NO_ANSWER: [i64; 6] = [
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_getuid,
        libc::SYS_geteuid,
    ];

    /// How long a gate in the foreground has served when its supervisor has taken every step.
    const SETTLED: Duration = Duration::from_millis(60);

    struct Starts<'a> {
        lab: &'a Lab,
        network: Network,
        words: Vec<String>,
        output: PathBuf,
        config: Config,
    }

    impl<'a> Starts<'a> {
        fn of(lab: &'a Lab, mode: &str) -> Starts<'a> {
            lab.needs_root("what a start does as root fails");
            let config = Config::new(Kind::Network);
            let file = write_config(lab, &config);
            let program = lab.program.path().display().to_string();
            let words = vec![program, mode.to_owned(), "-f".to_owned(), file.display().to_string()];
            Starts { lab, network: lab.network(), words, output: lab.state().join("output"), config }
        }

        fn begin(&self, wanted: Option<(Site, Errno)>) -> Begun {
            let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
            // A thread that looked into the namespace may be seen for a moment after it was joined.
            let mut begun = None;
            assert!(wait_until(2.0, || {
                begun = errors::start(&self.network.gate, &words, &self.output, wanted).ok();
                begun.is_some()
            }));
            begun.unwrap()
        }

        /// The calls of a start in which none fails.
        fn sites(&self) -> Vec<Site> {
            let begun = self.begin(None);
            assert_eq!(begun.status, Some(0), "{}", text(&self.output));
            self.end();
            let known: BTreeSet<Site> =
                begun.sites.into_iter().filter(|site| !NO_ANSWER.contains(&site.number)).collect();
            assert!(known.len() > 150 && known.iter().map(|site| site.process).max() >= Some(2), "{}", known.len());
            known.into_iter().collect()
        }

        fn processes(&self) -> Vec<i32> {
            let lives = |pid: &i32| !text(format!("/proc/{pid}/stat")).contains(") Z ");
            procfs::having(NETWORK).into_iter().filter(lives).collect()
        }

        /// The files in the directory of the pid file.
        fn files(&self) -> Vec<PathBuf> {
            let all = fs::read_dir(self.config.pid_file.parent().unwrap()).unwrap();
            all.flatten().map(|entry| entry.path()).collect()
        }

        /// Ends each process that serves.
        fn end(&self) {
            for pid in self.processes() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            assert!(wait_until(3.0, || self.processes().is_empty() && self.network.gate.listening().is_empty()));
            // Remove what this start leaves, so that it is not taken for the next one's.
            for path in self.files() {
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
        }

        /// One start and its result. A sentence, if the result is neither a gate nor nothing.
        fn judge(&self, site: Site, error: Errno) -> Result<bool, String> {
            let begun = self.begin(Some((site, error)));
            let foreground = self.words[1] == "-db";
            let mut status = begun.status;
            let end = Instant::now() + Duration::from_secs(20);
            // A supervisor that fails at its own drop ends a gate that has served for a moment.
            let mut serving: Option<Instant> = None;
            while let (Some(starter), None) = (begun.starter, status) {
                match waitpid(starter, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::Exited(_, code)) => status = Some(code),
                    Ok(WaitStatus::Signaled(_, signal, _)) => status = Some(128 + signal as i32),
                    _ if foreground && serving.is_some_and(|since| since.elapsed() > SETTLED) => break,
                    _ if Instant::now() > end => {
                        let _ = kill(starter, Signal::SIGKILL);
                        let _ = waitpid(starter, None);
                        self.end();
                        return Err("it hangs".to_owned());
                    }
                    _ => std::thread::sleep(Duration::from_millis(2)),
                }
                let serves = foreground && status.is_none() && self.serves();
                serving = if serves { serving.or_else(|| Some(Instant::now())) } else { None };
            }
            let judged = match status {
                None | Some(0) if self.serves() => Ok(begun.injected),
                None | Some(0) => Err(format!("status 0, and no gate with a pid file: {:?}", self.processes())),
                Some(_) if !(self.is_gone() || foreground && self.is_stale()) => {
                    Err(format!("status {status:?}, and left are {:?} {:?}", self.processes(), self.files()))
                }
                // A process that cannot write cannot say why.
                Some(_) if text(&self.output).is_empty() && site.number != libc::SYS_write => {
                    Err(format!("status {status:?} without a word"))
                }
                Some(_) => Ok(begun.injected),
            };
            self.end();
            if let (Some(starter), None) = (begun.starter, status) {
                let _ = waitpid(starter, None);
            }
            judged.map_err(|wrong| format!("{wrong}; it said: {}", text(&self.output)))
        }

        /// A gate answers, and its pid file names a process that lives.
        fn serves(&self) -> bool {
            let pid = text(&self.config.pid_file);
            let lives = pid.trim().parse().is_ok_and(|pid: i32| self.processes().contains(&pid));
            lives && self.network.gate.inside(|| answers().is_ok())
        }

        fn is_gone(&self) -> bool {
            wait_until(2.0, || self.processes().is_empty() && self.network.gate.listening().is_empty())
                && self.files().is_empty()
        }

        /// Nothing lives, and the one file that is left names no living process: a supervisor without rights could not
        /// remove it, and the next start replaces it.
        fn is_stale(&self) -> bool {
            let gone = self.processes().is_empty() && self.network.gate.listening().is_empty();
            gone && self.files() == [self.config.pid_file.clone()]
        }

        /// Every one of these must end well; each is tried as often as it takes to meet the same call again.
        fn try_all(&self, all: impl IntoIterator<Item = (Site, Errno)>) {
            let (mut tried, mut missed, mut wrong) = (0, 0, Vec::new());
            for (site, error) in all {
                let name = name_of(site.number);
                match self.judge(site, error) {
                    Ok(true) => tried += 1,
                    Ok(false) => missed += 1,
                    Err(reason) => {
                        wrong.push(format!("{name} (process {}, call {}), {error}: {reason}", site.process, site.call))
                    }
                }
            }
            println!("{tried} tried, {missed} not met again");
            assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
            assert!(tried > 8 * missed, "{tried} tried, and {missed} not met again");
            assert!(self.lab.is_root());
        }

        /// A part of all calls, each with one error.
        fn part(&self, part: usize) {
            let sites = self.sites();
            let own = sites.iter().enumerate().filter(|(number, _)| number % 4 == part);
            self.try_all(own.map(|(_, site)| (*site, errors(site.number)[0])));
        }
    }

    /// A request that the gate itself refuses: there is no agent.
    fn answers() -> std::io::Result<()> {
        let mut stream = TcpStream::connect("169.254.169.254:80")?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        if &answer == b"HTTP/1.1 400" { Ok(()) } else { Err(std::io::Error::other("another answer")) }
    }

    fn name_of(number: i64) -> String {
        format!("system call {number}")
    }

    fn a_call_that_fails_in_the_first_part_of_a_start_leaves_nothing_or_a_gate(lab: &Lab) {
        Starts::of(lab, "-D").part(0);
    }

    fn a_call_that_fails_in_the_second_part_of_a_start_leaves_nothing_or_a_gate(lab: &Lab) {
        Starts::of(lab, "-D").part(1);
    }

    fn a_call_that_fails_in_the_third_part_of_a_start_leaves_nothing_or_a_gate(lab: &Lab) {
        Starts::of(lab, "-D").part(2);
    }

    fn a_call_that_fails_in_the_fourth_part_of_a_start_leaves_nothing_or_a_gate(lab: &Lab) {
        Starts::of(lab, "-D").part(3);
    }

    /// The first call of each kind in each process, with every error but the one that is tried above.
    fn every_error_of_a_call_leaves_nothing_or_a_gate(lab: &Lab) {
        let starts = Starts::of(lab, "-D");
        let mut seen = BTreeSet::new();
        let sites = starts.sites();
        let first = sites.into_iter().filter(|site| seen.insert((site.process, site.number)));
        let all = first.flat_map(|site| errors(site.number)[1..].iter().map(move |error| (site, *error)));
        starts.try_all(all);
    }

    /// The starter stays, and what it does last is new: the rest is as in the background. Behind its filter it can neither
    /// speak nor clean up, and it ends its gate by ending.
    fn a_call_that_fails_in_the_foreground_leaves_nothing_or_a_gate(lab: &Lab) {
        let background = Starts::of(lab, "-D");
        let words = background.words.iter().map(|word| word.replace("-D", "-db")).collect();
        let starts = Starts { words, ..background };
        let own: Vec<Site> = starts.foreground_sites().into_iter().filter(|site| site.process == 0).collect();
        let at = |number| own.iter().position(|site| site.number == number).unwrap();
        let (heard, filtered) = (at(libc::SYS_renameat), at(libc::SYS_seccomp));
        assert!(filtered > heard + 60, "{heard} {filtered}");
        starts.try_all(own[heard..filtered].iter().map(|site| (*site, errors(site.number)[0])));
    }

    impl Starts<'_> {
        /// The calls of a foreground start, as far as the one at which its supervisor waits.
        fn foreground_sites(&self) -> Vec<Site> {
            // The first one may have to wait for something that the next ones find ready.
            let runs = [(); 3].map(|()| {
                let begun = self.begin(None);
                assert_eq!(begun.status, None, "{}", text(&self.output));
                self.end();
                let _ = waitpid(begun.starter.unwrap(), None);
                begun.sites
            });
            runs.into_iter()
                .min_by_key(Vec::len)
                .unwrap()
                .into_iter()
                .filter(|site| !NO_ANSWER.contains(&site.number))
                .collect()
        }
    }

    fn a_process_that_cannot_be_watched_is_ended(lab: &Lab) {
        let starts = Starts::of(lab, "-D");
        let sites = starts.sites();
        let watched: Vec<Site> = sites.into_iter().filter(|site| site.number == libc::SYS_pidfd_open).collect();
        assert!(watched.len() >= 2, "the one that looks names up, and the gate: {watched:?}");
        for site in watched {
            for error in errors(libc::SYS_pidfd_open) {
                let judged = starts.judge(site, *error);
                assert_eq!(judged, Ok(true), "{error}");
                assert!(text(&starts.output).contains("pidfd_open"), "{}", text(&starts.output));
            }
        }
    }
}
