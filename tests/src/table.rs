//! Output for people: stages with their times, a table, colours only where they are wanted (no-color.org).

use std::io::IsTerminal;
use std::time::Duration;

/// Colours, or none of them.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colours: bool,
}

impl Style {
    /// Colours if standard output is a terminal and NO_COLOR is not set.
    pub fn detect() -> Style {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style { colours: std::io::stdout().is_terminal() && !refused }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For a heading.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For a success.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For a failure.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For less important text.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// `12.3 s` or `45 ms`.
pub fn seconds(took: Duration) -> String {
    let s = took.as_secs_f64();
    if s < 1.0 { format!("{:.0} ms", s * 1000.0) } else { format!("{s:.1} s") }
}

/// Longest line below a header.
const RULE: usize = 120;

/// A table with a header row, columns as wide as they need to be; numbers to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            if index > 0 && is_quantity(cell) { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
        if index == 0 {
            text.push_str(&"-".repeat((widths.iter().sum::<usize>() + 3 * columns.saturating_sub(1)).min(RULE)));
            text.push('\n');
        }
    }
    text
}

/// Whether a cell is a number, or a number and its unit: those are aligned to the right.
fn is_quantity(cell: &str) -> bool {
    let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
    number.parse::<f64>().is_ok() && ["", "ms", "s", "KiB"].contains(&unit)
}
