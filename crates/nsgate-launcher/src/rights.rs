//! Who owns something and who may write it: from its mode, and from its access control list where it has one.

use crate::{
    acl::{Acl, Who},
    pinned::kind,
    trust::Trust,
};
use nix::{
    errno::Errno,
    sys::stat::{FileStat, Mode, SFlag, fstat},
};
use std::os::fd::BorrowedFd;

/// Bits of an entry.
pub(crate) const READ: u8 = 4;
pub(crate) const WRITE: u8 = 2;
pub(crate) const SEARCH: u8 = 1;

/// What the kernel says of a file or directory.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    /// Kind and permissions, as stat(2) has them.
    pub(crate) mode: u32,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    acl: Option<Acl>,
}

impl Rights {
    /// Of what this descriptor stands for.
    pub(crate) fn of(file: BorrowedFd<'_>) -> Result<Self, Errno> {
        let rights = Self::by_mode(&fstat(file)?);
        // A link has none.
        let acl = if kind(rights.mode) == SFlag::S_IFLNK { None } else { Acl::of(file)? };
        Ok(Self { acl, ..rights })
    }

    /// By the mode alone, for a process that can ask no more.
    pub(crate) fn by_mode(status: &FileStat) -> Self {
        Self { mode: status.st_mode, owner: status.st_uid, group: status.st_gid, acl: None }
    }

    /// Whom each entry is about, and the bits.
    fn entries(&self) -> Vec<(Who, u8)> {
        let bits = |shift: u32| u8::try_from(self.mode >> shift & 7).unwrap_or(0);
        match &self.acl {
            Some(Acl(entries)) => entries.clone(),
            None => vec![(Who::Owner, bits(6)), (Who::OwningGroup, bits(3)), (Who::Others, bits(0))],
        }
    }

    /// Whether what is taken from this directory can be exchanged by its owner and by no other who may write in it.
    pub(crate) fn sticky(&self) -> bool {
        Mode::from_bits_truncate(self.mode).contains(Mode::S_ISVTX)
    }

    /// Who may write this and is not trusted, in words that follow "may write"; nothing if there is none.
    pub(crate) fn untrusted_writer(&self, trust: &Trust) -> Option<String> {
        let stranger = self.entries().into_iter().find(|(who, bits)| {
            let ours = match who {
                // The owner is judged by itself.
                Who::Owner => true,
                Who::User(id) => trust.user(*id),
                Who::OwningGroup => trust.group(self.group),
                Who::Group(id) => trust.group(*id),
                Who::Others => false,
            };
            bits & WRITE != 0 && !ours
        });
        stranger.map(|(who, _)| match (who, &self.acl) {
            (Who::User(id), _) => format!("uid {id}, by the access control list that `getfacl` shows"),
            (Who::Group(id), _) => format!("group {id}, by the access control list that `getfacl` shows"),
            (_, Some(_)) => "others, by the access control list that `getfacl` shows".to_owned(),
            (_, None) => format!("mode {:04o}", self.mode & 0o7777),
        })
    }

    /// Whether everybody may write this.
    pub(crate) fn open_to_all(&self) -> bool {
        self.entries().iter().any(|(who, bits)| *who == Who::Others && bits & WRITE != 0)
    }

    /// Whether a process of this user and group, without further groups, has every one of `bits` (acl(5), "access check
    /// algorithm").
    pub(crate) fn permit(&self, uid: u32, gid: u32, bits: u8) -> bool {
        let entries = self.entries();
        let has = |found: u8| found & bits == bits;
        let of = |wanted: Who| entries.iter().find(|(who, _)| *who == wanted).map(|(_, bits)| *bits);
        if uid == 0 {
            return true;
        }
        if uid == self.owner {
            return of(Who::Owner).is_some_and(has);
        }
        if let Some(found) = of(Who::User(uid)) {
            return has(found);
        }
        let owning = (gid == self.group).then(|| of(Who::OwningGroup)).flatten();
        let groups: Vec<u8> = owning.into_iter().chain(of(Who::Group(gid))).collect();
        if groups.is_empty() { of(Who::Others).is_some_and(has) } else { groups.into_iter().any(has) }
    }
}

#[cfg(test)]
mod tests {
    use super::{READ, Rights, WRITE};
    use crate::{
        acl::{Acl, Who},
        trust::Trust,
    };
    use nsgate_sandbox::Ids;

    const OURS: u32 = 1000;
    const OTHER: u32 = 1001;

    fn rights(mode: u32, owner: u32, group: u32, acl: Option<&[(Who, u8)]>) -> Rights {
        Rights { mode: libc::S_IFDIR | mode, owner, group, acl: acl.map(|entries| Acl(entries.to_vec())) }
    }

    fn trust() -> Trust {
        Trust::of(&Ids { uid: OURS.into(), gid: OURS.into() })
    }

    #[test]
    fn a_list_is_read_where_there_is_one_and_not_the_mode() {
        let writer = |rights: Rights| rights.untrusted_writer(&trust());
        assert_eq!(writer(rights(0o775, 0, OURS, None)), None);
        assert_eq!(writer(rights(0o775, 0, OTHER, None)).unwrap(), "mode 0775");
        // The group bits are a mask: the group itself may only read.
        let kept_out = [(Who::Owner, 7), (Who::User(OURS), 7), (Who::OwningGroup, 5), (Who::Others, 5)];
        assert_eq!(writer(rights(0o775, 0, OTHER, Some(&kept_out))), None);
        let let_in = [(Who::Owner, 7), (Who::User(OTHER), 7), (Who::OwningGroup, 5), (Who::Others, 5)];
        assert!(writer(rights(0o775, 0, 0, Some(&let_in))).unwrap().contains("uid 1001"));
        let group = [(Who::Owner, 7), (Who::OwningGroup, 5), (Who::Group(OTHER), 7), (Who::Others, 5)];
        assert!(writer(rights(0o775, 0, 0, Some(&group))).unwrap().contains("group 1001"));
    }

    #[test]
    fn what_a_user_may_do_follows_the_list() {
        let acl = [(Who::Owner, 6), (Who::User(OURS), 4), (Who::OwningGroup, 0), (Who::Others, 0)];
        let file = rights(0o640, 0, OURS, Some(&acl));
        assert!(file.permit(OURS, OURS, READ) && !file.permit(OURS, OURS, WRITE));
        assert!(!file.permit(OTHER, OURS, READ) && !file.permit(OTHER, OTHER, READ) && file.permit(0, 0, WRITE));
        let plain = rights(0o604, 0, OURS, None);
        assert!(!plain.permit(OTHER, OURS, READ), "a group that may not read is not helped by what others may");
        assert!(plain.permit(OTHER, OTHER, READ));
    }
}
