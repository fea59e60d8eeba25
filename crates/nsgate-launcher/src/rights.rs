//! Who owns something and who may write it: from its mode, and from its access control list where it has one.

use crate::{
    acl::{Acl, AclTag},
    file_kind::kind,
    trust::Trust,
};
use nix::{
    errno::Errno,
    sys::stat::{FileStat, Mode, SFlag, fstat},
};
use std::{fmt, os::fd::BorrowedFd};

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
        let status = fstat(file)?;
        // A link has none.
        let acl = if kind(status.st_mode) == SFlag::S_IFLNK { None } else { Acl::of(file)? };
        Ok(Self::new(&status, acl))
    }

    /// Of a status, and the access control list as the kernel hands it out, if there is one.
    pub(crate) fn with_list(status: &FileStat, list: Option<&[u8]>) -> Result<Self, Errno> {
        let acl = list.map(|bytes| Acl::read(bytes).ok_or(Errno::EBADMSG)).transpose()?;
        Ok(Self::new(status, acl))
    }

    fn new(status: &FileStat, acl: Option<Acl>) -> Self {
        Self { mode: status.st_mode, owner: status.st_uid, group: status.st_gid, acl }
    }

    /// Whom each entry is about, and the bits.
    fn entries(&self) -> Vec<(AclTag, u8)> {
        let bits = |shift: u32| u8::try_from(self.mode >> shift & 7).unwrap_or(0);
        match &self.acl {
            Some(Acl(entries)) => entries.clone(),
            None => vec![(AclTag::Owner, bits(6)), (AclTag::OwningGroup, bits(3)), (AclTag::Others, bits(0))],
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
                AclTag::Owner => true,
                AclTag::User(id) => trust.user(*id),
                AclTag::OwningGroup => trust.group(self.group),
                AclTag::Group(id) => trust.group(*id),
                AclTag::Others => false,
            };
            bits & WRITE != 0 && !ours
        });
        stranger.map(|(who, _)| match (who, &self.acl) {
            (AclTag::User(id), _) => format!("uid {id}, by the access control list that `getfacl` shows"),
            (AclTag::Group(id), _) => format!("group {id}, by the access control list that `getfacl` shows"),
            (_, Some(_)) => "others, by the access control list that `getfacl` shows".to_owned(),
            (_, None) => format!("mode {:04o}", self.mode & 0o7777),
        })
    }

    /// Whether everybody may write this.
    pub(crate) fn open_to_all(&self) -> bool {
        self.entries().iter().any(|(who, bits)| *who == AclTag::Others && bits & WRITE != 0)
    }

    /// Whether a process of this user and group, without further groups, has every one of `bits` (acl(5), "access check
    /// algorithm").
    pub(crate) fn permit(&self, uid: u32, gid: u32, bits: u8) -> bool {
        uid == 0 || self.permit_without_capabilities(uid, gid, bits)
    }

    /// The same of a process that has no capability: root's entries are those of its own files, as any user's are.
    pub(crate) fn permit_without_capabilities(&self, uid: u32, gid: u32, bits: u8) -> bool {
        let entries = self.entries();
        let has = |found: u8| found & bits == bits;
        let of = |wanted: AclTag| entries.iter().find(|(who, _)| *who == wanted).map(|(_, bits)| *bits);
        if uid == self.owner {
            return of(AclTag::Owner).is_some_and(has);
        }
        if let Some(found) = of(AclTag::User(uid)) {
            return has(found);
        }
        let owning = (gid == self.group).then(|| of(AclTag::OwningGroup)).flatten();
        let groups: Vec<u8> = owning.into_iter().chain(of(AclTag::Group(gid))).collect();
        if groups.is_empty() { of(AclTag::Others).is_some_and(has) } else { groups.into_iter().any(has) }
    }
}

impl Rights {
    /// Whether everybody beside the owner has every one of `bits`, of any user and in any groups.
    pub(crate) fn permit_everybody(&self, bits: u8) -> bool {
        self.entries().iter().all(|(who, found)| *who == AclTag::Owner || found & bits == bits)
    }

    /// Whether this user with this group has every one of `bits`, in any further groups: where only what others may
    /// would let them in, one of those groups could keep them out.
    pub(crate) fn permit_surely(&self, uid: u32, gid: u32, bits: u8) -> bool {
        let names = |who: &AclTag| match who {
            AclTag::Owner => uid == self.owner,
            AclTag::User(id) => uid == *id,
            AclTag::OwningGroup => gid == self.group,
            AclTag::Group(id) => gid == *id,
            AclTag::Others => false,
        };
        let named = uid == 0 || self.entries().iter().any(|(who, _)| names(who));
        if named { self.permit(uid, gid, bits) } else { self.permit_everybody(bits) }
    }
}

/// Owner, group and mode, in parentheses behind a path.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mode {:04o}, uid {}, gid {}", self.mode & 0o7777, self.owner, self.group)?;
        if self.acl.is_some() { f.write_str(", and the access control list that `getfacl` shows") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{READ, Rights, WRITE};
    use crate::{
        acl::{Acl, AclTag},
        trust::Trust,
    };
    use nsgate_sandbox::Ids;

    const OURS: u32 = 1000;
    const OTHER: u32 = 1001;

    fn rights(mode: u32, owner: u32, group: u32, acl: Option<&[(AclTag, u8)]>) -> Rights {
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
        let kept_out = [(AclTag::Owner, 7), (AclTag::User(OURS), 7), (AclTag::OwningGroup, 5), (AclTag::Others, 5)];
        assert_eq!(writer(rights(0o775, 0, OTHER, Some(&kept_out))), None);
        let let_in = [(AclTag::Owner, 7), (AclTag::User(OTHER), 7), (AclTag::OwningGroup, 5), (AclTag::Others, 5)];
        assert!(writer(rights(0o775, 0, 0, Some(&let_in))).unwrap().contains("uid 1001"));
        let group = [(AclTag::Owner, 7), (AclTag::OwningGroup, 5), (AclTag::Group(OTHER), 7), (AclTag::Others, 5)];
        assert!(writer(rights(0o775, 0, 0, Some(&group))).unwrap().contains("group 1001"));
    }

    #[test]
    fn what_a_user_may_do_follows_the_list() {
        let acl = [(AclTag::Owner, 6), (AclTag::User(OURS), 4), (AclTag::OwningGroup, 0), (AclTag::Others, 0)];
        let file = rights(0o640, 0, OURS, Some(&acl));
        assert!(file.permit(OURS, OURS, READ) && !file.permit(OURS, OURS, WRITE));
        assert!(!file.permit(OTHER, OURS, READ) && !file.permit(OTHER, OTHER, READ) && file.permit(0, 0, WRITE));
        let plain = rights(0o604, 0, OURS, None);
        assert!(!plain.permit(OTHER, OURS, READ), "a group that may not read is not helped by what others may");
        assert!(plain.permit(OTHER, OTHER, READ));
        let agents = rights(0o600, OURS, OURS, None);
        assert!(agents.permit(0, 0, WRITE) && !agents.permit_without_capabilities(0, 0, WRITE), "root as any user");
        assert!(rights(0o600, 0, 0, None).permit_without_capabilities(0, 0, WRITE));
        assert_eq!(file.to_string(), "mode 0640, uid 0, gid 1000, and the access control list that `getfacl` shows");
    }

    #[test]
    fn of_a_user_whose_groups_are_not_known_the_worst_is_believed() {
        let open = rights(0o644, 0, 0, None);
        assert!(open.permit_everybody(READ) && open.permit_surely(OTHER, OTHER, READ));
        // In the group that may not read, or in none of it.
        let but_group = rights(0o604, 0, OURS, None);
        assert!(!but_group.permit_everybody(READ) && !but_group.permit_surely(OTHER, OTHER, READ));
        let acl = [(AclTag::Owner, 6), (AclTag::User(OURS), 0), (AclTag::OwningGroup, 4), (AclTag::Others, 4)];
        let but_one = rights(0o644, 0, 0, Some(&acl));
        assert!(!but_one.permit_surely(OURS, OURS, READ) && !but_one.permit_everybody(READ));
        let acl = [(AclTag::Owner, 6), (AclTag::User(OURS), 4), (AclTag::OwningGroup, 0), (AclTag::Others, 0)];
        let for_one = rights(0o640, 0, 0, Some(&acl));
        assert!(for_one.permit_surely(OURS, OURS, READ) && !for_one.permit_surely(OTHER, OTHER, READ));
        let own = rights(0o044, OURS, OURS, None);
        assert!(!own.permit_surely(OURS, OURS, READ), "the owner's bits are for the owner alone");
    }
}
