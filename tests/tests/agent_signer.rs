//! The two processes of an agent: one reads what guests send, the other has the secret.

use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::second_hop::{INSTANCE, SECRET, SecondHop, SecondHopFiles, instance};
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Network, suite};
use sha2::digest::generic_array::GenericArray;

fn main() {
    suite!["agent_signer":
        the_secret_is_in_the_signer_alone,
        the_signer_is_confined_and_attested_beside_its_agent,
        a_signer_that_ends_takes_its_agent_with_it,
        an_agent_that_ends_takes_its_signer_with_it,
        a_signal_to_the_signer_ends_nothing,
    ]
}

struct Carried {
    network: Network,
    _nova: SmallNova,
    hop: SecondHop,
    _gate: Gate,
}

/// An agent that has carried requests of a guest.
fn carried(lab: &Lab) -> Carried {
    let (network, nova) = (lab.network(), SmallNova::start(good("hello")));
    let hop = SecondHopFiles::write(lab, &[nova.address.to_string()], "").start(lab);
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
    for _ in 0..20 {
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200, "{}", text(&hop.log));
    }
    Carried { network, _nova: nova, hop, _gate: gate }
}

/// What signs: the states of SHA-256 behind the two blocks that HMAC makes of a key (RFC 2104, section 4).
fn states(secret: &[u8]) -> [Vec<u8>; 2] {
    const START: [u32; 8] =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    [0x36, 0x5c].map(|pad| {
        let mut block = [pad; 64];
        block.iter_mut().zip(secret).for_each(|(byte, key)| *byte ^= key);
        let mut state = START;
        sha2::compress256(&mut state, &[GenericArray::clone_from_slice(&block)]);
        state.iter().flat_map(|word| word.to_ne_bytes()).collect()
    })
}

fn holds(memory: &[u8], bytes: &[u8]) -> bool {
    memory.windows(bytes.len()).any(|part| part == bytes)
}

fn the_secret_is_in_the_signer_alone(lab: &Lab) {
    lab.needs_root("another process's memory is read");
    let path = carried(lab);
    let (signer, agent) = (path.hop.signer(), Process::new(path.hop.pid()));
    let reader = agent.children().into_iter().find(|one| one.pid != signer.pid).expect("a reader");
    let signs = signer.memory();
    for state in states(SECRET.as_bytes()) {
        assert!(holds(&signs, &state), "what signs is found where it is");
        for (process, name) in
            [(&agent, "agent"), (&reader, "reader"), (&Process::new(path.hop.supervisor()), "supervisor")]
        {
            assert!(!holds(&process.memory(), &state), "what signs is in the {name}");
        }
    }
    for process in [&agent, &reader, &signer, &Process::new(path.hop.supervisor())] {
        assert!(!holds(&process.memory(), SECRET.as_bytes()), "the secret's text is in {}", process.name());
    }
}

fn the_signer_is_confined_and_attested_beside_its_agent(lab: &Lab) {
    let path = carried(lab);
    let signer = path.hop.signer();
    assert_eq!((signer.status("Seccomp").as_str(), signer.status("NoNewPrivs").as_str()), ("2", "1"));
    assert!(CAPABILITY_SETS.iter().all(|set| signer.capabilities(set) == 0));
    assert!(signer.status_numbers("Uid").iter().all(|id| *id != 0), "{}", signer.status("Uid"));
    assert_eq!(signer.root_entries(), ["signer"]);
    let agent = Process::new(path.hop.pid());
    for kind in ["mnt", "ipc", "uts"] {
        assert_ne!(signer.namespace(kind), agent.namespace(kind), "{kind}");
    }
    assert_eq!(signer.namespace("pid"), agent.namespace("pid"), "it ends with its agent");
    if let Some(held) = signer.descriptors() {
        let behind =
            held.iter().filter(|(number, _)| **number > 2).map(|(_, target)| target.split(':').next().unwrap());
        let mut kinds: Vec<&str> = behind.collect();
        kinds.sort_unstable();
        kinds.retain(|kind| *kind != "anon_inode");
        assert_eq!(kinds, ["pipe", "pipe", "socket"], "the reader's pipes, and the stream to the agent: {held:?}");
    }
    let attested = |pid: i32, words: &[&str]| {
        let mut command = Command::new(lab.program.nsgate());
        command.arg("attest").args(words).arg(pid.to_string());
        communicate(command, Duration::from_secs(10))
    };
    let said = attested(signer.pid, &["--json"]);
    assert!(said.code() == Some(0) && said.stdout.contains("\"role\": \"signer\""), "{said:#?}");
    let said = attested(signer.pid, &[]);
    assert!(said.code() == Some(0) && said.stdout.contains(&format!("nsgate attest {}", agent.pid)), "{said:#?}");
    let said = attested(agent.pid, &[]);
    assert!(said.code() == Some(0) && said.stdout.contains(&format!("nsgate attest {}", signer.pid)), "{said:#?}");
}

fn a_signer_that_ends_takes_its_agent_with_it(lab: &Lab) {
    let Carried { mut hop, .. } = carried(lab);
    let signer = hop.signer();
    kill(Pid::from_raw(signer.pid), Signal::SIGKILL).unwrap();
    let status = hop.ended_within(10.0).unwrap_or_else(|| panic!("it goes on: {}", text(&hop.log)));
    assert_eq!(status.code(), Some(1), "{}", text(&hop.log));
    assert!(hop.said("the signer has ended"), "{}", text(&hop.log));
    assert!(UnixStream::connect(&hop.files.socket).is_err(), "nobody serves any more");
}

fn an_agent_that_ends_takes_its_signer_with_it(lab: &Lab) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let nova = SmallNova::start(good("hello"));
        let mut hop = SecondHopFiles::write(lab, &[nova.address.to_string()], "").start(lab);
        let (agent, signer) = (Process::new(hop.pid()), hop.signer());
        kill(Pid::from_raw(agent.pid), signal).unwrap();
        assert!(hop.ended_within(10.0).is_some(), "{}", text(&hop.log));
        assert!(wait_until(5.0, || !signer.lives()), "{signal}: the signer goes on");
    }
}

fn a_signal_to_the_signer_ends_nothing(lab: &Lab) {
    let path = carried(lab);
    let signer = path.hop.signer();
    // A service manager sends this to each process of a unit, and the agent has requests to finish.
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        kill(Pid::from_raw(signer.pid), signal).unwrap();
    }
    path.hop
        .files
        .replace(&path.hop.files.instances, &(instance("10.0.0.11", INSTANCE) + &instance("10.0.0.12", INSTANCE)));
    assert!(wait_until(10.0, || path.hop.said("has changed: 2 instances")), "{}", text(&path.hop.log));
    assert_eq!(Guest::new(&path.network.guest).get("/").unwrap().status, 200);
    assert!(signer.lives());
}
