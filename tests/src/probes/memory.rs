//! Memory: none becomes executable, none is a file's or another process's, and no secret of the starter is left in it.

use libc::{
    SYS_memfd_create, SYS_memfd_secret, SYS_mlockall, SYS_mmap, SYS_mprotect, SYS_mremap, SYS_pkey_mprotect,
    SYS_remap_file_pages,
};
use nix::errno::Errno;

use super::{Act, Arg, Call, End, NOTHING, NULL, Probe, call, each_killed, killed, n, refused, text};

const PAGE: i32 = 4096;
const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_WRITE;
const EXECUTE: i32 = libc::PROT_EXEC;
const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// What the starter's environment holds, in a variable that no program asks for.
pub const IN_ENVIRONMENT: &str = "the password of the cloud 5f3a9d";
/// What a comment of the configuration says.
pub const IN_CONFIGURATION: &str = "a remark between operators 77c1e0";

pub(super) fn probes() -> Vec<Probe> {
    vec![
        killed("writable-and-executable", "maps memory to write and execute", [map(READ | WRITE | EXECUTE, ANONYMOUS)]),
        each_killed(
            "executable",
            "maps memory to execute, private, shared and low",
            [ANONYMOUS, libc::MAP_SHARED | libc::MAP_ANONYMOUS, ANONYMOUS | libc::MAP_32BIT]
                .map(|flags| map(READ | EXECUTE, flags)),
        ),
        killed(
            "written-then-executable",
            "writes code into memory and makes it executable (mprotect)",
            [map(READ | WRITE, ANONYMOUS), call(SYS_mprotect, [Arg::At(0, vec![0xc3]), n(PAGE), n(READ | EXECUTE)])],
        ),
        killed(
            "written-then-executable-by-key",
            "the same with pkey_mprotect",
            [map(READ | WRITE, ANONYMOUS), call(SYS_pkey_mprotect, [Arg::Made(0), n(PAGE), n(READ | EXECUTE), n(-1)])],
        ),
        each_killed(
            "map-a-file",
            "maps a descriptor: to read, to execute, shared to write",
            [
                call(SYS_mmap, [NULL, n(PAGE), n(READ), n(libc::MAP_PRIVATE), n(0), n(0)]),
                call(SYS_mmap, [NULL, n(PAGE), n(READ | EXECUTE), n(libc::MAP_PRIVATE), n(0), n(0)]),
                call(SYS_mmap, [NULL, n(PAGE), n(READ | WRITE), n(libc::MAP_SHARED), Arg::Listener, n(0)]),
            ],
        ),
        refused(
            "map-page-zero",
            "maps the page that null pointers point to",
            Errno::EPERM,
            [map(READ | WRITE, ANONYMOUS | libc::MAP_FIXED)],
        ),
        refused(
            "pin-memory-as-it-is-mapped",
            "maps memory that cannot be swapped out (MAP_LOCKED)",
            Errno::EPERM,
            [map(READ | WRITE, ANONYMOUS | libc::MAP_LOCKED)],
        ),
        refused(
            "move-the-kernels-memory",
            "moves memory of the kernel (mremap, an allowed call)",
            Errno::EFAULT,
            [call(SYS_mremap, [Arg::N(0xffff_8000_0000_0000), n(PAGE), n(PAGE), n(1), NULL])],
        ),
        each_killed(
            "files-without-a-name",
            "memfd_create, memfd_secret",
            [call(SYS_memfd_create, [text("x"), n(0)]), call(SYS_memfd_secret, [n(0)])],
        ),
        each_killed(
            "pin-memory",
            "mlockall, remap_file_pages",
            [call(SYS_mlockall, [n(2)]), call(SYS_remap_file_pages, [NULL, n(0), n(0), n(0), n(0)])],
        ),
        absent("the-environment", "looks in its memory for a password from the starter's environment", IN_ENVIRONMENT),
        absent("the-configuration", "looks in its memory for a comment of the configuration file", IN_CONFIGURATION),
    ]
}

fn map(protection: i32, flags: i32) -> Call {
    call(SYS_mmap, [NULL, n(PAGE), n(protection), n(flags), NOTHING, n(0)])
}

fn absent(name: &'static str, tries: &'static str, secret: &str) -> Probe {
    Probe { name, tries, act: Act::Search(secret.into()), expected: End::Absent, landlock: None }
}
