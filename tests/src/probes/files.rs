//! Files: nothing can be opened, read, written, named, renamed, listed or watched.

use libc::{
    SYS_chdir, SYS_chmod, SYS_chown, SYS_copy_file_range, SYS_faccessat2, SYS_fanotify_init, SYS_fchmodat2, SYS_fcntl,
    SYS_fstat, SYS_getcwd, SYS_getdents64, SYS_getxattr, SYS_inotify_init1, SYS_ioctl, SYS_link, SYS_linkat, SYS_lstat,
    SYS_mkdir, SYS_mknod, SYS_name_to_handle_at, SYS_newfstatat, SYS_open, SYS_open_by_handle_at, SYS_openat,
    SYS_openat2, SYS_pread64, SYS_read, SYS_readlink, SYS_rename, SYS_renameat2, SYS_sendfile, SYS_setxattr,
    SYS_splice, SYS_stat, SYS_statfs, SYS_statx, SYS_symlink, SYS_truncate, SYS_unlink, SYS_unlinkat, SYS_utimensat,
    SYS_write,
};
use nix::errno::Errno;

use super::{
    Arg, INHERITED, NOTHING, NULL, Probe, SECRET_FILE, call, each_killed, here, killed, n, refused, text, zeroes,
};

const PASSWD: &str = "/etc/passwd";
/// The agent's directory as the gate sees it, and as the host does.
const DIRECTORIES: [&str; 2] = ["/backend", "/run/lab/neutron"];
/// The agent's socket as the gate sees it, and as the host does.
const SOCKETS: [&str; 2] = ["/backend/metadata_proxy", "/run/lab/neutron/metadata_proxy"];

pub(super) fn probes() -> Vec<Probe> {
    let open = |flags| call(SYS_openat, [here(), text(SECRET_FILE), n(flags), n(0o644)]);
    vec![
        killed(
            "open-reads-a-file",
            "opens a readable file with open(2) and reads it",
            [call(SYS_open, [text(PASSWD), n(libc::O_RDONLY)]), call(SYS_read, [Arg::Made(0), zeroes(64), n(64)])],
        ),
        killed(
            "openat-reads-a-file",
            "the same with openat(2)",
            [open(libc::O_RDONLY), call(SYS_read, [Arg::Made(0), zeroes(64), n(64)])],
        ),
        killed(
            "openat2-reads-a-file",
            "the same with openat2(2)",
            [call(SYS_openat2, [here(), text(PASSWD), zeroes(24), n(24)])],
        ),
        killed(
            "open-writes-a-file",
            "opens a file for writing and writes to it",
            [
                call(SYS_openat, [here(), text("/tmp/nsgate-lab"), n(libc::O_WRONLY | libc::O_CREAT), n(0o600)]),
                call(SYS_write, [Arg::Made(0), text("x"), n(1)]),
            ],
        ),
        each_killed(
            "create-beside-the-agents-socket",
            "creates a file in the agent's directory",
            beside().map(|new| call(SYS_openat, [here(), text(&new), n(libc::O_RDWR | libc::O_CREAT), n(0o600)])),
        ),
        each_killed(
            "open-a-path-descriptor",
            "opens a directory with O_PATH, the root and the agent's",
            ["/", DIRECTORIES[0], DIRECTORIES[1]]
                .map(|path| call(SYS_openat, [here(), text(path), n(libc::O_PATH), n(0)])),
        ),
        refused(
            "read-an-inherited-descriptor",
            "reads the file that the starter inherited open",
            Errno::EBADF,
            [call(SYS_read, [n(INHERITED), zeroes(64), n(64)])],
        ),
        killed("pread", "reads at an offset (pread64)", [call(SYS_pread64, [NOTHING, zeroes(8), n(8), n(0)])]),
        killed(
            "list-a-directory",
            "lists the root (getdents64)",
            [
                call(SYS_open, [text("/"), n(libc::O_RDONLY | libc::O_DIRECTORY)]),
                call(SYS_getdents64, [Arg::Made(0), zeroes(512), n(512)]),
            ],
        ),
        killed("getdents", "getdents64 of a descriptor", [call(SYS_getdents64, [NOTHING, zeroes(64), n(64)])]),
        each_killed(
            "stat",
            "asks about a file: stat, lstat, fstat, newfstatat, statx, statfs",
            [
                call(SYS_stat, [text(PASSWD), zeroes(256)]),
                call(SYS_lstat, [text(PASSWD), zeroes(256)]),
                call(SYS_fstat, [Arg::Guest, zeroes(256)]),
                call(SYS_newfstatat, [here(), text(PASSWD), zeroes(256), n(0)]),
                call(SYS_statx, [here(), text(PASSWD), n(0), n(0x7ff), zeroes(256)]),
                call(SYS_statfs, [text("/"), zeroes(256)]),
            ],
        ),
        each_killed(
            "access",
            "asks whether a file is there: faccessat2, readlink, getxattr, getcwd",
            [
                call(SYS_faccessat2, [here(), text(PASSWD), n(0), n(0)]),
                call(SYS_readlink, [text("/proc/self/exe"), zeroes(64), n(64)]),
                call(SYS_getxattr, [text(PASSWD), text("user.x"), NULL, n(0)]),
                call(SYS_getcwd, [zeroes(64), n(64)]),
            ],
        ),
        each_killed(
            "link",
            "gives a file a second name: link, linkat, symlink",
            [
                call(SYS_link, [text(SECRET_FILE), text("/run/lab/linked")]),
                call(SYS_linkat, [here(), text(SECRET_FILE), here(), text("/run/lab/linked"), n(0)]),
                call(SYS_symlink, [text(SECRET_FILE), text("/run/lab/linked")]),
            ],
        ),
        each_killed(
            "rename-the-agents-socket",
            "renames the agent's socket: rename, renameat2",
            SOCKETS.into_iter().zip(beside()).flat_map(|(socket, new)| {
                [
                    call(SYS_rename, [text(socket), text(&new)]),
                    call(SYS_renameat2, [here(), text(socket), here(), text(&new), n(0)]),
                ]
            }),
        ),
        each_killed(
            "remove-the-agents-socket",
            "removes the agent's socket: unlink, unlinkat",
            SOCKETS.into_iter().flat_map(|socket| {
                [call(SYS_unlink, [text(socket)]), call(SYS_unlinkat, [here(), text(socket), n(0)])]
            }),
        ),
        each_killed(
            "make-a-directory-entry",
            "mkdir and mknod in the agent's directory",
            beside().into_iter().flat_map(|new| {
                [
                    call(SYS_mkdir, [text(&new), n(0o700)]),
                    call(SYS_mknod, [text(&new), n(0o600 | i64::from(libc::S_IFIFO)), n(0)]),
                ]
            }),
        ),
        each_killed(
            "change-a-files-attributes",
            "chmod, fchmodat2, chown, truncate, utimensat, setxattr of the agent's socket",
            [
                call(SYS_chmod, [text(SOCKETS[1]), n(0o777)]),
                call(SYS_fchmodat2, [here(), text(SOCKETS[1]), n(0o777), n(0)]),
                call(SYS_chown, [text(SOCKETS[0]), n(0), n(0)]),
                call(SYS_truncate, [text(SECRET_FILE), n(0)]),
                call(SYS_utimensat, [here(), text(SOCKETS[1]), NULL, n(0)]),
                call(SYS_setxattr, [text(SOCKETS[0]), text("user.x"), text("y"), n(1), n(0)]),
            ],
        ),
        each_killed(
            "change-directory",
            "changes into the agent's directory",
            DIRECTORIES.map(|path| call(SYS_chdir, [text(path)])),
        ),
        each_killed(
            "watch-files",
            "watches what others open: inotify_init1, fanotify_init",
            [call(SYS_inotify_init1, [n(0)]), call(SYS_fanotify_init, [n(0), n(0)])],
        ),
        each_killed(
            "open-by-handle",
            "file handles, past every path: name_to_handle_at, open_by_handle_at",
            [
                call(SYS_name_to_handle_at, [here(), text("/"), Arg::Bytes(handle()), zeroes(4), n(0)]),
                call(SYS_open_by_handle_at, [here(), Arg::Bytes(handle()), n(0)]),
            ],
        ),
        each_killed(
            "copy-between-descriptors",
            "sendfile, splice, copy_file_range to a guest",
            [
                call(SYS_sendfile, [Arg::Guest, n(0), NULL, n(64)]),
                call(SYS_splice, [n(0), NULL, Arg::Guest, NULL, n(64), n(0)]),
                call(SYS_copy_file_range, [n(0), NULL, Arg::Guest, NULL, n(64), n(0)]),
            ],
        ),
        each_killed(
            "duplicate-a-descriptor",
            "fcntl: duplicates a guest's connection, makes it deliver signals",
            [
                call(SYS_fcntl, [Arg::Guest, n(libc::F_DUPFD), n(100)]),
                call(SYS_fcntl, [Arg::Guest, n(libc::F_SETOWN), n(1)]),
            ],
        ),
        each_killed(
            "ioctl",
            "types into a terminal (TIOCSTI); asks for interfaces (SIOCGIFCONF)",
            [call(SYS_ioctl, [n(0), n(0x5412), text("x")]), call(SYS_ioctl, [Arg::Guest, n(0x8912), zeroes(16)])],
        ),
    ]
}

/// A file handle with room for 128 bytes.
fn handle() -> Vec<u8> {
    let mut handle = vec![0; 8 + 128];
    handle[0] = 128;
    handle
}

/// A new name in the agent's directory.
fn beside() -> [String; 2] {
    DIRECTORIES.map(|directory| format!("{directory}/new"))
}
