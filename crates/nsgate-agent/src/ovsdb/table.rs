//! A copy of some rows of a table.

use super::datum::Datum;
use super::schema::Layout;
use nsgate_config::Uuid;
use std::collections::HashMap;

/// The wanted columns of a row, in the order of the layout.
pub type Row = Box<[Datum]>;

/// What has become of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// It is there, and is this.
    Whole(Row),
    /// These columns of it differ.
    Difference(Box<[Option<Datum>]>),
    /// It is not there any more, or not of those that are wanted.
    Gone,
}

/// RowsSeed that changed, each with the place of its table among the layouts.
pub type Changes = Vec<(usize, Uuid, RowChange)>;

/// The copy and the server do not agree any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of the row {0}, of which there is no copy")]
pub struct Torn(pub Uuid);

/// The copy of a table.
#[derive(Clone, Debug)]
pub struct Table {
    layout: Layout,
    rows: HashMap<Uuid, Row>,
}

impl Table {
    /// No rows yet.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, rows: HashMap::new() }
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> &HashMap<Uuid, Row> {
        &self.rows
    }

    /// What is wanted of it.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Applies a change of a row.
    ///
    /// # Errors
    /// A difference to a row that is not there: the copy is to be made anew.
    pub fn apply(&mut self, name: Uuid, change: RowChange) -> Result<(), Torn> {
        match change {
            RowChange::Whole(row) => drop(self.rows.insert(name, row)),
            RowChange::Gone => drop(self.rows.remove(&name)),
            RowChange::Difference(columns) => {
                let row = self.rows.get_mut(&name).ok_or(Torn(name))?;
                for ((datum, difference), column) in row.iter_mut().zip(columns).zip(self.layout.columns()) {
                    if let Some(difference) = difference {
                        datum.differ(difference, column);
                    }
                }
            }
        }
        Ok(())
    }
}
