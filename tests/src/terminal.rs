//! A program that believes itself at a terminal: all its streams are one pseudo-terminal of 200 columns.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

/// A terminal, and the program that was started on it.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    said: String,
}

impl Terminal {
    /// Starts a program on a terminal of its own.
    pub fn start(mut command: Command) -> Terminal {
        let size = Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("a pseudo-terminal");
        let stream = || Stdio::from(pair.slave.try_clone().expect("a descriptor"));
        let child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().expect("the program");
        // The command holds copies of the terminal's other side, which would never close.
        drop((command, pair.slave));
        let keyboard = File::from(pair.master);
        let mut output = keyboard.try_clone().expect("a descriptor");
        let (says, screen) = channel();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // A terminal that no process holds any more ends with an error.
            while let Ok(count @ 1..) = output.read(&mut part) {
                if says.send(part[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, keyboard, screen, said: String::new() }
    }

    /// Types.
    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// Waits until this was shown; what was shown in all. Panics after `seconds`.
    pub fn shows(&mut self, word: &str, seconds: u64) -> &str {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !self.said.contains(word) {
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(part) => self.said.push_str(&String::from_utf8_lossy(&part)),
                Err(why) => panic!("{word:?} was not shown ({why}):\n{}", self.said),
            }
        }
        &self.said
    }

    /// Forgets what was shown.
    pub fn forget(&mut self) {
        self.said.clear();
    }

    /// Waits for the end; all that was shown, and the status. Panics after 20 seconds.
    pub fn end(mut self) -> (String, ExitStatus) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(part) => self.said.push_str(&String::from_utf8_lossy(&part)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("no end:\n{}", self.said),
            }
        }
        let status = self.child.wait().expect("a status");
        (std::mem::take(&mut self.said), status)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
