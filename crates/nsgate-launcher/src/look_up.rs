//! A host's name becomes an address, once, and not as root.
//!
//! What a name server answers is a stranger's bytes, and the C library's resolver and its plug-ins read them. So that
//! happens in a process of its own that has become the proxy's user and given everything else up; it is heard for one
//! address, and for a moment only.

use crate::{LaunchError, Role, errand};
use nix::errno::Errno;
use nsgate_config::{Server, ServerHost, reachable};
use nsgate_sandbox::{Ids, Sandbox};
use std::{
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

/// How long it may take. An agent waits for its proxy meanwhile; the resolver's own patience (resolv.conf(5)) is 5 s for
/// each attempt.
const PATIENCE: Duration = Duration::from_secs(10);
/// First byte of what the process says, before an address or a sentence.
const FOUND: u8 = b'+';

/// The one address of `server`.
pub(crate) fn look_up(server: &Server, ids: &Ids) -> Result<SocketAddr, LaunchError> {
    let name = match &server.host {
        ServerHost::Address(address) => return Ok(SocketAddr::new(*address, server.port.get())),
        ServerHost::Name(name) => name.as_str(),
    };
    let port = server.port.get();
    let heard = errand::run(PATIENCE, || match look_up_server(name, port, ids) {
        Ok(address) => [&[FOUND], address.to_string().as_bytes()].concat(),
        Err(reason) => [b"-", reason.as_bytes()].concat(),
    })?;
    let wrong = |reason: String| LaunchError::Server { server: server.to_string(), reason };
    let heard = heard.map_err(|error| match error {
        Errno::ETIMEDOUT => wrong(format!("no name server answered within {} s", PATIENCE.as_secs())),
        error => wrong(error.to_string()),
    })?;
    let text = String::from_utf8_lossy(heard.get(1..).unwrap_or_default()).into_owned();
    if heard.first() != Some(&FOUND) {
        return Err(wrong(if text.is_empty() { "the look-up ended without a word".to_owned() } else { text }));
    }
    let address: SocketAddr = text.parse().map_err(|_| wrong(format!("the look-up said `{text}`")))?;
    reachable(address.ip())
        .map_err(|reason| wrong(format!("the name stands for an address that cannot be: {reason}")))?;
    // The port is the configuration's, not that of the answer.
    Ok(SocketAddr::new(address.ip(), server.port.get()))
}

/// In the process of its own.
fn look_up_server(name: &str, port: u16, ids: &Ids) -> Result<SocketAddr, String> {
    let sandbox = Sandbox::new(Role::supervisor()).map_err(|error| error.to_string())?;
    let _dropped = sandbox.drop_privileges(ids).map_err(|error| error.to_string())?;
    // In the order of RFC 6724 (getaddrinfo(3)): this host reaches the first address best.
    let mut found = (name, port).to_socket_addrs().map_err(|error| format!("the name is not known: {error}"))?;
    found.next().ok_or_else(|| "the name stands for no address".to_owned())
}
