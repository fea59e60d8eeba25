//! Programs: none can be started, and no process or thread made.

use libc::{
    SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_fork, SYS_memfd_create, SYS_uselib, SYS_vfork, SYS_write,
};

use super::{Arg, NULL, Probe, call, each_killed, here, killed, n, text, zeroes};

pub(super) fn probes() -> Vec<Probe> {
    let arguments = || Arg::Words(vec![text("sh"), NULL]);
    let thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD;
    vec![
        killed("execve", "starts a shell", [call(SYS_execve, [text("/bin/sh"), arguments(), NULL])]),
        killed(
            "execveat",
            "starts a shell with execveat(2)",
            [call(SYS_execveat, [here(), text("/bin/sh"), arguments(), NULL, n(0)])],
        ),
        killed(
            "execute-the-gate-again",
            "starts the gate's own program anew",
            [call(SYS_execve, [text("/proc/self/exe"), arguments(), NULL])],
        ),
        killed("memfd-create", "makes a file without a name", [call(SYS_memfd_create, [text("x"), n(0)])]),
        killed(
            "execute-from-memory",
            "writes a program into such a file and starts it",
            [
                call(SYS_memfd_create, [text("x"), n(0)]),
                call(SYS_write, [Arg::Made(0), text("#!/bin/true\n"), n(12)]),
                call(SYS_execveat, [Arg::Made(0), text(""), arguments(), NULL, n(libc::AT_EMPTY_PATH)]),
            ],
        ),
        killed("fork", "makes a second process", [call(SYS_fork, [])]),
        killed("vfork", "the same with vfork(2)", [call(SYS_vfork, [])]),
        killed(
            "clone-a-process",
            "the same with clone(2)",
            [call(SYS_clone, [n(libc::SIGCHLD), NULL, NULL, NULL, NULL])],
        ),
        killed("clone-a-thread", "makes a thread", [call(SYS_clone, [n(thread), zeroes(64), NULL, NULL, NULL])]),
        killed("clone3", "makes a process with clone3(2)", [call(SYS_clone3, [Arg::Bytes(clone_args(0)), n(88)])]),
        each_killed("uselib", "loads a library by name (uselib)", [call(SYS_uselib, [text("/lib/x")])]),
    ]
}

/// `struct clone_args` with these flags; the child's end is told by SIGCHLD.
pub(super) fn clone_args(flags: u64) -> Vec<u8> {
    let mut words = [0; 11];
    words[0] = flags;
    words[4] = 17;
    words.iter().flat_map(|word: &u64| word.to_le_bytes()).collect()
}
