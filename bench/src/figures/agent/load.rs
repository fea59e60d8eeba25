//! A closed loop: each of so many askers asks again when it has its answer. Ends by itself.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nsgate_agent::binding::{Door, Taken, line};
use nsgate_config::Identity;
use nsgate_tests::config::NETWORK;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::canned::runtime;

/// How long an answer may take: Neutron's agent takes eleven seconds at 10,000 bindings.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub(super) struct LoadOutcome {
    /// Requests with status 200 and the whole document.
    pub(super) answered: usize,
    /// All others.
    pub(super) refused: usize,
    /// From the begin to the last answer.
    pub(super) seconds: f64,
    /// Milliseconds of each request that was answered.
    pub(super) latencies: Vec<f64>,
}

impl LoadOutcome {
    fn add(&mut self, one: LoadOutcome) {
        self.answered += one.answered;
        self.refused += one.refused;
        self.latencies.extend(one.latencies);
    }

    pub(super) fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// One request and its whole answer; an error is anything else than the document.
pub(super) type Asker<'a> = Box<dyn FnMut() -> io::Result<()> + Send + 'a>;

/// Lets all ask for so many seconds, each in a thread of its own.
pub(super) fn closed_loop(askers: Vec<Asker<'_>>, seconds: f64) -> LoadOutcome {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let each = |mut ask: Asker<'_>| {
        let mut outcome = LoadOutcome::default();
        while Instant::now() < end {
            let since = Instant::now();
            match ask() {
                Ok(()) => {
                    outcome.answered += 1;
                    outcome.latencies.push(since.elapsed().as_secs_f64() * 1000.0);
                }
                Err(_) => outcome.refused += 1,
            }
        }
        outcome
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = askers.into_iter().map(|asker| scope.spawn(|| each(asker))).collect();
        threads.into_iter().map(|thread| thread.join().expect("an asker")).fold(
            LoadOutcome::default(),
            |mut all, one| {
                all.add(one);
                all
            },
        )
    });
    all.seconds = begun.elapsed().as_secs_f64();
    all
}

/// A request as a gate writes it; `more` is further fields.
pub(super) fn gates_request(guest: Ipv4Addr, more: &str) -> Vec<u8> {
    format!(
        "GET /openstack/latest/meta_data.json HTTP/1.1\r\nx-ovn-network-id: {NETWORK}\r\nx-forwarded-for: {guest}\r\n\
         host: 169.254.169.254\r\nuser-agent: curl/7.88.1\r\naccept: */*\r\n{more}\r\n"
    )
    .into_bytes()
}

/// A request as a guest writes it.
fn guests_request(more: &str) -> Vec<u8> {
    format!(
        "GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: curl/7.88.1\r\n\
         Accept: */*\r\n{more}\r\n"
    )
    .into_bytes()
}

/// Over a connection that is made for each request and closed by the agent, as Neutron's agents do.
pub(super) fn plain(socket: PathBuf, guest: Ipv4Addr, document: &str) -> Asker<'_> {
    let request = gates_request(guest, "connection: close\r\n");
    Box::new(move || {
        let mut stream = UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&request)?;
        to_the_end(&mut stream, document)
    })
}

/// Over connections of a door, which are kept: one for each of `guests`. All of them are one thread's, as a gate's are.
pub(super) fn bound_loop(door: &Door, guests: &[Ipv4Addr], document: &str, seconds: f64) -> io::Result<LoadOutcome> {
    let streams = guests.iter().map(|_| connection(door)).collect::<io::Result<Vec<_>>>()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let mut all = LoadOutcome::default();
    runtime().block_on(async {
        let one = |(stream, guest): (UnixStream, &Ipv4Addr)| {
            tokio::spawn(ask_until(end, stream, gates_request(*guest, ""), document.to_owned()))
        };
        let tasks: Vec<_> = streams.into_iter().zip(guests).map(one).collect();
        for task in tasks {
            all.add(task.await.map_err(io::Error::other)??);
        }
        io::Result::Ok(())
    })?;
    all.seconds = begun.elapsed().as_secs_f64();
    Ok(all)
}

/// One request after another over one connection. The first answer says how long each is.
async fn ask_until(end: Instant, stream: UnixStream, request: Vec<u8>, document: String) -> io::Result<LoadOutcome> {
    stream.set_nonblocking(true)?;
    let mut stream = tokio::net::UnixStream::from_std(stream)?;
    let (mut outcome, mut answer) = (LoadOutcome::default(), Vec::with_capacity(8192));
    while Instant::now() < end {
        let since = Instant::now();
        stream.write_all(&request).await?;
        answer.clear();
        while !answer.ends_with(document.as_bytes()) {
            if stream.read_buf(&mut answer).await? == 0 || !answer.starts_with(b"HTTP/1.1 200 ") {
                let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
                return Err(io::Error::other(format!("not the document: {line}")));
            }
        }
        outcome.answered += 1;
        outcome.latencies.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(outcome)
}

/// One request over a connection of a door.
pub(super) fn bound_once(door: &Door, guest: Ipv4Addr, document: &str) -> io::Result<()> {
    let mut stream = connection(door)?;
    stream.write_all(&gates_request(guest, ""))?;
    let mut answer = vec![0; 1024];
    let count = stream.read(&mut answer)?;
    let good = answer.starts_with(b"HTTP/1.1 200 ") && count > 0 && !document.is_empty();
    if good { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned())) }
}

/// Over a connection of a guest's for each request.
pub(super) fn guest_own(gate: SocketAddr, source: IpAddr, document: &str) -> Asker<'_> {
    let request = guests_request("Connection: close\r\n");
    Box::new(move || {
        let mut stream = guests_connection(gate, source)?;
        stream.write_all(&request)?;
        to_the_end(&mut stream, document)
    })
}

fn guests_connection(gate: SocketAddr, source: IpAddr) -> io::Result<std::net::TcpStream> {
    use nix::sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
    };
    use std::os::fd::AsRawFd;
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::from((source, 0))))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(gate))?;
    let stream = std::net::TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn to_the_end(stream: &mut impl Read, document: &str) -> io::Result<()> {
    let mut answer = Vec::with_capacity(4096);
    stream.read_to_end(&mut answer)?;
    // Neutron's agent ends lines with a bare line feed.
    if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(document.as_bytes()) {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()))
}

/// Has a door bound to the network, as root.
pub(super) fn door(socket: &Path) -> io::Result<Door> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let network = NETWORK.parse().map_err(|_| io::Error::other("no UUID"))?;
    stream.write_all(line(&Identity::OvnNetwork(network)).as_bytes())?;
    let mut said = [0; 6];
    stream.read_exact(&mut said)?;
    if &said != b"bound\n" {
        return Err(io::Error::other("it is not bound"));
    }
    Ok(Door::bound(stream.into()))
}

/// One connection of a door.
fn connection(door: &Door) -> io::Result<UnixStream> {
    door.ask()?;
    let end = Instant::now() + PATIENCE;
    loop {
        match door.take() {
            Ok(Taken::Connection(stream)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Ok(_) => return Err(io::Error::other("the door has as many connections as it may have")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => return Err(error),
        }
    }
}
