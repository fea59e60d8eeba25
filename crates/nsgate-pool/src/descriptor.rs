//! Looks at a descriptor that was handed over: is it the listener that the gate names?

use crate::sys;
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{SockaddrStorage, getsockname, getsockopt, sockopt},
};
use nsgate_config::{Invalid, Listener};
use std::{
    net::SocketAddr,
    num::NonZeroU8,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// Whether this is a TCP socket that listens at the address, port and interface of `listener` and answers at once.
///
/// # Errors
/// A sentence that says what it is instead.
pub fn check(listener: &Listener, descriptor: BorrowedFd<'_>) -> Result<(), Invalid> {
    look(listener, descriptor).map_err(Invalid::new)
}

fn look(listener: &Listener, descriptor: BorrowedFd<'_>) -> Result<(), String> {
    let wrong = |what: &str| format!("the descriptor for {listener} is {what}");
    let number = |option| match sys::socket_option(descriptor, option) {
        Err(Errno::ENOTSOCK) => Err(wrong("not a socket")),
        Err(error) => Err(wrong(&format!("not to be looked at: getsockopt: {error}"))),
        Ok(value) => Ok(value),
    };
    let family = if listener.address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    if number(libc::SO_DOMAIN)? != family {
        return Err(wrong("a socket of another address family"));
    }
    if number(libc::SO_TYPE)? != libc::SOCK_STREAM || number(libc::SO_PROTOCOL)? != libc::IPPROTO_TCP {
        return Err(wrong("not a TCP socket"));
    }
    if number(libc::SO_ACCEPTCONN)? == 0 {
        return Err(wrong("a TCP socket that does not listen"));
    }
    let name: SockaddrStorage =
        getsockname(descriptor.as_raw_fd()).map_err(|error| wrong(&format!("without a name: getsockname: {error}")))?;
    let v4 = name.as_sockaddr_in().map(|found| SocketAddr::V4((*found).into()));
    let found = v4.or_else(|| name.as_sockaddr_in6().map(|found| SocketAddr::V6((*found).into())));
    let place = found.map(|found| (found.ip(), found.port()));
    if place != Some((listener.address, listener.port.get())) {
        let found = found.map_or_else(|| "nowhere".to_owned(), |found| format!("at {found}"));
        return Err(wrong(&format!("bound {found}")));
    }
    let device = getsockopt(&descriptor.as_fd(), sockopt::BindToDevice)
        .map_err(|error| wrong(&format!("bound to no interface that exists: getsockopt: {error}")))?;
    let device = device.to_string_lossy();
    let device = device.trim_end_matches('\0');
    if device != listener.interface.as_ref().map_or("", |name| name.as_str()) {
        let bound = if device.is_empty() { "to no interface".to_owned() } else { format!("to interface {device}") };
        return Err(wrong(&format!("bound {bound}")));
    }
    answers_at_once(descriptor).map_err(|what| wrong(&what))
}

/// Whether this may be the door of a gate that is bound to its agent: a UNIX stream socket that does not listen, and answers at once.
///
/// # Errors
/// A sentence that says what it is instead.
pub fn check_door(descriptor: BorrowedFd<'_>) -> Result<(), Invalid> {
    look_at_door(descriptor).map_err(Invalid::new)
}

fn look_at_door(descriptor: BorrowedFd<'_>) -> Result<(), String> {
    let wrong = |what: &str| format!("the descriptor for the agent's door is {what}");
    let number = |option| match sys::socket_option(descriptor, option) {
        Err(Errno::ENOTSOCK) => Err(wrong("not a socket")),
        Err(error) => Err(wrong(&format!("not to be looked at: getsockopt: {error}"))),
        Ok(value) => Ok(value),
    };
    if number(libc::SO_DOMAIN)? != libc::AF_UNIX || number(libc::SO_TYPE)? != libc::SOCK_STREAM {
        return Err(wrong("not a UNIX stream socket"));
    }
    if number(libc::SO_ACCEPTCONN)? != 0 {
        return Err(wrong("a socket that listens"));
    }
    answers_at_once(descriptor).map_err(|what| wrong(&what))
}

fn answers_at_once(descriptor: BorrowedFd<'_>) -> Result<(), String> {
    let flags = fcntl(descriptor, FcntlArg::F_GETFL).map_err(|error| format!("closed: fcntl: {error}"))?;
    if OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK) {
        return Ok(());
    }
    Err("in blocking mode: set O_NONBLOCK before handing it over".to_owned())
}

/// Whether the listener's hop limit is the one of the gate's guards. The process that bound the listener has set it; a worker
/// only checks it.
///
/// # Errors
/// A sentence that says what it has instead.
pub fn check_hop_limit(listener: &Listener, limit: NonZeroU8, descriptor: BorrowedFd<'_>) -> Result<(), Invalid> {
    look_at_hop_limit(listener, limit, descriptor).map_err(Invalid::new)
}

fn look_at_hop_limit(listener: &Listener, limit: NonZeroU8, descriptor: BorrowedFd<'_>) -> Result<(), String> {
    let look = |name: &str, found: Result<i32, Errno>| match found {
        Ok(found) if found == i32::from(limit.get()) => Ok(()),
        Ok(found) => Err(format!(
            "the descriptor for {listener} has a hop limit of {found}, and the gate's guards say {limit}: set {name} \
             before listen(2)"
        )),
        Err(error) => Err(format!("the descriptor for {listener} has no hop limit: getsockopt({name}): {error}")),
    };
    if listener.address.is_ipv6() {
        look("IPV6_UNICAST_HOPS", getsockopt(&descriptor, sockopt::Ipv6Ttl))?;
    }
    // An IPv6 listener hears IPv4 guests as well.
    look("IP_TTL", getsockopt(&descriptor, sockopt::Ipv4Ttl))
}

#[cfg(test)]
mod tests {
    use super::{check, check_hop_limit};
    use nsgate_config::Listener;
    use std::{
        fs::File,
        net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
        os::{fd::AsFd, unix::net::UnixListener},
    };

    fn at(address: SocketAddr) -> Listener {
        Listener { address: address.ip(), port: address.port().try_into().unwrap(), interface: None }
    }

    fn listener() -> (TcpListener, Listener) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let listener = at(socket.local_addr().unwrap());
        (socket, listener)
    }

    #[test]
    fn the_listener_that_the_gate_names_is_taken() {
        let (socket, listener) = listener();
        assert_eq!(check(&listener, socket.as_fd()), Ok(()));
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        v6.set_nonblocking(true).unwrap();
        assert_eq!(check(&at(v6.local_addr().unwrap()), v6.as_fd()), Ok(()));
    }

    #[test]
    fn a_hop_limit_is_looked_at_for_both_families() {
        use nix::sys::socket::{setsockopt, sockopt};
        let one = std::num::NonZeroU8::MIN;
        let (socket, listener) = listener();
        let error = check_hop_limit(&listener, one, socket.as_fd()).unwrap_err().to_string();
        assert!(error.contains("hop limit of 64") && error.contains("IP_TTL"), "{error}");
        setsockopt(&socket, sockopt::Ipv4Ttl, &1).unwrap();
        assert_eq!(check_hop_limit(&listener, one, socket.as_fd()), Ok(()));
        let v6 = TcpListener::bind("[::1]:0").unwrap();
        let listener = at(v6.local_addr().unwrap());
        setsockopt(&v6, sockopt::Ipv4Ttl, &1).unwrap();
        assert!(check_hop_limit(&listener, one, v6.as_fd()).unwrap_err().reason().contains("IPV6_UNICAST_HOPS"));
        setsockopt(&v6, sockopt::Ipv6Ttl, &1).unwrap();
        assert_eq!(check_hop_limit(&listener, one, v6.as_fd()), Ok(()));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let (socket, listener) = listener();
        let refused = |descriptor: &dyn AsFd, word: &str| {
            let error = check(&listener, descriptor.as_fd()).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("127.0.0.1:"), "{error}");
        };
        refused(&File::open("/dev/null").unwrap(), "not a socket");
        refused(&UdpSocket::bind("127.0.0.1:0").unwrap(), "not a TCP socket");
        refused(&TcpListener::bind("[::1]:0").unwrap(), "another address family");
        let directory = tempfile::tempdir().unwrap();
        refused(&UnixListener::bind(directory.path().join("s")).unwrap(), "another address family");
        refused(&TcpStream::connect(socket.local_addr().unwrap()).unwrap(), "does not listen");
        let elsewhere = TcpListener::bind("127.0.0.2:0").unwrap();
        refused(&elsewhere, "bound at 127.0.0.2");
        let other_port = TcpListener::bind("127.0.0.1:0").unwrap();
        refused(&other_port, "bound at 127.0.0.1");
        socket.set_nonblocking(false).unwrap();
        refused(&socket, "O_NONBLOCK");
        socket.set_nonblocking(true).unwrap();
        let named = Listener { interface: Some(nsgate_config::InterfaceName::new("lo").unwrap()), ..listener.clone() };
        let error = check(&named, socket.as_fd()).unwrap_err().to_string();
        assert!(error.contains("bound to no interface"), "{error}");
    }
}
