//! Local attackers: the owner of the state directory plays with links and names while root starts gates a thousand
//! times. No file of another user is touched, and nothing of ours leaks.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept, bind, listen, socket};
use nix::unistd::{ForkResult, Gid, Pid, Uid, chown, setresgid, setresuid};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate, run_flags, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{metrics_path, socket_path, words};
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{
    Answer, Config, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader, procfs, suite, sys,
};

fn main() {
    suite!["attackers":
        the_pid_files_directory_is_swapped_for_a_link,
        the_pid_file_is_swapped_for_a_link,
        the_state_directory_is_renamed_and_back,
        the_pools_socket_is_swapped_for_a_link_while_it_is_made,
        the_pools_socket_is_swapped_for_a_link_to_another_pools,
        roots_file_takes_the_name_of_a_log_that_is_made,
        the_directory_of_leftovers_is_swapped_while_they_are_removed,
        the_configuration_is_swapped_for_another,
        a_hard_link_to_a_strangers_file_as_pid_file,
        a_hard_link_to_roots_file_as_pid_file,
        a_backend_swapped_for_another_users_gets_no_byte,
        a_hostile_environment_changes_nothing,
        without_proc_there_is_no_gate,
        without_dev_there_is_no_gate,
    ]
}

fn config() -> Config {
    Config::new(Kind::Network)
}

/// A process of the account `neutron` that plays `tricks` in a loop until it is dropped.
struct Attacker(Pid);

impl Attacker {
    /// Must be called while the test has one thread.
    fn plays(lab: &Lab, mut tricks: impl FnMut()) -> Attacker {
        lab.needs_root("the attacker is another account than the starter's");
        // As Neutron's packages have it: the state directory is the account's own.
        own(&lab.state());
        match sys::fork_single().unwrap() {
            ForkResult::Parent { child } => Attacker(child),
            ForkResult::Child => {
                let (uid, gid) = (Uid::from_raw(NEUTRON_ID), Gid::from_raw(NEUTRON_ID));
                let ready = setresgid(gid, gid, gid).and_then(|()| setresuid(uid, uid, uid));
                // After the ids: a change of user forgets it.
                if ready.is_err() || sys::die_with_parent().is_err() {
                    sys::exit_now(1);
                }
                loop {
                    tricks();
                }
            }
        }
    }
}

fn own(directory: &Path) {
    let (uid, gid) = (Uid::from_raw(NEUTRON_ID), Gid::from_raw(NEUTRON_ID));
    chown(directory, Some(uid), Some(gid)).unwrap();
    for entry in fs::read_dir(directory).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        own(&entry.path());
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = sys::wait_for(self.0);
    }
}

/// A directory and a file of root's that others may read, and that must not change.
struct Victim {
    directory: PathBuf,
    file: PathBuf,
}

impl Victim {
    fn new(lab: &Lab) -> Victim {
        lab.needs_root("the attacker is another account than the starter's");
        let directory = lab.directory("victim", 0o755);
        chown(&directory, Some(Uid::from_raw(0)), Some(Gid::from_raw(0))).unwrap();
        let file = directory.join("precious");
        fs::write(&file, "precious").unwrap();
        Victim { directory, file }
    }

    fn assert_untouched(&self) {
        let names: Vec<_> = fs::read_dir(&self.directory).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["precious"]);
        let status = fs::metadata(&self.file).unwrap();
        assert_eq!((text(&self.file).as_str(), status.uid(), status.nlink()), ("precious", 0, 1));
        assert_eq!((status.mode() & 0o7777, status.gid()), (0o644, 0), "its mode and group");
    }
}

/// Starts and ends gates, straight in the namespace (`ip netns exec` costs more than they do).
fn start_and_stop(lab: &Lab, network: &Network, times: usize) -> (usize, usize) {
    let file = write_config(lab, &config());
    let (mut served, mut refused) = (0, 0);
    for _ in 0..times {
        let started = start(lab, network, &file);
        if started.ok() {
            served += 1;
            end_all(network);
        } else {
            assert!(started.closed && started.code() == Some(1) && !started.stderr.is_empty(), "{started:#?}");
            assert!(network.gate.listening().is_empty(), "refused, and something listens: {started:#?}");
            refused += 1;
        }
    }
    println!("{served} served, {refused} refused");
    (served, refused)
}

fn start(lab: &Lab, network: &Network, file: &Path) -> Started {
    network.gate.inside(|| {
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(file);
        communicate(command, Duration::from_secs(10))
    })
}

/// Ends every gate of this world by its pid: the pid file is what the attacker plays with.
fn end_all(network: &Network) {
    for pid in procfs::having(NETWORK) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    assert!(wait_until(10.0, || procfs::having(NETWORK).is_empty() && network.gate.listening().is_empty()));
}

fn the_pid_files_directory_is_swapped_for_a_link(lab: &Lab) {
    let victim = Victim::new(lab);
    let pids = config().pid_file.parent().unwrap().to_owned();
    let (aside, target) = (pids.with_file_name("aside"), victim.directory.clone());
    let _attacker = Attacker::plays(lab, move || {
        let _ = fs::rename(&pids, &aside);
        let _ = symlink(&target, &pids);
        std::thread::sleep(Duration::from_micros(300));
        let _ = fs::remove_file(&pids);
        let _ = fs::rename(&aside, &pids);
        std::thread::sleep(Duration::from_micros(300));
    });
    let network = lab.network();
    let (served, refused) = start_and_stop(lab, &network, 400);
    assert!(served > 0 && refused > 0, "the race was played: {served} served, {refused} refused");
    victim.assert_untouched();
}

fn the_pid_file_is_swapped_for_a_link(lab: &Lab) {
    let victim = Victim::new(lab);
    let (pid_file, target) = (config().pid_file, victim.file.clone());
    let _attacker = Attacker::plays(lab, move || {
        let _ = fs::remove_file(&pid_file);
        let _ = symlink(&target, &pid_file);
        std::thread::sleep(Duration::from_micros(200));
        let _ = fs::remove_file(&pid_file);
        std::thread::sleep(Duration::from_micros(200));
    });
    let network = lab.network();
    let (served, refused) = start_and_stop(lab, &network, 400);
    assert!(served > 0 && refused > 0, "the race was played: {served} served, {refused} refused");
    victim.assert_untouched();
}

fn the_state_directory_is_renamed_and_back(lab: &Lab) {
    let victim = Victim::new(lab);
    let external = config().pid_file.parent().unwrap().parent().unwrap().to_owned();
    let (aside, target) = (external.with_file_name("elsewhere"), victim.directory.clone());
    let _attacker = Attacker::plays(lab, move || {
        let _ = fs::rename(&external, &aside);
        let _ = symlink(&target, &external);
        let _ = fs::remove_file(&external);
        let _ = fs::rename(&aside, &external);
        std::thread::sleep(Duration::from_micros(200));
    });
    let network = lab.network();
    let (served, _) = start_and_stop(lab, &network, 200);
    assert!(served > 0);
    victim.assert_untouched();
}

/// A directory of the worker's own user, as `RuntimeDirectory=` or an operator makes it, where root's pool has its sockets.
fn workers_directory(lab: &Lab) -> PathBuf {
    let directory = socket_path(lab).parent().unwrap().to_owned();
    own(&directory);
    directory
}

/// Starts and ends pools; how many served, and how many were refused.
fn pools(lab: &Lab, times: usize, more: &[&str]) -> (usize, usize) {
    const PID_FILE: &str = "/run/lab/pool.pid";
    let (mut served, mut refused) = (0, 0);
    for _ in 0..times {
        // A link that took the place by a start's own rename would be refused from then on.
        let _ = (fs::remove_file(socket_path(lab)), fs::remove_file(metrics_path(lab)));
        // Before each call that makes, gives away or moves something the attacker gets its turn.
        let mut command = Command::new("strace");
        let inject = "--inject=bind,connect,mkdirat,fchownat,fchmodat,renameat,unlinkat:delay_enter=3000";
        command.args(["--quiet=all", "--output=/dev/null", "--trace=bind", inject]).arg(lab.program.nsgate());
        command.args(words(lab, more)).args(["--daemon", "--pid-file", PID_FILE]);
        let started = communicate(command, Duration::from_secs(10));
        if started.ok() {
            served += 1;
            let pid = text(PID_FILE).trim().parse().unwrap();
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            assert!(wait_until(10.0, || !Path::new(&format!("/proc/{pid}")).exists()));
        } else {
            assert!(started.closed && started.code() == Some(1) && !started.stderr.is_empty(), "{started:#?}");
            refused += 1;
        }
    }
    (served, refused)
}

/// The new socket is moved aside while it is made, and a link to root's file and directory gets its name.
fn the_pools_socket_is_swapped_for_a_link_while_it_is_made(lab: &Lab) {
    let victim = Victim::new(lab);
    let directory = workers_directory(lab);
    let (file, folder) = (victim.file.clone(), victim.directory.clone());
    let _attacker = Attacker::plays(lab, move || {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let (name, aside) = (entry.path(), directory.join("aside"));
            if !entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let target = if entry.file_type().is_ok_and(|kind| kind.is_dir()) { &folder } else { &file };
            if fs::rename(&name, &aside).is_ok() {
                let _ = symlink(target, &name);
                let until = Instant::now() + Duration::from_micros(100);
                while Instant::now() < until {}
                let _ = fs::remove_file(&name);
            }
            let _ = fs::remove_file(&aside).or_else(|_| fs::remove_dir(&aside));
        }
    });
    lab.needs("/usr/bin/strace", "apt-get install strace");
    for _ in 0..25 {
        pools(lab, 1, &[]);
        victim.assert_untouched();
    }
}

/// A worker that takes over tells who answers at its place to leave. A link there leads to one that it has no part in.
fn the_pools_socket_is_swapped_for_a_link_to_another_pools(lab: &Lab) {
    lab.needs_root("another pool that only root reaches");
    let directory = workers_directory(lab);
    let theirs = lab.directory("theirs", 0o700).join("pool.sock");
    let (place, stale) = (socket_path(lab), directory.join("stale"));
    let target = theirs.clone();
    let _attacker = Attacker::plays(lab, move || {
        if fs::symlink_metadata(&stale).is_err() {
            // No process listens at it any more.
            drop(UnixListener::bind(&stale));
        }
        let _ = fs::hard_link(&stale, directory.join("turn"));
        let _ = fs::rename(directory.join("turn"), &place);
        let _ = symlink(&target, directory.join("link"));
        let _ = fs::rename(directory.join("link"), &place);
    });
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(&theirs).unwrap()).unwrap();
    listen(&listener, Backlog::new(500).unwrap()).unwrap();
    let (mut served, mut refused) = (0, 0);
    lab.needs("/usr/bin/strace", "apt-get install strace");
    for turn in 0..25 {
        let (well, not) = pools(lab, 1, &["--replace"]);
        (served, refused) = (served + well, refused + not);
        assert!(accept(listener.as_raw_fd()).is_err(), "start {turn}: root was led to the other pool");
    }
    assert!(refused > 0, "the race was played: {served} served, {refused} refused");
}

/// A log that is new is given to the agent's group: that must not happen to a file that was there.
fn roots_file_takes_the_name_of_a_log_that_is_made(lab: &Lab) {
    lab.needs_root("a file that only root reads");
    let directory = lab.directory("log", 0o755);
    own(&directory);
    let (secret, log) = (directory.join("secret"), directory.join("gate.log"));
    fs::write(&secret, "precious").unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let inode = fs::metadata(&secret).unwrap().ino();
    let (from, to) = (secret.clone(), log.clone());
    let attacker = Attacker::plays(lab, move || {
        let _ = match fs::metadata(&to) {
            Ok(found) if found.ino() == inode => fs::rename(&to, &from),
            // A start has made one meanwhile.
            Ok(_) => fs::remove_file(&to),
            Err(_) => fs::rename(&from, &to),
        };
    });
    let network = lab.network();
    let pid_file = lab.state().join("external/pids/old.pid");
    for _ in 0..120 {
        let started = network.gate.inside(|| {
            let mut command = Command::new(lab.program.path().with_file_name("neutron-ns-metadata-proxy"));
            command.arg(format!("--pid_file={}", pid_file.display())).arg(format!("--network_id={NETWORK}"));
            command.arg(format!("--metadata_proxy_socket={}", lab.socket().display()));
            command.args(["--metadata_proxy_user=neutron", "--state_path=/run/lab/neutron"]);
            command.arg(format!("--log-file={}", log.display()));
            communicate(command, Duration::from_secs(10))
        });
        assert!(started.closed, "{started:#?}");
        end_all(&network);
    }
    drop(attacker);
    let files = [&secret, &log].into_iter().filter_map(|path| fs::metadata(path).ok());
    let found = files.into_iter().find(|found| found.ino() == inode).expect("root's file is there");
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o600, 0, 0), "a start has opened it up");
}

fn the_directory_of_leftovers_is_swapped_while_they_are_removed(lab: &Lab) {
    let victim = Victim::new(lab);
    let theirs = victim.directory.join(format!("{NETWORK}.pid"));
    fs::rename(&victim.file, &theirs).unwrap();
    let pids = config().pid_file.parent().unwrap().to_owned();
    let (aside, target) = (pids.with_file_name("aside"), victim.directory.clone());
    let _attacker = Attacker::plays(lab, move || {
        let _ = fs::write(pids.join(format!("{NETWORK}.pid")), "12");
        let _ = fs::rename(&pids, &aside);
        let _ = symlink(&target, &pids);
        let _ = fs::remove_file(&pids);
        let _ = fs::rename(&aside, &pids);
    });
    let mut removed = 0;
    for _ in 0..300 {
        let mut command = Command::new(lab.program.nsgate());
        command.args(["cleanup", "--state-path=/run/lab/neutron", "--user=neutron", "--id", NETWORK]);
        let cleaned = communicate(command, Duration::from_secs(10));
        removed += usize::from(cleaned.stdout.contains("removed"));
    }
    assert!(removed > 0, "the race was played");
    fs::rename(&theirs, &victim.file).unwrap();
    victim.assert_untouched();
}

/// The owner of the file may write any text into it. What is read is one of the texts, whole, and the gate runs with the
/// text that was validated.
fn the_configuration_is_swapped_for_another(lab: &Lab) {
    const OTHER: &str = "b5f0a9d4-3c1e-4c55-8f12-6a7e9d0c4b21";
    let file = write_config(lab, &config());
    let (first, second) = (config().text(), config().text().replace(NETWORK, OTHER));
    let directory = file.parent().unwrap().to_owned();
    let (swapped, new) = (file.clone(), directory.join("new"));
    let _attacker = Attacker::plays(lab, move || {
        for text in [&first, &second] {
            let _ = fs::write(&new, text);
            let _ = fs::rename(&new, &swapped);
        }
    });
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut seen = [0, 0];
    for turn in 0..60 {
        let started = start(lab, &network, &file);
        assert!(started.ok(), "{started:#?}");
        for _ in 0..3 {
            assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
        }
        let stamped: Vec<_> = (turn * 3 + 1..=turn * 3 + 3)
            .map(|n| agent.nth(n).unwrap().header("X-Neutron-Network-ID").join(""))
            .collect();
        assert!(stamped.iter().all(|id| *id == stamped[0]), "one gate, one identity: {stamped:?}");
        seen[usize::from(stamped[0] == OTHER)] += 1;
        end_all(&network);
    }
    println!("{seen:?}");
}

fn hard_link(lab: &Lab, owner: u32) -> (Started, String, Network) {
    lab.needs_root("files of other accounts");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let theirs = lab.state().join("theirs");
    fs::write(&theirs, "precious").unwrap();
    chown(&theirs, Some(Uid::from_raw(owner)), None).unwrap();
    fs::hard_link(&theirs, config().pid_file).unwrap();
    let started = start(lab, &network, &write_config(lab, &config()));
    (started, text(&theirs), network)
}

fn a_hard_link_to_a_strangers_file_as_pid_file(lab: &Lab) {
    let (started, theirs, network) = hard_link(lab, STRANGER_ID);
    assert!(started.code() == Some(1) && started.stderr.contains("64043"), "{started:#?}");
    assert_eq!((theirs.as_str(), text(config().pid_file).as_str()), ("precious", "precious"));
    assert!(network.gate.listening().is_empty());
}

/// It looks like a stale pid file. A start replaces such a file with a new one, and writes nothing into the old one.
fn a_hard_link_to_roots_file_as_pid_file(lab: &Lab) {
    let (started, theirs, network) = hard_link(lab, 0);
    assert!(started.ok(), "{started:#?}");
    assert_eq!(theirs, "precious");
    assert!(text(config().pid_file).trim().parse::<i32>().is_ok());
    end_all(&network);
}

fn a_backend_swapped_for_another_users_gets_no_byte(lab: &Lab) {
    lab.needs_root("the agent is root, the attacker is not");
    let socket = lab.socket();
    let (place, received) = (socket.clone(), lab.state().join("received"));
    let mine = lab.state().join("mine");
    let mut listener = None;
    let _attacker = Attacker::plays(lab, move || {
        let listener = listener.get_or_insert_with(|| {
            let _ = fs::remove_file(&mine);
            let listener = UnixListener::bind(&mine).unwrap();
            listener.set_nonblocking(true).unwrap();
            listener
        });
        // The attacker's socket gets the agent's name for a moment, and the agent's gets it back.
        let aside = place.with_file_name("aside");
        if fs::rename(&place, &aside).is_ok() {
            let _ = fs::rename(&mine, &place);
            let until = Instant::now() + Duration::from_millis(3);
            while Instant::now() < until {
                let Ok((mut stream, _)) = listener.accept() else { continue };
                let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
                let mut bytes = [0; 4096];
                if std::io::Read::read(&mut stream, &mut bytes).is_ok_and(|length| length > 0) {
                    let _ = fs::write(&received, bytes);
                }
            }
            let _ = fs::rename(&place, &mine);
            let _ = fs::rename(&aside, &place);
        }
        std::thread::sleep(Duration::from_millis(3));
    });
    let network = lab.network();
    let _agent = RecordingAgent::start(&socket, Answer::ok("hello"));
    let file = lab.state().join("owner.toml");
    let content = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nbackend_owner = 0\n\
         user = \"neutron\"\ndaemon = true\npid_file = \"{}\"\nretries = 0\n",
        socket.display(),
        config().pid_file.display()
    );
    fs::write(&file, content).unwrap();
    let started = nsgate(lab, &network.gate, &["run", "--config", file.to_str().unwrap()]);
    assert!(started.ok(), "{started:#?}");
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..400 {
        match Guest::new(&network.guest).patient(10).get("/secret").unwrap().status {
            200 => answered += 1,
            502 | 503 => refused += 1,
            other => panic!("{other}"),
        }
    }
    println!("{answered} answered, {refused} refused");
    assert!(answered > 0 && refused > 0, "the race was played");
    assert!(!lab.state().join("received").exists(), "the attacker received: {}", text(lab.state().join("received")));
    let pid = text(config().pid_file).trim().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(wait_until(10.0, || network.gate.listening().is_empty()));
}

fn a_hostile_environment_changes_nothing(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _log = SyslogReader::bind(&config().log);
    let file = write_config(lab, &config());
    let started = network.gate.inside(|| {
        let mut command = Command::new(lab.program.path());
        command.arg("-f").arg(&file).env_clear();
        for (name, value) in [
            ("LD_LIBRARY_PATH", "/run/lab/neutron"),
            ("LD_DEBUG", "unused"),
            ("GCONV_PATH", "/run/lab/neutron"),
            ("LOCPATH", "/run/lab/neutron"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("TZ", ":/run/lab/neutron/zone"),
            ("RUST_LOG", "trace"),
            ("RUST_BACKTRACE", "full"),
            ("MALLOC_CHECK_", "3"),
            ("GLIBC_TUNABLES", "glibc.malloc.check=3"),
            ("NSGATE_ALLOW_ROOT", "1"),
            ("HOME", "/run/lab/neutron"),
            ("TMPDIR", "/run/lab/neutron"),
            ("NOTIFY_SOCKET", "/run/lab/neutron/nobody"),
        ] {
            command.env(name, value);
        }
        communicate(command, Duration::from_secs(10))
    });
    assert!(started.ok() && started.stderr.is_empty(), "{started:#?}");
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert_eq!(agent.only().header("X-Neutron-Network-ID"), [NETWORK]);
    let pid = text(config().pid_file).trim().parse().unwrap();
    assert_eq!(procfs::Process::new(pid).environ(), Vec::<String>::new());
}

/// Starts a gate where `place` is an empty directory, with pipes for standard streams: the test has no /dev/null either.
fn without(lab: &Lab, place: &str) -> (Output, Network) {
    let network = lab.network();
    let none: Option<&str> = None;
    mount(Some("lab"), place, Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let mut command = Command::new(lab.program.nsgate());
    command.args(run_flags(&["--user=neutron", "--group=neutron", "--netns=gate"]));
    command.arg(format!("--network-id={NETWORK}"));
    let out = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    (out, network)
}

#[track_caller]
fn assert_nothing_started(lab: &Lab, out: &Output, word: &str) {
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{out:#?}");
    assert!(said.contains(word), "{said}");
    assert!(!lab.state().join("external/pids/native.pid").exists());
}

fn without_proc_there_is_no_gate(lab: &Lab) {
    let (out, _network) = without(lab, "/proc");
    assert_nothing_started(lab, &out, "/proc");
}

fn without_dev_there_is_no_gate(lab: &Lab) {
    let (out, network) = without(lab, "/dev");
    assert_nothing_started(lab, &out, "/dev/null");
    assert!(network.gate.listening().is_empty() && procfs::having(NETWORK).is_empty());
}
