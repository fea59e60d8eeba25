//! recvmsg(2) with a descriptor; the only `unsafe` of this crate.
#![allow(unsafe_code)]

use nix::errno::Errno;
use std::{
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// Room for a control message with as many descriptors as the kernel puts into one (`SCM_MAX_FD`, `include/net/scm.h`), so that
/// each one that it installs is seen here and has an owner.
const CONTROL: usize = (mem::size_of::<libc::cmsghdr>() + 253 * mem::size_of::<RawFd>()).div_ceil(8) + 2;

/// Takes one byte and the descriptors that came with it, without waiting. `None` if the other end has closed.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Option<(u8, Vec<OwnedFd>)>, Errno> {
    let (mut control, mut byte) = ([0_u64; CONTROL], 0_u8);
    let mut piece = libc::iovec { iov_base: ptr::from_mut(&mut byte).cast(), iov_len: 1 };
    // SAFETY: all zeros is a valid `msghdr`.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &mut piece;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = mem::size_of_val(&control);
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: the header points at one byte and a control area that live for the call, with their true lengths.
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
                    // The kernel has just installed this descriptor; nothing else owns it.
                    descriptors.push(OwnedFd::from_raw_fd(ptr::read_unaligned(data.add(index))));
                }
            }
            part = libc::CMSG_NXTHDR(&header, part);
        }
    }
    Ok((length > 0).then_some((byte, descriptors)))
}
