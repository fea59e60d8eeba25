//! What grows, and how it is counted.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrStorage, bind, connect as connect_to, setsockopt, socket,
    sockopt,
};

use crate::counts::measure::{Counter, Load, Run, ask, connect, request};

/// What the cost should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The same at every point. Drawn over a logarithmic axis, which shows small numbers as well.
    Constant,
    /// A straight line. Drawn over a linear axis, since it is a curve over a logarithmic one.
    Linear,
}

/// One picture.
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) expected: Expected,
    /// How many there are, and the instructions for one request.
    pub(super) points: Vec<(usize, f64)>,
}

impl Series {
    /// The expected cost for this number.
    pub(super) fn expected_at(&self, x: f64) -> f64 {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else { return 0.0 };
        match self.expected {
            Expected::Constant => first.1,
            Expected::Linear => first.1 + (last.1 - first.1) * (x - first.0 as f64) / (last.0 - first.0) as f64,
        }
    }
}

/// Requests in the short run.
const SHORT: usize = 50;

/// How many more the long run has. The work before the requests is in both runs, and differs a little. The
/// more there is of it, the more requests it takes to see the cost of one.
fn more_requests(there: usize) -> usize {
    (there / 5).max(200)
}

/// Instructions for one request, after `before` has been done with the forwarder's port. Its result is kept
/// until the last answer.
fn each<T>(
    more: &[&str],
    there: usize,
    request: &[u8],
    before: impl Fn(u16) -> std::io::Result<T>,
) -> Result<f64, String> {
    let run = |count: usize| -> Result<f64, String> {
        let run = Run::start(Counter::Instructions, more)?;
        let port = run.port();
        let asked = before(port).and_then(|held| ask(port, Load::Kept, request, count).map(|()| held));
        let total = run.end();
        let _held = asked.map_err(|error| format!("a request failed: {error}"))?;
        total
    };
    let longer = more_requests(there);
    Ok((run(SHORT + longer)? - run(SHORT)?) / longer as f64)
}

fn points(what: &str, at: &[usize], count: impl Fn(usize) -> Result<f64, String>) -> Result<Vec<(usize, f64)>, String> {
    let mut points = Vec::new();
    for x in at {
        let y = count(*x)?;
        println!("{what}: {x}: {y:.0} instructions");
        points.push((*x, y));
    }
    Ok(points)
}

pub(super) fn headers() -> Result<Series, String> {
    let points =
        points("headers", &[0, 10, 20, 40, 80], |count| each(&[], 0, &request(Load::Kept, count, 0), |_| Ok(())))?;
    Ok(Series {
        name: "headers",
        title: "Header fields",
        what: "A request with so many more header fields, none of which goes on to the agent.",
        unit: "more fields",
        expected: Expected::Linear,
        points,
    })
}

pub(super) fn body() -> Result<Series, String> {
    let points = points("body", &[0, 1_000, 10_000, 100_000, 250_000, 500_000, 1_000_000], |length| {
        each(&[], 0, &request(Load::Kept, 0, length), |_| Ok(()))
    })?;
    Ok(Series {
        name: "body",
        title: "Bytes of a body",
        what: "A request with a body of so many bytes, with bounds raised to let it pass.",
        unit: "bytes",
        expected: Expected::Linear,
        points,
    })
}

pub(super) fn connections() -> Result<Series, String> {
    raise()?;
    let plain = request(Load::Kept, 0, 0);
    let points = points("connections", &[1, 10, 100, 1_000, 10_000], |count| {
        each(&[], count, &plain, |port| {
            let mut open: Vec<TcpStream> = (1..count).map(|_| connect(port)).collect::<Result<_, _>>()?;
            // Each has asked once. The forwarder knows it, and it is idle.
            for stream in &mut open {
                stream.write_all(&plain)?;
                nsgate_tests::Response::read(stream)?;
            }
            Ok(open)
        })
    })?;
    Ok(Series {
        name: "connections",
        title: "Open connections",
        what: "A request on one connection, with so many open altogether.",
        unit: "connections",
        expected: Expected::Constant,
        points,
    })
}

/// For 10,000 connections and a few files.
const DESCRIPTORS: u64 = 11_000;

/// Both processes hold an end of each connection.
fn raise() -> Result<(), String> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| error.to_string())?;
    let most = hard.max(DESCRIPTORS);
    let refused =
        |error| format!("setrlimit(RLIMIT_NOFILE, {most}): {error}; `ulimit -Hn` must be {DESCRIPTORS} or more");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(refused)
}

pub(super) fn sources() -> Result<Series, String> {
    let plain = request(Load::Kept, 0, 0);
    let last = request(Load::Own, 0, 0);
    let points = points("sources", &[1, 10, 100, 1_000, 10_000, 100_000], |count| {
        each(&["1000000"], count, &plain, |port| {
            for number in 1..count {
                let number = u32::try_from(number).unwrap_or(0);
                let mut stream = from(Ipv4Addr::from_bits(0x7f01_0000 + number), port)?;
                stream.write_all(&last)?;
                nsgate_tests::Response::read(&mut stream)?;
            }
            Ok(())
        })
    })?;
    Ok(Series {
        name: "sources",
        title: "Sources in the rate limiter",
        what: "A request where so many source addresses have asked within the window; from 10,240 on the oldest are \
               forgotten.",
        unit: "sources",
        expected: Expected::Constant,
        points,
    })
}

/// A connection from another address of the loopback.
fn from(address: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let socket: OwnedFd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    let own = SocketAddr::from((address, 0));
    bind(socket.as_raw_fd(), &SockaddrStorage::from(own))?;
    connect_to(socket.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)))?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub(super) fn networks() -> Result<Series, String> {
    raise()?;
    let plain = request(Load::Kept, 0, 0);
    let points = points("networks", &[1, 10, 100, 1_000], |count| {
        let run = |requests: usize| -> Result<f64, String> {
            let run = Run::worker(Counter::Instructions)?;
            let handed = hand_over(&run, count);
            let asked = handed.and_then(|(port, held)| ask(port, Load::Kept, &plain, requests).map(|()| held));
            let total = run.end();
            let _held = asked.map_err(|error| format!("a request failed: {error}"))?;
            total
        };
        let longer = more_requests(count);
        Ok((run(SHORT + longer)? - run(SHORT)?) / longer as f64)
    })?;
    Ok(Series {
        name: "networks",
        title: "Networks of one worker",
        what: "A request to one network, where the worker serves so many.",
        unit: "networks",
        expected: Expected::Constant,
        points,
    })
}

/// Hands networks over; the port of the first, and what keeps them there.
fn hand_over(run: &Run, count: usize) -> std::io::Result<(u16, Vec<(TcpListener, OwnedFd)>)> {
    let mut held = Vec::new();
    for number in 0..count {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let message = format!(
            "nsgate-pool 1 serve\nnetwork_id = \"00000000-0000-4000-8000-{number:012}\"\nlisten = [\"{}\"]\n\
             backend = \"{}\"\nuser = \"nobody\"\n",
            listener.local_addr()?,
            run.agent().display()
        );
        let channel = nsgate_tests::pool::channel(&run.pool())?;
        nsgate_tests::pool::send(&channel, message.as_bytes(), &[listener.as_fd()])?;
        let answer = nsgate_tests::pool::receive(&channel).unwrap_or_default();
        if !answer.starts_with("nsgate-pool 1 serving") {
            return Err(std::io::Error::other(answer));
        }
        held.push((listener, channel));
    }
    let port = held.first().map(|(listener, _)| listener.local_addr()).transpose()?.map_or(0, |address| address.port());
    Ok((port, held))
}
