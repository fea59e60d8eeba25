//! What the parser itself says of a key: its default, read from the text that it writes for a configuration that leaves
//! the key out, and what it accepts, from its answer to a value that it refuses.

use toml::{Table, Value};

use super::types::Kind;

/// A kind of file: how it is parsed, and written with every default.
pub(crate) struct Parser {
    /// The shortest valid file, with every table.
    pub(crate) least: Table,
    /// The text with every default, or its fault.
    pub(crate) complete: fn(&str) -> Result<String, String>,
}

impl Parser {
    /// The values of a file without optional keys.
    ///
    /// # Errors
    /// The least text is refused: the reference and the parser disagree.
    pub(crate) fn defaults(&self) -> Result<Table, String> {
        let text = (self.complete)(&self.least.to_string())?;
        text.parse().map_err(|error| format!("what the parser writes is not TOML: {error}"))
    }

    /// Adds an empty table to the shortest file, where that is allowed.
    pub(crate) fn mention(&mut self, path: &[String]) {
        if path.is_empty() || at(&self.least, path).is_some() {
            return;
        }
        let mut table = self.least.clone();
        put(&mut table, path, Value::Table(Table::new()));
        if (self.complete)(&table.to_string()).is_ok() {
            self.least = table;
        }
    }

    /// Whether the least text has the key, so that its value is no default.
    pub(crate) fn says(&self, path: &[String]) -> bool {
        at(&self.least, path).is_some()
    }

    /// Whether a file without the key is refused.
    pub(crate) fn required(&self, path: &[String]) -> bool {
        let mut table = self.least.clone();
        remove(&mut table, path) && (self.complete)(&table.to_string()).is_err()
    }

    /// Keys of which a file has exactly one, from the parser's error where a file has none.
    pub(crate) fn alternatives(&self) -> Vec<String> {
        let without = |key: &String| {
            let mut table = self.least.clone();
            table.remove(key);
            let answer = (self.complete)(&table.to_string()).err()?;
            let names = answer.lines().find_map(|line| line.split_once("write one of "))?.1;
            Some(names.split(", ").map(str::to_owned).collect())
        };
        self.least.keys().find_map(without).unwrap_or_default()
    }

    /// What the parser accepts, in its own words.
    pub(crate) fn accepts(&self, path: &[String], kind: &Kind) -> Option<String> {
        let wrong = match kind {
            Kind::Number => Value::Integer(-1),
            Kind::Time => Value::String("0s".to_owned()),
            Kind::Text => Value::String("?".to_owned()),
            _ => return None,
        };
        let mut table = self.least.clone();
        put(&mut table, path, wrong);
        let answer = (self.complete)(&table.to_string()).err()?;
        let key = format!("`{}`", path.last()?);
        let line = answer.lines().find(|line| line.contains(&key)).or_else(|| answer.lines().next())?;
        if let Some((_, range)) = line.split_once("write a number from ") {
            return Some(range.trim().to_owned());
        }
        if kind == &Kind::Time {
            return line.split_once("`: ").map(|(_, said)| said.trim_start_matches("a time is ").to_owned());
        }
        let list = answer.lines().find_map(|line| {
            let found = ["one of ", "; write ", "expected "].iter().find_map(|word| line.split_once(word));
            found.map(|(_, list)| list.trim())
        })?;
        // A list of names, not an example of a path or an address.
        let names = list.split(", ").flat_map(|name| name.split(" or ")).map(|name| name.trim_matches(['"', '`']));
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        (names.len() > 1).then(|| names.join(", "))
    }
}

/// The value at a path, written as TOML.
pub(crate) fn at(table: &Table, path: &[String]) -> Option<String> {
    let (last, tables) = path.split_last()?;
    let mut inner = table;
    for name in tables {
        inner = match inner.get(name)? {
            Value::Table(next) => next,
            Value::Array(several) => several.first()?.as_table()?,
            _ => return None,
        };
    }
    inner.get(last).map(Value::to_string)
}

fn put(table: &mut Table, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return;
    }
    let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
    match inner {
        Value::Table(inner) => put(inner, rest, value),
        Value::Array(several) => {
            if let Some(inner) = several.first_mut().and_then(Value::as_table_mut) {
                put(inner, rest, value);
            }
        }
        _ => {}
    }
}

fn remove(table: &mut Table, path: &[String]) -> bool {
    match path.split_first() {
        Some((only, [])) => table.remove(only).is_some(),
        Some((first, rest)) => match table.get_mut(first) {
            Some(Value::Table(inner)) => remove(inner, rest),
            Some(Value::Array(several)) => {
                several.first_mut().and_then(Value::as_table_mut).is_some_and(|inner| remove(inner, rest))
            }
            _ => false,
        },
        None => false,
    }
}
