//! `nsgate doctor` on a host whose gates ask `nsgate agent`: each fault of the second hop is one thing that is wrong, with what to do.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nsgate_tests::doctor::{doctor, found, obeyed, only};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::ovn::{self, Server};
use nsgate_tests::second_hop::{SecondHop, SecondHopFiles};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, SyslogReader, suite};

fn main() {
    suite!["doctor_agent":
        an_agent_that_serves_is_no_fault,
        an_agent_whose_socket_is_left_over_or_missing_is_said,
        a_process_at_the_socket_that_is_no_agent_is_said_and_not_connected_to,
        settings_that_name_another_socket_than_the_agents_are_said,
        gates_that_still_ask_the_old_way_are_said_and_so_is_the_way_back,
        a_secret_that_differs_from_novas_is_said,
        a_database_that_is_away_is_said_and_how_to_ask_it,
        a_nova_that_is_away_is_said_and_how_to_ask_it,
        a_configuration_that_no_agent_starts_with_is_said,
    ]
}

const ABOUT: &str = "second hop";
/// HMAC-SHA256 of the instance's id with the secret that the files of the laboratory's agents have.
const SIGNATURE: &str = "b314aef20a64584db058431f085ffc250f7dd196369d8aea5ce9b647f62b602c";

/// A host with a log, an agent that serves bound connections alone, and what its gates ask.
struct World {
    network: Network,
    _log: SyslogReader,
    _nova: SmallNova,
    hop: SecondHop,
    /// The metadata agent that the configurations of gates name, at another socket.
    _theirs: RecordingAgent,
}

/// The agent's files: its socket is not the one that configurations of gates name.
fn files(lab: &Lab, nova: &str) -> SecondHopFiles {
    let mut files = SecondHopFiles::write(lab, &[nova.to_owned()], "");
    let socket = lab.directory("hop", 0o755).join("agent.sock");
    let config = text(&files.config).replace("plain = true\n", "");
    files.replace(&files.config, &config.replace(&files.socket.display().to_string(), &socket.display().to_string()));
    files.socket = socket;
    files
}

fn world_of(lab: &Lab, nova: SmallNova, files: SecondHopFiles) -> World {
    lab.needs_root("other users' processes");
    let network = lab.network();
    let log = SyslogReader::bind(Path::new("/dev/log"));
    let theirs = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let hop = files.start(lab);
    World { network, _log: log, _nova: nova, hop, _theirs: theirs }
}

fn world(lab: &Lab) -> World {
    let nova = SmallNova::start(good("hello"));
    let files = files(lab, &nova.address.to_string());
    world_of(lab, nova, files)
}

fn settings(lab: &Lab, socket: &Path) {
    lab.site(&format!("agent = \"{}\"\n", socket.display()));
}

impl World {
    /// Sends gates to the agent, and starts one.
    fn gate(&self, lab: &Lab) -> Gate {
        settings(lab, &self.hop.files.socket);
        let gate = Gate::start(lab, &self.network.gate, &Config::new(Kind::Ovn));
        well(lab);
        gate
    }

    fn status(&self) -> u16 {
        Guest::new(&self.network.guest).get("/").expect("an answer").status
    }
}

#[track_caller]
fn well(lab: &Lab) {
    assert!(wait_until(10.0, || doctor(lab, &[]).code() == Some(0)), "{:#?}", doctor(lab, &[]));
}

/// The remedy of the one thing that is wrong.
#[track_caller]
fn remedy(lab: &Lab, word: &str) -> String {
    only(lab, ABOUT, word);
    found(lab, "wrong")[0].2.clone()
}

fn an_agent_that_serves_is_no_fault(lab: &Lab) {
    let world = world(lab);
    // No gate is sent to it.
    let notes = found(lab, "note");
    assert!(notes.iter().any(|one| one.0 == ABOUT && one.1.contains("no `agent =` in")), "{notes:#?}");
    let _gate = world.gate(lab);
    assert_eq!(world.status(), 200);
    let said = format!("nsgate agent ({}) listens at {}", world.hop.pid(), world.hop.files.socket.display());
    assert_eq!(
        found(lab, "ok").iter().filter(|one| one.0 == ABOUT).map(|one| one.1.clone()).collect::<Vec<_>>(),
        [said]
    );
    assert_eq!(found(lab, "note").iter().filter(|one| one.0 == ABOUT).count(), 0, "{:#?}", found(lab, "note"));
}

fn an_agent_whose_socket_is_left_over_or_missing_is_said(lab: &Lab) {
    let mut world = world(lab);
    settings(lab, &world.hop.files.socket);
    world.hop.terminate();
    assert!(world.hop.ended_within(10.0).is_some());
    let socket = &world.hop.files.socket;
    let said = remedy(lab, "no process listens at ");
    assert!(said.contains("start the agent: `systemctl start nsgate-agent.socket nsgate-agent`"), "{said}");
    fs::remove_file(socket).unwrap();
    assert_eq!(remedy(lab, "and no gate starts: No such file"), said);
    fs::write(socket, "").unwrap();
    remedy(lab, "is no socket");
    fs::remove_file(socket).unwrap();
    let nova = SmallNova::start(good("hello"));
    let _hop = files(lab, &nova.address.to_string()).start(lab);
    well(lab);
}

fn a_process_at_the_socket_that_is_no_agent_is_said_and_not_connected_to(lab: &Lab) {
    let mut world = world(lab);
    settings(lab, &world.hop.files.socket);
    world.hop.terminate();
    assert!(world.hop.ended_within(10.0).is_some());
    fs::remove_file(&world.hop.files.socket).unwrap();
    let listener = UnixListener::bind(&world.hop.files.socket).expect("a socket");
    listener.set_nonblocking(true).unwrap();
    let this = std::process::id();
    let said = remedy(lab, "is not nsgate agent: no gate is bound there");
    assert!(
        said.contains(&format!("`kill {this}`")) && said.contains("`systemctl restart nsgate-agent.socket"),
        "{said}"
    );
    assert!(found(lab, "wrong")[0].1.contains(&format!("({this}) listens at")), "{:#?}", found(lab, "wrong"));
    assert!(listener.accept().is_err(), "a service manager would start its service");
}

fn settings_that_name_another_socket_than_the_agents_are_said(lab: &Lab) {
    let world = world(lab);
    // The socket of Neutron's own agent, and one that is not there.
    for (socket, word) in [(lab.socket(), "is not nsgate agent"), (lab.state().join("nowhere.sock"), "No such file")] {
        settings(lab, &socket);
        let said = remedy(lab, word);
        assert!(said.contains(&format!("names {}", world.hop.files.socket.display())), "{said}");
        obeyed(lab);
        well(lab);
    }
}

fn gates_that_still_ask_the_old_way_are_said_and_so_is_the_way_back(lab: &Lab) {
    let world = world(lab);
    let gate = Gate::start(lab, &world.network.gate, &Config::new(Kind::Ovn));
    well(lab);
    settings(lab, &world.hop.files.socket);
    let said = remedy(lab, "asks as before, and not nsgate agent at");
    assert!(said.contains(&format!("`kill {}`", gate.pid)), "{said}");
    obeyed(lab);
    assert!(gate.ended_within(std::time::Duration::from_secs(5)));
    let gate = world.gate(lab);
    assert_eq!(world.status(), 200);
    // The line is taken out.
    fs::remove_file("/etc/nsgate/nsgate.toml").unwrap();
    let notes = found(lab, "note");
    let back = notes.iter().find(|one| one.0 == ABOUT && one.1.contains("asks nsgate agent, and")).expect("a note");
    assert!(back.2.contains(&format!("`kill {}`", gate.pid)), "{back:?}");
    well(lab);
    gate.terminate(std::time::Duration::from_secs(5));
    assert!(gate.ended_within(std::time::Duration::from_secs(5)));
    let _gate = Gate::start(lab, &world.network.gate, &Config::new(Kind::Ovn));
    assert!(!found(lab, "note").iter().any(|one| one.1.contains("asks nsgate agent, and")));
}

fn a_secret_that_differs_from_novas_is_said(lab: &Lab) {
    let nova = SmallNova::start(|seen, stream| {
        use std::io::Write;
        let right = seen.field("x-instance-id-signature") == Some(SIGNATURE);
        let status = if right { "200 OK" } else { "403 Forbidden" };
        stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).is_ok()
    });
    let files = files(lab, &nova.address.to_string());
    let right = text(&files.secret);
    fs::write(&files.secret, "herring\n").unwrap();
    let mut world = world_of(lab, nova, files);
    let gate = world.gate(lab);
    assert_eq!(world.status(), 403);
    let said = remedy(lab, "Nova has answered 403 1 times");
    let secret = world.hop.files.secret.clone();
    assert!(
        said.contains(&format!("`(umask 077; cat >{}) && systemctl restart nsgate-agent`", secret.display())),
        "{said}"
    );
    // As that command does it.
    fs::write(&secret, right).unwrap();
    drop(gate);
    world.hop.terminate();
    assert!(world.hop.ended_within(10.0).is_some());
    let again = self::files(lab, &world._nova.address.to_string());
    world.hop = again.start(lab);
    let _gate = world.gate(lab);
    assert_eq!(world.status(), 200);
    well(lab);
}

fn a_database_that_is_away_is_said_and_how_to_ask_it(lab: &Lab) {
    let mut server = Server::made(lab, &ovn::schema());
    server.begin();
    let remote = server.remote();
    let nova = SmallNova::start(good("hello"));
    let directory = format!("kind = \"ovn\"\nremotes = [{remote:?}]\n");
    let files = files(lab, &nova.address.to_string()).with_directory(&directory);
    server.kill();
    let world = world_of(lab, nova, files);
    let _gate = world.gate(lab);
    assert_eq!(world.status(), 503, "{}", text(&world.hop.log));
    let said = remedy(lab, "its directory of instances is away since ");
    let typed = said.split('`').nth(1).expect("a command");
    assert_eq!(typed, format!("ovsdb-client list-dbs {remote}"));
    let words: Vec<&str> = typed.split(' ').skip(1).collect();
    assert!(!ovn::program("ovsdb-client").args(&words).output().unwrap().status.success());
    server.begin();
    assert!(ovn::run("ovsdb-client", &words).contains("OVN_Southbound"));
    // No port has the guest's address there.
    assert!(wait_until(15.0, || world.status() == 404), "{}", text(&world.hop.log));
    well(lab);
}

fn a_nova_that_is_away_is_said_and_how_to_ask_it(lab: &Lab) {
    let away = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let files = files(lab, &away.to_string());
    let world = world_of(lab, SmallNova::start(good("hello")), files);
    let _gate = world.gate(lab);
    assert_eq!(world.status(), 503);
    only(lab, "requests", "requests without an answer of Nova's: nova-away 1; the last that failed ");
    let said = found(lab, "wrong")[0].2.clone();
    assert!(said.contains(&format!("`curl -sS -m 5 -o /dev/null http://{away}/`")), "{said}");
}

fn a_configuration_that_no_agent_starts_with_is_said(lab: &Lab) {
    let mut world = world(lab);
    let _gate = world.gate(lab);
    let files = &world.hop.files;
    let (config, right) = (files.config.clone(), text(&files.config));
    for (wrong, word) in [
        (right.replace("hosts", "hots"), "hots"),
        (right.replace(&files.secret.display().to_string(), "/run/lab/nowhere"), "/run/lab/nowhere"),
        (right.replace("user = \"neutron\"", "user = \"nobody-of-this-name\""), "nobody-of-this-name"),
    ] {
        files.replace(&config, &wrong);
        let said = remedy(lab, &format!("nsgate agent does not start with {}: ", config.display()));
        assert!(found(lab, "wrong")[0].1.contains(word), "{:#?}", found(lab, "wrong"));
        assert!(said.contains(&format!("`nsgate check --dialect agent {}`", config.display())), "{said}");
    }
    files.replace(&config, &right);
    well(lab);
    // Without an agent that runs, the packaged file is looked at.
    fs::write("/etc/nsgate/agent.toml", "[agent]\n").unwrap();
    well(lab);
    world.hop.terminate();
    assert!(world.hop.ended_within(10.0).is_some());
    let wrong = found(lab, "wrong");
    assert!(
        wrong.iter().any(|one| one.1.starts_with("nsgate agent does not start with /etc/nsgate/agent.toml: ")),
        "{wrong:#?}"
    );
}
