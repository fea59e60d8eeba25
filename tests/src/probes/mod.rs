//! What hostile code in a gate would try, as a table: each probe is one attempt and the end that it must come to.
//!
//! The table is data; [`crate::escape`] runs it. A probe that has several variants gives each a process of its own, and
//! all must come to the same end. Calls that could harm the machine are made with arguments that the kernel refuses
//! after it has looked at the caller's privileges, so that the answer still says how far the caller came.

mod entries;
mod files;
mod kernel;
pub mod memory;
mod namespaces;
mod privileges;
mod processes;
mod programs;
mod sockets;
mod unix_sockets;

use nix::errno::Errno;

use crate::inject::Entry;

/// A file that every user may read.
pub const SECRET_FILE: &str = "/run/lab/secret";
/// The descriptor of it that the starter inherits.
pub const INHERITED: i32 = 700;
/// Another agent, in a directory of its own.
pub const OTHER_AGENT: &str = "/run/o/a";
/// A log socket beside it.
pub const OTHER_LOG: &str = "/run/o/l";
/// An abstract name in the gate's network namespace, of a stream and of a datagram socket (with `.log` behind it).
pub const ABSTRACT: &str = "nsg";
/// The port on which something listens at the guest's address.
pub const GUEST_PORT: u16 = 8080;

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The call ended the process (SIGSYS).
    Killed,
    /// The last call was refused.
    Refused(Errno),
    /// The last call did what was asked.
    Done,
    /// The secret is nowhere in the process's memory.
    Absent,
    /// It is.
    Found,
    /// Anything else, in words.
    Other(String),
}

impl End {
    /// Whether the probe got what it tried to get.
    pub fn got_through(&self) -> bool {
        matches!(self, End::Done | End::Found)
    }

    /// One or two words for the table.
    pub fn word(&self) -> String {
        match self {
            End::Killed => "killed".to_owned(),
            End::Refused(errno) => format!("{errno:?}"),
            End::Done => "**done**".to_owned(),
            End::Absent => "not there".to_owned(),
            End::Found => "**found**".to_owned(),
            End::Other(words) => words.clone(),
        }
    }
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub enum Arg {
    /// A number.
    N(u64),
    /// A pointer to these bytes.
    Bytes(Vec<u8>),
    /// A pointer to pointers and numbers: an argument vector, an iovec, a structure.
    Words(Vec<Arg>),
    /// What an earlier call returned (counted from 0).
    Made(usize),
    /// What an earlier call returned, as an address at which these bytes are first written.
    At(usize, Vec<u8>),
    /// A listening TCP socket of the gate.
    Listener,
    /// A guest's connection that the gate has accepted.
    Guest,
    /// The number, in the world, of another process of the gate's user.
    Neighbour,
    /// The clock of that process's processor time, as clock_gettime(2) numbers it.
    NeighbourClock,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// How the kernel is entered.
    pub entry: Entry,
    /// Its number there.
    pub number: u64,
    /// At most six arguments.
    pub arguments: Vec<Arg>,
}

/// What a probe does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sequences of calls, each in a fresh process.
    Calls(Vec<Vec<Call>>),
    /// Looks for these bytes in the process's memory.
    Search(Vec<u8>),
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What it is called; the name of its test.
    pub name: &'static str,
    /// What it tries, for the table.
    pub tries: &'static str,
    /// What it does.
    pub act: Act,
    /// How it must end.
    pub expected: End,
    /// The first Landlock ABI that can refuse it, if only Landlock does.
    pub landlock: Option<i32>,
}

impl Probe {
    fn new(name: &'static str, tries: &'static str, variants: Vec<Vec<Call>>, expected: End) -> Probe {
        Probe { name, tries, act: Act::Calls(variants), expected, landlock: None }
    }

    /// The same, on kernels whose Landlock has at least this ABI.
    fn since(self, abi: i32) -> Probe {
        Probe { landlock: Some(abi), ..self }
    }
}

/// The themes, in the order of the table.
pub fn all() -> Vec<(&'static str, Vec<Probe>)> {
    vec![
        ("Files", files::probes()),
        ("Programs", programs::probes()),
        ("The network", sockets::probes()),
        ("UNIX sockets", unix_sockets::probes()),
        ("Other processes", processes::probes()),
        ("Privileges", privileges::probes()),
        ("Namespaces and mounts", namespaces::probes()),
        ("The kernel", kernel::probes()),
        ("Memory", memory::probes()),
        ("Other entries to the kernel", entries::probes()),
    ]
}

/// A sequence of calls that must end with the process.
fn killed(name: &'static str, tries: &'static str, calls: impl Into<Vec<Call>>) -> Probe {
    Probe::new(name, tries, vec![calls.into()], End::Killed)
}

/// Several calls, each of which must end its process.
fn each_killed(name: &'static str, tries: &'static str, calls: impl IntoIterator<Item = Call>) -> Probe {
    Probe::new(name, tries, calls.into_iter().map(|call| vec![call]).collect(), End::Killed)
}

/// A sequence whose last call must be refused.
fn refused(name: &'static str, tries: &'static str, errno: Errno, calls: impl Into<Vec<Call>>) -> Probe {
    Probe::new(name, tries, vec![calls.into()], End::Refused(errno))
}

/// A 64-bit call.
fn call(number: i64, arguments: impl Into<Vec<Arg>>) -> Call {
    Call { entry: Entry::Syscall, number: number as u64, arguments: arguments.into() }
}

/// A number that may be negative, as the kernel takes it.
fn n(number: impl Into<i64>) -> Arg {
    Arg::N(number.into() as u64)
}

/// The null pointer.
const NULL: Arg = Arg::N(0);

/// A descriptor that is not open.
const NOTHING: Arg = Arg::N(u64::MAX);

/// A pointer to a C string.
fn text(text: &str) -> Arg {
    Arg::Bytes([text.as_bytes(), &[0]].concat())
}

/// A pointer to this many zeroes.
fn zeroes(count: usize) -> Arg {
    Arg::Bytes(vec![0; count])
}

/// The directory against which paths are looked up.
fn here() -> Arg {
    n(libc::AT_FDCWD)
}
