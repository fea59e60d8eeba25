//! `--json`: one value on standard output for a program to read, and everything else on standard error.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::OnceLock;

use serde_json::{Map, Value};

/// Standard output as it was, once JSON was asked for.
static OUTPUT: OnceLock<File> = OnceLock::new();

/// From here on all that is printed goes to standard error, that of programs that are started as well.
///
/// # Errors
/// Standard output is closed.
pub fn ask() -> Result<(), String> {
    let failed = |error: std::io::Error| format!("standard output cannot be kept apart: {error}");
    let kept = std::io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
    nix::unistd::dup2_stdout(std::io::stderr()).map_err(|error| failed(error.into()))?;
    let _ = OUTPUT.set(File::from(kept));
    Ok(())
}

/// The value, if it was asked for.
pub fn say(value: &Value) {
    if let Some(mut output) = OUTPUT.get() {
        // The reader that closed it wants no more.
        let _ = writeln!(output, "{value:#}");
    }
}

/// Standard output as it was before [`ask`], for a program that says the value itself.
pub fn output() -> Option<Stdio> {
    OUTPUT.get().and_then(|output| output.try_clone().ok()).map(Stdio::from)
}

/// Every table of a page as an array of rows, each an object by column, under the heading of its section.
pub fn of_page(page: &str) -> Value {
    let mut tables: Vec<Value> = Vec::new();
    let (mut heading, mut columns): (String, Option<Vec<String>>) = (String::new(), None);
    let mut rows: Vec<Value> = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().to_owned();
        } else if let Some(names) = &columns {
            rows.push(row(names, &cells(line)));
        } else if line.starts_with('|')
            && lines.peek().is_some_and(|next| next.starts_with("|---") || next.starts_with("|:--"))
        {
            lines.next();
            columns = Some(cells(line));
        }
        if columns.is_some() && !lines.peek().is_some_and(|next| next.starts_with('|')) {
            tables.push(serde_json::json!({ "table": heading, "rows": std::mem::take(&mut rows) }));
            columns = None;
        }
    }
    Value::from(tables)
}

/// The rows of one table, the header first.
pub fn of_rows(rows: &[Vec<String>]) -> Value {
    let Some((names, rows)) = rows.split_first() else { return Value::Null };
    rows.iter().map(|cells| row(names, cells)).collect()
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|');
    // `\|` is a character of a cell.
    let kept = line.replace("\\|", "\u{0}");
    kept.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

/// Numbers are numbers; a column without a name is `what`.
fn row(names: &[String], cells: &[String]) -> Value {
    let pairs = names.iter().zip(cells).map(|(name, cell)| {
        let plain = cell.replace(',', "");
        let number = plain.parse::<i64>().map(Value::from).or_else(|_| plain.parse::<f64>().map(Value::from));
        let name = if name.is_empty() { "what" } else { name };
        (name.to_owned(), number.unwrap_or_else(|_| Value::from(cell.as_str())))
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}
