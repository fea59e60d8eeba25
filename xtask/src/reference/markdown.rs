//! docs/configuration.md: the reference as a page.

use std::fmt::Write;

use super::{Document, Key, Table};

const HEAD: &str = "\
# Configuration

Written by `cargo xtask reference --write`, from the types and from what the parser answers; a test compares. Four kinds
of files, all of them TOML; an unknown key or a value out of its range is an error that names file, line and column, and
nothing is started. What Neutron's agents write for haproxy is read as well: [migration.md](migration.md).

A *time* is text with a unit, `\"500ms\"`, `\"30s\"`, `\"2m\"`, `\"1h\"`, or a number of seconds; it is longer than zero and at
most 24h. An account is a name or, as a number without quotation marks, an id. A path is absolute. What ends in `_bytes`
is a number of bytes.
";

/// The parser's rule for every time.
const ANY_TIME: &str = "longer than zero and at most 24h";

/// The whole page.
pub(crate) fn page(documents: &[Document]) -> String {
    let mut text = HEAD.to_owned();
    for document in documents {
        let Document { name, about, example, tables } = document;
        let _ = write!(text, "\n## {name}\n\n{}\n\n```toml\n{example}```\n", folded(about));
        for one in tables {
            table(&mut text, one);
        }
    }
    text
}

fn table(text: &mut String, table: &Table) {
    let Table { header, about, keys } = table;
    if !header.is_empty() {
        let _ = write!(text, "\n### `{header}`\n\n{}\n", folded(about));
    }
    if keys.is_empty() {
        return;
    }
    text.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for Key { name, kind, accepts, default, required, one_of, about } in keys {
        let value = match accepts.as_deref() {
            // The page has it once, above.
            None | Some(ANY_TIME) => kind.clone(),
            Some(accepts) => format!("{kind}: {accepts}"),
        };
        let default = match default {
            _ if *required => "**required**".to_owned(),
            Some(default) => format!("`{default}`"),
            None if *one_of => "**one of these**".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(text, "| `{name}` | {value} | {default} | {} |", about.replace('|', "\\|"));
    }
}

/// At most 120 characters a line.
fn folded(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > 120 {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
