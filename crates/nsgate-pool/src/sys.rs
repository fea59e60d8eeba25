//! recvmsg(2) with descriptors, and options by number; the only `unsafe` of this crate.
//!
//! Every descriptor that the kernel installs gets an owner here, even if its message is invalid: none is left open.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::{
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// Descriptors that the kernel puts into one message at most (`SCM_MAX_FD`, `include/net/scm.h`).
const MOST_DESCRIPTORS: usize = 253;
/// Size, in units of 8 bytes, of a control message with all of them, aligned as the kernel wants it.
const CONTROL: usize = (mem::size_of::<libc::cmsghdr>() + MOST_DESCRIPTORS * mem::size_of::<RawFd>()).div_ceil(8) + 2;

/// One datagram.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes in the buffer.
    pub(crate) length: usize,
    /// The datagram was longer than the buffer, or not all descriptors could be installed.
    pub(crate) truncated: bool,
    /// In the order in which they were sent.
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// The length of the datagram that [`receive`] would take now. The datagram and its descriptors stay in the queue.
pub(crate) fn next_length(socket: BorrowedFd<'_>) -> Result<usize, Errno> {
    // SAFETY: all zeros is a valid `msghdr`: no address, no buffer, no room for control messages.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: the header lives for the call and points nowhere.
    let length = Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, flags) })?;
    Ok(usize::try_from(length).unwrap_or(0))
}

/// Receives one datagram without waiting.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Errno> {
    receive_with(socket, buffer, 0)
}

/// The same, but the datagram stays in the queue; the descriptors are copies.
#[cfg(feature = "worker")]
pub(crate) fn peek(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Received, Errno> {
    receive_with(socket, buffer, libc::MSG_PEEK)
}

fn receive_with(socket: BorrowedFd<'_>, buffer: &mut [u8], more: libc::c_int) -> Result<Received, Errno> {
    let mut control = [MaybeUninit::<u64>::zeroed(); CONTROL];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros is a valid `msghdr`.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &mut piece;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = mem::size_of_val(&control);
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT | more;
    // SAFETY: the header points at a buffer and a control area that live for the call, with their true lengths.
    let length = Errno::result(unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, flags) })?;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled the control area and set its length; the macros of cmsg(3) stay inside it.
    unsafe {
        let mut part = libc::CMSG_FIRSTHDR(&header);
        while !part.is_null() {
            if ((*part).cmsg_level, (*part).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let bytes = (*part).cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = libc::CMSG_DATA(part).cast::<RawFd>();
                for index in 0..bytes / mem::size_of::<RawFd>() {
                    // The kernel has just installed this descriptor; it has no other owner.
                    descriptors.push(OwnedFd::from_raw_fd(ptr::read_unaligned(data.add(index))));
                }
            }
            part = libc::CMSG_NXTHDR(&header, part);
        }
    }
    let truncated = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0;
    Ok(Received { length: usize::try_from(length).unwrap_or(0), truncated, descriptors })
}

/// An option of a socket whose value is a number (socket(7)).
pub(crate) fn socket_option(socket: BorrowedFd<'_>, option: libc::c_int) -> Result<libc::c_int, Errno> {
    let mut value: libc::c_int = 0;
    let mut size = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int; the kernel gets a pointer to one with its size.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            ptr::from_mut(&mut value).cast(),
            ptr::from_mut(&mut size),
        )
    };
    Errno::result(done).map(|_| value)
}

/// User and group that own a file. The call is made by number: the C library would use `newfstatat`, which a worker's filter
/// refuses.
#[cfg_attr(not(feature = "worker"), allow(dead_code, reason = "the receiving half asks"))]
pub(crate) fn owner(file: BorrowedFd<'_>) -> Result<(u32, u32), Errno> {
    // SAFETY: all zeros is a valid `stat`.
    let mut found: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: the kernel fills a `stat` of this architecture, and gets a pointer to one that lives for the call.
    let done = unsafe { libc::syscall(libc::SYS_fstat, file.as_raw_fd(), ptr::from_mut(&mut found)) };
    Errno::result(done).map(|_| (found.st_uid, found.st_gid))
}

/// The number that the kernel has given to this socket and to no other (SO_COOKIE, Linux 4.6).
pub(crate) fn cookie(socket: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut value: u64 = 0;
    let mut size = mem::size_of::<u64>() as libc::socklen_t;
    // SAFETY: the option's value is a u64; the kernel gets a pointer to one with its size.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            ptr::from_mut(&mut value).cast(),
            ptr::from_mut(&mut size),
        )
    };
    Errno::result(done).map(|_| value)
}

/// Accepts a connection without waiting (accept4(2)).
#[cfg(feature = "worker")]
pub(crate) fn accept(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    use nix::sys::socket::{SockFlag, accept4};
    let accepted = accept4(socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    // SAFETY: the kernel has just returned this descriptor; it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(accepted) })
}
