//! A gate whose one connection to the agent is bound to its network: by root, before the gate is confined. The agent here is the
//! agent's half of the protocol, and a server that says which connection brought a request.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nsgate_agent::binding::{Binders, BoundConnection, Brought, bind};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::procfs::Process;
use nsgate_tests::second_hop::{INSTANCE, SecondHopFiles};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, SyslogReader, suite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::oneshot;

fn main() {
    suite!["agent_binding":
        a_site_sends_its_gates_to_the_agent_and_taking_the_line_out_brings_the_old_way_back,
        requests_share_a_connection_that_speaks_for_the_network,
        a_native_gate_names_its_agent,
        the_gate_sees_no_directory_of_the_agents_and_may_not_make_a_socket,
        a_log_that_comes_back_is_found_by_a_gate_with_a_door,
        an_agent_that_is_not_there_is_said_with_what_to_do,
        an_agent_that_comes_within_the_retries_is_waited_for,
        an_agent_that_refuses_or_is_another_program_is_said_at_once,
        a_gate_whose_agent_ends_answers_503_and_ends,
        a_gate_is_succeeded_by_one_with_a_door_of_its_own,
        the_agent_itself_carries_the_requests_of_a_gate_that_is_bound_to_it,
    ]
}

const SITE: &str = "agent = \"/run/nsgate/agent.sock\"\n";

/// A request as the agent has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    /// The door, in the order in which they were bound, and the connection of it.
    door: usize,
    connection: usize,
    /// Header and UUID that the connection is bound to.
    network: String,
    text: String,
}

type Record = Arc<Mutex<Vec<Asked>>>;

/// An agent at `/run/nsgate/agent.sock`. Dropped, it ends, and each of its connections with it.
struct Agent {
    seen: Record,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    fn start() -> Agent {
        Agent::of(Binders::default())
    }

    fn of(binders: Binders) -> Agent {
        let path = socket();
        let _ = fs::remove_file(&path);
        let (seen, (stop, stopped), (ready, is_ready)) =
            (Record::default(), oneshot::channel(), std::sync::mpsc::channel());
        let record = seen.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = UnixListener::bind(&path).unwrap();
                ready.send(()).unwrap();
                tokio::select! {
                    () = accept(listener, binders, record) => {}
                    _ = stopped => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Agent { seen, stop: Some(stop), thread: Some(thread) }
    }

    fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

async fn accept(listener: UnixListener, binders: Binders, record: Record) {
    let mut door = 0;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(held) = bind(stream, b"", &binders).await else { continue };
        door += 1;
        let (record, mut connection) = (record.clone(), 0);
        tokio::spawn(held.attend(64, move |brought| {
            let Brought::Connection(bound) = brought else { panic!("{brought:?}") };
            connection += 1;
            tokio::spawn(serve(bound, (door, connection), record.clone()));
        }));
    }
}

/// HTTP/1.1, as far as a gate speaks it without content.
async fn serve(mut bound: BoundConnection, (door, connection): (usize, usize), record: Record) {
    let mut bytes = Vec::new();
    while matches!(bound.stream.read_buf(&mut bytes).await, Ok(count) if count > 0) {
        if bytes.ends_with(b"\r\n\r\n") {
            let network = format!("{} {}", bound.identity.header(), bound.identity.uuid());
            let text = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
            record.lock().unwrap().push(Asked { door, connection, network, text });
            let _ = bound.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbound").await;
        }
    }
}

/// Where the agent's socket is, in a directory that root alone may write.
fn socket() -> PathBuf {
    fs::create_dir_all("/run/nsgate").unwrap();
    fs::set_permissions("/run/nsgate", fs::Permissions::from_mode(0o755)).unwrap();
    PathBuf::from("/run/nsgate/agent.sock")
}

fn body(network: &Network) -> String {
    let answer = Guest::new(&network.guest).get("/latest").unwrap();
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

fn refused(lab: &Lab, network: &Network, config: &Config) -> Started {
    match Gate::try_start(lab, &network.gate, config) {
        Err(started) => started,
        Ok(gate) => panic!("it started: {gate:?}"),
    }
}

fn attest(lab: &Lab, pid: i32) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.args(["attest", "--json", &pid.to_string()]);
    communicate(command, Duration::from_secs(20))
}

fn a_site_sends_its_gates_to_the_agent_and_taking_the_line_out_brings_the_old_way_back(lab: &Lab) {
    for kind in [Kind::Network, Kind::Router, Kind::Ovn] {
        lab.site(SITE);
        let (name, guest) = (format!("g{kind:?}"), format!("v{kind:?}"));
        let network = Network::named(&name, &guest);
        let neutron = RecordingAgent::start(&lab.socket(), Answer::ok("neutron"));
        let agent = Agent::start();
        let config = Config::new(kind);
        let gate = Gate::start(lab, &network.gate, &config);
        assert_eq!(body(&network), "200 bound");
        let seen = agent.seen();
        assert_eq!(seen[0].network, format!("{} {NETWORK}", kind.header()));
        assert!(neutron.seen().is_empty(), "the agent that the configuration names was asked");
        drop(gate);
        lab.site("");
        let _gate = Gate::start(lab, &network.gate, &config);
        assert_eq!(body(&network), "200 neutron");
        assert_eq!((agent.seen().len(), neutron.seen().len()), (1, 1));
    }
}

fn requests_share_a_connection_that_speaks_for_the_network(lab: &Lab) {
    lab.site(SITE);
    let (network, agent) = (lab.network(), Agent::start());
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    for _ in 0..5 {
        assert_eq!(body(&network), "200 bound");
    }
    let seen = agent.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|asked| (asked.door, asked.connection) == (1, 1)), "{seen:#?}");
    assert!(seen.iter().all(|asked| asked.network == format!("X-OVN-Network-ID {NETWORK}")));
    assert!(seen.iter().all(|asked| !asked.text.contains("connection:")), "{seen:#?}");
    // Many at once: a few connections, and all of the one door.
    let answers = Guest::new(&network.guest).storm(40, "/many");
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)), "{answers:?}");
    let seen = agent.seen();
    assert_eq!(seen.len(), 45);
    assert!(seen.iter().all(|asked| asked.door == 1 && asked.connection <= 16), "one guest has 16 turns: {seen:#?}");
}

fn a_native_gate_names_its_agent(lab: &Lab) {
    let (network, agent) = (lab.network(), Agent::start());
    let file = lab.state().join("gate.toml");
    let text = format!(
        "ovn_network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nagent = \"/run/nsgate/agent.sock\"\n\
         user = \"neutron\"\ndaemon = true\npid_file = \"/run/lab/neutron/native.pid\"\n"
    );
    fs::write(&file, &text).unwrap();
    let started = nsgate(lab, &network.gate, &["run", "--config", file.to_str().unwrap()]);
    let gate = Gate::adopt(file.clone(), "/run/lab/neutron/native.pid".into(), started).unwrap();
    assert_eq!(body(&network), "200 bound");
    assert_eq!(agent.seen().len(), 1);
    drop(gate);
    let checked = nsgate(lab, &network.gate, &["check", file.to_str().unwrap()]);
    assert!(checked.ok() && checked.stdout.contains("agent = \"/run/nsgate/agent.sock\""), "{checked:#?}");
    fs::write(&file, text + "backend = \"/run/lab/neutron/metadata_proxy\"\n").unwrap();
    let both = nsgate(lab, &network.gate, &["check", file.to_str().unwrap()]);
    assert!(!both.ok() && both.said().contains("a second way to the agent"), "{both:#?}");
}

fn the_gate_sees_no_directory_of_the_agents_and_may_not_make_a_socket(lab: &Lab) {
    lab.needs_root("the gate's user is another one");
    lab.site(SITE);
    let (network, _agent, _log) = (lab.network(), Agent::start(), SyslogReader::held_by_systemd());
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    assert_eq!(body(&network), "200 bound");
    let process = Process::new(gate.pid);
    assert_eq!(process.root_entries(), ["door"]);
    let link = format!("/proc/{}/root/door", gate.pid);
    assert!(fs::symlink_metadata(&link).is_ok() && fs::metadata(&link).is_err(), "it leads nowhere");
    let said = attest(lab, gate.pid);
    assert_eq!(said.code(), Some(0), "{said:#?}");
    assert!(said.stdout.contains("\"boundgate\""), "{said:#?}");
    // To who counts gates it is a gate as any other, with its numbers.
    let status = nsgate(lab, &network.gate, &["status", "--all", "--json"]);
    assert!(status.ok() && status.stdout.contains("\"gate\"") && status.stdout.contains(NETWORK), "{status:#?}");
    let doctor = nsgate_tests::doctor::doctor(lab, &[]);
    assert!(doctor.said().contains("listens at /run/nsgate/agent.sock"), "{doctor:#?}");
    // A gate of the same build that connects for itself, so that the difference is the door.
    drop(gate);
    lab.site("");
    let _neutron = RecordingAgent::start(&lab.socket(), Answer::ok("neutron"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    assert_eq!(Process::new(gate.pid).root_entries(), ["agent", "backend"]);
    assert!(attest(lab, gate.pid).stdout.contains("\"gate\""));
}

fn a_log_that_comes_back_is_found_by_a_gate_with_a_door(lab: &Lab) {
    lab.site(SITE);
    let (network, _agent) = (lab.network(), Agent::start());
    let mut config = Config::new(Kind::Ovn);
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    let gate = Gate::start(lab, &network.gate, &config);
    assert_eq!(body(&network), "200 bound");
    assert!(log.find("/latest", 5.0).is_some());
    assert_eq!(Process::new(gate.pid).root_entries(), ["door", "log-directory", "syslog"]);
    let said = attest(lab, gate.pid);
    assert!(said.code() == Some(0) && said.stdout.contains("\"boundgatelog\""), "{said:#?}");
    drop(log);
    assert_eq!(body(&network), "200 bound");
    let log = SyslogReader::bind(&config.log);
    assert!(wait_until(10.0, || {
        assert_eq!(body(&network), "200 bound");
        log.find("/latest", 0.3).is_some()
    }));
}

fn an_agent_that_is_not_there_is_said_with_what_to_do(lab: &Lab) {
    lab.site(SITE);
    let (network, mut config) = (lab.network(), Config::new(Kind::Ovn));
    config.extra[1] = "    retries 1\n".to_owned();
    socket();
    let begun = Instant::now();
    let started = refused(lab, &network, &config);
    assert!(begun.elapsed() >= Duration::from_secs(1), "it tries as often as `retries` says");
    for word in
        ["agent /run/nsgate/agent.sock", "is not there", "(attempts: 2)", "start `nsgate agent`", "take `agent` out"]
    {
        assert!(started.stderr.contains(word), "{word}: {started:#?}");
    }
    assert!(network.gate.listening().is_empty());
    drop(std::os::unix::net::UnixListener::bind(socket()).unwrap());
    let started = refused(lab, &network, &config);
    assert!(started.stderr.contains("no process listens"), "{started:#?}");
}

fn an_agent_that_comes_within_the_retries_is_waited_for(lab: &Lab) {
    lab.site(SITE);
    let (network, config) = (lab.network(), Config::new(Kind::Ovn));
    socket();
    let late = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(1500));
        Agent::start()
    });
    let _gate = Gate::start(lab, &network.gate, &config);
    let agent = late.join().unwrap();
    assert_eq!(body(&network), "200 bound");
    assert_eq!(agent.seen().len(), 1);
}

fn an_agent_that_refuses_or_is_another_program_is_said_at_once(lab: &Lab) {
    lab.site(SITE);
    let (network, config) = (lab.network(), Config::new(Kind::Ovn));
    let agent = Agent::of(Binders::new(vec![4711]));
    let begun = Instant::now();
    let started = refused(lab, &network, &config);
    assert!(started.stderr.contains("it refuses: a process of user 0"), "{started:#?}");
    drop(agent);
    let _plain = RecordingAgent::start(&socket(), Answer::with("400 Bad Request", "what?"));
    let started = refused(lab, &network, &config);
    assert!(started.stderr.contains("no answer of `nsgate agent`"), "{started:#?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "another attempt would change nothing");
    assert!(network.gate.listening().is_empty());
}

fn a_gate_whose_agent_ends_answers_503_and_ends(lab: &Lab) {
    lab.site(SITE);
    let (network, mut config) = (lab.network(), Config::new(Kind::Ovn));
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    let agent = Agent::start();
    let file = nsgate_tests::gate::write_config(lab, &config);
    let mut gate = Gate::foreground(lab, &network.gate, &config, &["-db", "-f", file.to_str().unwrap()]).unwrap();
    assert_eq!(body(&network), "200 bound");
    drop(agent);
    let late = Guest::new(&network.guest).get("/late").unwrap();
    assert_eq!(late.status, 503);
    let status = gate.wait_foreground().unwrap();
    assert_eq!(status.code(), Some(75), "{status:?}");
    let line = log.find("only root can", 5.0).expect("the log says why");
    assert!(
        line.contains("the agent has closed the door") && line.contains("status 75") && line.contains("starts it anew"),
        "{line}"
    );
    // As its process monitor does.
    let agent = Agent::start();
    let _gate = Gate::start(lab, &network.gate, &config);
    assert_eq!(body(&network), "200 bound");
    assert_eq!(agent.seen().len(), 1);
}

fn a_gate_is_succeeded_by_one_with_a_door_of_its_own(lab: &Lab) {
    lab.site(SITE);
    let (network, agent) = (lab.network(), Agent::start());
    let config = Config::new(Kind::Ovn);
    let first = Gate::start(lab, &network.gate, &config);
    assert_eq!(body(&network), "200 bound");
    let file = first.file.to_str().unwrap().to_owned();
    let _second =
        Gate::with_arguments(lab, &network.gate, &config, &["-f", &file, "-sf", &first.pid.to_string()]).unwrap();
    assert!(first.ended_within(Duration::from_secs(5)));
    assert_eq!(body(&network), "200 bound");
    let doors: Vec<usize> = agent.seen().iter().map(|asked| asked.door).collect();
    assert_eq!(doors, [1, 2]);
}

fn the_agent_itself_carries_the_requests_of_a_gate_that_is_bound_to_it(lab: &Lab) {
    lab.needs_root("the agent's user is another one");
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
    let bound_alone = text(&files.config).replace("plain = true\n", "");
    files.replace(&files.config, &bound_alone);
    let hop = files.start(lab);
    lab.site(&format!("agent = \"{}\"\n", hop.files.socket.display()));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    for _ in 0..3 {
        assert_eq!(body(&network), "200 hello", "{}", text(&hop.log));
    }
    let posted = "POST /latest HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nword";
    assert_eq!(Guest::new(&network.guest).ask(posted).unwrap().status, 200);
    let seen = nova.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|seen| seen.field("x-instance-id") == Some(INSTANCE)), "{seen:?}");
    // The same agent does not believe a header: a gate that is not bound is told so.
    drop(gate);
    lab.site("");
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    assert!(body(&network).starts_with("403 "));
    assert_eq!(nova.seen().len(), 4);
}
