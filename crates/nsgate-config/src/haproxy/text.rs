//! Splits a text into lines as haproxy does (`readcfgfile` in src/cfgparse.c, haproxy 2.6).

use crate::report::{Report, Span};

/// Most words of a line, and most blanks between and after them (`MAX_LINE_ARGS`, include/haproxy/defaults.h).
pub(super) const MOST_WORDS: usize = 64;

/// The lines of a text with their numbers, from 1. Reports what haproxy refuses in the text as a whole.
pub(super) fn lines<'t>(report: &mut Report<'_>, text: &'t str) -> impl Iterator<Item = (usize, &'t str)> + use<'t> {
    check(report, text);
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn check(report: &mut Report<'_>, text: &str) {
    if text.starts_with('\u{feff}') {
        let place = Span { line: 1, column: 1, length: 1 };
        report.error(place, "the text begins with a byte order mark, which is no blank", "save it as plain UTF-8");
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let line = text.lines().count();
        let width = text.lines().last().map(|last| last.chars().count()).unwrap_or_default();
        let place = Span { line, column: width + 1, length: 1 };
        report.error(place, "the last line has no end: the text may have been cut", "end it with a newline");
    }
    if text.contains('\0') {
        let help = "write the text anew; a file full of them was not written to its end";
        each(text, '\0', |place, _| report.error(place, "the line contains a NUL byte", help));
    }
    if text.contains('\r') {
        each(text, '\r', |place, rest| {
            // At the end of a line (DOS) it hides nothing.
            if !rest.bytes().all(|byte| byte == b'\r') {
                let message = "a carriage return within the line: haproxy reads nothing behind it";
                report.error(place, message, "write one line for each setting");
            }
        });
    }
}

/// Calls `found` with the place of the first such character in each line, and with the rest of the line.
fn each(text: &str, wanted: char, mut found: impl FnMut(Span, &str)) {
    for (index, line) in text.lines().enumerate() {
        if let Some((before, rest)) = line.split_once(wanted) {
            found(Span { line: index + 1, column: before.chars().count() + 1, length: 1 }, rest);
        }
    }
}
