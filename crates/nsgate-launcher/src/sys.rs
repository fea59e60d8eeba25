//! The system and library calls that nix does not wrap, or wraps as unsafe; the only `unsafe` of this crate.
//!
//! Each function is one call: values in, `Errno` or a value out. Nothing here decides anything.
#![allow(unsafe_code)]

use nix::{
    errno::Errno,
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::{ForkResult, Pid},
};
use std::{
    ffi::CStr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::AtomicU64,
};

/// Numbers in a page of counters: 4,096 bytes.
pub(crate) const COUNTERS: usize = 512;

/// Closes every descriptor from `first` to `last` (close_range(2), Linux 5.9).
pub(crate) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: nothing in this process owns one of them: it is called first thing, by one thread, or in `keep_only`.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0u32) }).map(drop)
}

/// Closes every descriptor behind standard error but those in `kept`. In a child that has just been forked, and never uses or
/// drops anything else that its parent had open.
pub(crate) fn close_all_but(kept: &[RawFd]) -> Result<(), Errno> {
    let mut kept: Vec<u32> =
        kept.iter().filter_map(|number| u32::try_from(*number).ok()).filter(|number| *number > 2).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut first = 3;
    for number in kept {
        if number > first {
            close_range(first, number - 1)?;
        }
        first = number + 1;
    }
    close_range(first, u32::MAX)
}

/// A copy of a descriptor that came with the process, if it did.
pub(crate) fn copy_of(number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: integers only; the result is looked at.
    let copy = Errno::result(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel has just returned this descriptor; it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// A descriptor that this process was started with, as an owned one; nothing if it is not open.
pub(crate) fn inherited_descriptor(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: a number and a flag; a descriptor that is not open is an error.
    let open = Errno::result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }).is_ok();
    // SAFETY: it was passed to this process (sd_listen_fds(3)), and each number is asked for once: it has no other owner.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// `fork(2)`: the child's id in the parent, nothing in the child.
pub(crate) fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: the process has one thread, so the child may do everything that the parent could.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

/// Gives three descriptors the numbers 3, 4 and 5, and closes everything above. In a child that has just been forked and
/// will use nothing else that its parent had open.
pub(crate) fn keep_only(kept: [OwnedFd; 3]) -> Result<[OwnedFd; 3], Errno> {
    let kept = kept.map(IntoRawFd::into_raw_fd);
    let mut aside = [0; 3];
    for (to, from) in aside.iter_mut().zip(kept) {
        // SAFETY: integers only; the copy has a number above those that are given away below.
        *to = Errno::result(unsafe { libc::fcntl(from, libc::F_DUPFD_CLOEXEC, 6) })?;
    }
    for (from, to) in aside.into_iter().zip(3..) {
        // SAFETY: the number's owner in the parent does not run in this process, which never returns to it.
        Errno::result(unsafe { libc::dup3(from, to, libc::O_CLOEXEC) })?;
    }
    close_range(6, u32::MAX)?;
    // SAFETY: dup3 has just made them, and they have no other owner.
    Ok([3, 4, 5].map(|number| unsafe { OwnedFd::from_raw_fd(number) }))
}

/// `fstat(2)` as the system call itself: the C library makes it `newfstatat(2)`, which takes paths as well.
pub(crate) fn fstat(file: BorrowedFd<'_>) -> Result<libc::stat, Errno> {
    // SAFETY: all zeros is a valid `stat`.
    let mut found: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills a `struct stat`, which is the C library's on every 64-bit architecture of Linux.
    let done = unsafe { libc::syscall(libc::SYS_fstat, file.as_raw_fd(), ptr::from_mut(&mut found)) };
    Errno::result(done).map(|_| found)
}

/// `getxattr(2)`: the whole value.
pub(crate) fn getxattr(path: &CStr, name: &CStr) -> Result<Vec<u8>, Errno> {
    let nothing: *mut libc::c_void = ptr::null_mut();
    // SAFETY: both names end with a NUL; with no room at all the kernel answers how much it would take.
    let length = Errno::result(unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), nothing, 0) })?;
    let mut value = vec![0; usize::try_from(length).unwrap_or(0)];
    // SAFETY: the kernel writes at most the room that there is; a value that has grown meanwhile is ERANGE.
    let done = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(Errno::result(done)?).unwrap_or(0));
    Ok(value)
}

/// `mmap(2)`: one page of this file's memory, shared with it, for ever. The file must have so many bytes and keep them.
pub(crate) fn map_counters(file: BorrowedFd<'_>) -> Result<&'static [AtomicU64; COUNTERS], Errno> {
    let (access, length) = (libc::PROT_READ | libc::PROT_WRITE, size_of::<[AtomicU64; COUNTERS]>());
    // SAFETY: a mapping at an address of the kernel's choice touches no memory that anybody has.
    let start = unsafe { libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if start == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    // SAFETY: the mapping begins at a page, is as long as the array and is never given back. Any bits are a number, and who
    // else has it mapped sees and changes each by atomic operations or as a whole word.
    Ok(unsafe { &*start.cast::<[AtomicU64; COUNTERS]>() })
}

/// Ends the process at once: nothing of its parent's is flushed or run.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: takes an integer and does not return.
    unsafe { libc::_exit(status) }
}

/// `pidfd_open(2)`, Linux 5.3.
pub(crate) fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: integers only.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0u32) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned this descriptor; it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `pidfd_send_signal(2)`, Linux 5.1.
pub(crate) fn pidfd_signal(process: &OwnedFd, signal: i32) -> Result<(), Errno> {
    let none: *const libc::siginfo_t = ptr::null();
    // SAFETY: a null siginfo asks for the kernel's own.
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, none, 0u32) };
    Errno::result(done).map(drop)
}

/// The same with a value, which the receiver of the signal reads (sigqueue(3), signalfd(2)).
pub(crate) fn pidfd_queue(process: &OwnedFd, signal: i32, value: i32) -> Result<(), Errno> {
    /// `siginfo_t` of 64-bit Linux, as far as a queued signal fills it (`asm-generic/siginfo.h`).
    #[repr(C)]
    struct Queued {
        signal: i32,
        errno: i32,
        code: i32,
        gap: i32,
        pid: i32,
        uid: u32,
        value: i32,
        rest: [i32; 25],
    }
    const { assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>()) };
    let (pid, uid) = (nix::unistd::getpid().as_raw(), nix::unistd::getuid().as_raw());
    let code = libc::SI_QUEUE;
    let info = Queued { signal, errno: 0, code, gap: 0, pid, uid, value, rest: [0; 25] };
    let info = ptr::from_ref(&info);
    // SAFETY: the kernel reads a `siginfo_t` there, whose size this is, and nothing else.
    let done = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, info, 0u32) };
    Errno::result(done).map(drop)
}

/// `pidfd_getfd(2)`, Linux 5.6: a copy of another process's descriptor, close-on-exec.
pub(crate) fn pidfd_getfd(process: &OwnedFd, number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: integers only.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0u32) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned this descriptor; it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives a signal its default action back.
pub(crate) fn default_action(signal: Signal) -> Result<(), Errno> {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action runs no code of this process.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// `setsockopt(IPV6_FREEBIND)`, Linux 4.15: an address that is still tentative can be bound (ipv6(7)).
pub(crate) fn set_ipv6_freebind(socket: BorrowedFd<'_>) -> Result<(), Errno> {
    let on: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option takes an int, and gets a pointer to one with its size.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_IPV6, libc::IPV6_FREEBIND, ptr::from_ref(&on).cast(), size)
    };
    Errno::result(done).map(drop)
}

unsafe extern "C" {
    /// environ(7).
    static mut environ: *mut *mut libc::c_char;
}

/// Removes every variable but `kept` from the environment, and their text from memory: it would stay readable in
/// `/proc/PID/environ`. `area` is where the kernel put that text ([`environment_area`]): the C library may have moved
/// some variables elsewhere (GLIBC_TUNABLES), and the old text counts too.
pub(crate) fn clear_environment(kept: &[&str], area: Option<std::ops::Range<usize>>) {
    let is_kept = |text: &[u8]| {
        let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
        kept.iter().any(|kept| kept.as_bytes() == name)
    };
    if let Some(area) = area {
        let start: *mut u8 = ptr::with_exposed_provenance_mut(area.start);
        // SAFETY: the kernel says that this process's environment is there, in its own writable stack; the process has
        // one thread, and holds no reference into it.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start, area.len()) };
        bytes.split_mut(|byte| *byte == 0).filter(|text| !is_kept(text)).for_each(|text| text.fill(0));
    }
    // SAFETY: the process has one thread, and nobody holds a reference into the environment. Every pointer of the
    // array is a NUL-terminated string in writable memory of this process (execve(2) put it on the stack).
    unsafe {
        if environ.is_null() {
            return;
        }
        let (mut from, mut to) = (environ, environ);
        while !(*from).is_null() {
            let text = CStr::from_ptr(*from).to_bytes();
            if is_kept(text) {
                *to = *from;
                to = to.add(1);
            } else {
                ptr::write_bytes(*from, 0, text.len());
            }
            from = from.add(1);
        }
        *to = ptr::null_mut();
    }
}

unsafe extern "C" {
    #[link_name = "tzset"]
    fn libc_tzset();
}

/// `tzset(3)`.
pub(crate) fn tzset() {
    // SAFETY: the process has one thread, so the environment does not change meanwhile.
    unsafe { libc_tzset() }
}

/// `localtime_r(3)`; a moment that the library cannot express is the beginning of 1970.
pub(crate) fn local_time(unix_seconds: i64) -> libc::tm {
    // SAFETY: all zeros is a valid `tm`.
    let mut found: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live for the call.
    unsafe { libc::localtime_r(&unix_seconds, &mut found) };
    found
}
