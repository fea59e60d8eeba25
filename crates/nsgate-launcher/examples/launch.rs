//! The privileged minute, and a server of one's own behind it: `cargo run --example launch -- GATE.toml`, as root. It answers
//! one guest after another with a line, until SIGTERM. The guest whose turn it is then has its answer first.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nsgate_config::native;
use nsgate_launcher::{Mode, Options, SignalRequest, launch, read_config};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which configuration?")?;
    let (text, written) = read_config(Path::new(&file))?;
    let config = native::parse(&file, &text)?.config;
    let mut options = Options::new(Mode::Foreground);
    options.written = Some(written);
    // What takes system calls that a gate no longer has is made by the last argument: an event loop, for instance.
    let prepare = || Ok(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
    // The starter, which has passed signals on and waited for the gate's end, exits here.
    let running = launch(&config, &options, prepare)?.or_exit();
    let heard: Vec<String> = running.listening.iter().map(ToString::to_string).collect();
    println!("listens on {}; {}", heard.join(" and "), running.confined.report());
    let events = running.prepared;
    events.add(&running.signals, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    for listener in &running.listeners {
        events.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    }
    running.readiness.tell();
    loop {
        // An error (EINTR) is as good as any other reason to look.
        let _ = events.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE);
        // Nothing else ends this process: the signals are blocked.
        if running.signals.next().is_some_and(SignalRequest::ends) {
            return Ok(());
        }
        for (guest, _) in running.listeners.iter().filter_map(|listener| listener.accept().ok()) {
            // A guest that leaves early is no reason to end.
            let _ = answer(guest);
        }
    }
}

/// Hears a request out, and answers.
fn answer(mut guest: TcpStream) -> io::Result<()> {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut bytes = [0; 1024];
        match guest.read(&mut bytes)? {
            0 => return Ok(()),
            length => heard.extend_from_slice(bytes.get(..length).unwrap_or_default()),
        }
    }
    guest.write_all(b"HTTP/1.0 200 OK\r\n\r\nconfined\n")
}
