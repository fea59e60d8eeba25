//! A guest: raw HTTP over TCP from inside its namespace, from an address of its choice.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

use crate::http::Response;
use crate::network::{GUEST_LINK_LOCAL, GUEST_V4, METADATA_V4, METADATA_V6, Namespace};

/// A guest in a namespace, with one source address and one gate to talk to.
#[derive(Debug, Clone)]
pub struct Guest {
    namespace: Namespace,
    from: SocketAddr,
    to: SocketAddr,
    /// How long a read or write may take.
    pub patience: Duration,
}

impl Guest {
    /// The guest at 10.0.0.11 that asks 169.254.169.254:80.
    pub fn new(namespace: &Namespace) -> Guest {
        Guest::talking(namespace, IpAddr::V4(GUEST_V4), SocketAddr::from((METADATA_V4, 80)))
    }

    /// The same guest over link-local IPv6 (fe80::a9fe:a9fe, port 80).
    pub fn link_local(namespace: &Namespace) -> Guest {
        Guest::link_local_at(namespace, GUEST_LINK_LOCAL)
    }

    /// A guest with another link-local address.
    pub fn link_local_at(namespace: &Namespace, address: Ipv6Addr) -> Guest {
        let index = namespace.inside(|| nix::net::if_::if_nametoindex("eth0")).expect("the guest has eth0");
        let to = SocketAddr::V6(SocketAddrV6::new(METADATA_V6, 80, 0, index));
        let mut guest = Guest::talking(namespace, IpAddr::V6(address), to);
        guest.from = SocketAddr::V6(SocketAddrV6::new(address, 0, 0, index));
        guest
    }

    /// A guest with this source address that talks to `to`.
    pub fn talking(namespace: &Namespace, from: IpAddr, to: SocketAddr) -> Guest {
        Guest { namespace: namespace.clone(), from: SocketAddr::new(from, 0), to, patience: Duration::from_secs(10) }
    }

    /// The same guest at 10.0.0.`host` (11 to 40 exist).
    pub fn at(&self, host: u8) -> Guest {
        let mut guest = self.clone();
        guest.from = SocketAddr::from((Ipv4Addr::new(10, 0, 0, host), 0));
        guest
    }

    /// The same guest with another patience.
    pub fn patient(&self, seconds: u64) -> Guest {
        let mut guest = self.clone();
        guest.patience = Duration::from_secs(seconds);
        guest
    }

    /// The address it asks from.
    pub fn address(&self) -> IpAddr {
        self.from.ip()
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// As connect(2).
    pub fn connect(&self) -> io::Result<TcpStream> {
        self.connect_on().map_err(|e| io::Error::new(e.kind(), format!("connect to {}: {e}", self.to)))
    }

    fn connect_on(&self) -> io::Result<TcpStream> {
        let (from, to, patience) = (self.from, self.to, self.patience);
        self.namespace.inside(move || {
            let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
            setsockopt(&fd, sockopt::ReuseAddr, &true)?;
            bind(fd.as_raw_fd(), &SockaddrStorage::from(from))?;
            let limit = nix::sys::time::TimeVal::new(patience.as_secs().try_into().unwrap_or(10), 0);
            setsockopt(&fd, sockopt::SendTimeout, &limit)?;
            connect(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
            let stream = TcpStream::from(fd);
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }

    /// Sends these bytes on a new connection and reads until the other side closes (or says nothing for the patience).
    ///
    /// # Errors
    /// When the connection cannot be made or breaks before an answer.
    pub fn exchange(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = self.connect()?;
        stream.write_all(request)?;
        read_all(&mut stream)
    }

    /// As [`Guest::exchange`], the answer parsed; the guest says that it will not send more.
    ///
    /// # Errors
    /// When there is no answer or it is not HTTP.
    pub fn ask(&self, request: &str) -> io::Result<Response> {
        let mut stream = self.connect()?;
        stream.write_all(request.as_bytes())?;
        Response::read(&mut stream)
    }

    /// `GET PATH` with the headers cloud-init sends and `Connection: close`.
    ///
    /// # Errors
    /// As [`Guest::ask`].
    pub fn get(&self, path: &str) -> io::Result<Response> {
        self.get_with(path, "")
    }

    /// The same with more header lines, each ending in CRLF.
    ///
    /// # Errors
    /// As [`Guest::ask`].
    pub fn get_with(&self, path: &str, headers: &str) -> io::Result<Response> {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nUser-Agent: Cloud-Init/22.4.2\r\nAccept: */*\r\n\
             {headers}Connection: close\r\n\r\n"
        ))
    }

    /// Asks `count` times at once, each on its own connection, and returns the answers in no special order.
    pub fn storm(&self, count: usize, path: &str) -> Vec<io::Result<Response>> {
        let ask = || self.get(path);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a guest's thread")).collect()
        })
    }
}

/// Reads until the end or until nothing comes for the socket's timeout.
///
/// # Errors
/// Any error but a timeout or a reset after some bytes.
pub fn read_all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(error) if crate::lab::timed_out(&error) => break,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !all.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    Ok(all)
}
