//! Which processes listen at a UNIX socket. The kernel is asked (sock_diag(7)), and no connection is made: a service manager would
//! take it for a gate's, and start the agent.

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::{
    fs, io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::Path,
};

/// A process, by its number and its name.
pub(super) type UnixListening = (i32, String);

/// `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST | NLM_F_DUMP`, `AF_UNIX`, the bit of `TCP_LISTEN`, `UDIAG_SHOW_VFS`
/// (linux/sock_diag.h, linux/netlink.h, linux/unix_diag.h).
const BY_FAMILY: u16 = 20;
const DUMP: u16 = 0x301;
const UNIX: u8 = 1;
const LISTEN: u32 = 1 << 10;
const SHOW_FILE: u32 = 2;
/// Lengths of `nlmsghdr` and of `unix_diag_msg`; the attribute with a socket's file; kinds of a message (`NLMSG_ERROR`, `NLMSG_DONE`).
const HEADER: usize = 16;
const MESSAGE: usize = 16;
const FILE: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// The processes that have the listening socket of this file open, in ascending order; none if this network namespace has no such
/// socket.
///
/// # Errors
/// The kernel does not say.
pub(super) fn listeners(path: &Path) -> io::Result<Vec<UnixListening>> {
    let found = fs::metadata(path)?;
    let all = listening()?;
    let of_file =
        |one: &&SocketFile| u64::from(one.inode) == found.ino() & 0xffff_ffff && one.device == kernels(found.dev());
    let Some(one) = all.iter().find(of_file) else { return Ok(Vec::new()) };
    let wanted = format!("socket:[{}]", one.socket);
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let has = |pid: &i32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| link == Path::new(&wanted))
    };
    let named = |pid: i32| (pid, fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned());
    let mut holders: Vec<UnixListening> = pids.filter(has).map(named).collect();
    holders.sort_unstable();
    Ok(holders)
}

/// A device's number as the kernel has it (`MKDEV`, linux/kdev_t.h), of one as stat(2) has it (makedev(3)).
fn kernels(device: u64) -> u32 {
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    u32::try_from((major << 20 | minor) & 0xffff_ffff).unwrap_or(u32::MAX)
}

/// A listening socket that has a file.
#[derive(Debug, PartialEq, Eq)]
struct SocketFile {
    socket: u32,
    inode: u32,
    device: u32,
}

/// All of this network namespace.
fn listening() -> io::Result<Vec<SocketFile>> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let kernel = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkSockDiag)?;
    let mut request = Vec::new();
    let length = u32::try_from(HEADER + 24).unwrap_or_default();
    request.extend(length.to_ne_bytes());
    request.extend([BY_FAMILY.to_ne_bytes(), DUMP.to_ne_bytes()].concat());
    request.extend([0; 8]);
    request.extend([UNIX, 0, 0, 0]);
    request.extend([LISTEN.to_ne_bytes(), [0; 4], SHOW_FILE.to_ne_bytes(), [0xff; 4], [0xff; 4]].concat());
    send(kernel.as_raw_fd(), &request, MsgFlags::empty())?;
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = recv(kernel.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while let Some(length) =
            word(rest, 0).and_then(|length| usize::try_from(length).ok()).filter(|one| *one >= HEADER)
        {
            match half(rest, 4) {
                Some(DONE) => return Ok(all),
                Some(ERROR) => {
                    let number = word(rest, HEADER).map_or(0, u32::wrapping_neg);
                    let number = i32::try_from(number).unwrap_or_default();
                    return Err(io::Error::from_raw_os_error(number));
                }
                _ => all.extend(rest.get(HEADER..length).and_then(file_of)),
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// Reads a `unix_diag_msg` and its attributes.
fn file_of(message: &[u8]) -> Option<SocketFile> {
    let socket = word(message, 4)?;
    let mut rest = message.get(MESSAGE..)?;
    while let (Some(length), Some(kind)) = (half(rest, 0).map(usize::from).filter(|one| *one >= 4), half(rest, 2)) {
        if kind == FILE {
            return Some(SocketFile { socket, inode: word(rest, 4)?, device: word(rest, 8)? });
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::listeners;
    use std::{fs, os::unix::net::UnixListener};

    #[test]
    fn the_process_that_listens_is_found_and_no_connection_is_made() {
        let path = std::env::temp_dir().join(format!("nsgate-listeners-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let found = listeners(&path).unwrap();
        assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), [i32::try_from(std::process::id()).unwrap()]);
        assert!(listener.accept().is_err(), "none has connected");
        drop(listener);
        assert_eq!(listeners(&path).unwrap(), []);
        fs::remove_file(&path).unwrap();
    }
}
