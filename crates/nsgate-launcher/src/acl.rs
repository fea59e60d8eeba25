//! POSIX access control lists (acl(5)), as the kernel hands them out in `system.posix_acl_access` (xattr(7)).
//!
//! Where a file has one, the group bits of its mode are the list's mask and say nothing of its group: a judgement by the
//! mode alone sees neither whom the list lets in, nor whom it keeps out.

use crate::sys;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Whom an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AclTag {
    /// The file's owner.
    Owner,
    /// A user by number.
    User(u32),
    /// The file's group.
    OwningGroup,
    /// A group by number.
    Group(u32),
    /// Everybody else.
    Others,
}

/// The list: whom, and the bits (4 read, 2 write, 1 execute) that count, which is after the mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl(pub(crate) Vec<(AclTag, u8)>);

/// Version and tags of `linux/posix_acl_xattr.h` and `linux/posix_acl.h`.
const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

impl Acl {
    /// The list of what this descriptor, O_PATH or not, stands for; `None` if there is none, or the file system knows none.
    pub(crate) fn of(file: BorrowedFd<'_>) -> Result<Option<Self>, Errno> {
        // fgetxattr(2) refuses an O_PATH descriptor. By way of /proc it is the same file.
        let path = std::ffi::CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|_| Errno::EINVAL)?;
        match sys::getxattr(&path, c"system.posix_acl_access") {
            Ok(bytes) => Self::read(&bytes).map(Some).ok_or(Errno::EBADMSG),
            Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A header of four bytes and entries of eight, the lowest byte first: tag, bits, number.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (version, entries) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
            return None;
        }
        let entries = entries.chunks_exact(8).filter_map(|entry| match *entry {
            [tag, tag_high, bits, _, a, b, c, d] => {
                Some((u16::from_le_bytes([tag, tag_high]), bits & 7, u32::from_le_bytes([a, b, c, d])))
            }
            _ => None,
        });
        let entries: Vec<(u16, u8, u32)> = entries.collect();
        let mask = entries.iter().find(|(tag, ..)| *tag == MASK).map_or(7, |(_, bits, _)| *bits);
        let mut list = Vec::new();
        for (tag, bits, id) in entries {
            list.push(match tag {
                USER_OBJ => (AclTag::Owner, bits),
                USER => (AclTag::User(id), bits & mask),
                GROUP_OBJ => (AclTag::OwningGroup, bits & mask),
                GROUP => (AclTag::Group(id), bits & mask),
                OTHER => (AclTag::Others, bits),
                MASK => continue,
                _ => return None,
            });
        }
        Some(Self(list))
    }
}

#[cfg(test)]
mod tests {
    use super::{Acl, AclTag};

    fn entry(tag: u16, bits: u16, id: u32) -> Vec<u8> {
        [tag.to_le_bytes().as_slice(), &bits.to_le_bytes(), &id.to_le_bytes()].concat()
    }

    /// As `setfacl -m u:7:rwx,g:8:rwx,m::rx` leaves it.
    fn list() -> Vec<u8> {
        let none = u32::MAX;
        let entries = [(1, 7, none), (2, 7, 7), (4, 7, none), (8, 7, 8), (16, 5, none), (32, 5, none)];
        let entries = entries.into_iter().flat_map(|(tag, bits, id)| entry(tag, bits, id));
        2u32.to_le_bytes().into_iter().chain(entries).collect()
    }

    #[test]
    fn the_mask_bounds_what_is_named() {
        let expected = [
            (AclTag::Owner, 7),
            (AclTag::User(7), 5),
            (AclTag::OwningGroup, 5),
            (AclTag::Group(8), 5),
            (AclTag::Others, 5),
        ];
        assert_eq!(Acl::read(&list()), Some(Acl(expected.to_vec())));
    }

    #[test]
    fn what_is_no_list_is_not_taken_for_one() {
        let (list, mut later) = (list(), list());
        later[0] = 3;
        let odd = [list.as_slice(), &entry(64, 7, 0)].concat();
        for bytes in [&[][..], &list[..3], &list[..list.len() - 1], &later, &odd] {
            assert_eq!(Acl::read(bytes), None, "{bytes:?}");
        }
    }
}
