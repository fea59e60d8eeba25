//! The programs that stand between the guest and the agent, each started once for all vectors.

use crate::agent::{Answer, RecordingAgent};
use crate::config::{Config, Kind};
use crate::gate::Gate;
use crate::guest::Guest;
use crate::lab::Lab;
use crate::network::{GUEST_V4, Network};
use crate::program::Program;

use super::judge::Truth;
use super::nginx::{self, Nginx};

/// A program to send the vectors to.
#[derive(Debug, Clone)]
pub enum Contender {
    /// One that reads Neutron's configuration for haproxy.
    Haproxy(Program),
    /// nginx.
    Nginx,
}

/// A started program, with its guest and its agent.
#[derive(Debug)]
pub struct Running {
    /// The guest that asks.
    pub guest: Guest,
    /// The agent that records.
    pub agent: RecordingAgent,
    /// What the agent must be told.
    pub truth: Truth,
    _program: Process,
    _network: Network,
}

#[derive(Debug)]
enum Process {
    Gate(#[allow(dead_code, reason = "ends the program when dropped")] Gate),
    Nginx(#[allow(dead_code, reason = "ends the program when dropped")] Nginx),
}

impl Contender {
    /// The distribution's programs that are installed here: haproxy, then nginx.
    pub fn rivals() -> Vec<Contender> {
        let haproxy = Program::real_haproxy().map(Contender::Haproxy);
        haproxy.into_iter().chain(nginx::path().map(|_| Contender::Nginx)).collect()
    }

    /// Its name and version.
    pub fn name(&self) -> String {
        match self {
            Contender::Haproxy(program) if program.is_nsgate() => "nsgate".to_owned(),
            Contender::Haproxy(program) => {
                let version = program.version();
                let number = version.split_whitespace().nth(2).unwrap_or_default();
                format!("haproxy {}", number.split('-').next().unwrap_or_default())
            }
            Contender::Nginx => nginx::name(),
        }
    }

    /// Starts it in a network of its own (`label` names the namespaces) in this world.
    pub fn start(&self, lab: &Lab, label: &str, kind: Kind) -> Running {
        let network = Network::named(&format!("gate-{label}"), &format!("guest-{label}"));
        let mut config = Config::new(kind);
        config.socket = lab.state().join(format!("metadata_proxy_{label}"));
        config.pid_file = config.pid_file.with_file_name(format!("{label}.pid.haproxy"));
        let agent = RecordingAgent::start(&config.socket, Answer::ok("hello"));
        let program = match self {
            Contender::Haproxy(program) => {
                let lab = Lab::enter(program.clone());
                Process::Gate(Gate::start(&lab, &network.gate, &config))
            }
            Contender::Nginx => Process::Nginx(Nginx::start(lab, &network.gate, &config)),
        };
        Running {
            guest: Guest::new(&network.guest),
            agent,
            truth: Truth { header: kind.header(), id: config.id, address: GUEST_V4.to_string() },
            _program: program,
            _network: network,
        }
    }
}
