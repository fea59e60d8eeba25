//! System calls made by another process without its help: ptrace(2) from outside, so that a shipped binary is probed as it is.
//!
//! The process is stopped, its registers are set for one call at the address of an instruction that it has anyway, and
//! one step later the kernel's answer is read. Its filter, its credentials and its namespaces apply, since the call is
//! its own. What was changed is put back by [`Tracee::release`]; a tracee that is dropped instead is killed.

pub mod errors;
mod memory;

use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use memory::Memory;
pub use memory::find;

/// How long a call may take before it is said to wait.
const PATIENCE: Duration = Duration::from_secs(4);
/// Below the stack pointer: what the x86-64 ABI lets a function use unasked, with room to spare.
const RED_ZONE: u64 = 256;
/// Room for the arguments.
const SCRATCH: u64 = 8192;

/// The way into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `syscall`: the 64-bit calls and, with bit 30 of the number, x32's.
    Syscall,
    /// `int 0x80`: the 32-bit calls.
    Interrupt,
}

/// How an injected call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The kernel answered this number.
    Returned(i64),
    /// The kernel answered this error.
    Refused(Errno),
    /// The process was killed by this signal.
    Killed(Signal),
    /// The process ended by itself.
    Exited(i32),
    /// The call neither returned nor ended the process.
    Waits,
    /// The call made this process or thread.
    Forked(i32),
    /// The call replaced the program.
    Executed,
}

/// A stopped process that makes the calls it is told to.
#[derive(Debug)]
pub struct Tracee {
    pid: Pid,
    memory: Memory,
    saved: libc::user_regs_struct,
    syscall: u64,
    interrupt: Option<u64>,
    scratch: (u64, Vec<u8>),
    used: u64,
    released: bool,
}

impl Tracee {
    /// Stops the process. Every call must come from the thread that attached.
    ///
    /// # Errors
    /// When the kernel does not let this process trace that one, or that one has no stack below its stack pointer.
    pub fn attach(pid: i32) -> io::Result<Tracee> {
        let pid = Pid::from_raw(pid);
        let options = ptrace::Options::PTRACE_O_EXITKILL
            | ptrace::Options::PTRACE_O_TRACEEXEC
            | ptrace::Options::PTRACE_O_TRACEFORK
            | ptrace::Options::PTRACE_O_TRACEVFORK
            | ptrace::Options::PTRACE_O_TRACECLONE;
        ptrace::seize(pid, options)?;
        ptrace::interrupt(pid)?;
        loop {
            match waitpid(pid, Some(WaitPidFlag::__WALL))? {
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_STOP) => break,
                // In the middle of a call, whose answer would be written over the registers. It took the stop's place.
                WaitStatus::PtraceEvent(..) => {
                    ptrace::cont(pid, None)?;
                    ptrace::interrupt(pid)?;
                }
                WaitStatus::Stopped(_, signal) => {
                    ptrace::cont(pid, signal)?;
                    ptrace::interrupt(pid)?;
                }
                other => return Err(io::Error::other(format!("the process did not stop: {other:?}"))),
            }
        }
        let saved = ptrace::getregs(pid)?;
        let memory = Memory::open(pid)?;
        let syscall = memory.executable(&[0x0f, 0x05])?.ok_or_else(|| io::Error::other("no `syscall` instruction"))?;
        let start = (saved.rsp - RED_ZONE - SCRATCH) & !15;
        let mut before = vec![0; SCRATCH as usize];
        memory.read(start, &mut before)?;
        Ok(Tracee { pid, memory, saved, syscall, interrupt: None, scratch: (start, before), used: 0, released: false })
    }

    /// Copies `bytes` into the process and returns where they are, on a 16-byte boundary.
    ///
    /// # Errors
    /// When there is no more room.
    pub fn place(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.scratch.0 + self.used;
        let size = (bytes.len() as u64 + 15) & !15;
        if self.used + size > SCRATCH {
            return Err(io::Error::other("the arguments are larger than the room below the stack"));
        }
        self.memory.write(at, bytes)?;
        self.used += size;
        Ok(at)
    }

    /// Writes into the process at an address that it got from the kernel.
    ///
    /// # Errors
    /// When nothing is mapped there.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory.write(address, bytes)
    }

    /// Makes one call.
    ///
    /// # Errors
    /// When the process cannot be stepped, or faulted at the instruction itself.
    pub fn call(&mut self, entry: Entry, number: u64, arguments: [u64; 6]) -> io::Result<Outcome> {
        let mut registers = self.saved;
        let [a, b, c, d, e, f] = arguments;
        // Not inside a call: the kernel must not restart the one that stopping it interrupted.
        registers.orig_rax = u64::MAX;
        registers.rax = number;
        match entry {
            Entry::Syscall => {
                registers.rip = self.syscall;
                [registers.rdi, registers.rsi, registers.rdx] = [a, b, c];
                [registers.r10, registers.r8, registers.r9] = [d, e, f];
            }
            Entry::Interrupt => {
                registers.rip = self.interrupt_site()?;
                [registers.rbx, registers.rcx, registers.rdx] = [a, b, c];
                [registers.rsi, registers.rdi, registers.rbp] = [d, e, f];
            }
        }
        ptrace::setregs(self.pid, registers)?;
        ptrace::step(self.pid, None)?;
        self.outcome()
    }

    /// Puts everything back and lets the process go on.
    ///
    /// # Errors
    /// When it is gone.
    pub fn release(mut self) -> io::Result<()> {
        self.memory.write(self.scratch.0, &self.scratch.1)?;
        self.memory.restore_code()?;
        ptrace::setregs(self.pid, self.saved)?;
        ptrace::detach(self.pid, None)?;
        self.released = true;
        Ok(())
    }

    /// No 64-bit program holds `int 0x80`: it is written over the end of the program's code and taken away at the end.
    fn interrupt_site(&mut self) -> io::Result<u64> {
        match self.interrupt {
            Some(site) => Ok(site),
            None => Ok(*self.interrupt.insert(self.memory.patch_code([0xcd, 0x80])?)),
        }
    }

    fn outcome(&self) -> io::Result<Outcome> {
        let end = Instant::now() + PATIENCE;
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, status) => return Ok(Outcome::Exited(status)),
                WaitStatus::Signaled(_, signal, _) => return Ok(Outcome::Killed(signal)),
                WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => return Ok(Outcome::Executed),
                WaitStatus::PtraceEvent(
                    _,
                    _,
                    libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE,
                ) => return self.forked(),
                WaitStatus::PtraceEvent(..) => ptrace::step(self.pid, None)?,
                WaitStatus::Stopped(_, Signal::SIGTRAP) => return self.answer(),
                WaitStatus::Stopped(_, signal @ (Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL)) => {
                    return Err(io::Error::other(format!("{signal} at the injected instruction")));
                }
                // A filter that traps instead of killing; any other signal would only lead away from the call.
                WaitStatus::Stopped(_, Signal::SIGSYS) => ptrace::step(self.pid, Signal::SIGSYS)?,
                WaitStatus::Stopped(..) => ptrace::step(self.pid, None)?,
                _ if Instant::now() > end => return Ok(Outcome::Waits),
                _ => std::thread::sleep(Duration::from_micros(100)),
            }
        }
    }

    fn answer(&self) -> io::Result<Outcome> {
        let answer = ptrace::getregs(self.pid)?.rax as i64;
        Ok(match i32::try_from(answer) {
            Ok(number) if (-4095..0).contains(&number) => Outcome::Refused(Errno::from_raw(-number)),
            _ => Outcome::Returned(answer),
        })
    }

    /// The new process would go on in the middle of code that expects something else: it ends here.
    fn forked(&self) -> io::Result<Outcome> {
        let child = i32::try_from(ptrace::getevent(self.pid)?).map_err(io::Error::other)?;
        kill_traced(Pid::from_raw(child));
        Ok(Outcome::Forked(child))
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if !self.released {
            kill_traced(self.pid);
        }
    }
}

/// Kills and reaps: the parent of a traced process hears of its end only after the tracer.
fn kill_traced(pid: Pid) {
    if nix::sys::signal::kill(pid, Signal::SIGKILL).is_err() {
        return;
    }
    while let Ok(status) = waitpid(pid, Some(WaitPidFlag::__WALL)) {
        if matches!(status, WaitStatus::Signaled(..) | WaitStatus::Exited(..)) {
            break;
        }
    }
}
