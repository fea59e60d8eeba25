//! Tables on standard output.

use crate::terminal::say;

/// Prints columns as wide as they need to be: the first ones flush left, numbers flush right.
pub(super) fn print(rows: &[Vec<String>], left: usize) {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
