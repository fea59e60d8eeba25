//! The system calls that nix and the other crates do not wrap; the only `unsafe` of this crate.
//!
//! Each function is one call: values in, `Errno` or a value out. Nothing here decides anything.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use crate::calls;

use nix::errno::Errno;

/// `MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC` of `linux/mount.h`.
const MOUNT_ATTR_WINDOW: u64 = 0x1 | 0x2 | 0x4 | 0x8;
const OPEN_TREE_CLONE: libc::c_uint = 1;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;
const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;
/// `_LINUX_CAPABILITY_VERSION_3` of `linux/capability.h`.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The three sets that `capget(2)` knows, as bit masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
}

/// `open_tree(2)`: a detached, non-recursive clone of the mount at `dir`, with `dir` as its root.
pub(crate) fn open_tree_clone(dir: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as libc::c_uint | libc::AT_EMPTY_PATH as libc::c_uint;
    // SAFETY: the path is a NUL-terminated literal and the descriptor is open for the length of the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), c"".as_ptr(), flags) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `ioctl(NS_GET_USERNS)`, ioctl_nsfs(2): the user namespace that a namespace belongs to; EPERM if that is out of reach.
pub(crate) fn owner_of(namespace: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    const NS_GET_USERNS: libc::Ioctl = 0xb701;
    // SAFETY: the request takes no argument and the descriptor is open for the length of the call.
    let fd = Errno::result(unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) })?;
    // SAFETY: the kernel has just returned this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `mount_setattr(2)`: read-only, nosuid, nodev, noexec, and no propagation from where it was cloned.
pub(crate) fn make_window(tree: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes =
        MountAttr { attr_set: MOUNT_ATTR_WINDOW, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 };
    // SAFETY: the path is a NUL-terminated literal, the struct is `struct mount_attr` of version 0 and its size is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            ptr::from_ref(&attributes),
            size_of::<MountAttr>(),
        )
    };
    Errno::result(done).map(drop)
}

/// `move_mount(2)`: attaches a detached tree at `path`, relative to the working directory.
pub(crate) fn move_mount(tree: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths are NUL-terminated and outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

/// These bytes in memory of their own that can be read and not written, from an address of whole pages on. It is never
/// given back.
pub(crate) fn read_only(bytes: &[u8]) -> Result<&'static [u8], Errno> {
    let (write, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory that is in use.
    let start = unsafe { libc::mmap(ptr::null_mut(), bytes.len(), write, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    // SAFETY: the mapping has room for the bytes and nothing else points to it yet.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast::<u8>(), bytes.len()) };
    // SAFETY: the mapping is this function's own.
    Errno::result(unsafe { libc::mprotect(start, bytes.len(), libc::PROT_READ) })?;
    // SAFETY: the bytes were written, nothing can write them any more, and nothing unmaps them.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), bytes.len()) })
}

/// `openat2(2)`, Linux 5.6, with the path and the `struct open_how` at the very addresses that were given.
/// `fgetxattr(2)`: how long the value is.
pub(crate) fn fgetxattr(file: BorrowedFd<'_>, name: &'static CStr, value: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the name is NUL-terminated, and the kernel writes at most `value.len()` bytes of `value`.
    let length = unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    usize::try_from(Errno::result(length)?).map_err(|_| Errno::EOVERFLOW)
}

pub(crate) fn openat2(directory: BorrowedFd<'_>, path: &'static CStr, how: &'static [u8]) -> Result<OwnedFd, Errno> {
    // SAFETY: the path is NUL-terminated, the kernel reads `how.len()` bytes of `how`, and both live for ever.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, directory.as_raw_fd(), path.as_ptr(), how.as_ptr(), how.len()) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just returned this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// ABI version of the running kernel's Landlock; ENOSYS or EOPNOTSUPP where there is none.
pub(crate) fn landlock_abi() -> Result<i32, Errno> {
    // SAFETY: a null attribute of size 0 is what the version query asks for.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<libc::c_void>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    i32::try_from(Errno::result(abi)?).map_err(|_| Errno::EOVERFLOW)
}

/// `capget(2)` of this thread: a second opinion beside the crate that clears the sets.
pub(crate) fn capget() -> Result<Sets, Errno> {
    let mut header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [CapData::default(); 2];
    // SAFETY: version 3 wants a header and an array of two data structs, and gets them.
    let done = unsafe { libc::syscall(libc::SYS_capget, ptr::from_mut(&mut header), data.as_mut_ptr()) };
    Errno::result(done)?;
    let [low, high] = data;
    let join = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
    Ok(Sets {
        effective: join(low.effective, high.effective),
        permitted: join(low.permitted, high.permitted),
        inheritable: join(low.inheritable, high.inheritable),
    })
}

/// `capset(2)` of this thread: asks for exactly these sets.
pub(crate) fn capset(sets: Sets) -> Result<(), Errno> {
    let mut header = CapHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let half = |mask: u64, shift: u32| u32::try_from((mask >> shift) & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let data = [0, 32].map(|shift| CapData {
        effective: half(sets.effective, shift),
        permitted: half(sets.permitted, shift),
        inheritable: half(sets.inheritable, shift),
    });
    // SAFETY: version 3 wants a header and an array of two data structs, and gets them.
    let done = unsafe { libc::syscall(libc::SYS_capset, ptr::from_mut(&mut header), data.as_ptr()) };
    Errno::result(done).map(drop)
}

/// `prctl(2)` with integer arguments alone.
fn prctl(option: libc::c_int, first: libc::c_ulong, second: libc::c_ulong) -> Result<libc::c_int, Errno> {
    let none: libc::c_ulong = 0;
    // SAFETY: the options used in this module take integers, so the kernel reads and writes no memory of ours.
    Errno::result(unsafe { libc::prctl(option, first, second, none, none) })
}

/// Is this capability in the bounding set? EINVAL: the kernel has no such capability.
pub(crate) fn bounding_has(capability: u8) -> Result<bool, Errno> {
    prctl(libc::PR_CAPBSET_READ, capability.into(), 0).map(|answer| answer == 1)
}

/// Is this capability in the ambient set? EINVAL: the kernel has no such capability, or no ambient set.
pub(crate) fn ambient_has(capability: u8) -> Result<bool, Errno> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET as libc::c_ulong, capability.into())
        .map(|answer| answer == 1)
}

/// Sets the securebits, `capabilities(7)`.
pub(crate) fn set_securebits(bits: libc::c_ulong) -> Result<(), Errno> {
    prctl(libc::PR_SET_SECUREBITS, bits, 0).map(drop)
}

/// The protocol of the socket that this link in `/proc/PID/fd` leads to, as the kernel calls it: the attribute that sockets
/// have in the place of others (`net/socket.c`).
pub(crate) fn socket_protocol(link: &Path) -> Result<String, Errno> {
    let path = CString::new(link.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let mut name = [0u8; 64];
    // SAFETY: both strings are NUL-terminated, and the kernel writes at most as many bytes as there are.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), c"system.sockprotoname".as_ptr(), name.as_mut_ptr().cast(), name.len())
    };
    let length = usize::try_from(Errno::result(length)?).map_err(|_| Errno::ERANGE)?;
    let name = name.iter().take(length).take_while(|byte| **byte != 0).copied().collect();
    String::from_utf8(name).map_err(|_| Errno::EILSEQ)
}

/// Reads the securebits back.
pub(crate) fn securebits() -> Result<libc::c_ulong, Errno> {
    let bits = prctl(libc::PR_GET_SECUREBITS, 0, 0)?;
    libc::c_ulong::try_from(bits).map_err(|_| Errno::ERANGE)
}

/// Memory that was written can never become executable (Linux 6.3).
pub(crate) fn set_mdwe() -> Result<(), Errno> {
    prctl(libc::PR_SET_MDWE, libc::PR_MDWE_REFUSE_EXEC_GAIN.into(), 0).map(drop)
}

/// Whether [`set_mdwe`] took.
pub(crate) fn mdwe() -> Result<bool, Errno> {
    let bits = prctl(libc::PR_GET_MDWE, 0, 0)?;
    Ok(u32::try_from(bits).is_ok_and(|bits| bits & libc::PR_MDWE_REFUSE_EXEC_GAIN != 0))
}

/// The policy whose filter is loaded: its name's address and its length, for the handler.
static POLICY: (AtomicPtr<u8>, AtomicUsize) = (AtomicPtr::new(ptr::null_mut()), AtomicUsize::new(0));

/// From here on this process names a call that its filter refuses with SECCOMP_RET_TRAP, and ends (sigaction(2)). A second
/// filter finds the handler there, and the call forbidden.
pub(crate) fn name_refused_calls(policy: &'static str) -> Result<(), Errno> {
    let first = POLICY.1.swap(0, Ordering::SeqCst) == 0;
    POLICY.0.store(policy.as_ptr().cast_mut(), Ordering::SeqCst);
    POLICY.1.store(policy.len(), Ordering::SeqCst);
    if !first {
        return Ok(());
    }
    // SAFETY: all zeroes is a valid `struct sigaction`: no mask, no flag, and the default handler.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = refused;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler takes what SA_SIGINFO gives, and does nothing that a signal handler may not do (signal-safety(7)).
    Errno::result(unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) }).map(drop)
}

/// `struct siginfo` of a SIGSYS (linux/include/uapi/asm-generic/siginfo.h), for 64 bits.
#[repr(C)]
struct SigsysInfo {
    signal: libc::c_int,
    errno: libc::c_int,
    code: libc::c_int,
    _padding: libc::c_int,
    address: *mut libc::c_void,
    call: libc::c_int,
    architecture: libc::c_uint,
}

/// Writes the call's name to standard error. Takes no memory and no lock.
extern "C" fn refused(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel gives a `struct siginfo` of this signal, which is longer than the part that is looked at.
    let call = unsafe { (*info.cast::<SigsysInfo>()).call };
    let (policy, length) = (POLICY.0.load(Ordering::SeqCst), POLICY.1.load(Ordering::SeqCst));
    // SAFETY: address and length are those of a text that lives for ever; a length of 0 goes with any address but null.
    let policy = if length == 0 { &[] } else { unsafe { std::slice::from_raw_parts(policy, length) } };
    let name = calls::name(std::env::consts::ARCH, call.into()).unwrap_or("unknown");
    let mut digits = [0; 12];
    let number = decimal(&mut digits, call);
    for part in [
        b"nsgate-sandbox: the " as &[u8],
        policy,
        b" policy does not let pass system call ",
        number,
        b" (",
        name.as_bytes(),
        b"), or not with these arguments: the process ends. Make the call before the filter, or give it an entry\n",
    ] {
        // SAFETY: the bytes are there for the length of the call. A filter that refuses this one as well ends the process.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: no call has this number. SIGSYS is blocked in its own handler, so that the kernel ends the process by it, as it
    // does where there is no handler; where the filter lets everything pass, the next call does.
    unsafe { libc::syscall(libc::c_long::from(i32::MAX)) };
    // SAFETY: this ends the process and runs nothing of it.
    unsafe { libc::_exit(128 + libc::SIGSYS) }
}

/// The number in decimal digits.
fn decimal(digits: &mut [u8; 12], number: libc::c_int) -> &[u8] {
    let (mut left, mut begin) = (number.unsigned_abs(), digits.len());
    loop {
        begin = begin.saturating_sub(1);
        if let (Some(digit), Ok(value)) = (digits.get_mut(begin), u8::try_from(left % 10)) {
            *digit = b'0' + value;
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        begin = begin.saturating_sub(1);
        if let Some(sign) = digits.get_mut(begin) {
            *sign = b'-';
        }
    }
    digits.get(begin..).unwrap_or_default()
}
