//! Values that come from flags: a draft marks them by their place.

use std::ops::Range;
use toml::Spanned;

/// Where a value from the command line stands: behind the end of every text, as far as it is repeated.
const COMMAND_LINE: usize = usize::MAX / 2;

/// A value that was said on the command line.
pub fn on_command_line<T>(value: T) -> Spanned<T> {
    Spanned::new(COMMAND_LINE..COMMAND_LINE, value)
}

/// The values of an option that may be said several times.
pub fn all_on_command_line<T>(values: impl IntoIterator<Item = T>) -> Vec<Spanned<T>> {
    let places = COMMAND_LINE..;
    places.zip(values).map(|(place, value)| Spanned::new(place..place, value)).collect()
}

/// Which one of its option's values it is, if it was said on the command line.
pub(super) fn flag_index(span: &Range<usize>) -> Option<usize> {
    span.start.checked_sub(COMMAND_LINE)
}

/// The option that says the same as a key.
pub(super) fn flag(key: &str) -> String {
    match key {
        "backends" => "backend".to_owned(),
        key => key.replace('_', "-"),
    }
}
