//! The copy of the southbound database, and what a change of it means for the index.

use super::tables;
use crate::directory::DirectoryPort;
use crate::ovsdb::{Changes, Layout, Row, Table, Torn, Uuid};
use std::collections::HashSet;

/// Whose ports are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that are bound to any chassis.
    All,
    /// Those that are bound to the chassis whose row this is.
    Chassis(Uuid),
}

/// The copied rows.
#[derive(Debug)]
pub(crate) struct OvnCopy {
    scope: Scope,
    last: Uuid,
    ports: Table,
    datapaths: Table,
}

/// What became of ports: as each is now, or that it is none any more.
pub(crate) type PortChanges = Vec<(Uuid, Option<DirectoryPort>)>;

/// The tables that are copied: ports and datapaths, as [`Changes`] counts them.
pub(crate) type Layouts = [Layout; 2];

impl OvnCopy {
    /// Nothing yet.
    pub(crate) fn new(scope: Scope, [ports, datapaths]: Layouts) -> Self {
        Self { scope, last: Uuid::NIL, ports: Table::new(ports), datapaths: Table::new(datapaths) }
    }

    /// The last transaction in it, if it is a copy of this.
    pub(crate) fn last(&self, scope: Scope, [ports, datapaths]: &Layouts) -> Uuid {
        let same = self.scope == scope && self.ports.layout() == ports && self.datapaths.layout() == datapaths;
        if same { self.last } else { Uuid::NIL }
    }

    /// Applies the changes of one message.
    ///
    /// # Errors
    /// They do not fit: the copy is of no use any more.
    pub(crate) fn apply(&mut self, last: Uuid, changes: Changes) -> Result<PortChanges, Torn> {
        self.last = last;
        let (mut ports, mut datapaths) = (HashSet::new(), HashSet::new());
        for (place, name, change) in changes {
            if place == 0 {
                self.ports.apply(name, change)?;
                ports.insert(name);
            } else {
                self.datapaths.apply(name, change)?;
                datapaths.insert(name);
            }
        }
        if !datapaths.is_empty() {
            let is_in = |row| tables::datapath(row).is_some_and(|datapath| datapaths.contains(&datapath));
            ports.extend(self.ports.rows().iter().filter(|(_, row)| is_in(row)).map(|(name, _)| *name));
        }
        Ok(ports.into_iter().map(|name| (name, self.port(name))).collect())
    }

    /// Every port, as it is now.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn all(&self) -> PortChanges {
        self.ports.rows().keys().map(|name| (*name, self.port(*name))).collect()
    }

    fn port(&self, name: Uuid) -> Option<DirectoryPort> {
        let row = self.ports.rows().get(&name).filter(|row| self.is_of_scope(row))?;
        let datapath = self.datapaths.rows().get(&tables::datapath(row)?)?;
        tables::port(row, tables::network(datapath)?)
    }

    /// The server was asked for such rows only; a row that is another is not believed.
    fn is_of_scope(&self, row: &Row) -> bool {
        match (self.scope, tables::chassis(row)) {
            (_, None) => false,
            (Scope::All, Some(_)) => true,
            (Scope::Chassis(own), Some(chassis)) => chassis == own,
        }
    }
}
