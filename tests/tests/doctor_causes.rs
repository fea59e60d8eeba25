//! `nsgate doctor`: one cause is one thing that is wrong, with one remedy, and the remedy works as it is typed. What follows from a
//! cause is said with it, and has no remedy of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::config::NETWORK;
use nsgate_tests::doctor::{World, doctor, found, obeyed, only, world};
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{OTHER, Pool, keeper, socket_path, words};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, suite};

fn main() {
    suite!["doctor_causes":
        a_stopped_worker_is_one_thing_whatever_its_keepers_do,
        each_stopped_process_of_several_workers_is_one_thing,
        a_pool_that_is_gone_is_one_thing_whatever_its_keepers_do,
        a_pools_directory_that_was_replaced_is_one_thing_until_each_keeper_sees_the_new_one,
        a_pool_in_a_new_directory_beside_the_old_one_is_one_thing,
        a_keeper_that_may_not_reach_its_pool_is_one_thing,
        a_pool_that_refuses_a_network_is_said_of_its_keeper,
        processes_of_a_pool_that_see_an_old_directory_are_one_thing,
        an_agent_that_several_may_not_reach_is_one_thing,
        a_gate_that_was_killed_is_one_thing_and_its_pid_file_no_other,
        settings_that_are_wrong_do_not_mean_that_there_is_no_pool,
    ]
}

/// A network that a pool serves, beside one that has a gate of its own.
struct Pooled<'a> {
    network: &'a Network,
    pool: Pool,
    keeper: Gate,
}

/// The one that has a gate of its own, which no settings send to the pool, and the other.
fn networks(lab: &Lab) -> (World, Network) {
    (world(lab), Network::named("gate2", "guest2"))
}

fn second() -> Config {
    Config::new(Kind::Network).with_id(OTHER)
}

fn settings(lab: &Lab, fallback: bool) {
    let socket = socket_path(lab);
    lab.site(&format!("pool = {socket:?}\npool_patience = \"1s\"\npool_fallback = {fallback}\n"));
}

/// Its keeper waits a second for a worker.
fn pooled<'a>(lab: &Lab, network: &'a Network, fallback: bool, more: &[&str]) -> Pooled<'a> {
    settings(lab, fallback);
    let pool = Pool::start_with(lab, more);
    let keeper = keeper(lab, &network.gate, &second());
    let all = Pooled { network, pool, keeper };
    well(lab);
    assert!(all.served());
    all
}

impl Pooled<'_> {
    /// Whether the pool's network has an answer of the agent's.
    fn served(&self) -> bool {
        Guest::new(&self.network.guest).patient(8).get("/").is_ok_and(|answer| answer.status == 200)
    }

    /// Has a guest ask, and waits until the keeper has no worker: it serves by itself, or says that it may not.
    fn noticed(&self, lab: &Lab) {
        let _ = Guest::new(&self.network.guest).patient(3).get("/");
        let words = ["it serves by itself", "no worker serves its network"];
        let is_said = || found(lab, "note").iter().any(|one| words.iter().any(|word| one.1.contains(word)));
        assert!(wait_until(15.0, is_said), "{:#?}", doctor(lab, &[]));
    }

    fn keeper_says(&self, lab: &Lab, word: &str) {
        let notes = found(lab, "note");
        let of_it = |one: &&(String, String, String)| one.1.contains(OTHER) && one.1.contains(word);
        let note = notes.iter().find(of_it).unwrap_or_else(|| panic!("{word}: {notes:#?}"));
        assert_eq!(note.2, "", "no remedy of its own: {note:?}");
    }
}

#[track_caller]
fn well(lab: &Lab) {
    assert!(wait_until(20.0, || doctor(lab, &[]).code() == Some(0)), "{:#?}", doctor(lab, &[]));
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

const COSTS: [(bool, &str); 2] =
    [(true, "; 1 keeper serves by itself"), (false, "; 1 network is served by no process")];

fn a_stopped_worker_is_one_thing_whatever_its_keepers_do(lab: &Lab) {
    let (_world, network) = networks(lab);
    for (fallback, costs) in COSTS {
        let all = pooled(lab, &network, fallback, &[]);
        signal(all.pool.worker(), Signal::SIGSTOP);
        all.noticed(lab);
        only(lab, "pool", costs);
        all.keeper_says(lab, "its process is stopped");
        obeyed(lab);
        well(lab);
        assert!(all.served());
    }
}

fn each_stopped_process_of_several_workers_is_one_thing(lab: &Lab) {
    let (_world, network) = networks(lab);
    let all = pooled(lab, &network, true, &["--workers=2"]);
    let crew = all.pool.crew();
    // The dispatcher: no command is answered. A worker: its networks are not shown. The zygote: it makes no other worker.
    for (pid, about, word) in [
        (crew[0], "pool", "no worker answers"),
        (crew[1], "pool", "worker 1 does not answer"),
        (all.pool.worker(), "networks", "the zygote"),
    ] {
        signal(pid, Signal::SIGSTOP);
        // Its keeper may have noticed, or not yet.
        only(lab, about, word);
        obeyed(lab);
        well(lab);
        assert!(all.served());
    }
}

fn a_pool_that_is_gone_is_one_thing_whatever_its_keepers_do(lab: &Lab) {
    let (_world, network) = networks(lab);
    for (fallback, costs) in COSTS {
        let mut all = pooled(lab, &network, fallback, &[]);
        all.pool.crash();
        all.noticed(lab);
        for word in ["no worker answers at", "No such file"] {
            only(lab, "pool", word);
            only(lab, "pool", costs);
            all.keeper_says(lab, "the pool at");
            assert!(found(lab, "wrong")[0].2.contains("start the pool"));
            let _ = fs::remove_file(socket_path(lab));
        }
        // Of a pool that no settings name the keeper tells.
        fs::remove_file("/etc/nsgate/nsgate.toml").unwrap();
        only(lab, "pool", costs);
        let _pool = Pool::start(lab);
        well(lab);
        assert!(all.served());
    }
}

/// Puts another directory in the place of the pool's.
fn replace(lab: &Lab) {
    let directory = socket_path(lab).parent().unwrap().to_owned();
    fs::rename(&directory, directory.with_extension("old")).unwrap();
    fs::create_dir(&directory).unwrap();
}

fn put_back(lab: &Lab) {
    let directory = socket_path(lab).parent().unwrap().to_owned();
    fs::remove_dir(&directory).unwrap();
    fs::rename(directory.with_extension("old"), &directory).unwrap();
}

fn a_pools_directory_that_was_replaced_is_one_thing_until_each_keeper_sees_the_new_one(lab: &Lab) {
    let (_world, network) = networks(lab);
    for workers in ["--workers=1", "--workers=2"] {
        let mut all = pooled(lab, &network, true, &[workers]);
        replace(lab);
        only(lab, "pool", "no path leads to the socket at which the");
        all.keeper_says(lab, "no path leads to its socket");
        assert!(all.served(), "by the worker");
        put_back(lab);
        well(lab);
        replace(lab);
        obeyed(lab);
        assert!(all.pool.ended_within(10.0), "what is typed ends the old one");
        let is_alone = || found(lab, "wrong").iter().any(|one| one.1.contains("1 keeper serves by itself"));
        assert!(wait_until(15.0, is_alone), "{:#?}", doctor(lab, &[]));
        only(lab, "pool", "No such file");
        let pool = Pool::start_with(lab, &[workers]);
        only(lab, "networks", "sees a directory that was removed or replaced");
        obeyed(lab);
        assert!(all.keeper.ended_within(Duration::from_secs(5)));
        let _keeper = keeper(lab, &network.gate, &second());
        well(lab);
        assert!(all.served());
        drop((pool, all));
        fs::remove_dir_all(socket_path(lab).parent().unwrap().with_extension("old")).unwrap();
    }
}

fn a_pool_in_a_new_directory_beside_the_old_one_is_one_thing(lab: &Lab) {
    let (_world, network) = networks(lab);
    let mut all = pooled(lab, &network, true, &[]);
    replace(lab);
    // One that is not asked to replace looks for no other.
    let next = Pool::start(lab);
    only(lab, "pool", "another pool answers at");
    all.keeper_says(lab, "sees a directory that was removed or replaced");
    obeyed(lab);
    assert!(all.pool.ended_within(10.0), "what is typed ends the old one");
    only(lab, "networks", "sees a directory that was removed or replaced");
    obeyed(lab);
    assert!(all.keeper.ended_within(Duration::from_secs(5)));
    let _keeper = keeper(lab, &network.gate, &second());
    well(lab);
    drop(next);
}

fn a_keeper_that_may_not_reach_its_pool_is_one_thing(lab: &Lab) {
    let world = world(lab);
    settings(lab, true);
    let second_network = Network::named("gate2", "guest2");
    let mut command = Command::new(lab.program.nsgate());
    command.args(words(lab, &[]).into_iter().filter(|word| !word.contains("group")));
    let pool = Pool::spawn_as(lab, command);
    assert!(
        wait_until(10.0, || pool.said("Handovers are taken") && doctor(lab, &[]).code() == Some(0)),
        "{}",
        text(&pool.log)
    );
    let keeper = keeper(lab, &second_network.gate, &second());
    assert!(wait_until(5.0, || !found(lab, "wrong").is_empty()));
    only(lab, "networks", "the pool is out of its reach");
    assert!(found(lab, "wrong")[0].2.contains("handover_group"));
    drop((keeper, pool, world));
}

fn a_pool_that_refuses_a_network_is_said_of_its_keeper(lab: &Lab) {
    let world = world(lab);
    settings(lab, true);
    let second_network = Network::named("gate2", "guest2");
    let pool = Pool::start(lab);
    let mut config = second();
    config.socket = lab.directory("others", 0o755).join("metadata_proxy");
    let agent = RecordingAgent::start(&config.socket, Answer::ok("hello"));
    let keeper = keeper(lab, &second_network.gate, &config);
    assert!(wait_until(5.0, || !found(lab, "wrong").is_empty()));
    only(lab, "networks", "it serves by itself");
    let remedy = &found(lab, "wrong")[0].2;
    assert!(remedy.contains("its pool answers") && !remedy.contains("start"), "{remedy}");
    assert!(pool.said("is not one of this pool's"), "{}", text(&pool.log));
    drop((keeper, agent, world));
}

fn processes_of_a_pool_that_see_an_old_directory_are_one_thing(lab: &Lab) {
    let world = world(lab);
    settings(lab, true);
    let agents = lab.directory("agents", 0o755);
    let socket = agents.join("metadata_proxy");
    let agent = RecordingAgent::start(&socket, Answer::ok("hello"));
    let pool = Pool::start_with(lab, &["--workers=2", &format!("--backend={}", socket.display())]);
    well(lab);
    drop(agent);
    fs::remove_dir_all(&agents).unwrap();
    fs::create_dir(&agents).unwrap();
    let _agent = RecordingAgent::start(&socket, Answer::ok("hello"));
    only(lab, "networks", "sees a directory that was removed or replaced");
    assert!(found(lab, "wrong")[0].1.contains(" more "), "{:#?}", found(lab, "wrong"));
    assert!(found(lab, "wrong")[0].1.contains(&socket.display().to_string()), "{:#?}", found(lab, "wrong"));
    drop((pool, world));
}

fn an_agent_that_several_may_not_reach_is_one_thing(lab: &Lab) {
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let world = world(lab);
    let second_network = Network::named("gate2", "guest2");
    let _gate = Gate::start(lab, &second_network.gate, &second());
    well(lab);
    fs::set_permissions(lab.socket(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Guest::new(&second_network.guest).get("/").unwrap().status, 503);
    only(lab, "networks", "and 1 more, the agent is out of its reach");
    obeyed(lab);
    assert_eq!(Guest::new(&second_network.guest).get("/").unwrap().status, 200);
    // What failed is news for a while, and nothing explains it any more.
    let wrong = found(lab, "wrong");
    assert!(wrong.len() == 1 && wrong[0].0 == "requests", "{wrong:#?}");
    drop(world);
}

fn a_gate_that_was_killed_is_one_thing_and_its_pid_file_no_other(lab: &Lab) {
    let world = world(lab);
    world.gate.signal(Signal::SIGKILL);
    assert!(world.gate.ended_within(Duration::from_secs(5)));
    assert!(world.gate.pid_file.exists(), "nothing has removed it");
    only(lab, "networks", &format!("no process serves {NETWORK}"));
    let _gate = Gate::start(lab, &world.network.gate, &Config::new(Kind::Network));
    well(lab);
    // Where one serves, the file is to name it.
    fs::write(&world.gate.pid_file, "999999\n").unwrap();
    only(lab, "pid files", "stale: it names process 999999");
    obeyed(lab);
    well(lab);
}

fn settings_that_are_wrong_do_not_mean_that_there_is_no_pool(lab: &Lab) {
    let (_world, network) = networks(lab);
    let all = pooled(lab, &network, true, &[]);
    lab.site("sandbox = \"cardboard\"\n");
    only(lab, "settings", "sandbox");
    let page = doctor(lab, &[]);
    assert!(!page.stdout.contains("none: each network has a process of its own"), "{page:#?}");
    assert!(page.stdout.contains("which one agents use is not known"), "{page:#?}");
    let said = communicate(
        {
            let mut command = Command::new(lab.program.nsgate());
            command.arg("check").arg(Path::new("/etc/nsgate/nsgate.toml"));
            command
        },
        Duration::from_secs(10),
    );
    assert_eq!(said.code(), Some(1), "the remedy's command says what is wrong: {said:#?}");
    drop(all);
}
