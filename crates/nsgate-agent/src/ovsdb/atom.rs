//! One element of a value.

use nsgate_config::Uuid;

/// One element of a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A string.
    Text(Box<str>),
    /// The name of a row.
    Uuid(Uuid),
}
