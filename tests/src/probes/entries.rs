//! Other entries: the 32-bit and x32 doors are closed for every call, allowed ones included, and so are unknown numbers.

use super::{Arg, Call, Entry, NOTHING, NULL, Probe, call, each_killed, here, killed, n, text, zeroes};

/// Numbers of arch/x86/entry/syscalls/syscall_32.tbl.
mod i386 {
    pub(super) const EXIT_GROUP: i64 = 252;
    pub(super) const FORK: i64 = 2;
    pub(super) const READ: i64 = 3;
    pub(super) const WRITE: i64 = 4;
    pub(super) const OPEN: i64 = 5;
    pub(super) const CLOSE: i64 = 6;
    pub(super) const EXECVE: i64 = 11;
    pub(super) const GETPID: i64 = 20;
    pub(super) const SETUID: i64 = 23;
    pub(super) const BRK: i64 = 45;
    pub(super) const SOCKETCALL: i64 = 102;
    pub(super) const MMAP2: i64 = 192;
    pub(super) const GETRANDOM: i64 = 355;
    pub(super) const SOCKET: i64 = 359;
    pub(super) const CONNECT: i64 = 362;
    pub(super) const ACCEPT4: i64 = 364;
    pub(super) const SENDTO: i64 = 369;
}

/// Bit 30: an x32 call (arch/x86/include/uapi/asm/unistd.h).
const X32: i64 = 0x4000_0000;

pub(super) fn probes() -> Vec<Probe> {
    let low = || call(libc::SYS_mmap, [NULL, n(4096), n(3), n(0x62), NOTHING, n(0)]);
    vec![
        killed(
            "32-bit-open",
            "opens a file by int 0x80",
            [low(), int80(i386::OPEN, [Arg::At(0, b"/etc/passwd\0".to_vec()), n(0)])],
        ),
        killed(
            "32-bit-execve",
            "starts a shell by int 0x80",
            [low(), int80(i386::EXECVE, [Arg::At(0, b"/bin/sh\0".to_vec()), NULL, NULL])],
        ),
        each_killed(
            "32-bit-forbidden-calls",
            "fork, setuid, getpid, a TCP socket by both 32-bit calls",
            [
                int80(i386::FORK, []),
                int80(i386::SETUID, [n(0)]),
                int80(i386::GETPID, []),
                int80(i386::SOCKET, [n(libc::AF_INET), n(libc::SOCK_STREAM), n(0)]),
                int80(i386::SOCKETCALL, [n(1), NULL]),
            ],
        ),
        each_killed(
            "32-bit-allowed-calls",
            "the 32-bit twins of allowed calls: read, write, close, brk, mmap2, socket, connect, accept4, sendto, …",
            [
                int80(i386::READ, [NOTHING, NULL, n(0)]),
                int80(i386::WRITE, [NOTHING, NULL, n(0)]),
                int80(i386::CLOSE, [NOTHING]),
                int80(i386::BRK, [n(0)]),
                int80(i386::MMAP2, [NULL, n(4096), n(3), n(0x22), NOTHING, n(0)]),
                int80(i386::GETRANDOM, [NULL, n(0), n(0)]),
                int80(i386::SOCKET, [n(libc::AF_UNIX), n(libc::SOCK_STREAM), n(0)]),
                int80(i386::CONNECT, [NOTHING, NULL, n(0)]),
                int80(i386::ACCEPT4, [NOTHING, NULL, NULL, n(0)]),
                int80(i386::SENDTO, [NOTHING, NULL, n(0), n(0), NULL, n(0)]),
                int80(i386::EXIT_GROUP, [n(0)]),
            ],
        ),
        each_killed(
            "numbers-that-mean-something-else-there",
            "64-bit numbers that the list allows, by int 0x80: there they are other calls",
            [libc::SYS_read, libc::SYS_write, libc::SYS_close, libc::SYS_brk, libc::SYS_futex]
                .map(|number| int80(number, [NOTHING, NULL, n(0)])),
        ),
        each_killed(
            "x32-forbidden-calls",
            "x32 calls: openat, execve (both numbers), ptrace, getpid",
            [
                call(X32 | libc::SYS_openat, [here(), text("/etc/passwd"), n(0), n(0)]),
                call(X32 | libc::SYS_execve, [text("/bin/sh"), NULL, NULL]),
                call(X32 | 520, [text("/bin/sh"), NULL, NULL]),
                call(X32 | 521, [n(0), n(0), NULL, NULL]),
                call(X32 | libc::SYS_getpid, []),
            ],
        ),
        each_killed(
            "x32-allowed-calls",
            "the x32 twins of allowed calls: read, write, close, brk, mmap, socket, connect, getrandom",
            [
                call(X32 | libc::SYS_read, [NOTHING, NULL, n(0)]),
                call(X32 | libc::SYS_write, [NOTHING, NULL, n(0)]),
                call(X32 | libc::SYS_close, [NOTHING]),
                call(X32 | libc::SYS_brk, [n(0)]),
                call(X32 | libc::SYS_mmap, [NULL, n(4096), n(3), n(0x22), NOTHING, n(0)]),
                call(X32 | libc::SYS_socket, [n(libc::AF_UNIX), n(libc::SOCK_STREAM), n(0)]),
                call(X32 | libc::SYS_connect, [NOTHING, NULL, n(0)]),
                call(X32 | libc::SYS_getrandom, [zeroes(8), n(8), n(0)]),
            ],
        ),
        each_killed(
            "unknown-numbers",
            "calls of kernels to come: every number from 462 to 480, 600, 1000, the largest",
            (462..=480).chain([600, 1000, 0x3fff_ffff, -1]).map(|number| call(number, [])),
        ),
        each_killed(
            "numbers-with-a-high-half",
            "openat and execve with something in the upper half of the number",
            [
                call((1 << 32) | libc::SYS_openat, [here(), text("/etc/passwd"), n(0), n(0)]),
                call((1 << 63) | libc::SYS_execve, [text("/bin/sh"), NULL, NULL]),
            ],
        ),
    ]
}

/// A 32-bit call. Pointers must lie in the lower 4 GiB.
fn int80(number: i64, arguments: impl Into<Vec<Arg>>) -> Call {
    Call { entry: Entry::Interrupt, ..call(number, arguments) }
}
