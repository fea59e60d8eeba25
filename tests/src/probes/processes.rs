//! Other processes: none can be signalled, traced, read, written, waited for or slowed down.

use libc::{
    SYS_clock_gettime, SYS_futex_waitv, SYS_get_robust_list, SYS_getpriority, SYS_ioprio_set, SYS_kcmp, SYS_kill,
    SYS_migrate_pages, SYS_move_pages, SYS_pidfd_getfd, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_process_madvise,
    SYS_process_mrelease, SYS_process_vm_readv, SYS_process_vm_writev, SYS_ptrace, SYS_rt_sigaction,
    SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_sched_setaffinity, SYS_sched_setattr, SYS_sched_setscheduler,
    SYS_setpgid, SYS_setpriority, SYS_setsid, SYS_tgkill, SYS_timer_create, SYS_tkill, SYS_wait4, SYS_waitid,
};
use nix::errno::Errno;

use super::{Arg, NOTHING, NULL, Probe, call, each_killed, killed, n, refused, zeroes};

pub(super) fn probes() -> Vec<Probe> {
    vec![
        each_killed(
            "kill",
            "signals a neighbour, everyone, its group, itself (kill with signal 0)",
            [Arg::Neighbour, n(-1), n(0), n(1)].map(|whom| call(SYS_kill, [whom, n(0)])),
        ),
        each_killed(
            "signal-a-thread",
            "signals a thread of a neighbour: tgkill, tkill",
            [call(SYS_tgkill, [Arg::Neighbour, Arg::Neighbour, n(0)]), call(SYS_tkill, [Arg::Neighbour, n(0)])],
        ),
        each_killed(
            "signal-with-a-message",
            "rt_sigqueueinfo, rt_tgsigqueueinfo to a neighbour",
            [
                call(SYS_rt_sigqueueinfo, [Arg::Neighbour, n(0), Arg::Bytes(queued())]),
                call(SYS_rt_tgsigqueueinfo, [Arg::Neighbour, Arg::Neighbour, n(0), Arg::Bytes(queued())]),
            ],
        ),
        killed("pidfd-open", "opens a neighbour as a descriptor", [call(SYS_pidfd_open, [Arg::Neighbour, n(0)])]),
        killed(
            "pidfd-send-signal",
            "signals a neighbour through such a descriptor",
            [
                call(SYS_pidfd_open, [Arg::Neighbour, n(0)]),
                call(SYS_pidfd_send_signal, [Arg::Made(0), n(0), NULL, n(0)]),
            ],
        ),
        killed(
            "pidfd-send-signal-on-nothing",
            "the same on no descriptor",
            [call(SYS_pidfd_send_signal, [NOTHING, n(0), NULL, n(0)])],
        ),
        killed(
            "steal-a-descriptor",
            "takes a descriptor out of a neighbour (pidfd_getfd)",
            [call(SYS_pidfd_open, [Arg::Neighbour, n(0)]), call(SYS_pidfd_getfd, [Arg::Made(0), n(0), n(0)])],
        ),
        each_killed(
            "ptrace",
            "traces a neighbour; asks to be traced",
            [call(SYS_ptrace, [n(0x4206), Arg::Neighbour, NULL, NULL]), call(SYS_ptrace, [n(0), n(0), NULL, NULL])],
        ),
        killed(
            "read-another-memory",
            "reads a neighbour's memory (process_vm_readv)",
            [call(SYS_process_vm_readv, [Arg::Neighbour, vector(), n(1), vector(), n(1), n(0)])],
        ),
        killed(
            "write-another-memory",
            "writes a neighbour's memory (process_vm_writev)",
            [call(SYS_process_vm_writev, [Arg::Neighbour, vector(), n(1), vector(), n(1), n(0)])],
        ),
        each_killed(
            "disturb-another-memory",
            "process_madvise, process_mrelease, move_pages, migrate_pages",
            [
                call(SYS_process_madvise, [NOTHING, vector(), n(1), n(20), n(0)]),
                call(SYS_process_mrelease, [NOTHING, n(0)]),
                call(SYS_move_pages, [Arg::Neighbour, n(0), NULL, NULL, NULL, n(0)]),
                call(SYS_migrate_pages, [Arg::Neighbour, n(64), zeroes(8), zeroes(8)]),
            ],
        ),
        each_killed(
            "compare-and-list",
            "learns of a neighbour: kcmp, get_robust_list, getpriority",
            [
                call(SYS_kcmp, [Arg::Neighbour, Arg::Neighbour, n(0), n(0), n(0)]),
                call(SYS_get_robust_list, [Arg::Neighbour, zeroes(8), zeroes(8)]),
                call(SYS_getpriority, [n(0), Arg::Neighbour]),
            ],
        ),
        refused(
            "a-neighbours-clock",
            "reads how much processor time a neighbour has used (clock_gettime, an allowed call)",
            Errno::EINVAL,
            [call(SYS_clock_gettime, [Arg::NeighbourClock, zeroes(16)])],
        ),
        each_killed(
            "scheduling",
            "sched_setaffinity, sched_setscheduler, sched_setattr, setpriority, ioprio_set",
            [
                call(SYS_sched_setaffinity, [n(0), n(128), Arg::Bytes(vec![0xff; 128])]),
                call(SYS_sched_setscheduler, [n(0), n(1), Arg::Bytes(vec![1, 0, 0, 0])]),
                call(SYS_sched_setattr, [n(0), zeroes(48), n(0)]),
                call(SYS_setpriority, [n(0), Arg::Neighbour, n(19)]),
                call(SYS_ioprio_set, [n(1), Arg::Neighbour, n(0)]),
            ],
        ),
        each_killed(
            "sessions",
            "setsid, setpgid, wait4, waitid",
            [
                call(SYS_setsid, []),
                call(SYS_setpgid, [n(0), n(0)]),
                call(SYS_wait4, [n(-1), NULL, n(libc::WNOHANG), NULL]),
                call(SYS_waitid, [n(0), n(0), zeroes(128), n(libc::WNOHANG | libc::WEXITED), NULL]),
            ],
        ),
        each_killed(
            "signal-handlers-and-timers",
            "rt_sigaction, timer_create, futex_waitv",
            [
                call(SYS_rt_sigaction, [n(libc::SIGUSR2), NULL, NULL, n(8)]),
                call(SYS_timer_create, [n(0), NULL, zeroes(8)]),
                call(SYS_futex_waitv, [NULL, n(0), n(0), NULL, n(0)]),
            ],
        ),
    ]
}

/// A `siginfo_t` whose code says that it was queued.
fn queued() -> Vec<u8> {
    let mut information = vec![0; 128];
    information[8..12].copy_from_slice(&(-1i32).to_le_bytes());
    information
}

/// One `iovec`. Of the neighbour's memory it names the same address, where as a rule nothing is.
fn vector() -> Arg {
    Arg::Words(vec![zeroes(8), Arg::N(8)])
}
