//! A relay between the directory and a server: it cuts connections where a test wants, and renames a method.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const SOCKET: &str = "/run/lab/ovn/relay.sock";

#[derive(Default)]
struct Wish {
    /// Bytes from the server until the connection is cut; none to cut nothing.
    budget: Option<usize>,
    rename: Option<(&'static str, &'static str)>,
    sent: Vec<u8>,
    cuts: usize,
}

/// A running relay.
pub struct Relay(Arc<Mutex<Wish>>);

impl Relay {
    pub fn start(server: &Path) -> Relay {
        let (listener, server) = (UnixListener::bind(SOCKET).expect("a socket"), server.to_owned());
        let wish = Arc::new(Mutex::new(Wish::default()));
        let shared = Arc::clone(&wish);
        std::thread::spawn(move || listener.incoming().flatten().for_each(|client| carry(client, &server, &shared)));
        Relay(wish)
    }

    pub fn remote(&self) -> String {
        format!("unix:{SOCKET}")
    }

    /// Replaces one name by another of the same length in what the client says.
    pub fn renames(&self, from: &'static str, to: &'static str) {
        assert_eq!(from.len(), to.len());
        self.0.lock().unwrap().rename = Some((from, to));
    }

    /// Cuts after so many more bytes of the server, on this connection or on later ones together.
    pub fn cuts_after(&self, bytes: usize) {
        self.0.lock().unwrap().budget = Some(bytes);
    }

    pub fn heals(&self) {
        self.0.lock().unwrap().budget = None;
    }

    pub fn cuts(&self) -> usize {
        self.0.lock().unwrap().cuts
    }

    /// What the client has said so far.
    pub fn sent(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap().sent).into_owned()
    }
}

fn carry(client: UnixStream, server: &PathBuf, wish: &Arc<Mutex<Wish>>) {
    let Ok(server) = UnixStream::connect(server) else { return };
    let there = (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(wish));
    std::thread::spawn(move || {
        let (mut client, mut server, wish) = there;
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            let mut part = buffer[..read].to_vec();
            let mut wish = wish.lock().unwrap();
            if let Some((from, to)) = wish.rename {
                part = String::from_utf8(part).unwrap().replace(from, to).into_bytes();
            }
            wish.sent.extend_from_slice(&part);
            drop(wish);
            if server.write_all(&part).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
    });
    let back = (client, server, Arc::clone(wish));
    std::thread::spawn(move || {
        let (mut client, mut server, wish) = back;
        let mut buffer = [0; 65536];
        while let Ok(read @ 1..) = server.read(&mut buffer) {
            let mut wish = wish.lock().unwrap();
            let passes = wish.budget.map_or(read, |budget| budget.min(read));
            let cut = wish.budget.is_some_and(|budget| budget <= read);
            wish.budget =
                if cut { Some(passes * 2 + 400).filter(|next| *next < 60_000) } else { wish.budget.map(|b| b - read) };
            wish.cuts += usize::from(cut);
            drop(wish);
            if client.write_all(&buffer[..passes]).is_err() || cut {
                break;
            }
        }
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
}
