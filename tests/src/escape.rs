//! Runs the probes of [`crate::probes`]: each in a gate of its own, started as Neutron does and confined as it always is.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{fs, io};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use crate::gate::{agent_command, write_config};
use crate::inject::{self, Outcome, Tracee};
use crate::lab::{text, wait_until};
use crate::network::GUEST_V4;
use crate::probes::{self, Act, Arg, Call, End, Probe};
use crate::procfs::Process;
use crate::{Answer, Config, Gate, Guest, Kind, Lab, Network, Program, RecordingAgent, world};

/// Where the probes run: a network, an agent, and everything that must be out of reach, within reach of an ordinary process.
pub struct Ground {
    lab: Lab,
    network: Network,
    neighbour: Child,
    config: Config,
    outsiders: Outsiders,
    _agent: RecordingAgent,
}

/// Listeners that no gate may reach.
struct Outsiders {
    agent: UnixListener,
    log: UnixDatagram,
    abstract_stream: UnixListener,
    abstract_datagram: UnixDatagram,
    server: TcpListener,
}

/// How a probe ended in each of its variants, and whether the gate served afterwards, where it was still there.
#[derive(Debug)]
pub struct Ran {
    /// One end for each variant.
    pub ends: Vec<End>,
    /// What went wrong with the gate afterwards.
    pub broken: Vec<String>,
}

impl Ground {
    /// Prepares a world for probes of this program; skips the test where that takes root.
    pub fn new(lab: &Lab) -> Ground {
        let lab = Lab::enter(lab.program.clone());
        lab.needs_root("the memory and the descriptors of a process that cannot be dumped are root's");
        let network = lab.network();
        let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
        let outsiders = Outsiders::listen(&network).expect("the outsiders listen");
        let mut config = Config::new(Kind::Network);
        config.extra[0] = format!("    # {}\n", probes::memory::IN_CONFIGURATION);
        leave_a_descriptor().expect("the secret file");
        Ground { network, neighbour: neighbour(&lab), lab, config, outsiders, _agent: agent }
    }

    /// Goes on with another program.
    pub fn change_program(&mut self, program: Program) {
        self.lab.program = program;
    }

    /// Runs a probe, every variant in a fresh process.
    pub fn run(&self, probe: &Probe) -> Ran {
        let mut ran = Ran { ends: Vec::new(), broken: Vec::new() };
        match &probe.act {
            Act::Search(secret) => {
                let gate = self.gate();
                let found =
                    inject::find(gate.pid, secret).unwrap_or_else(|e| panic!("the memory of {}: {e}", gate.pid));
                ran.ends.push(if found.is_empty() { End::Absent } else { End::Found });
                ran.broken.extend(found.into_iter().map(|mapping| format!("found in {mapping}")));
            }
            Act::Calls(variants) => {
                for calls in variants {
                    self.attempt(calls, &mut ran);
                }
            }
        }
        ran
    }

    /// Makes these calls in a fresh gate; the answers of all, up to the first that did not return.
    pub fn calls(&self, calls: &[Call]) -> (Gate, Vec<Outcome>) {
        let mut ran = Ran { ends: Vec::new(), broken: Vec::new() };
        self.attempt_in(self.gate(), calls, &mut ran)
    }

    /// Asks through the gate.
    ///
    /// # Errors
    /// What a guest would see.
    pub fn serves(&self) -> Result<(), String> {
        match Guest::new(&self.network.guest).patient(5).get("/") {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("the gate answers {}", answer.status)),
            Err(error) => Err(format!("the gate does not answer: {error}")),
        }
    }

    fn attempt(&self, calls: &[Call], ran: &mut Ran) {
        let (gate, outcomes) = self.attempt_in(self.gate(), calls, ran);
        let complete = outcomes.len() == calls.len();
        let end = match outcomes.last() {
            None => End::Other("no call".to_owned()),
            Some(Outcome::Killed(Signal::SIGSYS)) => End::Killed,
            Some(Outcome::Killed(signal)) => End::Other(signal.to_string()),
            // A connection that does not wait was begun: the kernel has permitted it, with any end.
            Some(
                Outcome::Returned(_) | Outcome::Forked(_) | Outcome::Executed | Outcome::Refused(Errno::EINPROGRESS),
            ) if complete => End::Done,
            Some(Outcome::Refused(errno)) if complete => End::Refused(*errno),
            Some(Outcome::Refused(errno)) => End::Other(format!("{errno:?} early")),
            Some(Outcome::Exited(_)) => End::Other("ended".to_owned()),
            Some(Outcome::Waits) => End::Other("waits".to_owned()),
            Some(Outcome::Returned(_) | Outcome::Forked(_) | Outcome::Executed) => End::Other("went astray".to_owned()),
        };
        if end == End::Killed && !gate.ended_within(std::time::Duration::from_secs(2)) {
            ran.broken.push("a signal killed it, but it is still there".to_owned());
        }
        ran.ends.push(end);
    }

    fn attempt_in(&self, gate: Gate, calls: &[Call], ran: &mut Ran) -> (Gate, Vec<Outcome>) {
        let _connection = Guest::new(&self.network.guest).connect().expect("a guest connects");
        let held = self.held(&gate);
        let mut tracee = Tracee::attach(gate.pid).unwrap_or_else(|e| panic!("tracing {}: {e}", gate.pid));
        let mut answers = Vec::new();
        for call in calls {
            let arguments = self.arguments(call, &mut tracee, &held, &answers).expect("the arguments");
            let outcome = tracee.call(call.entry, call.number, arguments).expect("a call");
            answers.push(outcome);
            if !matches!(outcome, Outcome::Returned(_)) {
                break;
            }
        }
        if matches!(answers.last(), Some(Outcome::Returned(_) | Outcome::Refused(_)) | None) {
            tracee.release().expect("the gate goes on");
            // A gate whose listener was dissolved has nothing left to serve on.
            if !calls.iter().any(|call| call.arguments.iter().any(|argument| matches!(argument, Arg::Listener))) {
                ran.broken.extend(self.serves().err());
            }
        }
        ran.broken.extend(self.outsiders.heard().into_iter().map(|who| format!("{who} heard from it")));
        (gate, answers)
    }

    fn gate(&self) -> Gate {
        let (lab, config) = (&self.lab, &self.config);
        let file = write_config(lab, config);
        let mut command = agent_command(lab, &self.network.gate, &config.id, &["-f".as_ref(), file.as_os_str()]);
        command.env("OS_PASSWORD", probes::memory::IN_ENVIRONMENT);
        Gate::with_command(lab, config, command).unwrap_or_else(|s| panic!("the gate did not start: {s:#?}"))
    }

    /// The gate's listening socket and the guest's connection, which it accepts in its own time.
    fn held(&self, gate: &Gate) -> [i32; 2] {
        let mut held = [None, None];
        let ready = wait_until(5.0, || {
            let table = self.network.gate.inside(|| text("/proc/thread-self/net/tcp"));
            let descriptors = Process::new(gate.pid).descriptors().unwrap_or_default();
            held = ["0A", "01"].map(|state| {
                let inode =
                    table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|l| {
                        let name = format!("socket:[{}]", l.get(9)?);
                        (l.get(3)? == &state).then(|| descriptors.iter().find(|(_, target)| **target == name))?
                    });
                inode.map(|(number, _)| *number)
            });
            held.iter().all(Option::is_some)
        });
        assert!(ready, "the gate should hold a listener and a connection: {held:?}");
        held.map(Option::unwrap_or_default)
    }

    fn arguments(
        &self,
        call: &Call,
        tracee: &mut Tracee,
        held: &[i32; 2],
        answers: &[Outcome],
    ) -> io::Result<[u64; 6]> {
        let mut registers = [0; 6];
        for (register, argument) in registers.iter_mut().zip(&call.arguments) {
            *register = self.word(argument, tracee, held, answers)?;
        }
        Ok(registers)
    }

    fn word(&self, argument: &Arg, tracee: &mut Tracee, held: &[i32; 2], answers: &[Outcome]) -> io::Result<u64> {
        let made = |index: usize| match answers.get(index) {
            Some(Outcome::Returned(number)) => Ok(*number as u64),
            other => Err(io::Error::other(format!("call {index} made nothing: {other:?}"))),
        };
        let pid = self.neighbour.id();
        Ok(match argument {
            Arg::N(number) => *number,
            Arg::Bytes(bytes) => tracee.place(bytes)?,
            Arg::Words(words) => {
                let mut bytes = Vec::new();
                for word in words {
                    bytes.extend(self.word(word, tracee, held, answers)?.to_le_bytes());
                }
                tracee.place(&bytes)?
            }
            Arg::Made(index) => made(*index)?,
            Arg::At(index, bytes) => {
                tracee.write(made(*index)?, bytes)?;
                made(*index)?
            }
            Arg::Listener => held[0].unsigned_abs().into(),
            Arg::Guest => held[1].unsigned_abs().into(),
            Arg::Neighbour => pid.into(),
            Arg::NeighbourClock => i64::from(!(pid as i32) << 3 | 2) as u64,
        })
    }
}

impl Outsiders {
    fn listen(network: &Network) -> io::Result<Outsiders> {
        // Short: a path of more than a few letters is refused for its length alone.
        let directory = Path::new(probes::OTHER_AGENT).parent().unwrap_or(Path::new("/run"));
        fs::create_dir_all(directory)?;
        for path in [probes::OTHER_AGENT, probes::OTHER_LOG] {
            let _ = fs::remove_file(path);
        }
        let agent = UnixListener::bind(probes::OTHER_AGENT)?;
        let log = UnixDatagram::bind(probes::OTHER_LOG)?;
        for path in [probes::OTHER_AGENT, probes::OTHER_LOG] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o666))?;
        }
        let name = |suffix: &str| SocketAddr::from_abstract_name(format!("{}{suffix}", probes::ABSTRACT));
        // Abstract names belong to the network namespace.
        let (abstract_stream, abstract_datagram) = network.gate.inside(|| {
            io::Result::Ok((UnixListener::bind_addr(&name("")?)?, UnixDatagram::bind_addr(&name(".log")?)?))
        })?;
        let server = network.guest.inside(|| TcpListener::bind((GUEST_V4, probes::GUEST_PORT)))?;
        agent.set_nonblocking(true)?;
        log.set_nonblocking(true)?;
        abstract_stream.set_nonblocking(true)?;
        abstract_datagram.set_nonblocking(true)?;
        server.set_nonblocking(true)?;
        Ok(Outsiders { agent, log, abstract_stream, abstract_datagram, server })
    }

    /// The listeners that got a connection or a message since the last time.
    fn heard(&self) -> Vec<&'static str> {
        let heard = [
            ("the other agent", self.agent.accept().is_ok()),
            ("the other log", self.log.recv(&mut [0]).is_ok()),
            ("the abstract name", self.abstract_stream.accept().is_ok()),
            ("the abstract log", self.abstract_datagram.recv(&mut [0]).is_ok()),
            ("the guest's server", self.server.accept().is_ok()),
        ];
        heard.into_iter().filter_map(|(who, heard)| heard.then_some(who)).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.neighbour.kill();
        let _ = self.neighbour.wait();
    }
}

/// A process of the gate's own user, which the kernel would let it signal and trace.
fn neighbour(lab: &Lab) -> Child {
    let mut command = Command::new("sleep");
    command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if lab.is_root() {
        command.uid(world::NEUTRON_ID).gid(world::NEUTRON_ID);
    }
    command.spawn().expect("a neighbour")
}

/// Opens a file under a number that every process started from here inherits, as a careless agent would.
fn leave_a_descriptor() -> io::Result<()> {
    fs::write(probes::SECRET_FILE, "a secret of the host\n")?;
    fs::set_permissions(probes::SECRET_FILE, PermissionsExt::from_mode(0o644))?;
    let file = fs::File::open(probes::SECRET_FILE)?;
    let number = fcntl(&file, FcntlArg::F_DUPFD(probes::INHERITED))?;
    assert_eq!(number, probes::INHERITED, "the number is taken");
    Ok(())
}
