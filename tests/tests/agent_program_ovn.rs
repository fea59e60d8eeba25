//! The second hop with OVN's southbound database as its directory: a guest, a gate that is bound to the agent, `nsgate agent`, a
//! real ovsdb-server, and a small Nova that answers with the instance that it was asked for.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use nsgate_tests::certificates::{Authority, Valid};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::SmallNova;
use nsgate_tests::ovn::{self, Binding, Row, Server};
use nsgate_tests::procfs::Process;
use nsgate_tests::second_hop::{SecondHop, SecondHopFiles};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Network, suite};

fn main() {
    suite!["agent_program_ovn":
        a_guest_is_served_while_its_port_is_bound_to_this_chassis_and_not_else,
        an_address_that_changes_hands_is_never_the_former_owners_again,
        a_guest_whose_port_cannot_be_told_is_answered_404_and_the_log_says_why,
        a_guest_that_asks_from_a_link_local_address_is_found_by_its_mac_address,
        a_database_that_is_away_at_the_start_is_answered_503_and_found_when_it_comes,
        a_database_that_is_restarted_is_found_again_at_its_new_socket,
        a_database_that_is_restarted_is_found_again_at_its_port,
        a_cluster_whose_members_die_is_followed_on,
        a_database_with_tls_is_followed_if_it_is_the_one_that_is_meant,
        a_database_that_is_not_ovns_is_answered_503_and_told_by_name,
        a_chassis_that_is_not_registered_is_answered_503_and_told_by_name,
        what_is_wrong_with_a_server_of_the_database_is_said_and_nothing_is_started,
        without_a_chassis_every_hosts_ports_are_copied_and_a_warning_says_so,
        the_signer_alone_reaches_the_database_and_is_confined_and_attested,
    ]
}

const CHASSIS: &str = "host-1";
const PORT: u16 = 6642;

/// A database with a network and two hosts.
struct Southbound {
    datapath: Row,
    here: Row,
    there: Row,
}

impl Southbound {
    fn populate(server: &Server) -> Self {
        let here = server.insert(&ovn::chassis(CHASSIS)).remove(1);
        let there = server.insert(&ovn::chassis("host-2")).remove(1);
        let datapath = server.insert(&[ovn::datapath(&format!("neutron-{NETWORK}"), 1)]).remove(0);
        Self { datapath, here, there }
    }

    fn port(&self, key: usize, address: &str, instance: &str) -> Binding {
        let mac = format!("fa:16:3e:00:{:02x}:{:02x} {address}", key >> 8, key & 255);
        Binding::of(&format!("port-{key}"), key, &self.datapath, &self.here, &mac, instance)
    }
}

/// A guest at 10.0.0.11, its gate, the agent and Nova.
struct Path {
    network: Network,
    nova: SmallNova,
    hop: SecondHop,
    _gate: Gate,
}

impl Path {
    fn start(lab: &Lab, directory: &str) -> Self {
        lab.needs_root("it is root who binds a gate");
        let network = lab.network();
        let nova = SmallNova::start(|seen, stream| {
            let id = seen.field("x-instance-id").unwrap_or("nobody");
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{id}", id.len()).is_ok()
        });
        let hop = files(lab, &nova.address.to_string(), directory).start(lab);
        lab.site(&format!("agent = \"{}\"\n", hop.files.socket.display()));
        let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn).with_v6());
        Self { network, nova, hop, _gate: gate }
    }

    fn guest(&self) -> Guest {
        Guest::new(&self.network.guest)
    }

    /// The instance that the guest is taken for, or the status that it gets.
    fn asks(&self, guest: &Guest) -> Result<String, u16> {
        let answer = guest.get("/").unwrap_or_else(|error| panic!("{error}: {}", self.log()));
        if answer.status == 200 { Ok(answer.text()) } else { Err(answer.status) }
    }

    fn settles(&self, guest: &Guest, wanted: Result<&str, u16>) {
        let wanted = wanted.map(str::to_owned);
        let mut last = None;
        let right = wait_until(20.0, || {
            last = Some(self.asks(guest));
            last.as_ref() == Some(&wanted)
        });
        assert!(right, "{last:?}, wanted {wanted:?}: {}", self.log());
    }

    fn says(&self, word: &str) {
        assert!(wait_until(10.0, || self.hop.said(word)), "`{word}` is not said: {}", self.log());
    }

    fn log(&self) -> String {
        text(&self.hop.log)
    }
}

/// An agent that serves bound connections alone.
fn files(lab: &Lab, nova: &str, directory: &str) -> SecondHopFiles {
    let files = SecondHopFiles::write(lab, &[nova.to_owned()], "").with_directory(directory);
    files.replace(&files.config, &text(&files.config).replace("plain = true\n", ""));
    files
}

/// `[directory]` for these servers.
fn table(remotes: &[String]) -> String {
    format!("kind = \"ovn\"\nremotes = {remotes:?}\nchassis = \"{CHASSIS}\"\n")
}

fn by_port() -> String {
    format!("tcp:localhost:{PORT}")
}

fn a_guest_is_served_while_its_port_is_bound_to_this_chassis_and_not_else(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let southbound = Southbound::populate(&server);
    let path = Path::start(lab, &table(&[server.remote()]));
    let guest = path.guest();
    path.settles(&guest, Err(404));
    path.says("no port of the network has the address");
    let mut port = southbound.port(1, "10.0.0.11", "first");
    server.transact(&[port.insert()]);
    path.settles(&guest, Ok("first"));
    for chassis in [Some(southbound.there.clone()), None] {
        port.chassis = chassis;
        server.transact(&[port.update()]);
        path.settles(&guest, Err(404));
        port.chassis = Some(southbound.here.clone());
        server.transact(&[port.update()]);
        path.settles(&guest, Ok("first"));
    }
    server.transact(&[port.delete()]);
    path.settles(&guest, Err(404));
    let seen = path.nova.seen();
    assert!(seen.iter().all(|seen| seen.field("x-instance-id") == Some("first")), "{seen:?}");
    assert!(seen.iter().all(|seen| seen.field("x-tenant-id") == Some("project")), "{seen:?}");
    assert!(path.hop.said("the ports of chassis host-1 in OVN's southbound database at unix:/run/lab/ovn/1.sock"));
}

fn an_address_that_changes_hands_is_never_the_former_owners_again(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let southbound = Southbound::populate(&server);
    let path = Path::start(lab, &table(&[server.remote()]));
    server.transact(&[southbound.port(1, "10.0.0.11", "0").insert()]);
    path.settles(&path.guest(), Ok("0"));
    // The newest owner that a guest has been taken for; an answer that began before it was heard may be older.
    let newest = Mutex::new(0);
    std::thread::scope(|scope| {
        let guests: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let (guest, mut asked) = (path.guest(), 0);
                    while *newest.lock().unwrap() < 40 {
                        let before = *newest.lock().unwrap();
                        let now: usize = path.asks(&guest).expect("one owner at any time").parse().unwrap();
                        assert!(now >= before, "the owner is {now} again after {before}");
                        let mut newest = newest.lock().unwrap();
                        *newest = now.max(*newest);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for owner in 1..=40usize {
            // In turns another port has the address, and the same port another instance.
            let (old, new) =
                (southbound.port(owner, "10.0.0.11", "x"), southbound.port(owner + 1, "10.0.0.11", &owner.to_string()));
            server.transact(&[old.delete(), new.insert()]);
            let heard =
                wait_until(10.0, || *newest.lock().unwrap() >= owner || guests.iter().any(|guest| guest.is_finished()));
            assert!(heard, "nobody is taken for {owner}: {}", path.log());
        }
        let asked: Vec<usize> = guests.into_iter().map(|guest| guest.join().unwrap()).collect();
        println!("asked {asked:?}");
    });
}

fn a_guest_whose_port_cannot_be_told_is_answered_404_and_the_log_says_why(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let southbound = Southbound::populate(&server);
    let path = Path::start(lab, &table(&[server.remote()]));
    let (one, twin) = (southbound.port(1, "10.0.0.11", "first"), southbound.port(2, "10.0.0.11", "second"));
    server.transact(&[one.insert(), twin.insert()]);
    path.settles(&path.guest(), Err(404));
    path.says("2 ports of the network have the address");
    server.transact(&[twin.delete()]);
    path.settles(&path.guest(), Ok("first"));
    let mut nameless = southbound.port(1, "10.0.0.11", "first");
    nameless.ids.remove("neutron:device_id");
    server.transact(&[nameless.update()]);
    path.settles(&path.guest(), Err(404));
    // The log has one line a second of a kind.
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(path.asks(&path.guest()), Err(404));
    path.says("the port names no instance: its instance is empty");
    let seen = path.nova.seen();
    assert!(seen.iter().all(|seen| seen.field("x-instance-id") == Some("first")), "{seen:?}");
}

fn a_guest_that_asks_from_a_link_local_address_is_found_by_its_mac_address(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let southbound = Southbound::populate(&server);
    let path = Path::start(lab, &table(&[server.remote()]));
    let guest = Guest::link_local(&path.network.guest);
    server.transact(&[southbound.port(2, "10.0.0.12", "another").insert()]);
    path.settles(&path.guest().at(12), Ok("another"));
    assert_eq!(path.asks(&guest), Err(404));
    server.transact(&[southbound.port(1, "10.0.0.11 fd00::11", "first").insert()]);
    path.settles(&guest, Ok("first"));
    path.settles(&path.guest(), Ok("first"));
}

fn a_database_that_is_away_at_the_start_is_answered_503_and_found_when_it_comes(lab: &Lab) {
    let mut server = Server::made(lab, &ovn::schema());
    let path = Path::start(lab, &table(&[server.remote()]));
    assert_eq!(path.asks(&path.guest()), Err(503));
    path.says("OVN's southbound database at unix:/run/lab/ovn/1.sock is left: No such file");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(path.asks(&path.guest().at(12)), Err(503));
    path.says("there has been no copy of OVN's southbound database for 2 s: unix:/run/lab/ovn/1.sock: No such file");
    server.begin();
    path.settles(&path.guest(), Err(503));
    let southbound = Southbound::populate(&server);
    server.transact(&[southbound.port(1, "10.0.0.11", "first").insert()]);
    path.settles(&path.guest(), Ok("first"));
    assert_eq!(path.nova.seen().len(), 1);
}

fn a_database_that_is_restarted_is_found_again_at_its_new_socket(lab: &Lab) {
    restarted(lab, Server::remote);
}

fn a_database_that_is_restarted_is_found_again_at_its_port(lab: &Lab) {
    restarted(lab, |_| by_port());
}

fn restarted(lab: &Lab, remote: impl Fn(&Server) -> String) {
    let mut server = Server::start_at(lab, &ovn::schema(), PORT);
    let southbound = Southbound::populate(&server);
    server.transact(&[southbound.port(1, "10.0.0.11", "first").insert()]);
    let path = Path::start(lab, &table(&[remote(&server)]));
    path.settles(&path.guest(), Ok("first"));
    for instance in ["second", "third"] {
        let before = path.asks(&path.guest()).expect("an owner");
        server.kill();
        path.says("is left: ");
        assert_eq!(path.asks(&path.guest()), Ok(before), "from the copy");
        fs::remove_file(server.socket()).unwrap();
        server.begin();
        server.transact(&[southbound.port(1, "10.0.0.11", instance).update()]);
        path.settles(&path.guest(), Ok(instance));
    }
}

fn a_cluster_whose_members_die_is_followed_on(lab: &Lab) {
    let mut servers = Server::cluster(lab, 3);
    let southbound = Southbound::populate(&servers[0]);
    servers[0].transact(&[southbound.port(1, "10.0.0.11", "first").insert()]);
    let remotes: Vec<_> = servers.iter().map(Server::remote).collect();
    let path = Path::start(lab, &(table(&remotes) + "leader_only = true\n"));
    path.settles(&path.guest(), Ok("first"));
    let leader = servers.iter().position(Server::leads).expect("a leader");
    path.says(&format!("database at {} is followed: 1 ports", servers[leader].remote()));
    servers[leader].kill();
    // From the copy, while the members elect.
    assert_eq!(path.asks(&path.guest()), Ok("first".to_owned()));
    assert!(wait_until(30.0, || servers.iter().any(Server::leads)), "no leader");
    let next = servers.iter().position(Server::leads).expect("a leader");
    servers[next].transact(&[southbound.port(1, "10.0.0.11", "second").update()]);
    path.settles(&path.guest(), Ok("second"));
    path.says(&format!("database at {} is followed: 1 ports", servers[next].remote()));
}

fn a_database_with_tls_is_followed_if_it_is_the_one_that_is_meant(lab: &Lab) {
    let (authority, other) = (Authority::new(lab, "a"), Authority::new(lab, "b"));
    // As with Open vSwitch's own programs, the name in a certificate does not count.
    let (shown, own) = (authority.signs("database", "", Valid::Now), authority.signs("agent", "", Valid::Now));
    let server = Server::start_with_tls(lab, &ovn::schema(), PORT, &shown, &authority);
    let southbound = Southbound::populate(&server);
    server.transact(&[southbound.port(1, "10.0.0.11", "first").insert()]);
    let table = |authority: &Authority, own: &str| {
        let ca = authority.certificate.display();
        table(&[format!("ssl:127.0.0.1:{PORT}")]) + &format!("ca_file = \"{ca}\"\n{own}")
    };
    let pair = format!("certificate_file = \"{}\"\nkey_file = \"{}\"\n", own.certificate.display(), own.key.display());
    let path = Path::start(lab, &table(&authority, &pair));
    path.settles(&path.guest(), Ok("first"));
    server.transact(&[southbound.port(1, "10.0.0.11", "second").update()]);
    path.settles(&path.guest(), Ok("second"));
    drop(path);
    // Neither without a certificate of its own, nor a server of another authority's.
    for (directory, word) in [
        (table(&authority, ""), "name one in `certificate_file`"),
        (table(&other, &pair), "signed by no authority in `ca_file`"),
    ] {
        let hop = files(lab, "127.0.0.1:9", &directory).start(lab);
        assert!(wait_until(10.0, || hop.said(word)), "{word}: {}", text(&hop.log));
    }
    let mut missing = table(&authority, &pair);
    missing = missing.replace("agent.key", "none.key");
    let said = files(lab, "127.0.0.1:9", &missing).refused(lab);
    assert!(said.code() == Some(1) && said.stderr.contains("[directory] `key_file`: "), "{said:#?}");
}

fn a_database_that_is_not_ovns_is_answered_503_and_told_by_name(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema().with_file_name("ovn-nb.ovsschema"));
    let path = Path::start(lab, &table(&[server.remote()]));
    path.says("`OVN_Northbound` and not OVN_Southbound");
    assert_eq!(path.asks(&path.guest()), Err(503));
    assert!(path.nova.seen().is_empty());
}

fn a_chassis_that_is_not_registered_is_answered_503_and_told_by_name(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let southbound = Southbound::populate(&server);
    server.transact(&[southbound.port(1, "10.0.0.11", "first").insert()]);
    let path = Path::start(lab, &table(&[server.remote()]).replace(CHASSIS, "host-3"));
    assert_eq!(path.asks(&path.guest()), Err(503));
    path.says("it has no chassis `host-3`: has ovn-controller registered it");
    let here = server.insert(&ovn::chassis("host-3")).remove(1);
    path.settles(&path.guest(), Err(404));
    let southbound = Southbound { here, ..southbound };
    server.transact(&[southbound.port(1, "10.0.0.11", "first").update()]);
    path.settles(&path.guest(), Ok("first"));
}

fn what_is_wrong_with_a_server_of_the_database_is_said_and_nothing_is_started(lab: &Lab) {
    let refused = |directory: &str, word: &str| {
        let files = files(lab, "127.0.0.1:8775", directory);
        let mut command = Command::new(lab.program.nsgate());
        command.args(["check", "--dialect", "agent"]).arg(&files.config);
        for said in [communicate(command, Duration::from_secs(10)), files.refused(lab)] {
            assert!(said.code() == Some(1) && said.stderr.contains(word), "{word}: {said:#?}");
        }
        assert!(!files.socket.exists(), "a socket is left behind");
    };
    let remote = |text: &str| table(&[text.to_owned()]);
    refused(&remote("tcp:127.0.0.1"), "`remotes`: `127.0.0.1` names no port");
    refused(&remote("ssl:127.0.0.1:6642"), "`remotes`: ssl: wants `ca_file`");
    refused(&remote("ptcp:6642"), "is where a server listens");
    refused(&remote("tcp:a:1,tcp:b:1"), "looks like several servers");
    refused("kind = \"ovn\"\nchassis = \"host-1\"\n", "`directory.remotes` is missing");
    refused(
        &(remote("tcp:127.0.0.1:1") + "path = \"/etc/nsgate/instances.toml\"\n"),
        "`path`: this is a key of `kind = \"file\"`",
    );
    refused(&remote("unix:/run/nowhere/ovnsb_db.sock"), "/run/nowhere: there is no such directory");
    let file = lab.directory("database", 0o755).join("ovnsb_db.sock");
    fs::write(&file, "a file").unwrap();
    refused(&remote(&format!("unix:{}", file.display())), "not a socket; name the database server's socket");
    assert_eq!(text(&file), "a file");
    let open = lab.directory("open", 0o777).join("ovnsb_db.sock");
    refused(&remote(&format!("unix:{}", open.display())), "others may write in this directory");
}

fn without_a_chassis_every_hosts_ports_are_copied_and_a_warning_says_so(lab: &Lab) {
    let server = Server::start(lab, &ovn::schema());
    let southbound = Southbound::populate(&server);
    let mut port = southbound.port(1, "10.0.0.11", "first");
    port.chassis = Some(southbound.there.clone());
    server.transact(&[port.insert()]);
    let path = Path::start(lab, &table(&[server.remote()]).replace("chassis", "# chassis"));
    path.settles(&path.guest(), Ok("first"));
    path.says("without `chassis` the ports of all hosts are copied");
}

fn the_signer_alone_reaches_the_database_and_is_confined_and_attested(lab: &Lab) {
    let server = Server::start_at(lab, &ovn::schema(), PORT);
    let southbound = Southbound::populate(&server);
    server.transact(&[southbound.port(1, "10.0.0.11", "first").insert()]);
    let path = Path::start(lab, &table(&[server.remote(), by_port()]));
    path.settles(&path.guest(), Ok("first"));
    let (agent, signer) = (Process::new(path.hop.pid()), path.hop.signer());
    assert_eq!(agent.root_entries(), [""; 0]);
    assert_eq!(signer.root_entries(), ["database", "signerdb", "southbound"]);
    for (process, role) in [(&agent, "agent"), (&signer, "signerdb")] {
        let mut command = Command::new(lab.program.nsgate());
        command.args(["attest", "--json", &process.pid.to_string()]);
        let attested = communicate(command, Duration::from_secs(10));
        assert!(attested.code() == Some(0) && attested.stdout.contains(&format!("\"{role}\"")), "{attested:#?}");
    }
}
