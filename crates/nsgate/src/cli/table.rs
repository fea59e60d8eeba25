//! Tables on standard output.

use crate::terminal::say;
use std::io::IsTerminal;

/// The mark of a verdict. On a terminal, an error is red and an unreadable value yellow, unless NO_COLOR is set.
pub(super) fn mark(ok: Option<bool>) -> String {
    let (word, colour) = match ok {
        Some(true) => return "ok".to_owned(),
        Some(false) => ("NO", 31),
        None => ("??", 33),
    };
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !std::io::stdout().is_terminal() { word.to_owned() } else { format!("\x1b[{colour}m{word}\x1b[0m") }
}

/// Width of a cell on a terminal, in characters.
fn width(cell: &str) -> usize {
    let mut parts = cell.split('\x1b');
    let first = parts.next().map_or(0, |part| part.chars().count());
    // A colour ends with its `m`.
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, shown)| shown.chars().count())).sum::<usize>()
}

/// Prints a table. The first `left` columns are flush left, the others flush right.
pub(super) fn print(rows: &[Vec<String>], left: usize) {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(self::width(cell));
        }
    }
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let gap = " ".repeat(width.saturating_sub(self::width(cell)));
            if column < left { format!("{cell}{gap}") } else { format!("{gap}{cell}") }
        });
        say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
