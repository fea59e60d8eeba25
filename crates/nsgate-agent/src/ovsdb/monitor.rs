//! To copy rows and to be told of each change: `monitor_cond_since` and `monitor_cond` (ovsdb-server(7), sections 4.1.12 to
//! 4.1.16).

use super::schema::Layout;
use super::table::Changes;
use super::updates::UpdatesSeed;
use nsgate_config::Uuid;
use serde::de::DeserializeSeed;
use serde_json::{Map, Value, json, value::RawValue};
use std::borrow::Cow;

/// A way to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorMethod {
    /// From a transaction on that the copy has already. Since Open vSwitch 2.12.
    Since,
    /// From nothing on. Since Open vSwitch 2.6.
    Whole,
}

impl MonitorMethod {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Since => "monitor_cond_since",
            Self::Whole => "monitor_cond",
        }
    }
}

/// What is to be copied.
#[derive(Debug)]
pub struct MonitorRequest<'a> {
    /// The database.
    pub database: &'a str,
    /// A name by which its updates are known; another for each monitor of a connection.
    pub monitor: &'a str,
    /// The tables, each with the conditions of which a row must meet one, or none for all rows (RFC 7047, section 5.1).
    pub tables: &'a [(&'a Layout, Option<Value>)],
    /// The last transaction in the copy, or [`Uuid::NIL`].
    pub last: Uuid,
}

impl MonitorRequest<'_> {
    /// The parameters of the request.
    #[must_use]
    pub fn params(&self, method: MonitorMethod) -> Value {
        let tables: Map<_, _> =
            self.tables.iter().map(|(layout, conditions)| of_table(layout, conditions.as_ref())).collect();
        let mut params = vec![json!(self.database), json!(self.monitor), Value::Object(tables)];
        if method == MonitorMethod::Since {
            params.push(json!(self.last.to_string()));
        }
        params.into()
    }
}

fn of_table(layout: &Layout, conditions: Option<&Value>) -> (String, Value) {
    let columns: Vec<_> = layout.columns().iter().map(super::schema::Column::name).collect();
    let mut request = json!({ "columns": columns });
    if let (Some(request), Some(conditions)) = (request.as_object_mut(), conditions) {
        request.insert("where".to_owned(), conditions.clone());
    }
    (layout.table().to_owned(), json!([request]))
}

/// The answer to a request.
#[derive(Debug)]
pub struct MonitorReply {
    /// Whether the changes are those since the last transaction in the copy; else they are all rows.
    pub found: bool,
    /// The last transaction that is in them, or [`Uuid::NIL`] where the server counts none.
    pub last: Uuid,
    /// The changes.
    pub changes: Changes,
}

impl MonitorReply {
    /// Reads the result of a request of this method.
    ///
    /// # Errors
    /// It has another form, or a value of another type than the layouts say.
    pub fn read(method: MonitorMethod, result: &RawValue, layouts: &[Layout]) -> Result<Self, serde_json::Error> {
        match method {
            MonitorMethod::Whole => Ok(Self { found: false, last: Uuid::NIL, changes: changes(result, layouts)? }),
            MonitorMethod::Since => {
                let (found, last, updates): (bool, Cow<'_, str>, &RawValue) = serde_json::from_str(result.get())?;
                Ok(Self { found, last: transaction(&last)?, changes: changes(updates, layouts)? })
            }
        }
    }
}

/// A change that the server told of.
#[derive(Debug)]
pub struct MonitorUpdate<'a> {
    /// The name of the monitor.
    pub monitor: Cow<'a, str>,
    /// The transaction, or [`Uuid::NIL`] where the server counts none.
    pub last: Uuid,
    updates: &'a RawValue,
}

impl<'a> MonitorUpdate<'a> {
    /// Reads a notice; one of another method is `None`.
    ///
    /// # Errors
    /// It has another form.
    pub fn read(method: &str, params: &'a RawValue) -> Result<Option<Self>, serde_json::Error> {
        Ok(match method {
            "update3" => {
                let (monitor, last, updates): (Cow<'a, str>, Cow<'a, str>, &'a RawValue) =
                    serde_json::from_str(params.get())?;
                Some(Self { monitor, last: transaction(&last)?, updates })
            }
            "update2" => {
                let (monitor, updates) = serde_json::from_str(params.get())?;
                Some(Self { monitor, last: Uuid::NIL, updates })
            }
            _ => None,
        })
    }

    /// The rows that changed.
    ///
    /// # Errors
    /// They have another form, or a value of another type than the layouts say.
    pub fn changes(&self, layouts: &[Layout]) -> Result<Changes, serde_json::Error> {
        changes(self.updates, layouts)
    }
}

fn changes(updates: &RawValue, layouts: &[Layout]) -> Result<Changes, serde_json::Error> {
    UpdatesSeed(layouts).deserialize(&mut serde_json::Deserializer::from_str(updates.get()))
}

fn transaction(text: &str) -> Result<Uuid, serde_json::Error> {
    text.parse().map_err(serde::de::Error::custom)
}
