//! The real haproxy reads a text (`haproxy -c`), and is held at its last step, while what it understood is in its memory.
//!
//! haproxy says of a text only that it is valid. What it made of it is asked for where it is: at the entry of
//! `deinit_and_exit`, a function that Debian's haproxy exports, a breakpoint stops it, and [`Snapshot`] is read through
//! `/proc/PID/mem`. Addresses are the same in every run, and fresh memory is filled with one byte.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use nsgate_tests::sys;

use crate::snapshot::{FILLED, Snapshot};
use crate::symbols::{self, Symbol};

/// The text's name, in a directory of each worker's own: the name is in haproxy's memory too.
const TEXT: &str = "text.cfg";
const STOP_AT: &str = "deinit_and_exit";
/// Seconds until a haproxy that hangs is ended; the machine may be busy.
const PATIENCE: u32 = 20;
const BREAKPOINT: u8 = 0xcc;

/// haproxy's output.
#[derive(Debug)]
pub enum Verdict {
    Accepted(Box<Snapshot>),
    /// Its first alert.
    Refused(String),
    /// It neither accepted nor refused: a signal ended it. Such a text is never printed.
    Died,
}

/// A way to ask.
#[derive(Debug)]
pub struct Haproxy {
    program: PathBuf,
    directory: PathBuf,
    symbols: HashMap<String, Symbol>,
}

impl Haproxy {
    /// `directory` is for one thread's questions alone.
    pub fn new(program: &Path, directory: &Path) -> Result<Haproxy, String> {
        fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let symbols = symbols::read(program)?;
        for needed in [STOP_AT, "global", "proxies_list"] {
            if !symbols.contains_key(needed) {
                return Err(format!("{} does not export `{needed}`", program.display()));
            }
        }
        Ok(Haproxy { program: program.to_owned(), directory: directory.to_owned(), symbols })
    }

    /// What haproxy says of the text, and what it understood.
    pub fn ask(&self, text: &[u8]) -> io::Result<Verdict> {
        fs::write(self.directory.join(TEXT), text)?;
        let said = self.directory.join("said");
        let mut command = Command::new(&self.program);
        command.args(["-c", "-f", TEXT]).current_dir(&self.directory).env_clear();
        // Every malloc(3) fills what it gives; without the cache of threads none is passed over (mallopt(3), M_PERTURB).
        command.env("MALLOC_PERTURB_", FILLED[1].to_string()).env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
        sys::traced(&mut command, PATIENCE);
        let child = command.spawn()?;
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        match self.run(pid)? {
            WaitStatus::Exited(_, 0) => Err(io::Error::other("haproxy ended with 0 before its last step")),
            WaitStatus::Exited(..) => Ok(Verdict::Refused(first_alert(&said))),
            WaitStatus::Signaled(..) => Ok(Verdict::Died),
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                // The first argument is the status (System V ABI, x86-64: rdi).
                let accepted = ptrace::getregs(pid)?.rdi == 0;
                let snapshot = accepted.then(|| Snapshot::read(pid, &self.program, &self.symbols)).transpose();
                self.end(pid)?;
                Ok(match snapshot? {
                    Some(snapshot) => Verdict::Accepted(Box::new(snapshot)),
                    None => Verdict::Refused(first_alert(&said)),
                })
            }
            WaitStatus::Stopped(..) => {
                self.end(pid)?;
                Ok(Verdict::Died)
            }
            other => Err(io::Error::other(format!("haproxy: {other:?}"))),
        }
    }

    /// Why haproxy refuses the text; nothing if it does not. What it understood is not read.
    pub fn refuses(&self, text: &[u8]) -> io::Result<Option<String>> {
        fs::write(self.directory.join(TEXT), text)?;
        let said = self.directory.join("said");
        let mut command = Command::new(&self.program);
        command.args(["-c", "-f", TEXT]).current_dir(&self.directory).env_clear();
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?).status()?;
        Ok((!status.success()).then(|| first_alert(&said)))
    }

    /// From the first instruction to the last step, or to an earlier end.
    fn run(&self, pid: Pid) -> io::Result<WaitStatus> {
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            other => return Err(io::Error::other(format!("haproxy did not stop at its start: {other:?}"))),
        }
        let base = Snapshot::base(pid, &self.program)?;
        let memory = File::options().write(true).open(format!("/proc/{pid}/mem"))?;
        memory.write_all_at(&[BREAKPOINT], base + self.symbols[STOP_AT].offset)?;
        ptrace::cont(pid, None)?;
        Ok(waitpid(pid, None)?)
    }

    fn end(&self, pid: Pid) -> io::Result<()> {
        nix::sys::signal::kill(pid, Signal::SIGKILL)?;
        waitpid(pid, None)?;
        Ok(())
    }
}

fn first_alert(said: &Path) -> String {
    let said = fs::read(said).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let alert = said.lines().find(|line| line.starts_with("[ALERT]")).or(said.lines().next()).unwrap_or("(silent)");
    alert.split_once(" : ").map_or(alert, |(_, rest)| rest).to_owned()
}
