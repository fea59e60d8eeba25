//! Step 4, second half: listen, and ask the kernel where (finding 6).
//!
//! IPv4 comes first. An IPv6 address may still be tentative, and its interface may be gone; where an IPv4 listener
//! stands, that is a warning and no more.

use crate::{LaunchError, sys};
use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, SockaddrStorage,
        bind as bind_to, getsockname, getsockopt, listen, setsockopt, socket, sockopt,
    },
};
use nsgate_config::Listener;
use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    thread::sleep,
    time::{Duration, Instant},
};

/// A listener that stands.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) socket: TcpListener,
}

/// A gate that was just told to end closes its listeners at once, but not before it is told: time for a taken address.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// Connections that wait to be accepted; the kernel's own bound is `net.core.somaxconn`.
const QUEUE: i32 = 1024;

/// Binds all of them. `join` lets a gate that will end once this one serves keep its listeners until then.
pub(crate) fn bind(wanted: &[Listener], freebind: bool, join: bool) -> Result<(Vec<Bound>, Vec<String>), LaunchError> {
    let (v4, v6): (Vec<&Listener>, Vec<&Listener>) = wanted.iter().partition(|listener| listener.address.is_ipv4());
    let deadline = Instant::now() + PATIENCE;
    let mut bound = Vec::new();
    let mut warnings = Vec::new();
    for listener in v4 {
        bound.push(patiently(deadline, || one(listener, freebind, false, join))?);
    }
    for listener in v6 {
        let twin =
            |other: &&Listener| other.port == listener.port && other.address == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let v6_only = wanted.iter().any(|other| twin(&other));
        match patiently(deadline, || one(listener, true, v6_only, join)) {
            Ok(found) => bound.push(found),
            Err(error) if !bound.is_empty() => warnings.push(format!("{error}; IPv4 is served all the same")),
            Err(error) => return Err(error),
        }
    }
    Ok((bound, warnings))
}

fn patiently(deadline: Instant, attempt: impl Fn() -> Result<Bound, LaunchError>) -> Result<Bound, LaunchError> {
    loop {
        match attempt() {
            Err(LaunchError::Listen { source: Errno::EADDRINUSE, .. }) if Instant::now() < deadline => {
                sleep(BETWEEN_ATTEMPTS)
            }
            outcome => return outcome,
        }
    }
}

fn one(listener: &Listener, freebind: bool, v6_only: bool, join: bool) -> Result<Bound, LaunchError> {
    let failed = |call| move |source| fail(listener, call, source);
    let address = address(listener).map_err(failed("if_nametoindex"))?;
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, SockProtocol::Tcp).map_err(failed("socket"))?;
    let option = |name| failed(name);
    setsockopt(&socket, sockopt::ReuseAddr, &true).map_err(option("setsockopt(SO_REUSEADDR)"))?;
    // Accepted connections inherit it: answers are written whole, and nothing is gained by holding them back.
    setsockopt(&socket, sockopt::TcpNoDelay, &true).map_err(option("setsockopt(TCP_NODELAY)"))?;
    if join {
        setsockopt(&socket, sockopt::ReusePort, &true).map_err(option("setsockopt(SO_REUSEPORT)"))?;
    }
    if let Some(interface) = &listener.interface {
        let name = OsString::from(interface.as_str());
        setsockopt(&socket, sockopt::BindToDevice, &name).map_err(option("setsockopt(SO_BINDTODEVICE)"))?;
    }
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &v6_only).map_err(option("setsockopt(IPV6_V6ONLY)"))?;
        sys::set_ipv6_freebind(socket.as_fd()).map_err(option("setsockopt(IPV6_FREEBIND)"))?;
    } else if freebind {
        setsockopt(&socket, sockopt::IpFreebind, &true).map_err(option("setsockopt(IP_FREEBIND)"))?;
    }
    match address {
        SocketAddr::V4(address) => bind_to(socket.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => bind_to(socket.as_raw_fd(), &SockaddrIn6::from(address)),
    }
    .map_err(failed("bind"))?;
    listen(&socket, Backlog::new(QUEUE).unwrap_or(Backlog::MAXCONN)).map_err(failed("listen"))?;
    // From now on a successor that is told to replace this gate may join it (socket(7)); nobody else binds here.
    setsockopt(&socket, sockopt::ReusePort, &true).map_err(option("setsockopt(SO_REUSEPORT)"))?;
    read_back(listener, address, &socket)?;
    Ok(Bound { listener: listener.clone(), socket: TcpListener::from(socket) })
}

fn address(listener: &Listener) -> Result<SocketAddr, Errno> {
    let port = listener.port.get();
    Ok(match listener.address {
        IpAddr::V4(ip) => SocketAddrV4::new(ip, port).into(),
        IpAddr::V6(ip) => {
            let scope = match &listener.interface {
                Some(interface) if ip.is_unicast_link_local() => if_nametoindex(interface.as_str())?,
                _ => 0,
            };
            SocketAddrV6::new(ip, port, 0, scope).into()
        }
    })
}

/// Address, port, interface and that it listens, as the kernel has them.
fn read_back(listener: &Listener, wanted: SocketAddr, socket: &OwnedFd) -> Result<(), LaunchError> {
    let name: SockaddrStorage =
        getsockname(socket.as_raw_fd()).map_err(|source| fail(listener, "getsockname", source))?;
    let v4 = name.as_sockaddr_in().map(|found| SocketAddr::V4((*found).into()));
    let found = v4.or_else(|| name.as_sockaddr_in6().map(|found| SocketAddr::V6((*found).into())));
    if found != Some(wanted) {
        let found = found.map_or_else(|| "no address".to_owned(), |found| found.to_string());
        return Err(LaunchError::BoundElsewhere { listener: listener.to_string(), found });
    }
    if !getsockopt(socket, sockopt::AcceptConn).map_err(|source| fail(listener, "getsockopt", source))? {
        return Err(LaunchError::BoundElsewhere {
            listener: listener.to_string(),
            found: "that nothing listens there".to_owned(),
        });
    }
    if let Some(interface) = &listener.interface {
        let device =
            getsockopt(socket, sockopt::BindToDevice).map_err(|source| fail(listener, "getsockopt", source))?;
        let device = device.to_string_lossy();
        if device.trim_end_matches('\0') != interface.as_str() {
            return Err(LaunchError::BoundElsewhere {
                listener: listener.to_string(),
                found: format!("interface {device}"),
            });
        }
    }
    Ok(())
}

fn fail(listener: &Listener, call: &'static str, source: Errno) -> LaunchError {
    let advice = match source {
        Errno::EADDRINUSE => "; another process listens there: `ss -ltnp` says which",
        Errno::EADDRNOTAVAIL => "; the namespace has no such address: add it, or ask for freebind",
        Errno::EACCES | Errno::EPERM => {
            "; start as root, or with CAP_NET_BIND_SERVICE and CAP_NET_RAW in the namespace"
        }
        Errno::ENODEV | Errno::ENXIO => "; the namespace has no such interface",
        _ => "",
    };
    LaunchError::Listen { listener: listener.to_string(), call, source, advice }
}
