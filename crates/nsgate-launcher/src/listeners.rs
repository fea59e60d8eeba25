//! Step 4, second half: listen, and ask the kernel where.
//!
//! IPv4 comes first. An IPv6 address may still be tentative, and its interface may be gone; where an IPv4 listener
//! stands, that is a warning and no more.

use crate::{LaunchError, succession::Succession, sys};
use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, SockaddrLike,
        SockaddrStorage, bind as bind_to, getsockname, getsockopt, listen, setsockopt, socket, sockopt,
    },
};
use nsgate_config::Listener;
use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener},
    num::NonZeroU8,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    thread::sleep,
    time::{Duration, Instant},
};

/// A listener that stands.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) listener: Listener,
    pub(crate) socket: TcpListener,
}

/// A gate that was just told to end closes its listeners at once, but not before it is told: time for a taken address.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// Connections that wait to be accepted; the kernel's own bound is `net.core.somaxconn`.
const QUEUE: i32 = 1024;

/// How listeners are bound, all of them alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BindOptions {
    /// An IPv4 address that the namespace does not have is bound all the same.
    pub(crate) freebind: bool,
    /// A gate that will end once this one serves keeps its listeners until then.
    pub(crate) join: bool,
    /// Routers that an answer may pass, and one.
    pub(crate) hop_limit: Option<NonZeroU8>,
}

/// Binds all of them. What could not be had and is not required is a sentence.
pub(crate) fn bind(
    wanted: &[Listener],
    how: BindOptions,
    succession: &mut Succession,
) -> Result<(Vec<BoundListener>, Vec<String>), LaunchError> {
    let (v4, v6): (Vec<&Listener>, Vec<&Listener>) = wanted.iter().partition(|listener| listener.address.is_ipv4());
    let deadline = Instant::now() + PATIENCE;
    let mut bound = Vec::new();
    let mut warnings = Vec::new();
    for listener in v4 {
        bound.push(patiently(deadline, listener, how, false, succession)?);
    }
    for listener in v6 {
        let twin =
            |other: &&Listener| other.port == listener.port && other.address == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let v6_only = wanted.iter().any(|other| twin(&other));
        match patiently(deadline, listener, BindOptions { freebind: true, ..how }, v6_only, succession) {
            Ok(found) => bound.push(found),
            Err(error) if !bound.is_empty() => warnings.push(format!("{error}; IPv4 is served all the same")),
            Err(error) => return Err(error),
        }
    }
    Ok((bound, warnings))
}

/// Binds one, or shares it with a gate that is succeeded, or joins one that will be replaced.
fn patiently(
    deadline: Instant,
    listener: &Listener,
    how: BindOptions,
    v6_only: bool,
    succession: &mut Succession,
) -> Result<BoundListener, LaunchError> {
    loop {
        match alone(listener, how, v6_only) {
            Err(LaunchError::Listen { source: Errno::EADDRINUSE, .. }) => {}
            outcome => return outcome,
        }
        let who = match succession.at(listener) {
            Ok(sockets) => match shared(listener, how, v6_only, sockets)? {
                Some(bound) => return Ok(bound),
                None => joined(listener, how, v6_only),
            },
            Err(_) if how.join => joined(listener, how, v6_only),
            Err(_) if Instant::now() < deadline => {
                sleep(BETWEEN_ATTEMPTS);
                continue;
            }
            // Whole processes are read for it: once.
            Err(found) => Err(LaunchError::Taken { listener: listener.to_string(), who: succession.who(&found) }),
        };
        match who {
            Err(LaunchError::Taken { .. } | LaunchError::Listen { source: Errno::EADDRINUSE, .. })
                if Instant::now() < deadline =>
            {
                sleep(BETWEEN_ATTEMPTS)
            }
            outcome => return outcome,
        }
    }
}

/// A socket of this start's own, where nothing else listens.
fn alone(listener: &Listener, how: BindOptions, v6_only: bool) -> Result<BoundListener, LaunchError> {
    settle(listener, how, make(listener, how, v6_only)?)
}

/// A socket of this start's own beside one that allows it (SO_REUSEPORT, socket(7)).
fn joined(listener: &Listener, how: BindOptions, v6_only: bool) -> Result<BoundListener, LaunchError> {
    let socket = make(listener, how, v6_only)?;
    setsockopt(&socket, sockopt::ReusePort, &true)
        .map_err(|source| fail(listener, "setsockopt(SO_REUSEPORT)", source))?;
    settle(listener, how, socket)
}

/// One of `sockets`, if it is what a socket of this start's own would be.
fn shared(
    listener: &Listener,
    how: BindOptions,
    v6_only: bool,
    sockets: Vec<OwnedFd>,
) -> Result<Option<BoundListener>, LaunchError> {
    let own = make(listener, how, v6_only)?;
    let wanted = options(&own).map_err(|source| fail(listener, "getsockopt", source))?;
    let address = address(listener).map_err(|source| fail(listener, "if_nametoindex", source))?;
    let alike = |socket: &OwnedFd| {
        options(socket).is_ok_and(|found| found == wanted) && read_back(listener, address, socket).is_ok()
    };
    let found = sockets.into_iter().find(alike);
    Ok(found.map(|socket| BoundListener { listener: listener.clone(), socket: TcpListener::from(socket) }))
}

/// What a listener keeps for life, or hands on to the connections made at it: interface, hop limits, whether it is of IPv6
/// alone, short answers.
fn options(socket: &OwnedFd) -> Result<(OsString, [i32; 2], bool, bool), Errno> {
    let family = getsockname::<SockaddrStorage>(socket.as_raw_fd())?.family();
    let v6 = family == Some(AddressFamily::Inet6);
    Ok((
        getsockopt(socket, sockopt::BindToDevice)?,
        [getsockopt(socket, sockopt::Ipv4Ttl)?, if v6 { getsockopt(socket, sockopt::Ipv6Ttl)? } else { 0 }],
        v6 && getsockopt(socket, sockopt::Ipv6V6Only)?,
        getsockopt(socket, sockopt::TcpNoDelay)?,
    ))
}

/// A socket as it must be before it is bound.
fn make(listener: &Listener, how: BindOptions, v6_only: bool) -> Result<OwnedFd, LaunchError> {
    let BindOptions { freebind, hop_limit, .. } = how;
    let option = |call| move |source| fail(listener, call, source);
    let family = if listener.address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Stream, flags, SockProtocol::Tcp).map_err(option("socket"))?;
    setsockopt(&socket, sockopt::ReuseAddr, &true).map_err(option("setsockopt(SO_REUSEADDR)"))?;
    // Accepted connections inherit it: answers are written whole, and nothing is gained by holding them back.
    setsockopt(&socket, sockopt::TcpNoDelay, &true).map_err(option("setsockopt(TCP_NODELAY)"))?;
    if let Some(interface) = &listener.interface {
        let name = OsString::from(interface.as_str());
        setsockopt(&socket, sockopt::BindToDevice, &name).map_err(option("setsockopt(SO_BINDTODEVICE)"))?;
    }
    if listener.address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &v6_only).map_err(option("setsockopt(IPV6_V6ONLY)"))?;
        sys::set_ipv6_freebind(socket.as_fd()).map_err(option("setsockopt(IPV6_FREEBIND)"))?;
    } else if freebind {
        setsockopt(&socket, sockopt::IpFreebind, &true).map_err(option("setsockopt(IP_FREEBIND)"))?;
    }
    if let Some(limit) = hop_limit {
        // Before it listens: the kernel's own first answer (SYN-ACK) goes no further either, and what is accepted inherits it.
        setsockopt(&socket, sockopt::Ipv4Ttl, &limit.get().into()).map_err(option("setsockopt(IP_TTL)"))?;
        if listener.address.is_ipv6() {
            let limit = limit.get().into();
            setsockopt(&socket, sockopt::Ipv6Ttl, &limit).map_err(option("setsockopt(IPV6_UNICAST_HOPS)"))?;
        }
    }
    Ok(socket)
}

/// Binds it, listens, and reads back where.
fn settle(listener: &Listener, how: BindOptions, socket: OwnedFd) -> Result<BoundListener, LaunchError> {
    let failed = |call| move |source| fail(listener, call, source);
    let address = address(listener).map_err(failed("if_nametoindex"))?;
    match address {
        SocketAddr::V4(address) => bind_to(socket.as_raw_fd(), &SockaddrIn::from(address)),
        SocketAddr::V6(address) => bind_to(socket.as_raw_fd(), &SockaddrIn6::from(address)),
    }
    .map_err(failed("bind"))?;
    listen(&socket, Backlog::new(QUEUE).unwrap_or(Backlog::MAXCONN)).map_err(failed("listen"))?;
    // From now on a successor that is told to replace this gate may join it (socket(7)); no other process binds here.
    setsockopt(&socket, sockopt::ReusePort, &true).map_err(failed("setsockopt(SO_REUSEPORT)"))?;
    read_back(listener, address, &socket)?;
    if let Some(limit) = how.hop_limit {
        read_hop_limit(listener, limit, &socket)?;
    }
    Ok(BoundListener { listener: listener.clone(), socket: TcpListener::from(socket) })
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

/// How far its answers go: of an IPv6 listener those to IPv4 guests too.
fn read_hop_limit(listener: &Listener, limit: NonZeroU8, socket: &OwnedFd) -> Result<(), LaunchError> {
    let failed = |source| fail(listener, "getsockopt", source);
    let v4 = getsockopt(socket, sockopt::Ipv4Ttl).map_err(failed)?;
    let v6 = if listener.address.is_ipv6() { getsockopt(socket, sockopt::Ipv6Ttl).map_err(failed)? } else { v4 };
    match [v4, v6].into_iter().find(|found| *found != i32::from(limit.get())) {
        None => Ok(()),
        Some(found) => Err(LaunchError::BoundElsewhere {
            listener: listener.to_string(),
            found: format!("a hop limit of {found} in the place of {limit}"),
        }),
    }
}

fn fail(listener: &Listener, call: &'static str, source: Errno) -> LaunchError {
    let advice = match source {
        Errno::EADDRNOTAVAIL => "; the namespace has no such address: add it, or ask for freebind",
        Errno::EACCES | Errno::EPERM if call == "bind" => {
            "; start as root, or with CAP_NET_BIND_SERVICE in the namespace (--cap-add of a container)"
        }
        // Before Linux 5.7 a socket is bound to an interface with CAP_NET_RAW alone (socket(7), SO_BINDTODEVICE).
        Errno::EACCES | Errno::EPERM => {
            "; start as root, or with CAP_NET_RAW in the namespace (--cap-add of a container)"
        }
        Errno::ENODEV | Errno::ENXIO => "; the namespace has no such interface",
        _ => "",
    };
    LaunchError::Listen { listener: listener.to_string(), call, source, advice }
}
