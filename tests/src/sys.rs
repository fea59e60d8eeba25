//! The few kernel calls the laboratory makes by hand. The only unsafe code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::unistd::{ForkResult, Pid};

/// Forks; the caller must have no other thread (checked).
///
/// # Errors
/// When the process has several threads, or fork(2) fails.
pub fn fork_single() -> io::Result<ForkResult> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("fork needs a process with one thread, this one has {threads}")));
    }
    // SAFETY: this process has exactly one thread (checked above), so no lock can be held by another one.
    Ok(unsafe { nix::unistd::fork() }?)
}

/// Leaves at once, without running destructors: the end of a forked child.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Asks for SIGKILL when the parent dies, so that nothing outlives the process that started it.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: prctl with two numbers, no pointer.
    let answer = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the keyboard's signals end this process again: a shell ignores them for what it starts in the background.
pub fn hear_the_keyboard() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, Signal, signal};
    for one in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: the default action is no function of ours.
        unsafe { signal(one, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// A descriptor for the process `pid` (pidfd_open(2)); readable when it has ended.
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned this descriptor to us; no other value owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes this thread, and no other one, a user's: without privileges, and unable to gain any. The C library's own functions
/// would change every thread (nptl(7)).
pub fn give_up_in_this_thread(uid: u32) -> io::Result<()> {
    let none: *const libc::gid_t = std::ptr::null();
    // SAFETY: numbers, and an empty list that is not read (setgroups(2)).
    let answers = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, 0, none),
            libc::syscall(libc::SYS_setresgid, uid, uid, uid),
            libc::syscall(libc::SYS_setresuid, uid, uid, uid),
            libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        ]
    };
    if answers == [0; 4] { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends `signal` through the pidfd: never to a process that took the number over.
pub fn signal(pidfd: BorrowedFd<'_>, signal: nix::sys::signal::Signal) -> io::Result<()> {
    // SAFETY: numbers and a null pointer, which pidfd_send_signal(2) allows.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Waits for `pid` and returns what a shell would: its status, or 128 and the signal's number.
pub fn wait_for(pid: Pid) -> io::Result<i32> {
    use nix::errno::Errno;
    use nix::sys::wait::{WaitStatus, waitpid};
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The version of Landlock that the kernel knows; 0 for none.
pub fn landlock_abi() -> i32 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: a null attribute of size 0 is what the version query asks for (landlock_create_ruleset(2)).
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(abi).unwrap_or(0).max(0)
}

/// A Landlock domain for this thread and what it starts, which forbids no TCP and no file: it handles one right
/// that no test needs. Whether the kernel gave it.
pub fn enter_landlock_domain() -> bool {
    // LANDLOCK_ACCESS_FS_MAKE_BLOCK (landlock_create_ruleset(2)).
    let handled: u64 = 1 << 11;
    // SAFETY: the attribute is one u64, and its size says so.
    let ruleset = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(&handled), size_of::<u64>(), 0u32)
    };
    // SAFETY: numbers alone.
    ruleset >= 0 && unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0u32) } == 0
}

/// From now on `number` does nothing and answers `errno` in this process and all that it starts: with ENOSYS it is a
/// kernel that does not have the call, with 0 one that pretends.
///
/// # Errors
/// When the filter cannot be installed.
pub fn instead_of_syscall(number: i64, errno: i32) -> io::Result<()> {
    instead_of_syscall_with(number, None, errno)
}

/// As [`instead_of_syscall`], for calls whose first argument has this value in its lower half.
///
/// # Errors
/// When the filter cannot be installed.
pub fn instead_of_syscall_with(number: i64, first: Option<u32>, errno: i32) -> io::Result<()> {
    let number = u32::try_from(number).map_err(io::Error::other)?;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let answer = libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA);
    // Offsets in `struct seccomp_data`: the number at 0, the first argument's lower half at 16. Without a wish for the
    // argument the second comparison goes on either way.
    let miss = u8::from(first.is_some());
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 3, number),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 16),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, miss, first.unwrap_or(0)),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, answer),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to the filter above, which lives until the call returns; the kernel copies it.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A descriptor that the kernel has just installed (recvmsg(2)), with its owner.
pub fn received(number: std::os::fd::RawFd) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: a received message has brought this descriptor, and no other value owns it.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(number) }
}

/// The kernel's number of a socket (SO_COOKIE, socket(7)).
pub fn cookie(socket: &impl std::os::fd::AsRawFd) -> u64 {
    let (mut value, mut size) = (0u64, 8 as libc::socklen_t);
    let place = std::ptr::from_mut(&mut value).cast();
    // SAFETY: the option's value is a u64, and the kernel gets a pointer to one with its size.
    let done = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_COOKIE, place, &mut size) };
    assert_eq!(done, 0, "SO_COOKIE");
    value
}

/// A copy of the mounts at and below `path`, attached nowhere yet (open_tree(2) with OPEN_TREE_CLONE and AT_RECURSIVE).
///
/// # Errors
/// When the kernel or a container's filter refuses.
pub fn mounts_at(path: &std::path::Path) -> io::Result<OwnedFd> {
    let name = c_path(path)?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as libc::c_uint;
    // SAFETY: a path that lives until the call returns, and numbers; the answer is a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, name.as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned this descriptor to us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attaches such a copy at `path` (move_mount(2)).
///
/// # Errors
/// When there is no such directory, or the kernel refuses.
pub fn attach(mounts: &OwnedFd, path: &std::path::Path) -> io::Result<()> {
    let name = c_path(path)?;
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
    // SAFETY: a descriptor, two paths that live until the call returns, and numbers.
    let answer = unsafe {
        let (from, to) = (mounts.as_raw_fd(), libc::AT_FDCWD);
        libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, name.as_ptr(), flags)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes such a copy read-only (mount_setattr(2) with AT_RECURSIVE, Linux 5.12).
///
/// # Errors
/// When the kernel or a container's filter refuses.
pub fn make_read_only(mounts: &OwnedFd) -> io::Result<()> {
    let wish = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_RECURSIVE | libc::AT_EMPTY_PATH;
    // SAFETY: a descriptor, an empty path, a structure with its size, and numbers; all live until the call returns.
    let answer = unsafe {
        let size = size_of::<libc::mount_attr>();
        libc::syscall(libc::SYS_mount_setattr, mounts.as_raw_fd(), c"".as_ptr(), flags, &wish, size)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn c_path(path: &std::path::Path) -> io::Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

/// The new process stops at its first instruction, for this thread to trace (ptrace(2)); its addresses are the same in
/// every run (personality(2)), and it ends after `seconds`.
pub fn traced(command: &mut std::process::Command, seconds: u32) {
    use nix::sys::resource::{Resource, setrlimit};
    use std::os::unix::process::CommandExt;
    let prepare = move || {
        nix::sys::ptrace::traceme()?;
        nix::unistd::alarm::set(seconds);
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        // SAFETY: personality(2) takes a number.
        if unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made, and nothing is allocated.
    unsafe { command.pre_exec(prepare) };
}

/// mmap(2): a page of a file, shared and to be written; given back at once.
///
/// # Errors
/// As mmap(2).
pub fn map_to_write(file: &std::fs::File) -> io::Result<()> {
    let flags = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a mapping at an address of the kernel's choice touches no memory that is in use.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), 4096, flags.0, flags.1, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping was just made, and there is no reference into it.
    unsafe { libc::munmap(start, 4096) };
    Ok(())
}
