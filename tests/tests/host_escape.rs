//! Code that runs in one of the two processes of a host's proxy: system calls injected from outside, as in the suite
//! `escape`, whose probes of a gate hold here as well.

#[cfg(target_arch = "x86_64")]
fn main() {
    probing::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!(
        "suite host_escape: calls are injected through the registers of x86_64; this is {}",
        std::env::consts::ARCH
    );
    println!("host_escape: 0 passed, 0 failed, 1 skipped");
}

#[cfg(target_arch = "x86_64")]
mod probing {
    use std::fs;
    use std::io;
    use std::net::TcpListener;
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::sys::signal::Signal;
    use nsgate_tests::host::{CONFIG, Nova, ask_from, reader_of, start, three_instances};
    use nsgate_tests::inject::{Entry, Outcome, Tracee};
    use nsgate_tests::lab::{text, wait_until};
    use nsgate_tests::{Lab, Network, suite, sys};

    pub(super) fn main() {
        if std::env::var_os("NSGATE_ESCAPE").is_some_and(|wish| wish == "no") {
            println!("suite host_escape: left out, as NSGATE_ESCAPE=no wishes");
            println!("host_escape: 0 passed, 0 failed, 1 skipped");
            return;
        }
        suite!["host_escape":
            the_reader_opens_one_file_whatever_code_runs_in_it,
            the_reader_cannot_change_what_it_opens,
            the_reader_reaches_nobody,
            the_readers_calls_are_for_its_own_descriptors,
            the_proxy_connects_to_one_port_and_the_address_is_its_own_choice,
            the_proxy_opens_no_file_and_offers_no_port,
            the_proxys_calls_have_the_arguments_of_its_policy,
        ]
    }

    const KILLED: Outcome = Outcome::Killed(Signal::SIGSYS);
    const FIXED: Outcome = Outcome::Refused(Errno::EFAULT);
    /// The directory's number in the reader, and the size of `struct open_how`.
    const DIRECTORY: u64 = 5;
    const HOW: u64 = 24;

    /// A network with a Nova, in which one proxy after the other is tried.
    struct Ground<'a> {
        lab: &'a Lab,
        network: Network,
        _nova: Nova,
    }

    /// The attempt, its expected end, and the calls in a stopped process.
    type Attempt<'a> = (&'a str, Outcome, &'a dyn Fn(&mut Tracee, &Sealed) -> Outcome);

    impl<'a> Ground<'a> {
        fn new(lab: &'a Lab) -> Ground<'a> {
            lab.needs_root("the memory of a process that cannot be dumped is root's");
            let network = lab.network();
            let nova = Nova::start(&network);
            Ground { lab, network, _nova: nova }
        }

        /// Each attempt in a reader of its own, and whether the proxy serves and reads anew afterwards.
        fn in_a_reader(&self, attempts: &[Attempt<'_>]) {
            for (what, expected, attempt) in attempts {
                let gate = start(self.lab, &self.network, &three_instances());
                let pid = reader_of(gate.pid);
                let sealed = sealed(pid).unwrap();
                let mut tracee = Tracee::attach(pid).unwrap();
                let outcome = attempt(&mut tracee, &sealed);
                assert_eq!(outcome, *expected, "{what}");
                if outcome == KILLED {
                    assert!(gate.ended_within(Duration::from_secs(2)), "{what}: both end");
                    continue;
                }
                tracee.release().unwrap();
                gate.signal(Signal::SIGHUP);
                assert_eq!(ask_from(&self.network, 11, "/").status, 200, "{what}");
                std::thread::sleep(Duration::from_millis(50));
                assert!(gate.alive(), "{what}: the reader reads on");
            }
        }
    }

    /// Where the reader keeps its path and its `struct open_how`.
    struct Sealed {
        page: u64,
        path: u64,
    }

    fn sealed(pid: i32) -> io::Result<Sealed> {
        let name = CONFIG.rsplit('/').next().unwrap().as_bytes();
        let memory = fs::File::open(format!("/proc/{pid}/mem"))?;
        for line in text(format!("/proc/{pid}/maps")).lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (Some((from, _)), Some(&"r--p"), 5) = (words[0].split_once('-'), words.get(1), words.len()) else {
                continue;
            };
            let page = u64::from_str_radix(from, 16).map_err(io::Error::other)?;
            let mut bytes = vec![0; HOW as usize + name.len() + 1];
            memory.read_exact_at(&mut bytes, page)?;
            if bytes[HOW as usize..].strip_suffix(&[0]) == Some(name) {
                return Ok(Sealed { page, path: page + HOW });
            }
        }
        Err(io::Error::other("the reader has no page with the name of its file"))
    }

    fn call(tracee: &mut Tracee, number: i64, arguments: [u64; 6]) -> Outcome {
        tracee.call(Entry::Syscall, number as u64, arguments).expect("a call")
    }

    fn open_it(tracee: &mut Tracee, sealed: &Sealed) -> Outcome {
        call(tracee, libc::SYS_openat2, [DIRECTORY, sealed.path, sealed.page, HOW, 0, 0])
    }

    /// The number that the next file gets.
    const FILE: u64 = 6;

    fn the_reader_opens_one_file_whatever_code_runs_in_it(lab: &Lab) {
        let here = i64::from(libc::AT_FDCWD) as u64;
        let name = CONFIG.rsplit('/').next().unwrap();
        fs::write(lab.state().join("other"), "a secret\n").unwrap();
        Ground::new(lab).in_a_reader(&[
            ("its own file", Outcome::Returned(0), &|tracee, sealed| {
                assert_eq!(open_it(tracee, sealed), Outcome::Returned(FILE as i64));
                call(tracee, libc::SYS_close, [FILE, 0, 0, 0, 0, 0])
            }),
            ("another file of the directory", KILLED, &|tracee, sealed| {
                let other = tracee.place(b"other\0").unwrap();
                call(tracee, libc::SYS_openat2, [DIRECTORY, other, sealed.page, HOW, 0, 0])
            }),
            ("the same name from other memory", KILLED, &|tracee, sealed| {
                let same = tracee.place(format!("{name}\0").as_bytes()).unwrap();
                call(tracee, libc::SYS_openat2, [DIRECTORY, same, sealed.page, HOW, 0, 0])
            }),
            ("the end of its name", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_openat2, [DIRECTORY, sealed.path + 5, sealed.page, HOW, 0, 0])
            }),
            ("its name with nothing resolved beneath", KILLED, &|tracee, sealed| {
                let how = tracee.place(&[0; 24]).unwrap();
                call(tracee, libc::SYS_openat2, [DIRECTORY, sealed.path, how, HOW, 0, 0])
            }),
            ("a larger open_how", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_openat2, [DIRECTORY, sealed.path, sealed.page, HOW + 8, 0, 0])
            }),
            ("its name in the working directory", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_openat2, [here, sealed.path, sealed.page, HOW, 0, 0])
            }),
            ("openat of its name", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_openat, [DIRECTORY, sealed.path, 0, 0, 0, 0])
            }),
            ("open of its name", KILLED, &|tracee, sealed| call(tracee, libc::SYS_open, [sealed.path, 0, 0, 0, 0, 0])),
            ("reading the directory", KILLED, &|tracee, _| {
                let room = tracee.place(&[0; 1024]).unwrap();
                call(tracee, libc::SYS_getdents64, [DIRECTORY, room, 1024, 0, 0, 0])
            }),
            ("asking about a file of the directory", KILLED, &|tracee, sealed| {
                let room = tracee.place(&[0; 256]).unwrap();
                call(tracee, libc::SYS_newfstatat, [DIRECTORY, sealed.path, room, 0, 0, 0])
            }),
            ("its access control list, of which there is none", Outcome::Refused(Errno::ENODATA), &|tracee, sealed| {
                open_it(tracee, sealed);
                let (room, list) = (tracee.place(&[0; 64]).unwrap(), sealed.path + name.len() as u64 + 1);
                let outcome = call(tracee, libc::SYS_fgetxattr, [FILE, list, room, 64, 0, 0]);
                call(tracee, libc::SYS_close, [FILE, 0, 0, 0, 0, 0]);
                outcome
            }),
            ("another attribute of the file", KILLED, &|tracee, sealed| {
                open_it(tracee, sealed);
                let (room, other) = (tracee.place(&[0; 64]).unwrap(), tracee.place(b"security.selinux\0").unwrap());
                call(tracee, libc::SYS_fgetxattr, [FILE, other, room, 64, 0, 0])
            }),
            ("the list of the directory", KILLED, &|tracee, sealed| {
                let (room, list) = (tracee.place(&[0; 64]).unwrap(), sealed.path + name.len() as u64 + 1);
                call(tracee, libc::SYS_fgetxattr, [DIRECTORY, list, room, 64, 0, 0])
            }),
            ("removing it", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_unlinkat, [DIRECTORY, sealed.path, 0, 0, 0, 0])
            }),
        ]);
    }

    fn the_reader_cannot_change_what_it_opens(lab: &Lab) {
        let (all, fixed) = (7, 0x32);
        Ground::new(lab).in_a_reader(&[
            ("reading its file over the name", FIXED, &|tracee, sealed| {
                open_it(tracee, sealed);
                let outcome = call(tracee, libc::SYS_read, [FILE, sealed.page, 64, 0, 0, 0]);
                call(tracee, libc::SYS_close, [FILE, 0, 0, 0, 0, 0]);
                outcome
            }),
            ("fstat over the name", FIXED, &|tracee, sealed| {
                open_it(tracee, sealed);
                let outcome = call(tracee, libc::SYS_fstat, [FILE, sealed.page, 0, 0, 0, 0]);
                call(tracee, libc::SYS_close, [FILE, 0, 0, 0, 0, 0]);
                outcome
            }),
            ("mprotect", KILLED, &|tracee, sealed| call(tracee, libc::SYS_mprotect, [sealed.page, 4096, all, 0, 0, 0])),
            ("mmap in its place", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_mmap, [sealed.page, 4096, 3, fixed, u64::MAX, 0])
            }),
            ("munmap", KILLED, &|tracee, sealed| call(tracee, libc::SYS_munmap, [sealed.page, 4096, 0, 0, 0, 0])),
            ("mremap", KILLED, &|tracee, sealed| call(tracee, libc::SYS_mremap, [sealed.page, 4096, 8192, 1, 0, 0])),
            ("madvise(MADV_DONTNEED)", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_madvise, [sealed.page, 4096, 4, 0, 0, 0])
            }),
        ]);
    }

    fn the_reader_reaches_nobody(lab: &Lab) {
        Ground::new(lab).in_a_reader(&[
            ("a UNIX socket", KILLED, &|tracee, _| call(tracee, libc::SYS_socket, [1, 1, 0, 0, 0, 0])),
            ("a TCP socket", KILLED, &|tracee, _| call(tracee, libc::SYS_socket, [2, 1, 0, 0, 0, 0])),
            ("another descriptor", KILLED, &|tracee, _| call(tracee, libc::SYS_dup2, [DIRECTORY, FILE, 0, 0, 0, 0])),
            ("a write to the pipe that asks", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_write, [3, sealed.page, 1, 0, 0, 0])
            }),
            ("a signal to the proxy", KILLED, &|tracee, _| call(tracee, libc::SYS_kill, [1, 9, 0, 0, 0, 0])),
            ("a process", KILLED, &|tracee, _| call(tracee, libc::SYS_fork, [0; 6])),
            ("a program", KILLED, &|tracee, sealed| call(tracee, libc::SYS_execve, [sealed.path, 0, 0, 0, 0, 0])),
        ]);
    }

    fn the_readers_calls_are_for_its_own_descriptors(lab: &Lab) {
        // 0 is /dev/null, 4 the pipe that answers.
        Ground::new(lab).in_a_reader(&[
            ("reading another descriptor", KILLED, &|tracee, _| {
                let room = tracee.place(&[0; 16]).unwrap();
                call(tracee, libc::SYS_read, [0, room, 16, 0, 0, 0])
            }),
            ("reading the directory as a file", KILLED, &|tracee, _| {
                let room = tracee.place(&[0; 16]).unwrap();
                call(tracee, libc::SYS_read, [DIRECTORY, room, 16, 0, 0, 0])
            }),
            ("writing to another descriptor", KILLED, &|tracee, sealed| {
                call(tracee, libc::SYS_write, [0, sealed.page, 1, 0, 0, 0])
            }),
            ("asking about the directory", KILLED, &|tracee, _| {
                let room = tracee.place(&[0; 256]).unwrap();
                call(tracee, libc::SYS_fstat, [DIRECTORY, room, 0, 0, 0, 0])
            }),
            ("closing the directory", KILLED, &|tracee, _| call(tracee, libc::SYS_close, [DIRECTORY, 0, 0, 0, 0, 0])),
            ("closing the pipe that answers", KILLED, &|tracee, _| call(tracee, libc::SYS_close, [4, 0, 0, 0, 0, 0])),
        ]);
    }

    /// An IPv4 address and port as connect(2) takes them.
    fn inet(address: [u8; 4], port: u16) -> Vec<u8> {
        let mut bytes = vec![2, 0];
        bytes.extend(port.to_be_bytes());
        bytes.extend(address);
        bytes.extend([0; 8]);
        bytes
    }

    fn the_proxy_connects_to_one_port_and_the_address_is_its_own_choice(lab: &Lab) {
        if sys::landlock_abi() < 4 {
            lab.skip(
                "Landlock knows TCP ports from ABI 4 on (Linux 6.7); before, the filter lets every TCP connect pass",
            );
        }
        let ground = Ground::new(lab);
        let beside = ground.network.gate.inside(|| TcpListener::bind("127.0.0.1:8776")).unwrap();
        let elsewhere = ground.network.guest.inside(|| TcpListener::bind("10.0.0.11:8775")).unwrap();
        for listener in [&beside, &elsewhere] {
            listener.set_nonblocking(true).unwrap();
        }
        let connect = |address, port| {
            let gate = start(lab, &ground.network, &three_instances());
            let mut tracee = Tracee::attach(gate.pid).unwrap();
            let Outcome::Returned(socket) = call(&mut tracee, libc::SYS_socket, [2, 1, 0, 0, 0, 0]) else {
                panic!("a TCP socket")
            };
            let place = tracee.place(&inet(address, port)).unwrap();
            call(&mut tracee, libc::SYS_connect, [socket as u64, place, 16, 0, 0, 0])
        };
        assert_eq!(connect([127, 0, 0, 1], 8775), Outcome::Returned(0), "Nova");
        assert_eq!(connect([127, 0, 0, 1], 8776), Outcome::Refused(Errno::EACCES), "another port");
        assert_eq!(connect([10, 0, 0, 11], 80), Outcome::Refused(Errno::EACCES), "a guest");
        assert!(beside.accept().is_err());
        // Landlock does not know addresses. docs/host-proxy.md tells operators to use a firewall for that.
        assert_eq!(connect([10, 0, 0, 11], 8775), Outcome::Returned(0), "the same port elsewhere");
        assert!(elsewhere.accept().is_ok());
    }

    fn the_proxy_opens_no_file_and_offers_no_port(lab: &Lab) {
        let ground = Ground::new(lab);
        for (what, number, arguments) in [
            ("openat", libc::SYS_openat, [0; 6]),
            ("openat2", libc::SYS_openat2, [DIRECTORY, 0, 0, HOW, 0, 0]),
            ("bind", libc::SYS_bind, [0, 0, 16, 0, 0, 0]),
            ("listen", libc::SYS_listen, [0; 6]),
            ("a UDP socket", libc::SYS_socket, [2, 2, 0, 0, 0, 0]),
            ("a raw socket", libc::SYS_socket, [2, 3, 0, 0, 0, 0]),
            ("fcntl", libc::SYS_fcntl, [0; 6]),
            ("sendmsg", libc::SYS_sendmsg, [0; 6]),
        ] {
            let gate = start(lab, &ground.network, &three_instances());
            let reader = reader_of(gate.pid);
            let mut tracee = Tracee::attach(gate.pid).unwrap();
            assert_eq!(call(&mut tracee, number, arguments), KILLED, "{what}");
            assert!(wait_until(2.0, || !Path::new(&format!("/proc/{reader}")).exists()), "{what}: both end");
        }
    }

    /// One forbidden value for each condition of `policy/hostproxy.toml`, with the others as they may be.
    fn the_proxys_calls_have_the_arguments_of_its_policy(lab: &Lab) {
        let ground = Ground::new(lab);
        let (quiet, more, at_once) = (0x4000, 0xc000, 0x2000_4000);
        for (what, number, arguments) in [
            ("a stream of another family", libc::SYS_socket, [40, 1, 0, 0, 0, 0]),
            ("a netlink socket", libc::SYS_socket, [16, 3, 0, 0, 0, 0]),
            ("a packet socket", libc::SYS_socket, [17, 3, 0, 0, 0, 0]),
            ("a UDP socket over IPv6", libc::SYS_socket, [10, 2, 0, 0, 0, 0]),
            ("a raw socket over IPv6", libc::SYS_socket, [10, 3, 0, 0, 0, 0]),
            ("sending with another flag", libc::SYS_sendto, [0, 0, 0, at_once, 0, 0]),
            ("sending without MSG_NOSIGNAL", libc::SYS_sendto, [0, 0, 0, 0, 0, 0]),
            ("sending to an address", libc::SYS_sendto, [0, 0, 0, quiet, 0, 16]),
            ("sending more to an address", libc::SYS_sendto, [0, 0, 0, more, 0, 16]),
            ("who the peer is", libc::SYS_getsockopt, [0, 1, 17, 0, 0, 0]),
            ("an option of TCP", libc::SYS_getsockopt, [0, 6, 4, 0, 0, 0]),
            ("another option of TCP", libc::SYS_setsockopt, [0, 6, 13, 0, 0, 0]),
            ("another option of a socket", libc::SYS_setsockopt, [0, 1, 25, 0, 0, 0]),
            ("SO_DEBUG, which has TCP_NODELAY's number", libc::SYS_setsockopt, [0, 1, 1, 0, 0, 0]),
            ("an option of IP with SO_LINGER's number", libc::SYS_setsockopt, [0, 0, 13, 0, 0, 0]),
            ("memory to execute", libc::SYS_mmap, [0, 4096, 7, 0x22, u64::MAX, 0]),
            ("a file as memory", libc::SYS_mmap, [0, 4096, 1, 2, 0, 0]),
            ("memory made executable", libc::SYS_mprotect, [0, 4096, 5, 0, 0, 0]),
        ] {
            let gate = start(lab, &ground.network, &three_instances());
            let mut tracee = Tracee::attach(gate.pid).unwrap();
            assert_eq!(call(&mut tracee, number, arguments), KILLED, "{what}");
        }
    }
}
