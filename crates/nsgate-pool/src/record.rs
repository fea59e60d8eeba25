//! What a service manager keeps of a network beside its listeners: the gate, and which sockets are its listeners.
//!
//! A record is a memfd (memfd_create(2)). The process that adds the network writes it once and seals it. A worker can neither
//! make nor change one: the memfd's owner shows whether its writer may hand over, and the kernel's numbers of the sockets
//! (SO_COOKIE) bind it to its listeners. So an attacker in a worker cannot leave the next worker a network that was not added.

use crate::{
    Allowed, Peer,
    channel::LONGEST,
    protocol::{Notes, kept_bytes, parse_kept},
    sys,
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        uio::pread,
    },
};
use nsgate_config::Config;
#[cfg(any(feature = "worker", test))]
use std::os::fd::AsFd;
use std::{
    fs::File,
    io::{self, Write},
    os::fd::{BorrowedFd, OwnedFd},
};

/// Room for the numbers of the sockets in front of the longest gate, in bytes.
const LONGEST_RECORD: usize = LONGEST + 8 * 1024;

/// An empty record. For a process that is confined before it knows what to write.
///
/// # Errors
/// As memfd_create(2).
pub fn blank() -> io::Result<OwnedFd> {
    Ok(memfd_create("nsgate", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?)
}

/// Writes the gate of `config`, its notes and the numbers of these listeners, in order, and seals the record.
///
/// # Errors
/// A system call that failed.
pub fn fill(record: OwnedFd, config: &Config, notes: &Notes, listeners: &[BorrowedFd<'_>]) -> io::Result<OwnedFd> {
    let cookies = listeners.iter().map(|listener| sys::cookie(*listener)).collect::<Result<Vec<u64>, _>>()?;
    let mut file = File::from(record);
    file.write_all(&kept_bytes(config, notes, &cookies))?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
    Ok(file.into())
}

/// The content cannot change, and the seals cannot be removed.
fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

/// Reads a record: the gate, its notes, and the numbers of its listeners in order.
///
/// # Errors
/// A sentence that says what is wrong with it.
#[cfg_attr(not(feature = "worker"), allow(dead_code, reason = "the receiving half reads it"))]
pub(crate) fn read_record(record: BorrowedFd<'_>, allowed: Allowed) -> Result<(Config, Notes, Vec<u64>), String> {
    let failed = |call: &'static str| move |error: Errno| format!("the record cannot be read: {call}: {error}");
    // Only a memfd has seals.
    let found = fcntl(record, FcntlArg::F_GET_SEALS).map_err(|error| match error {
        Errno::EINVAL => "the record is not a memfd".to_owned(),
        error => failed("fcntl(F_GET_SEALS)")(error),
    })?;
    if !SealFlag::from_bits_truncate(found).contains(seals()) {
        return Err("the record is not sealed: its writer could change it after it was checked".to_owned());
    }
    let owner = sys::owner(record).map_err(failed("fstat"))?;
    allowed
        .authorize(Peer { uid: owner.0, gid: owner.1 })
        .map_err(|reason| format!("who wrote the record? {reason}"))?;
    let mut bytes = vec![0; LONGEST_RECORD + 1];
    let mut length = 0;
    loop {
        let rest = bytes.get_mut(length..).unwrap_or_default();
        // Every process that holds the descriptor shares its position.
        match pread(record, rest, i64::try_from(length).unwrap_or(i64::MAX)) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(failed("pread")(error)),
        }
    }
    if length > LONGEST_RECORD {
        return Err(format!("the record is longer than {LONGEST_RECORD} bytes"));
    }
    bytes.truncate(length);
    parse_kept(&bytes)
}

/// The kernel's number of a socket, as records name it.
///
/// # Errors
/// As getsockopt(2).
#[cfg(feature = "worker")]
pub(crate) fn socket_cookie(socket: &impl AsFd) -> Result<u64, Errno> {
    sys::cookie(socket.as_fd())
}

#[cfg(test)]
mod tests {
    use super::{blank, fill, read_record};
    use crate::{Allowed, protocol::Notes, sys};
    use nsgate_config::native;
    use std::{
        fs::File,
        io::Write,
        net::TcpListener,
        os::{
            fd::{AsFd, OwnedFd},
            unix::fs::MetadataExt,
        },
    };

    const GATE: &str = "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"127.0.0.1:80\"]\n\
                        backend = \"/b/agent\"\nuser = \"neutron\"\n";

    fn own() -> Allowed {
        Allowed { gid: Some(std::fs::metadata("/proc/self").unwrap().gid()) }
    }

    fn record() -> (OwnedFd, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = native::parse("x", GATE).unwrap().config;
        let notes = Notes { asks: false, key: Some("1 ab".to_owned()) };
        (fill(blank().unwrap(), &config, &notes, &[listener.as_fd()]).unwrap(), listener)
    }

    #[test]
    fn what_was_written_is_read_as_often_as_it_must_be_and_never_changed() {
        let (record, listener) = record();
        for _ in 0..2 {
            let (config, notes, cookies) = read_record(record.as_fd(), own()).unwrap();
            assert_eq!(notes.key.as_deref(), Some("1 ab"));
            assert_eq!(config, native::parse("x", GATE).unwrap().config);
            assert_eq!(cookies, [sys::cookie(listener.as_fd()).unwrap()]);
        }
        let mut file = File::from(record);
        assert!(file.write_all(b"x").is_err() && file.set_len(1).is_err());
    }

    #[test]
    fn what_somebody_could_change_or_a_stranger_wrote_is_refused() {
        let error = read_record(blank().unwrap().as_fd(), own()).unwrap_err();
        assert!(error.contains("not sealed"), "{error}");
        let error = read_record(File::open("/dev/null").unwrap().as_fd(), own()).unwrap_err();
        assert!(error.contains("not a memfd"), "{error}");
        let (record, listener) = record();
        let error = read_record(listener.as_fd(), own()).unwrap_err();
        assert!(error.contains("not a memfd"), "{error}");
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            let error = read_record(record.as_fd(), Allowed { gid: None }).unwrap_err();
            assert!(error.contains("who wrote the record?"), "{error}");
        }
    }
}
