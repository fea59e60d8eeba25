//! What this client wants of a table, and whether the server's schema has it (RFC 7047, section 3.2).

use super::atom::Atom;
use nsgate_config::Uuid;
use serde_json::Value;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `true` or `false`.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Strings.
    Text,
    /// Names of rows.
    Uuid,
    /// A map from strings to strings, of which these keys are wanted.
    Keys(&'static [&'static str]),
}

/// A table and the columns of it that are wanted. It may have others.
#[derive(Clone, Copy, Debug)]
pub struct WantedTable {
    /// The table.
    pub table: &'static str,
    /// Its columns and what each must hold.
    pub columns: &'static [(&'static str, Content)],
}

/// A wanted column, as the server's schema has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    name: &'static str,
    content: Content,
    least: u64,
    many: bool,
}

/// A wanted table, as the server's schema has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    table: &'static str,
    columns: Vec<Column>,
}

/// The schema lacks what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheSchema {
    /// No such table.
    #[error("its schema has no table {0}")]
    NoTable(&'static str),
    /// No such column, or one of another type.
    #[error("its schema has no column {1} of the expected type in the table {0}")]
    NoColumn(&'static str, &'static str),
}

impl Content {
    /// The name of the type of an element, or of a key.
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Text | Self::Keys(_) => "string",
            Self::Uuid => "uuid",
        }
    }

    pub(crate) fn has(self, atom: &Atom) -> bool {
        match atom {
            Atom::Boolean(_) => self == Self::Boolean,
            Atom::Integer(_) => self == Self::Integer,
            Atom::Text(_) => self == Self::Text,
            Atom::Uuid(_) => self == Self::Uuid,
        }
    }

    /// The element of a column that needs one and was given none.
    pub(crate) fn default(self) -> Option<Atom> {
        Some(match self {
            Self::Boolean => Atom::Boolean(false),
            Self::Integer => Atom::Integer(0),
            Self::Text => Atom::Text("".into()),
            Self::Uuid => Atom::Uuid(Uuid::NIL),
            Self::Keys(_) => return None,
        })
    }
}

impl Column {
    /// One value, and always one: for a table whose schema is fixed.
    #[must_use]
    pub const fn one(name: &'static str, content: Content) -> Self {
        Self { name, content, least: 1, many: false }
    }

    /// One value or none.
    #[must_use]
    pub const fn optional(name: &'static str, content: Content) -> Self {
        Self { name, content, least: 0, many: false }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it holds.
    #[must_use]
    pub fn content(&self) -> Content {
        self.content
    }

    /// Whether it can hold more than one element: a difference is then one of elements, else the new value.
    #[must_use]
    pub fn many(&self) -> bool {
        self.many
    }

    /// Whether it has an element always.
    pub(crate) fn needs_one(&self) -> bool {
        self.least > 0
    }

    /// From a `<type>` of a schema.
    fn of(name: &'static str, content: Content, kind: &Value) -> Option<Self> {
        let base = |part: Option<&Value>| {
            let part = part?;
            part.as_str().or_else(|| part.get("type")?.as_str()).map(str::to_owned)
        };
        let key = if kind.is_string() { base(Some(kind)) } else { base(kind.get("key")) };
        let value = base(kind.get("value"));
        let fits = key? == content.name()
            && match content {
                Content::Keys(_) => value.as_deref() == Some("string"),
                _ => value.is_none(),
            };
        let least = kind.get("min").map_or(Some(1), Value::as_u64)?;
        let many = match kind.get("max") {
            None => false,
            Some(Value::Number(most)) => most.as_u64()? > 1,
            Some(other) => other.as_str()? == "unlimited",
        };
        fits.then_some(Self { name, content, least, many })
    }
}

impl Layout {
    /// Of a table whose schema is fixed.
    #[must_use]
    pub fn fixed(table: &'static str, columns: &[Column]) -> Self {
        Self { table, columns: columns.to_vec() }
    }

    /// Of a wanted table in the schema that `get_schema` brought.
    ///
    /// # Errors
    /// The table, or a column of it, is not there or is of another type.
    pub fn in_schema(wanted: &WantedTable, schema: &Value) -> Result<Self, NotTheSchema> {
        let table = schema.get("tables").and_then(|tables| tables.get(wanted.table));
        let columns = table.and_then(|table| table.get("columns")).ok_or(NotTheSchema::NoTable(wanted.table))?;
        let column = |&(name, content)| {
            let kind = columns.get(name).and_then(|column| column.get("type"));
            kind.and_then(|kind| Column::of(name, content, kind)).ok_or(NotTheSchema::NoColumn(wanted.table, name))
        };
        Ok(Self { table: wanted.table, columns: wanted.columns.iter().map(column).collect::<Result<_, _>>()? })
    }

    /// Its name.
    #[must_use]
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// Its columns, in the order in which they were wanted.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }
}

#[cfg(test)]
mod tests {
    use super::super::datum::Datum;
    use super::*;
    use serde_json::json;

    const WANTED: WantedTable = WantedTable {
        table: "Port_Binding",
        columns: &[("mac", Content::Text), ("external_ids", Content::Keys(&["a"]))],
    };

    fn schema(mac: &Value, ids: &Value) -> Value {
        let columns =
            json!({ "mac": { "type": mac }, "external_ids": { "type": ids }, "colour": { "type": "string" } });
        json!({ "name": "any", "tables": { "Port_Binding": { "columns": columns }, "Other": { "columns": {} } } })
    }

    #[test]
    fn a_schema_may_have_more_than_is_wanted_and_not_less() {
        let map = json!({ "key": "string", "value": "string", "min": 0, "max": "unlimited" });
        let set = json!({ "key": { "type": "string", "minLength": 1 }, "min": 0, "max": "unlimited" });
        let told = |mac: &Value, ids: &Value| Layout::in_schema(&WANTED, &schema(mac, ids));
        let layout = told(&set, &map).expect("what is wanted");
        assert!(layout.columns().iter().all(Column::many));
        assert!(told(&json!({ "key": "string", "min": 0, "max": 3 }), &map).expect("wanted").columns()[0].many());
        let one = told(&json!("string"), &map).expect("what is wanted").columns()[0];
        assert_eq!((one.many(), Datum::default_of(&one)), (false, Datum::Set(vec![Atom::Text("".into())])));
        for odd in
            [json!("uuid"), json!({ "key": "integer" }), map.clone(), json!({}), json!({ "key": "string", "max": {} })]
        {
            assert_eq!(told(&odd, &map), Err(NotTheSchema::NoColumn("Port_Binding", "mac")), "{odd}");
        }
        assert_eq!(told(&set, &set), Err(NotTheSchema::NoColumn("Port_Binding", "external_ids")));
        let none = Layout::in_schema(&WANTED, &json!({ "tables": {} }));
        assert_eq!(none, Err(NotTheSchema::NoTable("Port_Binding")));
    }
}
