//! The second hop: a guest, a gate as an agent of Neutron's starts it, `nsgate agent`, and a small Nova.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::time::Duration;

use nsgate_agent::binding::{Door, Taken, line};
use nsgate_config::Identity;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::{Seen, SmallNova, good};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::second_hop::{INSTANCE, PROJECT, SECRET, SecondHop, SecondHopFiles, instance};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Network, Response, suite};

/// HMAC-SHA256 of [`INSTANCE`] with [`SECRET`], from Python's `hmac`.
const SIGNATURE: &str = "b314aef20a64584db058431f085ffc250f7dd196369d8aea5ce9b647f62b602c";
const OTHER_INSTANCE: &str = "0e8b5b9e-3c52-4a53-8e0e-2f9b0c6a7d22";
const OTHER_NETWORK: &str = "00000000-9f7b-4b59-9a55-0d3c1f6e2b10";

fn main() {
    suite!["agent":
        a_guests_request_reaches_nova_for_its_own_instance,
        binary_answers_and_posted_bodies_pass_untouched,
        a_guest_without_an_instance_is_told_and_nova_is_not_asked,
        what_goes_wrong_at_nova_is_a_status_or_a_cut_answer,
        a_secret_that_differs_is_named_in_the_log,
        what_is_wrong_at_the_start_is_said_and_nothing_is_touched,
        a_file_that_changes_holds_without_a_restart,
        a_connection_that_root_binds_speaks_for_its_network_alone,
        the_process_that_carries_is_confined_and_attested,
        an_agent_that_is_told_to_end_finishes_and_the_next_one_takes_the_socket,
    ]
}

struct Path {
    network: Network,
    nova: SmallNova,
    hop: SecondHop,
    gate: Gate,
}

/// A guest at 10.0.0.11, its gate, the agent and Nova.
fn path(
    lab: &Lab,
    more: &str,
    answer: impl Fn(&Seen, &mut std::net::TcpStream) -> bool + Send + Sync + 'static,
) -> Path {
    let (network, nova) = (lab.network(), SmallNova::start(answer));
    let hop = SecondHopFiles::write(lab, &[nova.address.to_string()], more).start(lab);
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    Path { network, nova, hop, gate }
}

fn get(path: &Path, target: &str) -> Response {
    Guest::new(&path.network.guest).get(target).unwrap_or_else(|error| panic!("{error}: {}", text(&path.hop.log)))
}

fn a_guests_request_reaches_nova_for_its_own_instance(lab: &Lab) {
    let path = path(lab, "", good("hello"));
    let request = "GET /openstack//latest/../meta_data.json?a=%20b&c HTTP/1.1\r\nHost: 169.254.169.254\r\nAccept: application/json\r\n\
                   X-Instance-ID: evil\r\nX-Instance-ID-Signature: evil\r\nX-Tenant-ID: evil\r\nX-Forwarded-For: 10.0.0.99\r\n\
                   X-OVN-Network-ID: 99999999-9999-4999-8999-999999999999\r\nX-Evil: evil\r\nConnection: close\r\n\r\n";
    let answer = Guest::new(&path.network.guest).ask(request).unwrap();
    assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()));
    let [seen] = &path.nova.seen()[..] else { panic!("{:?}", path.nova.seen()) };
    assert!(seen.head.starts_with("GET /openstack//latest/../meta_data.json?a=%20b&c HTTP/1.1\r\n"), "{}", seen.head);
    for (name, value) in [
        ("x-forwarded-for", "10.0.0.11"),
        ("x-instance-id", INSTANCE),
        ("x-tenant-id", PROJECT),
        ("x-instance-id-signature", SIGNATURE),
        ("accept", "application/json"),
        ("host", path.nova.address.to_string().as_str()),
    ] {
        assert_eq!(seen.field(name), Some(value), "{name}: {}", seen.head);
    }
    let known = ["evil", "99999999", "10.0.0.99", "network-id", SECRET];
    assert!(known.iter().all(|word| !seen.head.contains(word)), "{}", seen.head);
    assert!(!text(&path.hop.log).contains(SECRET) && !text(&path.hop.log).contains(SIGNATURE));
    // Each of the gate's requests has a connection of its own; Nova's is kept.
    for _ in 0..3 {
        assert_eq!(get(&path, "/").status, 200);
    }
    assert!(path.nova.seen().iter().all(|seen| seen.connection == 0), "{:?}", path.nova.seen());
    drop(path.gate);
}

fn binary_answers_and_posted_bodies_pass_untouched(lab: &Lab) {
    const GZIPPED: &[u8] = b"\x1f\x8b\x08\0\r\n\xff\xfe\0binary\n\n";
    let path = path(lab, "", |seen, stream| {
        let body = if seen.head.starts_with("HEAD") { &[][..] } else { GZIPPED };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            GZIPPED.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
    });
    assert_eq!(get(&path, "/openstack/latest/user_data").body, GZIPPED);
    let guest = Guest::new(&path.network.guest);
    let head = guest.exchange(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.contains(&format!("content-length: {}\r\n", GZIPPED.len())) && head.ends_with("\r\n\r\n"), "{head}");
    let posted = guest.exchange(
        b"POST /openstack/latest/password HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n\0\xff\r\nx",
    );
    assert!(posted.unwrap().starts_with(b"HTTP/1.1 200"));
    assert_eq!(path.nova.seen().last().unwrap().body, b"\0\xff\r\nx");
}

fn a_guest_without_an_instance_is_told_and_nova_is_not_asked(lab: &Lab) {
    let path = path(lab, "", good("hello"));
    path.hop.files.replace(&path.hop.files.instances, &instance("10.0.0.99", INSTANCE));
    assert!(wait_until(10.0, || path.hop.said("has changed: 1 instances")), "{}", text(&path.hop.log));
    assert_eq!(get(&path, "/").status, 404);
    assert!(path.hop.said(&format!("X-OVN-Network-ID {NETWORK}, 10.0.0.11: no port of the network has the address")));
    let twice = instance("10.0.0.11", INSTANCE) + &instance("10.0.0.11", OTHER_INSTANCE);
    path.hop.files.replace(&path.hop.files.instances, &twice);
    assert!(wait_until(10.0, || path.hop.said("has changed: 2 instances")), "{}", text(&path.hop.log));
    assert_eq!(get(&path, "/").status, 404);
    assert!(path.hop.said("2 ports of the network have the address"), "{}", text(&path.hop.log));
    let plain = |fields: &str| {
        let mut stream = UnixStream::connect(&path.hop.files.socket).unwrap();
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let network = format!("X-OVN-Network-ID: {NETWORK}\r\n");
    for (fields, status) in [
        (format!("{network}X-Neutron-Router-ID: {NETWORK}\r\nX-Forwarded-For: 10.0.0.11\r\n"), "400"),
        (format!("X-OVN-Network-ID: {OTHER_NETWORK}\r\nX-Forwarded-For: 10.0.0.11\r\n"), "404"),
        (network, "400"),
    ] {
        let answer = plain(&fields);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
    }
    assert!(path.nova.seen().is_empty(), "{:?}", path.nova.seen());
}

fn what_goes_wrong_at_nova_is_a_status_or_a_cut_answer(lab: &Lab) {
    let path = path(lab, "answer_timeout = \"1s\"", |seen, stream| {
        let target = seen.head.split(' ').nth(1).unwrap_or_default();
        match target {
            "/silent" => stream.read(&mut [0]).is_err(),
            "/garbage" => stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").is_err(),
            "/half" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").is_err(),
            _ => stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops").is_ok(),
        }
    });
    assert_eq!((get(&path, "/silent").status, get(&path, "/garbage").status), (504, 502));
    let answer = get(&path, "/");
    assert_eq!((answer.status, answer.text()), (500, "oops".to_owned()), "what Nova answers passes");
    let half = Guest::new(&path.network.guest).exchange(b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n");
    let half = half.map(|bytes| String::from_utf8_lossy(&bytes).to_lowercase()).unwrap_or_default();
    assert!(!half.contains("content-length: 5\r\n") && !half.ends_with("\r\n0\r\n\r\n"), "{half}");
    drop(path);
    let away = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let hop = SecondHopFiles::write(lab, &[away.to_string()], "").start(lab);
    let network = Network::named("gate2", "guest2");
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 503);
    assert!(hop.said("no host of Nova's can be reached"), "{}", text(&hop.log));
}

fn a_secret_that_differs_is_named_in_the_log(lab: &Lab) {
    let path = path(lab, "", |seen, stream| {
        let right = seen.field("x-instance-id-signature") == Some(SIGNATURE);
        let status = if right { "200 OK" } else { "403 Forbidden" };
        stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).is_ok()
    });
    assert_eq!(get(&path, "/").status, 200);
    let Path { network, nova, mut hop, gate } = path;
    hop.terminate();
    assert!(hop.ended_within(10.0).is_some_and(|status| status.success()));
    drop(hop);
    let files = SecondHopFiles::write(lab, &[nova.address.to_string()], "");
    fs::write(&files.secret, "herring\n").unwrap();
    let hop = files.start(lab);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 403);
    assert!(hop.said("`metadata_proxy_shared_secret` differ"), "{}", text(&hop.log));
    drop(gate);
}

fn what_is_wrong_at_the_start_is_said_and_nothing_is_touched(lab: &Lab) {
    let files = || SecondHopFiles::write(lab, &["127.0.0.1:8775".to_owned()], "");
    let refused = |files: &SecondHopFiles, word: &str| {
        let started = files.refused(lab);
        assert!(started.code() == Some(1) && started.stderr.contains(word), "{word}: {started:#?}");
        assert!(!started.stderr.contains("swordfish"), "{started:#?}");
    };
    let one = files();
    fs::remove_file(&one.secret).unwrap();
    refused(&one, "`secret_file`: ");
    let one = files();
    fs::write(&one.secret, "\n").unwrap();
    refused(&one, "is empty: Nova would take every request for forged");
    let one = files();
    fs::write(&one.instances, "[[instance]]\nnetwork = 5\n").unwrap();
    refused(&one, "instances.toml:2: ");
    let one = files();
    fs::write(&one.instances, instance("10.0.0.11", "")).unwrap();
    refused(&one, "its instance is empty");
    let one = files();
    fs::write(&one.config, text(&one.config).replace("plain", "plan")).unwrap();
    refused(&one, "unknown field `plan`");
    // The socket is another process's, or no socket.
    let one = files();
    let other = UnixListener::bind(&one.socket).unwrap();
    refused(&one, "a process answers here already");
    assert!(UnixStream::connect(&one.socket).is_ok(), "it is the other one's as before");
    drop(other);
    fs::remove_file(&one.socket).unwrap();
    fs::write(&one.socket, "a file").unwrap();
    refused(&one, "not a socket; it is left alone");
    assert_eq!(text(&one.socket), "a file");
    fs::remove_file(&one.socket).unwrap();
    // A check says the same, and what would run.
    let check = |files: &SecondHopFiles| {
        let mut command = Command::new(lab.program.nsgate());
        command.args(["check", "--dialect", "agent"]).arg(&files.config);
        communicate(command, Duration::from_secs(10))
    };
    let good = files();
    let said = check(&good);
    assert!(said.ok() && said.stdout.contains("requests_per_instance = 8"), "{said:#?}");
    fs::remove_file(&good.secret).unwrap();
    let said = check(&good);
    assert!(said.code() == Some(1) && said.stderr.contains("`secret_file`: "), "{said:#?}");
}

fn a_file_that_changes_holds_without_a_restart(lab: &Lab) {
    let path = path(lab, "", good("hello"));
    assert_eq!(get(&path, "/").status, 200);
    let files = &path.hop.files;
    files.replace(&files.instances, &instance("10.0.0.11", OTHER_INSTANCE));
    assert!(wait_until(10.0, || path.hop.said("has changed: 1 instances")), "{}", text(&path.hop.log));
    assert_eq!(get(&path, "/").status, 200);
    let seen = path.nova.seen();
    let instances: Vec<_> = seen.iter().filter_map(|seen| seen.field("x-instance-id")).collect();
    assert_eq!(instances, [INSTANCE, OTHER_INSTANCE]);
    files.replace(&files.instances, "[[instance]]\n");
    assert!(wait_until(10.0, || path.hop.said("the 1 instances known before stay")), "{}", text(&path.hop.log));
    assert_eq!(get(&path, "/").status, 200);
}

fn a_connection_that_root_binds_speaks_for_its_network_alone(lab: &Lab) {
    lab.needs_root("it is root who binds");
    let path = path(lab, "", good("hello"));
    let mut stream = UnixStream::connect(&path.hop.files.socket).unwrap();
    let identity = Identity::OvnNetwork(NETWORK.parse().unwrap());
    stream.write_all(line(&identity).as_bytes()).unwrap();
    let mut bound = [0; 6];
    stream.read_exact(&mut bound).unwrap();
    assert_eq!(&bound, b"bound\n");
    let door = Door::bound(OwnedFd::from(stream));
    door.ask().unwrap();
    let mut taken = None;
    assert!(wait_until(5.0, || {
        taken = door.take().ok();
        taken.is_some()
    }));
    let Some(Taken::Connection(mut connection)) = taken else { panic!("{taken:?}") };
    connection.set_nonblocking(false).unwrap();
    let mut ask = |network: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.11\r\n{network}\r\n");
        connection.write_all(text.as_bytes()).unwrap();
        let mut answer = [0; 1024];
        let count = connection.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    };
    assert!(ask("").starts_with("HTTP/1.1 200 "));
    assert!(ask(&format!("X-OVN-Network-ID: {OTHER_NETWORK}\r\n")).starts_with("HTTP/1.1 403 "));
    assert!(path.hop.said(&format!("X-OVN-Network-ID {NETWORK}: bound")), "{}", text(&path.hop.log));
    assert!(path.hop.said("asks for X-OVN-Network-ID 00000000"), "{}", text(&path.hop.log));
    assert_eq!(path.nova.seen().len(), 1);
    drop(door);
    assert!(wait_until(5.0, || path.hop.said("has closed the connection that bound it")), "{}", text(&path.hop.log));
}

fn the_process_that_carries_is_confined_and_attested(lab: &Lab) {
    let path = path(lab, "", good("hello"));
    assert_eq!(get(&path, "/").status, 200);
    let process = Process::new(path.hop.pid());
    assert_eq!((process.status("Seccomp").as_str(), process.status("NoNewPrivs").as_str()), ("2", "1"));
    assert!(CAPABILITY_SETS.iter().all(|set| process.capabilities(set) == 0));
    assert!(process.root_entries().iter().all(|entry| entry.contains("log")), "{:?}", process.root_entries());
    let mut command = Command::new(lab.program.nsgate());
    command.args(["attest", "--json", &path.hop.pid().to_string()]);
    let attested = communicate(command, Duration::from_secs(10));
    assert!(attested.code() == Some(0) && attested.stdout.contains("\"agent\""), "{attested:#?}");
}

fn an_agent_that_is_told_to_end_finishes_and_the_next_one_takes_the_socket(lab: &Lab) {
    let path = path(lab, "", |seen, stream| {
        std::thread::sleep(Duration::from_millis(500));
        good("hello")(seen, stream)
    });
    let Path { network, nova, mut hop, gate: _gate } = path;
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| Guest::new(&network.guest).get("/").unwrap());
        assert!(wait_until(5.0, || nova.seen().len() == 1));
        hop.terminate();
        assert_eq!(asked.join().unwrap().status, 200);
    });
    assert!(hop.ended_within(10.0).is_some_and(|status| status.success()), "{}", text(&hop.log));
    let hop = SecondHopFiles::write(lab, &[nova.address.to_string()], "").start(lab);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200, "{}", text(&hop.log));
}
