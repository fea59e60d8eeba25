//! What a server says of itself in the table `Database` of its database `_Server` (ovsdb-server(5)): whether it is a member
//! of a cluster that this client should copy from.

use super::atom::Atom;
use super::datum::Datum;
use super::schema::{Column, Content, Layout};
use super::table::{Row, Table};
use nsgate_config::Uuid;

/// The database in which a server speaks of its databases. Since Open vSwitch 2.9.
pub const SERVER: &str = "_Server";

/// What a server says of one database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerDatabase {
    /// Whether it is a member of a cluster, or a relay, that has lost the others.
    pub alone: bool,
    /// Whether it leads its cluster; a database that stands alone does.
    pub leads: bool,
    /// Its cluster and how far its log goes, for a member of one.
    pub cluster: Option<Cluster>,
}

/// A cluster, and an entry of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: Uuid,
    /// The entry.
    pub index: i64,
}

/// Why another server is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheMember {
    /// It may not hear of changes.
    #[error("it is not connected to the other members of its cluster")]
    Alone,
    /// Only the leader was to be asked.
    #[error("it does not lead its cluster")]
    NotTheLeader,
    /// The copy knows more than this member.
    #[error("it is behind: entry {0} of its log, where the copy has entry {1}")]
    Behind(i64, i64),
}

impl ServerDatabase {
    /// The layout of the table.
    #[must_use]
    pub fn layout() -> Layout {
        let columns = [
            Column::one("name", Content::Text),
            Column::one("connected", Content::Boolean),
            Column::one("leader", Content::Boolean),
            Column::optional("cid", Content::Uuid),
            Column::optional("index", Content::Integer),
        ];
        Layout::fixed("Database", &columns)
    }

    /// What the copy of the table says of a database, if it is there.
    #[must_use]
    pub fn find(name: &str, table: &Table) -> Option<Self> {
        table.rows().values().find_map(|row| Self::of(name, row))
    }

    fn of(wanted: &str, row: &Row) -> Option<Self> {
        let [name, connected, leader, cluster, index] = &**row else { return None };
        let is = |datum: &Datum| datum.first() == Some(&Atom::Boolean(true));
        let cluster = match (cluster.first(), index.first()) {
            (Some(Atom::Uuid(name)), Some(Atom::Integer(index))) => Some(Cluster { name: *name, index: *index }),
            _ => None,
        };
        matches!(name.first(), Some(Atom::Text(name)) if **name == *wanted).then(|| Self {
            alone: !is(connected),
            leads: is(leader),
            cluster,
        })
    }

    /// Whether to copy from this server, when the copy came from `seen` last.
    ///
    /// # Errors
    /// Why not.
    pub fn fit(&self, only_the_leader: bool, seen: Option<Cluster>) -> Result<(), NotTheMember> {
        if self.alone {
            return Err(NotTheMember::Alone);
        }
        if only_the_leader && !self.leads {
            return Err(NotTheMember::NotTheLeader);
        }
        match (self.cluster, seen) {
            (Some(now), Some(seen)) if now.name == seen.name && now.index < seen.index => {
                Err(NotTheMember::Behind(now.index, seen.index))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_alone_or_behind_or_does_not_lead_is_left() {
        let cluster = |index| Some(Cluster { name: Uuid::NIL, index });
        let leader = ServerDatabase { alone: false, leads: true, cluster: cluster(7) };
        let other = ServerDatabase { leads: false, ..leader };
        assert_eq!(leader.fit(true, cluster(7)), Ok(()));
        assert_eq!(leader.fit(true, None), Ok(()));
        assert_eq!(other.fit(false, cluster(3)), Ok(()));
        assert_eq!(other.fit(true, None), Err(NotTheMember::NotTheLeader));
        assert_eq!(other.fit(false, cluster(8)), Err(NotTheMember::Behind(7, 8)));
        assert_eq!(ServerDatabase { alone: true, ..leader }.fit(false, None), Err(NotTheMember::Alone));
        let fresh = Cluster { name: "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().expect("a UUID"), index: 1 };
        assert_eq!(ServerDatabase { cluster: Some(fresh), ..leader }.fit(false, cluster(8)), Ok(()), "made anew");
    }
}
