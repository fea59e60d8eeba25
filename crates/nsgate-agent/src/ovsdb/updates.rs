//! The changes that a server sends for some tables (`<table-updates2>`, ovsdb-server(7), section 4.1.14).

use super::datum::{ColumnSeed, Datum};
use super::schema::Layout;
use super::table::{Changes, RowChange};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::{borrow::Cow, fmt};

/// Reads `<table-updates2>` for the tables of these layouts.
#[derive(Clone, Copy)]
pub(crate) struct UpdatesSeed<'l>(pub(crate) &'l [Layout]);

impl<'de> DeserializeSeed<'de> for UpdatesSeed<'_> {
    type Value = Changes;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Changes, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UpdatesSeed<'_> {
    type Value = Changes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changes of tables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut tables: A) -> Result<Changes, A::Error> {
        let mut changes = Changes::new();
        while let Some(name) = tables.next_key::<Cow<'de, str>>()? {
            match self.0.iter().enumerate().find(|(_, layout)| layout.table() == name) {
                Some((place, layout)) => tables.next_value_seed(RowsSeed { layout, place, changes: &mut changes })?,
                None => drop(tables.next_value::<IgnoredAny>()?),
            }
        }
        Ok(changes)
    }
}

/// Reads `<table-update2>`.
struct RowsSeed<'a> {
    layout: &'a Layout,
    place: usize,
    changes: &'a mut Changes,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("changes of rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(name) = rows.next_key::<Cow<'de, str>>()? {
            let name = name.parse().map_err(de::Error::custom)?;
            let change = rows.next_value_seed(RowSeed(self.layout))?;
            self.changes.push((self.place, name, change));
        }
        Ok(())
    }
}

/// Reads `<row-update2>`.
struct RowSeed<'a>(&'a Layout);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RowUpdateKind {
    Initial,
    Insert,
    Modify,
    Delete,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = RowChange;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RowChange, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = RowChange;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a change of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut update: A) -> Result<RowChange, A::Error> {
        let kind = update.next_key()?.ok_or_else(|| de::Error::custom("a change of a row that says nothing"))?;
        let change = match kind {
            RowUpdateKind::Delete => {
                update.next_value::<IgnoredAny>()?;
                RowChange::Gone
            }
            RowUpdateKind::Modify => RowChange::Difference(update.next_value_seed(ColumnsSeed(self.0))?),
            RowUpdateKind::Initial | RowUpdateKind::Insert => {
                let columns = update.next_value_seed(ColumnsSeed(self.0))?;
                let whole = columns.into_iter().zip(self.0.columns());
                RowChange::Whole(
                    whole.map(|(datum, column)| datum.unwrap_or_else(|| Datum::default_of(column))).collect(),
                )
            }
        };
        match update.next_key::<IgnoredAny>()? {
            None => Ok(change),
            Some(_) => Err(de::Error::custom("a change of a row that says two things")),
        }
    }
}

/// Reads `<row>`: the wanted columns of it.
struct ColumnsSeed<'a>(&'a Layout);

impl<'de> DeserializeSeed<'de> for ColumnsSeed<'_> {
    type Value = Box<[Option<Datum>]>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ColumnsSeed<'_> {
    type Value = Box<[Option<Datum>]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut columns: A) -> Result<Self::Value, A::Error> {
        let mut row = vec![None; self.0.columns().len()];
        while let Some(name) = columns.next_key::<Cow<'de, str>>()? {
            let wanted = self.0.columns().iter().zip(&mut row).find(|(column, _)| column.name() == name);
            match wanted {
                Some((column, datum)) => *datum = Some(columns.next_value_seed(ColumnSeed(column))?),
                None => drop(columns.next_value::<IgnoredAny>()?),
            }
        }
        Ok(row.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::atom::Atom;
    use super::super::schema::{Column, Content, WantedTable};
    use super::super::table::{Row, Table, Torn};
    use super::*;
    use proptest::{collection::btree_map, collection::btree_set, prelude::*};
    use serde_json::{Value, json};
    use std::collections::{BTreeMap, BTreeSet};

    const WANTED: WantedTable = WantedTable {
        table: "T",
        columns: &[("set", Content::Text), ("one", Content::Uuid), ("ids", Content::Keys(&["a", "b"]))],
    };

    fn layout() -> Layout {
        let types = json!({
            "set": { "type": { "key": "string", "min": 0, "max": "unlimited" } },
            "one": { "type": { "key": { "type": "uuid", "refTable": "T" }, "min": 0 } },
            "ids": { "type": { "key": "string", "value": "string", "min": 0, "max": "unlimited" } },
        });
        Layout::in_schema(&WANTED, &json!({ "tables": { "T": { "columns": types } } })).expect("the schema")
    }

    fn read(text: &str) -> Result<Changes, serde_json::Error> {
        UpdatesSeed(&[layout()]).deserialize(&mut serde_json::Deserializer::from_str(text))
    }

    fn name(number: u8) -> String {
        format!("7a1c4d2e-9f7b-4b59-9a55-{number:012x}")
    }

    /// A row as a database has it.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Model {
        set: BTreeSet<String>,
        one: Option<u8>,
        ids: BTreeMap<String, String>,
    }

    /// A set in the notation of ovsdb-server: one element stands alone.
    fn set(elements: &[Value]) -> Value {
        if let [one] = elements { one.clone() } else { json!(["set", elements]) }
    }

    impl Model {
        fn columns(&self) -> BTreeMap<&'static str, Value> {
            let texts: Vec<_> = self.set.iter().map(|text| json!(text)).collect();
            let one: Vec<_> = self.one.iter().map(|one| json!(["uuid", name(*one)])).collect();
            let ids: Vec<_> = self.ids.iter().collect();
            BTreeMap::from([
                ("set", set(&texts)),
                ("one", set(&one)),
                ("ids", json!(["map", ids])),
                ("more", json!(1.5)),
            ])
        }

        /// ovsdb-server(7), section 4.1.14.
        fn difference(&self, new: &Self) -> Value {
            let mut columns = new.columns();
            let texts: Vec<_> = self.set.symmetric_difference(&new.set).map(|text| json!(text)).collect();
            let gone = self.ids.iter().filter(|(key, _)| !new.ids.contains_key(*key));
            let changed = new.ids.iter().filter(|(key, value)| self.ids.get(*key) != Some(value));
            let pairs: Vec<_> = gone.chain(changed).collect();
            columns.insert("ids", json!(["map", pairs]));
            columns.insert("set", set(&texts));
            if self.set == new.set {
                columns.remove("set");
            }
            if self.one == new.one {
                columns.remove("one");
            }
            json!(columns)
        }

        fn row(&self) -> Row {
            let value = |key: &str| self.ids.get(key).map(|value| value.as_str().into());
            let uuid = |number: &u8| Atom::Uuid(name(*number).parse().expect("a UUID"));
            Box::new([
                Datum::Set(self.set.iter().map(|text| Atom::Text(text.as_str().into())).collect()),
                Datum::Set(self.one.iter().map(uuid).collect()),
                Datum::Values(Box::new([value("a"), value("b")])),
            ])
        }
    }

    fn model() -> impl Strategy<Value = Model> {
        let ids = btree_map("[a-d]", "[xy\"é]", 0..4);
        (btree_set("[a-e]", 0..4), proptest::option::of(0..3u8), ids).prop_map(|(set, one, ids)| Model {
            set,
            one,
            ids,
        })
    }

    proptest! {
        /// A database of four rows, and a copy of it that hears of each transaction.
        #[test]
        fn a_copy_is_what_the_database_is(
            steps in prop::collection::vec((0..4u8, proptest::option::of(model()), any::<bool>()), 0..30),
        ) {
            let (mut table, mut rows) = (Table::new(layout()), BTreeMap::<u8, Model>::new());
            for (number, new, initial) in steps {
                let old = rows.get(&number).cloned();
                let update = match (&old, &new) {
                    (None, None) => continue,
                    (Some(_), None) => json!({ "delete": null }),
                    (Some(old), Some(new)) => json!({ "modify": old.difference(new) }),
                    (None, Some(new)) => json!({ (if initial { "initial" } else { "insert" }): new.columns() }),
                };
                match new {
                    Some(new) => drop(rows.insert(number, new)),
                    None => drop(rows.remove(&number)),
                }
                let text = json!({ "Other": { "x": 1 }, "T": { name(number): update } }).to_string();
                for (_, name, change) in read(&text).expect("an update") {
                    table.apply(name, change).expect("it fits");
                }
                prop_assert_eq!(table.rows().len(), rows.len());
                for (number, model) in &rows {
                    let row = table.rows().get(&name(*number).parse().expect("a UUID"));
                    prop_assert_eq!(row, Some(&model.row()));
                }
            }
        }

        #[test]
        fn no_update_ends_in_a_panic(text in ".{0,60}", value in "[a-z\\[\\]{}\":,0-9]{0,40}") {
            let _ = read(&text);
            let _ = read(&format!("{{\"T\":{{\"{}\":{{\"insert\":{{\"set\":{value}}}}}}}}}", name(1)));
        }
    }

    #[test]
    fn an_insert_without_a_column_has_its_default() {
        let changes = read(&format!(r#"{{"T":{{"{}":{{"insert":{{}}}}}}}}"#, name(1))).expect("an update");
        assert_eq!(changes[0].2, RowChange::Whole(Model::default().row()));
        let server =
            Layout::fixed("T", &[Column::one("name", Content::Text), Column::optional("index", Content::Integer)]);
        let text = format!(r#"{{"T":{{"{}":{{"initial":{{}}}}}}}}"#, name(1));
        let changes =
            UpdatesSeed(&[server]).deserialize(&mut serde_json::Deserializer::from_str(&text)).expect("an update");
        let row: Row = Box::new([Datum::Set(vec![Atom::Text("".into())]), Datum::Set(vec![])]);
        assert_eq!(changes[0].2, RowChange::Whole(row));
    }

    #[test]
    fn a_difference_to_a_row_that_is_not_there_is_told() {
        let changes = read(&format!(r#"{{"T":{{"{}":{{"modify":{{}}}}}}}}"#, name(1))).expect("an update");
        let (_, row, change) = changes.into_iter().next().expect("one");
        assert_eq!(Table::new(layout()).apply(row, change), Err(Torn(row)));
    }

    #[test]
    fn a_value_of_another_form_is_refused() {
        for value in [
            r#""set":1"#,
            r#""set":["set",["a",["set",[]]]]"#,
            r#""set":["set"]"#,
            r#""set":["set",["a"],1]"#,
            r#""set":["named-uuid","a"]"#,
            r#""set":null"#,
            r#""one":["uuid","a"]"#,
            r#""one":"a""#,
            r#""ids":["set",[]]"#,
            r#""ids":["map",[["a"]]]"#,
            r#""ids":["map",[["a",1]]]"#,
        ] {
            for kind in ["initial", "insert", "modify"] {
                let text = format!(r#"{{"T":{{"{}":{{"{kind}":{{{value}}}}}}}}}"#, name(1));
                assert!(read(&text).is_err(), "{text}");
            }
        }
        let twice = format!(r#"{{"T":{{"{}":{{"insert":{{}},"delete":null}}}}}}"#, name(1));
        for text in
            [twice.as_str(), "[]", r#"{"T":{"a":{"delete":null}}}"#, &format!(r#"{{"T":{{"{}":{{}}}}}}"#, name(1))]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
