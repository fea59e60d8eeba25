//! A service manager: keeps descriptors that its service sends to `NOTIFY_SOCKET`, and passes them to the next start, as
//! systemd does (sd_notify(3), sd_listen_fds(3)).

use std::collections::BTreeMap;
use std::fs;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};

use crate::lab::{Lab, wait_until};
use crate::pool::{Pool, channel, words};
use crate::sys::received;

/// The first number of copies that a start inherits; the test's own descriptors are below it.
const FIRST_COPY: i32 = 200;

/// A service manager with one service, a pool.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    /// The descriptors that it keeps, by name. The last that came is the first, as systemd has it.
    pub store: BTreeMap<String, Vec<OwnedFd>>,
    /// Every message, without its descriptors.
    pub heard: Vec<String>,
    /// `FileDescriptorStoreMax=`.
    pub most: usize,
}

impl Manager {
    /// A manager that keeps at most so many descriptors.
    pub fn start(lab: &Lab, most: usize) -> Manager {
        let path = lab.state().join("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("the manager's socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("its mode");
        Manager { socket, path, store: BTreeMap::new(), heard: Vec::new(), most }
    }

    /// Takes all messages that have come.
    pub fn hear(&mut self) {
        let mut control = nix::cmsg_space!([std::os::fd::RawFd; 253]);
        loop {
            let mut bytes = [0; 4096];
            let mut pieces = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let Ok(message) = recvmsg::<UnixAddr>(self.socket.as_raw_fd(), &mut pieces, Some(&mut control), flags)
            else {
                return;
            };
            let mut descriptors = Vec::new();
            for part in message.cmsgs().expect("whole control messages") {
                if let ControlMessageOwned::ScmRights(numbers) = part {
                    descriptors.extend(numbers.into_iter().map(received));
                }
            }
            let length = message.bytes;
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
            let name = value("FDNAME=").unwrap_or_else(|| "stored".to_owned());
            if value("FDSTORE=").is_some() {
                let kept = self.store.entry(name).or_default();
                descriptors.into_iter().for_each(|descriptor| kept.insert(0, descriptor));
            } else if value("FDSTOREREMOVE=").is_some() {
                self.store.remove(&name);
            }
            self.heard.push(text);
        }
    }

    /// The command that starts the service with everything that is kept, and `more` beside it, in the order given.
    pub fn command(&self, lab: &Lab, words: &[String], more: &[(&str, &OwnedFd)]) -> (Command, Vec<OwnedFd>) {
        let kept = self.store.iter().flat_map(|(name, all)| all.iter().map(move |one| (name.as_str(), one)));
        let all: Vec<(&str, &OwnedFd)> = more.iter().copied().chain(kept).collect();
        let (mut script, mut close, mut copies) = (String::from("exec"), String::from("exec"), Vec::new());
        for (index, (_, descriptor)) in all.iter().enumerate() {
            let copy = fcntl(*descriptor, FcntlArg::F_DUPFD(FIRST_COPY)).expect("a copy");
            script.push_str(&format!(" {}<&{copy}", index + 3));
            close.push_str(&format!(" {copy}<&-"));
            copies.push(received(copy));
        }
        let script = format!("{script}; {close}; LISTEN_PID=$$ exec \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, "bash"]).arg(lab.program.nsgate()).args(words);
        command.env("NOTIFY_SOCKET", &self.path);
        if !all.is_empty() {
            command.env("LISTEN_FDS", all.len().to_string());
            command.env("LISTEN_FDNAMES", all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(":"));
        }
        if self.most > 0 {
            command.env("FDSTORE", self.most.to_string());
        }
        (command, copies)
    }

    /// Starts the service and waits until it takes handovers and has said READY=1.
    pub fn run(&mut self, lab: &Lab, more: &[&str], sockets: &[(&str, &OwnedFd)]) -> Pool {
        let (command, copies) = self.command(lab, &words(lab, more), sockets);
        let pool = Pool::spawn_as(lab, command);
        drop(copies);
        let before = self.heard.len();
        let ready = |manager: &Manager| manager.heard.iter().skip(before).any(|text| text.contains("READY=1"));
        let waited = wait_until(10.0, || {
            self.hear();
            ready(self) && channel(&pool.socket).is_ok()
        });
        assert!(waited, "{}", crate::lab::text(&pool.log));
        pool
    }
}
