//! Values from flags. In a draft their place is beyond the end of every text.

use std::ops::Range;
use toml::Spanned;

/// The place of the first value of a flag; repeated flags follow it.
const COMMAND_LINE: usize = usize::MAX / 2;

/// Marks a value as one from the command line.
pub fn on_command_line<T>(value: T) -> Spanned<T> {
    Spanned::new(COMMAND_LINE..COMMAND_LINE, value)
}

/// Marks the values of a repeatable flag.
pub fn all_on_command_line<T>(values: impl IntoIterator<Item = T>) -> Vec<Spanned<T>> {
    let places = COMMAND_LINE..;
    places.zip(values).map(|(place, value)| Spanned::new(place..place, value)).collect()
}

/// The index among the values of its flag, if the value comes from the command line.
pub(super) fn flag_index(span: &Range<usize>) -> Option<usize> {
    span.start.checked_sub(COMMAND_LINE)
}

/// The flag of a key.
pub(super) fn flag(key: &str) -> String {
    match key {
        "backends" => "backend".to_owned(),
        key => key.replace('_', "-"),
    }
}
