//! nsgate's own configuration: TOML, and the flags of `nsgate run`, which say the same things.
//!
//! Promises that an unknown key is refused, that a value out of range names its range, and that
//! [`render`] writes a text that [`parse`] reads back to the same values.

mod audit;
mod draft;
pub(crate) mod finish;
mod guards;
mod pool;
mod render;
mod site;
mod time;

pub use audit::{DraftAudit, DraftTrace};
pub use draft::{
    Draft, DraftLimits, DraftLog, DraftRate, DraftTimeouts, Time, Who, all_on_command_line, on_command_line,
};
pub use guards::{DraftExpiring, DraftGuards, DraftHeader, render as render_guards};
pub use pool::DraftPool;
pub use render::{render, render_pool};
pub use site::Site;

use crate::{
    Diagnostics, Parsed,
    report::{Place, Report},
};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// Reads a configuration in TOML; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the values, or the first thing that is wrong with the syntax.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Diagnostics> {
    Draft::read(file, text)?.finish(file, text)
}

/// Reads TOML into `T`, or says where it is not what `T` wants.
fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Diagnostics> {
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
fn place(text: &str, span: Range<usize>) -> Place {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    // A carriage return before the line feed belongs to the end of the line, and no place is behind that.
    let end = text.lines().nth(line - 1).map_or(0, |line| line.chars().count()) + 1;
    let column = (before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1).min(end);
    let inside = text.get(span).unwrap_or_default();
    let length = inside.split('\n').next().map_or(1, |first| first.trim_end().chars().count()).max(1);
    Place { line, column, length }
}
