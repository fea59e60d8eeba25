//! The kernel's large and rarely used surfaces: none can be reached, so that a flaw in one is out of reach too.

use libc::{
    SYS_acct, SYS_bpf, SYS_clock_adjtime, SYS_clock_settime, SYS_delete_module, SYS_finit_module, SYS_init_module,
    SYS_io_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup, SYS_ioperm, SYS_iopl,
    SYS_kexec_file_load, SYS_kexec_load, SYS_mbind, SYS_membarrier, SYS_modify_ldt, SYS_mq_open, SYS_msgget,
    SYS_perf_event_open, SYS_quotactl, SYS_quotactl_fd, SYS_reboot, SYS_rseq, SYS_semget, SYS_set_mempolicy,
    SYS_setdomainname, SYS_sethostname, SYS_settimeofday, SYS_shmat, SYS_shmget, SYS_swapoff, SYS_swapon, SYS_sync,
    SYS_sysinfo, SYS_syslog, SYS_uname, SYS_userfaultfd,
};

use super::{Arg, NOTHING, NULL, Probe, call, each_killed, killed, n, text, zeroes};

/// An address at which nothing is mapped.
const NOWHERE: Arg = Arg::N(8);

pub(super) fn probes() -> Vec<Probe> {
    let mut all = surfaces();
    all.extend(the_machine());
    all
}

fn surfaces() -> Vec<Probe> {
    vec![
        each_killed(
            "bpf",
            "makes a map, loads a program, asks for ids (bpf)",
            [0, 5, 11].map(|command| call(SYS_bpf, [n(command), zeroes(128), n(128)])),
        ),
        killed(
            "perf-events",
            "counts what others do (perf_event_open)",
            [call(SYS_perf_event_open, [zeroes(128), n(0), n(-1), n(-1), n(0)])],
        ),
        killed(
            "io-uring",
            "makes a ring by which calls pass the filter (io_uring_setup)",
            [call(SYS_io_uring_setup, [n(1), zeroes(120)])],
        ),
        each_killed(
            "io-uring-on-nothing",
            "io_uring_enter, io_uring_register, io_setup",
            [
                call(SYS_io_uring_enter, [NOTHING, n(1), n(0), n(0), NULL, n(0)]),
                call(SYS_io_uring_register, [NOTHING, n(0), NULL, n(0)]),
                call(SYS_io_setup, [n(1), zeroes(8)]),
            ],
        ),
        killed("userfaultfd", "handles its own page faults", [call(SYS_userfaultfd, [n(1)])]),
        each_killed(
            "system-v-ipc",
            "shared memory, messages, semaphores: shmget, shmat, msgget, semget",
            [
                call(SYS_shmget, [n(0), n(4096), n(0o1600)]),
                call(SYS_shmat, [n(0), NULL, n(0)]),
                call(SYS_msgget, [n(0), n(0o1600)]),
                call(SYS_semget, [n(0), n(1), n(0o1600)]),
            ],
        ),
        killed(
            "posix-queues",
            "opens a message queue",
            [call(SYS_mq_open, [text("nsgate.lab"), n(libc::O_CREAT | libc::O_RDWR), n(0o600), NULL])],
        ),
        each_killed(
            "processor-state",
            "modify_ldt, iopl, ioperm, membarrier, rseq",
            [
                call(SYS_modify_ldt, [n(0), zeroes(64), n(64)]),
                call(SYS_iopl, [n(9)]),
                call(SYS_ioperm, [n(0x1_0000), n(1), n(1)]),
                call(SYS_membarrier, [n(0), n(0), n(0)]),
                call(SYS_rseq, [NULL, n(0), n(0), n(0)]),
            ],
        ),
        each_killed(
            "memory-policy",
            "set_mempolicy, mbind",
            [call(SYS_set_mempolicy, [n(0), NULL, n(0)]), call(SYS_mbind, [n(0), n(0), n(0), NULL, n(0), n(0)])],
        ),
        each_killed(
            "ask-about-the-host",
            "uname, sysinfo, sync",
            [call(SYS_uname, [zeroes(512)]), call(SYS_sysinfo, [zeroes(128)]), call(SYS_sync, [])],
        ),
    ]
}

/// With arguments that the kernel refuses to every process.
fn the_machine() -> Vec<Probe> {
    vec![
        each_killed(
            "modules",
            "loads and removes modules (no image, no name)",
            [
                call(SYS_init_module, [NULL, n(0), NULL]),
                call(SYS_finit_module, [NOTHING, NULL, n(0)]),
                call(SYS_delete_module, [NULL, n(0)]),
            ],
        ),
        each_killed(
            "kexec",
            "loads another kernel (no image, unknown flags)",
            [
                call(SYS_kexec_load, [n(0), n(1_000_000), NULL, n(0xffff)]),
                call(SYS_kexec_file_load, [NOTHING, NOTHING, n(0), NULL, n(0xffff)]),
            ],
        ),
        killed("reboot", "restarts the machine (wrong magic)", [call(SYS_reboot, [n(0), n(0), n(0), NULL])]),
        each_killed("swap", "swapon, swapoff (no path)", [call(SYS_swapon, [NULL, n(0)]), call(SYS_swapoff, [NULL])]),
        killed("accounting", "writes process accounting to a file (no path)", [call(SYS_acct, [NOWHERE])]),
        each_killed(
            "quotas",
            "quotactl, quotactl_fd (no device)",
            [call(SYS_quotactl, [n(-1), NULL, n(0), NULL]), call(SYS_quotactl_fd, [NOTHING, n(-1), n(0), NULL])],
        ),
        killed("kernel-log", "reads the kernel's log (syslog(2))", [call(SYS_syslog, [n(3), zeroes(64), n(64)])]),
        each_killed(
            "set-the-clock",
            "clock_settime, settimeofday, clock_adjtime (no time)",
            [
                call(SYS_clock_settime, [n(0), NULL]),
                call(SYS_settimeofday, [NULL, NULL]),
                call(SYS_clock_adjtime, [n(0), NULL]),
            ],
        ),
        each_killed(
            "names-of-the-host",
            "sethostname, setdomainname (no name, impossible length)",
            [call(SYS_sethostname, [NULL, n(-1)]), call(SYS_setdomainname, [NULL, n(-1)])],
        ),
    ]
}
