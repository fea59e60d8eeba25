//! A start in which one system call fails: the calls of each of its processes are counted, and one of them is answered with an
//! error instead of being made.
//!
//! ptrace(2) from the first instruction on, and no longer than until the error was answered: what follows is the program's
//! own.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, execv};

use crate::network::Namespace;
use crate::sys;

/// One call of a start: of which process (in the order in which they are made), which one of its calls since it has begun
/// to work, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// 0 is the starter.
    pub process: usize,
    /// From 0 on.
    pub call: usize,
    /// As in `asm/unistd_64.h`.
    pub number: i64,
}

/// A start that goes on by itself.
#[derive(Debug)]
pub struct Begun {
    /// The starter, a child of this process's; `None` if it has ended already.
    pub starter: Option<Pid>,
    /// The starter's status, or 128 and the signal that ended it, if it has ended.
    pub status: Option<i32>,
    /// Every call that was made until then.
    pub sites: Vec<Site>,
    /// Whether the error was answered.
    pub injected: bool,
}

/// The starter's first call of its own, after what the loader and the libraries do.
const FIRST: i64 = libc::SYS_close_range;

struct Traced {
    index: usize,
    calls: usize,
    /// It has waited for guests once: later calls are no part of a start.
    serves: bool,
    /// Answered when the call that is not made returns.
    answer: Option<Errno>,
}

/// Runs `words` in `namespace` as a starter, its output in `output`, and answers the call at `site` with `error`. Must be
/// called by a process with one thread.
///
/// # Errors
/// When the kernel does not let this process trace its child.
pub fn start(namespace: &Namespace, words: &[&str], output: &Path, wanted: Option<(Site, Errno)>) -> io::Result<Begun> {
    let first = match sys::fork_single()? {
        ForkResult::Child => begin(namespace, words, output),
        ForkResult::Parent { child } => child,
    };
    waitpid(first, None)?;
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD
        | ptrace::Options::PTRACE_O_TRACEFORK
        | ptrace::Options::PTRACE_O_TRACEVFORK
        | ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(first, options)?;
    ptrace::syscall(first, None)?;
    let mut trace =
        Trace { all: BTreeMap::new(), next: 1, working: false, sites: Vec::new(), wanted, done: false, waits: false };
    trace.all.insert(first, Traced { index: 0, calls: 0, serves: false, answer: None });
    let status = trace.follow(first)?;
    let starter = status.is_none().then_some(first);
    Ok(Begun { starter, status, sites: trace.sites, injected: trace.done })
}

fn begin(namespace: &Namespace, words: &[&str], output: &Path) -> ! {
    let ready = || -> io::Result<()> {
        sys::die_with_parent()?;
        setns(File::open(namespace.path())?, CloneFlags::CLONE_NEWNET)?;
        let (null, output) = (File::open("/dev/null")?, File::create(output)?);
        dup2_stdin(null.as_fd())?;
        dup2_stdout(output.as_fd())?;
        dup2_stderr(output.as_fd())?;
        let words: Vec<CString> = words.iter().filter_map(|word| CString::new(*word).ok()).collect();
        ptrace::traceme()?;
        execv(&words[0], &words)?;
        Ok(())
    };
    let _ = ready();
    sys::exit_now(99)
}

struct Trace {
    all: BTreeMap<Pid, Traced>,
    next: usize,
    working: bool,
    sites: Vec<Site>,
    wanted: Option<(Site, Errno)>,
    done: bool,
    waits: bool,
}

impl Trace {
    /// Until the starter has ended, or the error was answered. Processes that are left go on without the tracer.
    fn follow(&mut self, first: Pid) -> io::Result<Option<i32>> {
        loop {
            let status = waitpid(None::<Pid>, Some(WaitPidFlag::__WALL))?;
            match status {
                WaitStatus::Exited(pid, status) if pid == first => {
                    self.leave(None);
                    return Ok(Some(status));
                }
                WaitStatus::Signaled(pid, signal, _) if pid == first => {
                    self.leave(None);
                    return Ok(Some(128 + signal as i32));
                }
                WaitStatus::PtraceSyscall(pid) => {
                    self.call(pid)?;
                    if self.done || self.waits {
                        self.leave(Some(pid));
                        return Ok(None);
                    }
                    self.go_on(pid, None);
                }
                WaitStatus::PtraceEvent(pid, _, _) => {
                    if let Ok(child) = ptrace::getevent(pid) {
                        let child = Pid::from_raw(i32::try_from(child).unwrap_or(0));
                        self.known(child);
                    }
                    self.go_on(pid, None);
                }
                // A new process begins with a stop of its own.
                WaitStatus::Stopped(pid, Signal::SIGSTOP) => {
                    self.known(pid);
                    self.go_on(pid, None);
                }
                WaitStatus::Stopped(pid, signal) => {
                    let own = signal == Signal::SIGTRAP;
                    self.go_on(pid, (!own).then_some(signal));
                }
                _ => {}
            }
        }
    }

    fn known(&mut self, pid: Pid) {
        let next = &mut self.next;
        self.all.entry(pid).or_insert_with(|| {
            *next += 1;
            Traced { index: *next - 1, calls: 0, serves: false, answer: None }
        });
    }

    fn go_on(&self, pid: Pid, signal: Option<Signal>) {
        // A process that was killed meanwhile cannot be resumed.
        let _ = ptrace::syscall(pid, signal);
    }

    /// At the entry of a call, or at its return.
    fn call(&mut self, pid: Pid) -> io::Result<()> {
        let (Ok(info), Ok(mut registers)) = (ptrace::syscall_info(pid), ptrace::getregs(pid)) else { return Ok(()) };
        let Some(traced) = self.all.get_mut(&pid) else { return Ok(()) };
        if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            if let Some(errno) = traced.answer.take() {
                registers.rax = (-(errno as i64)) as u64;
                ptrace::setregs(pid, registers)?;
                self.done = true;
            }
            return Ok(());
        }
        let number = registers.orig_rax as i64;
        // A supervisor that waits for ever (poll(2), its timeout): the start is over.
        self.waits |= traced.index == 0 && number == libc::SYS_poll && registers.rdx as i32 == -1;
        self.working |= number == FIRST;
        // A gate that waits for its guests serves: the start is over for it. Its filter kills a call that is cut out.
        let waits = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait].contains(&number) && registers.r10 as i32 == -1;
        traced.serves |= self.working && waits;
        if !self.working || traced.serves {
            return Ok(());
        }
        let site = Site { process: traced.index, call: traced.calls, number };
        traced.calls += 1;
        self.sites.push(site);
        if let Some((wanted, errno)) = self.wanted {
            if wanted == site {
                traced.answer = Some(errno);
                // No close(2) of Linux leaves the descriptor open, even if it answers an error.
                if number != libc::SYS_close {
                    registers.orig_rax = u64::MAX;
                    ptrace::setregs(pid, registers)?;
                }
            }
        }
        Ok(())
    }

    /// Lets every process go; `stopped` is known to be stopped.
    fn leave(&mut self, stopped: Option<Pid>) {
        let others: Vec<Pid> = self.all.keys().copied().filter(|pid| Some(*pid) != stopped).collect();
        for pid in others {
            // ptrace(2) detaches only from a stopped process.
            let Some(status) =
                kill(pid, Signal::SIGSTOP).ok().and_then(|()| waitpid(pid, Some(WaitPidFlag::__WALL)).ok())
            else {
                continue;
            };
            if matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) {
                continue;
            }
            // A call that was cut out at its entry has no other answer than this one.
            if matches!(status, WaitStatus::PtraceSyscall(_))
                && self.all.get(&pid).is_some_and(|one| one.answer.is_some())
            {
                let _ = self.call(pid);
            }
            detach(pid);
            let _ = kill(pid, Signal::SIGCONT);
        }
        // The last to go on: it may end the others.
        if let Some(pid) = stopped {
            detach(pid);
        }
    }
}

/// The tracer must wait for a process that was killed meanwhile, before its parent can.
fn detach(pid: Pid) {
    if ptrace::detach(pid, None).is_err() {
        let _ = waitpid(pid, Some(WaitPidFlag::__WALL));
    }
}
