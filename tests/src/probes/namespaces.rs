//! Namespaces and mounts: none is made, entered or changed.

use libc::{
    SYS_chroot, SYS_clone, SYS_clone3, SYS_fsmount, SYS_fsopen, SYS_fspick, SYS_mount, SYS_mount_setattr,
    SYS_move_mount, SYS_open, SYS_open_tree, SYS_pivot_root, SYS_setns, SYS_umount2, SYS_unshare,
};

use super::programs::clone_args;
use super::{Arg, NOTHING, NULL, Probe, call, each_killed, here, killed, n, text, zeroes};

/// New user, network, mount, PID, IPC, UTS and control group namespaces.
const KINDS: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

pub(super) fn probes() -> Vec<Probe> {
    vec![
        killed("user-namespace", "becomes root in a user namespace of its own", [call(SYS_unshare, [n(KINDS[0])])]),
        each_killed(
            "unshare",
            "leaves each of its namespaces: network, mount, PID, IPC, UTS, control group",
            KINDS.into_iter().skip(1).map(|kind| call(SYS_unshare, [n(kind)])),
        ),
        each_killed(
            "clone-into-a-namespace",
            "makes a process in a new namespace of each kind",
            KINDS.map(|kind| call(SYS_clone, [n(kind | libc::SIGCHLD), NULL, NULL, NULL, NULL])),
        ),
        killed(
            "clone3-into-a-namespace",
            "the same with clone3(2), a user namespace",
            [call(SYS_clone3, [Arg::Bytes(clone_args(0x1000_0000)), n(88)])],
        ),
        killed(
            "enter-the-hosts-network",
            "opens a network namespace and enters it",
            [
                call(SYS_open, [text("/proc/self/ns/net"), n(libc::O_RDONLY)]),
                call(SYS_setns, [Arg::Made(0), n(libc::CLONE_NEWNET)]),
            ],
        ),
        killed("setns", "enters a namespace by descriptor", [call(SYS_setns, [NOTHING, n(0)])]),
        killed("chroot", "changes its root", [call(SYS_chroot, [text("/")])]),
        killed("pivot-root", "swaps its root", [call(SYS_pivot_root, [text("/nowhere"), text("/nowhere")])]),
        killed(
            "mount",
            "mounts a file system",
            [call(SYS_mount, [text("none"), text("/tmp"), text("tmpfs"), n(0), NULL])],
        ),
        killed("remount", "makes its root writable", [call(SYS_mount, [NULL, text("/"), NULL, n(0x1020), NULL])]),
        killed("unmount", "unmounts a file system", [call(SYS_umount2, [text("/proc"), n(2)])]),
        each_killed(
            "mount-by-descriptor",
            "open_tree, move_mount, mount_setattr",
            [
                call(SYS_open_tree, [here(), text("/"), n(1)]),
                call(SYS_move_mount, [NOTHING, text(""), NOTHING, text(""), n(0)]),
                call(SYS_mount_setattr, [NOTHING, text(""), n(0), zeroes(32), n(32)]),
            ],
        ),
        each_killed(
            "new-mount-interface",
            "fsopen, fspick, fsmount",
            [
                call(SYS_fsopen, [text("tmpfs"), n(0)]),
                call(SYS_fspick, [here(), text("/"), n(0)]),
                call(SYS_fsmount, [NOTHING, n(0), n(0)]),
            ],
        ),
        each_killed(
            "look-at-mounts",
            "statmount, listmount",
            [
                call(457, [Arg::Bytes(every_mount()), zeroes(512), n(512), n(0)]),
                call(458, [Arg::Bytes(every_mount()), zeroes(64), n(8), n(0)]),
            ],
        ),
    ]
}

/// `struct mnt_id_req` that begins at the root of everything.
fn every_mount() -> Vec<u8> {
    [24, u64::MAX, 0].iter().flat_map(|word: &u64| word.to_le_bytes()).collect()
}
