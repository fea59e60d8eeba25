//! The second hop is restarted while gates serve: with a service manager that keeps their doors, and without one.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::unistd::{Pid, Uid, seteuid};
use nsgate_agent::binding::name;
use nsgate_config::Identity;
use nsgate_tests::config::NETWORK;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::manager::Manager;
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::pool::{Pool, in_the_pool, keeper};
use nsgate_tests::second_hop::{SecondHop, SecondHopFiles};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Load, Network, suite};

fn main() {
    suite!["agent_restart":
        twenty_restarts_under_a_manager_lose_no_request,
        content_that_comes_meanwhile_waits_and_is_sent_once,
        a_gate_that_has_ended_is_kept_no_longer,
        a_door_is_known_by_its_name_and_by_who_has_connected_it,
        a_network_of_a_pool_is_handed_over_with_another_door,
        without_room_in_the_store_a_gate_is_told_to_start_anew,
        without_a_manager_a_gate_ends_with_its_agent,
    ]
}

/// A manager that has bound the agent's socket, and the agent that it starts again and again.
struct Managed<'a> {
    lab: &'a Lab,
    network: Network,
    nova: SmallNova,
    manager: Manager,
    socket: OwnedFd,
    files: SecondHopFiles,
}

impl<'a> Managed<'a> {
    fn new(lab: &'a Lab, most: usize) -> Self {
        lab.needs_root("the agent's user is another one");
        let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
        let files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
        let bound_alone = text(&files.config).replace("plain = true\n", "");
        files.replace(&files.config, &bound_alone);
        lab.site(&format!("agent = \"{}\"\n", files.socket.display()));
        let manager = Manager::start(lab, most);
        let socket = UnixListener::bind(&files.socket).unwrap();
        fs::set_permissions(&files.socket, fs::Permissions::from_mode(0o600)).unwrap();
        Self { lab, network, nova, manager, socket: socket.into(), files }
    }

    fn start(&self) -> SecondHop {
        let (command, _copies): (Command, _) =
            self.manager.command(self.lab, &self.files.words(), &[("gates", &self.socket)]);
        self.files.clone().start_as(self.lab, command)
    }

    fn gate(&self) -> Gate {
        Gate::start(self.lab, &self.network.gate, &Config::new(Kind::Ovn))
    }

    fn guest(&self) -> Guest {
        Guest::new(&self.network.guest)
    }

    /// The names under which doors are kept.
    fn kept(&mut self) -> Vec<String> {
        self.manager.hear();
        self.manager.store.iter().filter(|(_, all)| !all.is_empty()).map(|(name, _)| name.clone()).collect()
    }

    /// Ends the agent by a signal to its process, and waits for its end.
    fn end(&mut self, mut hop: SecondHop, signal: Signal) {
        self.manager.hear();
        match signal {
            Signal::SIGTERM => hop.terminate(),
            signal => kill(Pid::from_raw(hop.pid()), signal).unwrap(),
        }
        assert!(hop.ended_within(10.0).is_some(), "{}", text(&hop.log));
        self.manager.hear();
        // It has ended: nothing is to be killed, and the manager's socket answers whoever connects.
        std::mem::forget(hop);
    }
}

fn twenty_restarts_under_a_manager_lose_no_request(lab: &Lab) {
    let mut managed = Managed::new(lab, 16);
    let mut hop = managed.start();
    let gate = managed.gate();
    assert_eq!(managed.guest().get("/first").unwrap().status, 200, "{}", text(&hop.log));
    assert_eq!(managed.kept().len(), 1);
    let load = Load::start((0..4).map(|_| managed.guest()));
    let mut longest = Duration::ZERO;
    for round in 0..20 {
        assert_eq!(load.failed(), 0, "round {round}: {}", text(&hop.log));
        let before = load.asked();
        assert!(wait_until(10.0, || load.asked() > before + 40), "round {round}: {}", text(&hop.log));
        let begun = Instant::now();
        managed.end(hop, if round % 2 == 0 { Signal::SIGTERM } else { Signal::SIGKILL });
        let down = Instant::now();
        hop = managed.start();
        let asked = load.asked();
        assert!(wait_until(10.0, || load.asked() > asked + 4), "round {round}: {}", text(&hop.log));
        println!("round {round}: ended after {:?}, answered {:?} later", down - begun, down.elapsed());
        longest = longest.max(begun.elapsed());
    }
    let (asked, failed) = load.end();
    println!("{asked} requests over 20 restarts, {failed} failed; the longest restart took {longest:?}");
    assert_eq!(failed, 0, "of {asked}: {}", text(&hop.log));
    assert!(Path::new(&format!("/proc/{}", gate.pid)).exists(), "the gate went on");
    assert!(hop.said("1 doors were kept"), "{}", text(&hop.log));
    assert_eq!(managed.kept().len(), 1);
    managed.end(hop, Signal::SIGTERM);
}

fn content_that_comes_meanwhile_waits_and_is_sent_once(lab: &Lab) {
    let mut managed = Managed::new(lab, 16);
    let mut hop = managed.start();
    let _gate = managed.gate();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        assert_eq!(managed.guest().get("/first").unwrap().status, 200, "{}", text(&hop.log));
        managed.end(hop, signal);
        let (before, guest) = (managed.nova.seen().len(), managed.guest());
        let asking = std::thread::spawn(move || {
            guest.ask("POST /latest HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nword")
        });
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(managed.nova.seen().len(), before, "there is no agent");
        hop = managed.start();
        assert_eq!(asking.join().unwrap().unwrap().status, 200, "{}", text(&hop.log));
        assert_eq!(managed.nova.seen().len(), before + 1);
    }
    managed.end(hop, Signal::SIGTERM);
}

fn a_gate_that_has_ended_is_kept_no_longer(lab: &Lab) {
    let mut managed = Managed::new(lab, 16);
    let hop = managed.start();
    let gate = managed.gate();
    assert_eq!(managed.guest().get("/").unwrap().status, 200);
    let kept = managed.kept();
    assert!(kept.len() == 1 && kept[0].contains(NETWORK) && !kept[0].contains(':'), "{kept:?}");
    drop(gate);
    assert!(wait_until(5.0, || managed.kept().is_empty()));
    // One that ends while there is no agent: systemd drops it by itself, and another manager may not.
    let gate = managed.gate();
    assert_eq!(managed.kept().len(), 1);
    managed.end(hop, Signal::SIGKILL);
    drop(gate);
    let hop = managed.start();
    assert!(wait_until(5.0, || managed.kept().is_empty()), "{}", text(&hop.log));
    managed.end(hop, Signal::SIGTERM);
}

/// A connection of this name to a socket of the test's, as the agent has it, and its other end; a process of `user` has made it.
fn named(lab: &Lab, name: &str, user: u32) -> (OwnedFd, OwnedFd) {
    let path = lab.state().join("another.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let end = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(end.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes()).unwrap()).unwrap();
    seteuid(Uid::from_raw(user)).unwrap();
    let connected = connect(end.as_raw_fd(), &UnixAddr::new(&path).unwrap());
    seteuid(Uid::from_raw(0)).unwrap();
    connected.unwrap();
    (listener.accept().unwrap().0.into(), end)
}

fn a_door_is_known_by_its_name_and_by_who_has_connected_it(lab: &Lab) {
    let mut managed = Managed::new(lab, 16);
    let other: Identity = Identity::Network("00000000-0000-4000-8000-000000000007".parse().unwrap());
    let (first, second, third, fourth) = (name(&other, 1), name(&other, 2), name(&other, 3), name(&other, 4));
    let (of_root, _root_end) = named(lab, &first, 0);
    let (of_stranger, _stranger_end) = named(lab, &second, 65534);
    let (renamed, _renamed_end) = named(lab, &third, 0);
    let unnamed = UnixStream::pair().unwrap();
    let no_socket = OwnedFd::from(File::open("/dev/null").unwrap());
    let mine = name(&Identity::OvnNetwork(NETWORK.parse().unwrap()), 5);
    for (name, kept) in [(&first, of_root), (&second, of_stranger), (&mine, renamed), (&fourth, unnamed.0.into())] {
        managed.manager.store.insert(name.clone(), vec![kept]);
    }
    managed.manager.store.insert("nsgate-door.none".to_owned(), vec![no_socket]);
    let hop = managed.start();
    for (name, why) in [
        (second.as_str(), "a process of user 65534 has connected it"),
        (&mine, "it is a door of another name, for 00000000-0000-4000-8000-000000000007"),
        (&fourth, "its other end has no name of a door"),
        ("nsgate-door.none", "it is no connection"),
    ] {
        let line = format!("has kept as `{name}` is closed: {why}");
        assert!(hop.said(&line), "{line}: {}", text(&hop.log));
    }
    assert!(hop.said("1 doors were kept"), "{}", text(&hop.log));
    // The manager closes what is none, so that the next start has no word with it.
    assert!(wait_until(5.0, || managed.kept() == [first.clone()]), "{:?}", managed.kept());
    managed.end(hop, Signal::SIGTERM);
}

fn a_network_of_a_pool_is_handed_over_with_another_door(lab: &Lab) {
    let mut managed = Managed::new(lab, 16);
    lab.site(&format!("agent = \"{}\"\npool_patience = \"5s\"\n", managed.files.socket.display()));
    let mut hop = managed.start();
    let pool = Pool::start(lab);
    let keeper = keeper(lab, &managed.network.gate, &Config::new(Kind::Network));
    in_the_pool(lab, 1);
    assert_eq!(managed.guest().get("/").unwrap().status, 200, "{}", text(&hop.log));
    assert_eq!(managed.kept().len(), 1, "the keeper's, and no worker's");
    let load = Load::start((0..4).map(|_| managed.guest()));
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL] {
        let (asked, failed) = (load.asked(), load.failed());
        assert!(wait_until(10.0, || load.asked() > asked + 20));
        managed.end(hop, signal);
        hop = managed.start();
        let answered = load.asked() - load.failed();
        assert!(wait_until(10.0, || load.asked() - load.failed() > answered + 20), "{}", text(&pool.log));
        let lost = load.failed() - failed;
        println!("{signal}: {lost} failed");
        assert!(lost <= 4, "each guest has one request under way at most: {lost}");
    }
    assert!(load.end().0 > 160);
    assert!(Path::new(&format!("/proc/{}", keeper.pid)).exists());
    in_the_pool(lab, 1);
    managed.end(hop, Signal::SIGTERM);
}

fn without_room_in_the_store_a_gate_is_told_to_start_anew(lab: &Lab) {
    let mut managed = Managed::new(lab, 1);
    let hop = managed.start();
    let first = managed.gate();
    let other = Network::named("g-other", "v-other");
    let second = Gate::start(lab, &other.gate, &Config::new(Kind::Router));
    assert_eq!(managed.kept().len(), 1);
    assert!(hop.said("keeps at most 1 doors") && hop.said("raise `FileDescriptorStoreMax=`"), "{}", text(&hop.log));
    managed.end(hop, Signal::SIGTERM);
    assert!(second.ended_within(Duration::from_secs(5)), "its door has closed");
    let hop = managed.start();
    assert_eq!(managed.guest().get("/").unwrap().status, 200, "{}", text(&hop.log));
    drop(first);
    managed.end(hop, Signal::SIGTERM);
}

fn without_a_manager_a_gate_ends_with_its_agent(lab: &Lab) {
    let mut managed = Managed::new(lab, 0);
    let hop = managed.start();
    let gate = managed.gate();
    assert_eq!(managed.guest().get("/").unwrap().status, 200);
    managed.end(hop, Signal::SIGTERM);
    assert!(gate.ended_within(Duration::from_secs(5)));
    assert!(managed.guest().get("/").is_err(), "nothing listens until the gate is started anew");
    let hop = managed.start();
    drop(gate);
    let _gate = managed.gate();
    assert_eq!(managed.guest().get("/").unwrap().status, 200, "{}", text(&hop.log));
    managed.end(hop, Signal::SIGTERM);
}
