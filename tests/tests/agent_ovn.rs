//! The directory that follows OVN's southbound database, with real servers of it: what it answers while ports come, move and
//! go, and while servers are restarted, compacted, converted, cut off and succeeded by others.

use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nsgate_agent::directory::ovn::{OvnDirectory, OvnOptions};
use nsgate_agent::directory::{Caller, Directory, NoOccupant, Question};
use nsgate_agent::ovsdb::Remote;
use nsgate_config::Identity;
use nsgate_tests::lab::wait_until;
use nsgate_tests::ovn::{self, Binding, Row, Server};
use nsgate_tests::{Lab, suite};
use serde_json::{Value, json};

#[path = "agent_ovn/neutron.rs"]
mod neutron;
#[path = "agent_ovn/relay.rs"]
mod relay;

use relay::Relay;

fn main() {
    suite!["agent_ovn":
        a_port_is_found_while_it_is_bound_here_and_not_else,
        an_address_that_changes_hands_under_load_is_never_the_former_owners_again,
        ports_of_other_chassis_are_not_copied,
        ten_thousand_ports_at_once_leave_every_answer_right,
        a_server_that_is_restarted_is_followed_again,
        a_server_that_is_compacted_is_followed_on,
        a_schema_that_is_converted_while_it_is_followed_changes_no_answer,
        a_member_of_a_cluster_that_dies_is_succeeded_without_a_new_copy,
        only_the_leader_is_followed_where_that_is_wanted,
        a_server_that_knows_no_resumption_is_followed_all_the_same,
        a_connection_that_is_cut_anywhere_leaves_no_wrong_answer,
        a_server_that_hangs_is_away_once_the_copy_is_too_old,
        a_database_that_is_not_ovns_is_told_by_name,
        a_chassis_that_is_not_registered_is_told_by_name,
        neutron_finds_the_same_instances_and_refuses_the_same_questions,
    ]
}

const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
const CHASSIS: &str = "host-1";

/// A directory that is followed in a thread of its own.
struct Followed(OvnDirectory);

impl Followed {
    fn start(options: OvnOptions) -> Followed {
        let (directory, follower) = OvnDirectory::new(options);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(follower.run())
        });
        Followed(directory)
    }

    /// Follows these servers for [`CHASSIS`], once the first copy is there.
    fn of(remotes: &[String]) -> Followed {
        let followed = Followed::start(options(remotes));
        let copied = || followed.0.status().copies > 0;
        assert!(wait_until(20.0, copied), "nothing is copied: {:?}", followed.0.status());
        followed
    }

    fn asks(&self, network: &str, address: &str) -> Result<String, NoOccupant> {
        let place = Identity::OvnNetwork(network.parse().expect("a UUID"));
        let question = Question { place, caller: Caller::of(address.parse().expect("an address")) };
        let Poll::Ready(answer) = pin!(self.0.who(&question)).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("an answer from a copy waits for nothing")
        };
        answer.map(|occupant| occupant.instance().to_owned())
    }

    fn who(&self, address: &str) -> Result<String, NoOccupant> {
        self.asks(NETWORK, address)
    }

    /// Waits until the answer for this address is the instance, or `None` for no port.
    fn settles(&self, address: &str, instance: Option<&str>) {
        let wanted = instance.map(str::to_owned).ok_or(NoOccupant::NoPort);
        let right = wait_until(20.0, || self.who(address) == wanted);
        assert!(right, "{address}: {:?}, wanted {instance:?}; {:?}", self.who(address), self.0.status());
    }
}

fn options(remotes: &[String]) -> OvnOptions {
    let remotes: Vec<Remote> = remotes.iter().map(|remote| remote.parse().expect("a remote")).collect();
    OvnOptions { longest_pause: Duration::from_secs(1), ..OvnOptions::new(remotes, Some(CHASSIS.to_owned())) }
}

/// A database with a network and two hosts.
struct World {
    server: Server,
    datapath: Row,
    here: Row,
    there: Row,
}

/// The rows of a network and two hosts, in any server of the database.
fn populate(server: &Server) -> (Row, Row, Row) {
    let here = server.insert(&ovn::chassis(CHASSIS)).remove(1);
    let there = server.insert(&ovn::chassis("host-2")).remove(1);
    let datapath = server.insert(&[ovn::datapath(&format!("neutron-{NETWORK}"), 1)]).remove(0);
    (datapath, here, there)
}

impl World {
    fn new(lab: &Lab) -> World {
        let server = Server::start(lab, &ovn::schema());
        let (datapath, here, there) = populate(&server);
        World { server, datapath, here, there }
    }

    fn port(&self, key: usize, address: &str, instance: &str) -> Binding {
        port(&self.datapath, &self.here, key, address, instance)
    }
}

fn port(datapath: &Row, chassis: &Row, key: usize, address: &str, instance: &str) -> Binding {
    let mac = format!("fa:16:3e:00:{:02x}:{:02x} {address}", key >> 8, key & 255);
    Binding::of(&format!("port-{key}"), key, datapath, chassis, &mac, instance)
}

fn a_port_is_found_while_it_is_bound_here_and_not_else(lab: &Lab) {
    let world = World::new(lab);
    let followed = Followed::of(&[world.server.remote()]);
    assert_eq!(followed.who("10.0.0.2"), Err(NoOccupant::NoPort));
    let mut port = world.port(1, "10.0.0.2 2001:db8::2", "a");
    world.server.transact(&[port.insert()]);
    for address in ["10.0.0.2", "2001:db8::2", "::ffff:10.0.0.2", "fe80::f816:3eff:fe00:1"] {
        followed.settles(address, Some("a"));
    }
    assert_eq!(followed.asks("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b11", "10.0.0.2"), Err(NoOccupant::NoPort));
    for chassis in [Some(world.there.clone()), None] {
        port.chassis = chassis;
        world.server.transact(&[port.update()]);
        followed.settles("10.0.0.2", None);
        port.chassis = Some(world.here.clone());
        world.server.transact(&[port.update()]);
        followed.settles("10.0.0.2", Some("a"));
    }
    let twin = world.port(2, "10.0.0.2", "b");
    world.server.transact(&[twin.insert()]);
    assert!(wait_until(5.0, || followed.who("10.0.0.2") == Err(NoOccupant::SeveralPorts(2))));
    assert_eq!(followed.who("2001:db8::2"), Ok("a".to_owned()));
    world.server.transact(&[port.delete()]);
    followed.settles("10.0.0.2", Some("b"));
    followed.settles("2001:db8::2", None);
}

/// Each owner has a higher number than the one before.
fn an_address_that_changes_hands_under_load_is_never_the_former_owners_again(lab: &Lab) {
    let world = World::new(lab);
    let owner = |number: usize| world.port(number % 2 + 1, "10.0.0.2", &number.to_string());
    world.server.transact(&[owner(0).insert()]);
    let followed = Arc::new(Followed::of(&[world.server.remote()]));
    followed.settles("10.0.0.2", Some("0"));
    let over = Arc::new(AtomicBool::new(false));
    let asking = {
        let (followed, over) = (Arc::clone(&followed), Arc::clone(&over));
        std::thread::spawn(move || {
            let (mut asked, mut last) = (0u64, 0usize);
            while !over.load(Ordering::Relaxed) {
                let answer = followed.who("10.0.0.2").expect("an owner, at any moment");
                let number = answer.parse().expect("a number");
                assert!(number >= last, "{number} after {last}");
                (asked, last) = (asked + 1, number);
            }
            asked
        })
    };
    for number in 1..=400 {
        world.server.transact(&[owner(number - 1).delete(), owner(number).insert()]);
    }
    followed.settles("10.0.0.2", Some("400"));
    over.store(true, Ordering::Relaxed);
    let asked = asking.join().expect("no wrong answer");
    println!("{asked} questions, {:?}", followed.0.status());
    assert!(asked > 100);
}

/// So many ports of this chassis, with an address each, in one transaction.
fn many(datapath: &Row, chassis: &Row, from: usize, count: usize) -> Vec<Value> {
    let address = |key: usize| format!("10.{}.{}.{}", 1 + key / 62_500, key / 250 % 250, key % 250 + 2);
    (from..from + count).map(|key| port(datapath, chassis, key, &address(key), &format!("i{key}")).insert()).collect()
}

fn ports_of_other_chassis_are_not_copied(lab: &Lab) {
    let world = World::new(lab);
    world.server.transact(&many(&world.datapath, &world.there, 10, 1000));
    world.server.transact(&[world.port(1, "10.0.0.2", "a").insert()]);
    let followed = Followed::of(&[world.server.remote()]);
    followed.settles("10.0.0.2", Some("a"));
    assert_eq!(followed.0.status().ports, 1);
    let updates = followed.0.status().updates;
    world.server.transact(&many(&world.datapath, &world.there, 2000, 1000));
    world.server.transact(&[world.port(2, "10.0.0.3", "b").insert()]);
    followed.settles("10.0.0.3", Some("b"));
    let status = followed.0.status();
    assert_eq!((status.ports, status.updates, status.copies), (2, updates + 1, 1), "{status:?}");
}

fn ten_thousand_ports_at_once_leave_every_answer_right(lab: &Lab) {
    let world = World::new(lab);
    world.server.transact(&[world.port(1, "10.0.0.2", "a").insert()]);
    let followed = Followed::of(&[world.server.remote()]);
    let began = Instant::now();
    world.server.transact(&many(&world.datapath, &world.here, 10, 10_000));
    let written = began.elapsed();
    let mut asked = 0;
    while followed.0.status().ports < 10_001 {
        assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
        let new = followed.who("10.1.4.2");
        assert!(matches!(&new, Err(NoOccupant::NoPort)) || new == Ok("i1000".to_owned()), "{new:?}");
        asked += 1;
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", followed.0.status());
    }
    println!("written in {written:?}, here in {:?}, {asked} questions meanwhile", began.elapsed());
    for key in 10..10_010 {
        let address = format!("10.{}.{}.{}", 1 + key / 62_500, key / 250 % 250, key % 250 + 2);
        assert_eq!(followed.0.status().copies, 1);
        assert_eq!(followed.who(&address), Ok(format!("i{key}")));
    }
}

fn a_server_that_is_restarted_is_followed_again(lab: &Lab) {
    let mut world = World::new(lab);
    let mut port = world.port(1, "10.0.0.2", "a");
    world.server.transact(&[port.insert()]);
    let followed = Followed::of(&[world.server.remote()]);
    world.server.kill();
    assert!(wait_until(5.0, || followed.0.status().trouble.is_some()));
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()), "the copy answers meanwhile");
    // Another client is there first: the address has another owner when the directory comes back.
    port.ids.insert("neutron:device_id", "b".to_owned());
    let transaction = json!([ovn::DATABASE, port.update()]).to_string();
    ovn::run("ovsdb-tool", &["transact", "/run/lab/ovn/1.db", &transaction]);
    world.server.begin();
    followed.settles("10.0.0.2", Some("b"));
    assert_eq!(followed.0.status().copies, 2);
}

fn a_server_that_is_compacted_is_followed_on(lab: &Lab) {
    let world = World::new(lab);
    let mut port = world.port(1, "10.0.0.2", "0");
    world.server.transact(&[port.insert()]);
    let followed = Followed::of(&[world.server.remote()]);
    for number in 1..=5 {
        world.server.tell(&["ovsdb-server/compact"]);
        port.ids.insert("neutron:device_id", number.to_string());
        world.server.transact(&[port.update()]);
        followed.settles("10.0.0.2", Some(&number.to_string()));
    }
    assert_eq!(followed.0.status().copies, 1);
}

fn a_schema_that_is_converted_while_it_is_followed_changes_no_answer(lab: &Lab) {
    let world = World::new(lab);
    world.server.transact(&[world.port(1, "10.0.0.2", "a").insert()]);
    let followed = Followed::of(&[world.server.remote()]);
    let mut schema: Value = serde_json::from_slice(&fs::read(ovn::schema()).expect("the schema")).expect("JSON");
    for table in ["Port_Binding", "Datapath_Binding", "Chassis"] {
        schema["tables"][table]["columns"]["colour"] = json!({ "type": { "key": "real", "min": 0, "max": 7 } });
    }
    schema["tables"]["Weather"] = json!({ "columns": { "rain": { "type": "boolean" } }, "isRoot": true });
    schema["version"] = json!("99.0.0");
    schema.as_object_mut().expect("an object").remove("cksum");
    fs::write("/run/lab/ovn/new.ovsschema", schema.to_string()).expect("a schema");
    ovn::run("ovsdb-client", &["convert", &world.server.remote(), "/run/lab/ovn/new.ovsschema"]);
    assert!(wait_until(10.0, || followed.0.status().copies == 2), "{:?}", followed.0.status());
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
    let paint =
        json!({ "op": "update", "table": "Port_Binding", "where": [], "row": { "colour": ["set", [1.5, 2.5]] } });
    world.server.transact(&[paint, world.port(2, "10.0.0.3", "b").insert()]);
    followed.settles("10.0.0.3", Some("b"));
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
}

/// The members but the one that is followed.
fn others(servers: &[Server], followed: &Followed) -> (usize, usize) {
    let status = followed.0.status();
    let now = servers.iter().position(|server| Some(server.remote()) == status.server).expect("a server is followed");
    (now, (now + 1) % servers.len())
}

fn a_member_of_a_cluster_that_dies_is_succeeded_without_a_new_copy(lab: &Lab) {
    let mut servers = Server::cluster(lab, 3);
    let (datapath, here, _) = populate(&servers[0]);
    servers[0].transact(&[port(&datapath, &here, 1, "10.0.0.2", "a").insert()]);
    let remotes: Vec<_> = servers.iter().map(Server::remote).collect();
    let followed = Followed::of(&remotes);
    followed.settles("10.0.0.2", Some("a"));
    let copies = followed.0.status().copies;
    let (now, next) = others(&servers, &followed);
    servers[now].kill();
    assert!(wait_until(30.0, || servers.iter().any(Server::leads)), "no leader");
    servers[next].transact(&[port(&datapath, &here, 2, "10.0.0.3", "b").insert()]);
    followed.settles("10.0.0.3", Some("b"));
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
    let status = followed.0.status();
    println!("{status:?}");
    assert_eq!(status.copies, copies, "resumed after the last transaction");
    assert!(status.resumptions >= 1);
    servers[now].begin();
}

fn only_the_leader_is_followed_where_that_is_wanted(lab: &Lab) {
    let mut servers = Server::cluster(lab, 3);
    let (datapath, here, _) = populate(&servers[0]);
    let remotes: Vec<_> = servers.iter().map(Server::remote).collect();
    let followed = Followed::start(OvnOptions { only_the_leader: true, ..options(&remotes) });
    assert!(wait_until(20.0, || followed.0.status().copies > 0), "{:?}", followed.0.status());
    let (leader, _) = others(&servers, &followed);
    assert!(servers[leader].leads());
    servers[leader].kill();
    assert!(wait_until(30.0, || servers.iter().any(Server::leads)), "no leader");
    let next = servers.iter().position(Server::leads).expect("a leader");
    servers[next].transact(&[port(&datapath, &here, 1, "10.0.0.2", "a").insert()]);
    followed.settles("10.0.0.2", Some("a"));
    assert!(servers[others(&servers, &followed).0].leads());
}

fn a_server_that_knows_no_resumption_is_followed_all_the_same(lab: &Lab) {
    let world = World::new(lab);
    world.server.transact(&[world.port(1, "10.0.0.2", "a").insert()]);
    // A server before 2.12, as far as the client sees: it knows no method of that name.
    let relay = Relay::start(&world.server.socket());
    relay.renames("monitor_cond_since", "monitor_cond_sinck");
    let followed = Followed::of(&[relay.remote()]);
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
    world.server.transact(&[world.port(1, "10.0.0.3", "b").update()]);
    followed.settles("10.0.0.3", Some("b"));
    followed.settles("10.0.0.2", None);
    assert!(relay.sent().contains("\"monitor_cond\""), "{}", relay.sent());
}

/// After each cut the address has another owner; the former one is never named again.
fn a_connection_that_is_cut_anywhere_leaves_no_wrong_answer(lab: &Lab) {
    let world = World::new(lab);
    let mut port = world.port(1, "10.0.0.2", "0");
    world.server.transact(&[port.insert()]);
    let relay = Relay::start(&world.server.socket());
    let pause = Duration::from_millis(20);
    let followed = Followed::start(OvnOptions { longest_pause: pause, ..options(&[relay.remote()]) });
    followed.settles("10.0.0.2", Some("0"));
    for number in 1..=25usize {
        // Within the next update, and then within each part of the replies to a new connection.
        relay.cuts_after(if number % 2 == 0 { number * 7 } else { number * 400 });
        port.ids.insert("neutron:device_id", number.to_string());
        world.server.transact(&[port.update()]);
        let (former, current) = ((number - 1).to_string(), number.to_string());
        let settled = wait_until(10.0, || {
            let answer = followed.who("10.0.0.2").expect("an owner");
            assert!(answer == former || answer == current, "{answer} where {current} was written");
            answer == current
        });
        if !settled {
            println!("{number}: {:?}", followed.0.status());
        }
        relay.heals();
        followed.settles("10.0.0.2", Some(&current));
    }
    let status = followed.0.status();
    println!("{status:?}; {} cuts", relay.cuts());
    assert!(relay.cuts() > 20 && status.copies > 5, "{status:?}");
}

fn a_server_that_hangs_is_away_once_the_copy_is_too_old(lab: &Lab) {
    let world = World::new(lab);
    world.server.transact(&[world.port(1, "10.0.0.2", "a").insert()]);
    let followed = Followed::start(OvnOptions {
        probe_after: Duration::from_millis(100),
        give_up_after: Duration::from_millis(400),
        stale_after: Duration::from_secs(1),
        ..options(&[world.server.remote()])
    });
    followed.settles("10.0.0.2", Some("a"));
    // It is idle, and asked whether it is there: the copy is never too old.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
    assert_eq!(followed.0.status().copies, 1);
    world.server.freeze(true);
    assert_eq!(followed.who("10.0.0.2"), Ok("a".to_owned()));
    let mut last = followed.who("10.0.0.2");
    let away = wait_until(10.0, || {
        last = followed.who("10.0.0.2");
        matches!(last, Err(NoOccupant::Away(_)))
    });
    assert!(away, "{last:?}");
    let Err(NoOccupant::Away(why)) = last else { panic!("away") };
    assert!(why.contains("has not been heard for 1 s") && why.contains("silent"), "{why}");
    world.server.freeze(false);
    followed.settles("10.0.0.2", Some("a"));
}

fn a_database_that_is_not_ovns_is_told_by_name(lab: &Lab) {
    let schema = ovn::schema().with_file_name("ovn-nb.ovsschema");
    let server = Server::start(lab, &schema);
    let followed = Followed::start(options(&[server.remote()]));
    let told =
        || followed.0.status().trouble.is_some_and(|why| why.contains("`OVN_Northbound` and not OVN_Southbound"));
    assert!(wait_until(10.0, told), "{:?}", followed.0.status());
    assert!(matches!(followed.who("10.0.0.2"), Err(NoOccupant::Away(_))));
}

fn a_chassis_that_is_not_registered_is_told_by_name(lab: &Lab) {
    let world = World::new(lab);
    let followed =
        Followed::start(OvnOptions { chassis: Some("host-3".to_owned()), ..options(&[world.server.remote()]) });
    let told = || followed.0.status().trouble.is_some_and(|why| why.contains("no chassis `host-3`"));
    assert!(wait_until(10.0, told), "{:?}", followed.0.status());
    assert!(matches!(followed.who("10.0.0.2"), Err(NoOccupant::Away(_))));
    let row = world.server.insert(&ovn::chassis("host-3")).remove(1);
    world.server.transact(&[port(&world.datapath, &row, 1, "10.0.0.2", "a").insert()]);
    followed.settles("10.0.0.2", Some("a"));
    let gone = json!({ "op": "delete", "table": "Chassis", "where": [["name", "==", "host-3"]] });
    let again = ovn::chassis("host-3");
    let rows = world.server.transact(&[gone, again[0].clone(), again[1].clone()]);
    let row = Row(rows[2]["uuid"][1].as_str().expect("a name").to_owned());
    followed.settles("10.0.0.2", None);
    world.server.transact(&[port(&world.datapath, &row, 1, "10.0.0.2", "a").update()]);
    followed.settles("10.0.0.2", Some("a"));
}

fn neutron_finds_the_same_instances_and_refuses_the_same_questions(lab: &Lab) {
    let world = World::new(lab);
    let followed = Followed::of(&[world.server.remote()]);
    neutron::compare(lab, &world.server, &world.here, &world.there, |network, address| followed.asks(network, address));
}
