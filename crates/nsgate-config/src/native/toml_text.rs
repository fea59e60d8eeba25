//! TOML as text: reads it, finds a place in it, quotes a string for it.

use crate::{
    Diagnostics,
    report::{Report, Span},
};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Reads TOML into `T`.
///
/// # Errors
/// The first error of syntax, unknown key or value of the wrong type, with its place.
pub(super) fn read_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Diagnostics> {
    toml::from_str(text).map_err(|error| {
        let mut report = Report::new(file, text);
        let message = error.message();
        let (message, help) = message.split_once(", expected ").unwrap_or((message, ""));
        let help = if help.is_empty() { String::new() } else { format!("expected {help}") };
        report.error(error.span().map(|span| place(text, span)).unwrap_or_default(), message, help);
        match report.finish::<()>(None) {
            Err(diagnostics) => diagnostics,
            Ok(_) => Diagnostics::default(),
        }
    })
}

/// Line and column, in characters, of a range of bytes.
pub(super) fn place(text: &str, span: Range<usize>) -> Span {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    // A carriage return belongs to the end of the line: no place is after it.
    let end = text.lines().nth(line - 1).map_or(0, |line| line.chars().count()) + 1;
    let column = (before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1).min(end);
    let inside = text.get(span).unwrap_or_default();
    let length = inside.split('\n').next().map_or(1, |first| first.trim_end().chars().count()).max(1);
    Span { line, column, length }
}

/// A TOML basic string. The values have no control characters.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
