//! The words after `stick-table`: a table of sources with their request rates.

use super::{arguments::place, duration, words::Lexeme};
use crate::report::{Report, Span};
use std::time::Duration;

/// What to write.
pub(super) const FORM: &str = "write `stick-table type ip size 10k expire 60s store http_req_rate(60s)`";

/// The sources that a gate remembers. The table's size (`size 10k`) does not change it.
const REMEMBERED: u32 = 10 * 1024;

/// The window of the rate that the table stores; `None` after reporting what haproxy would refuse.
pub(super) fn window(report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) -> Option<Duration> {
    Properties::read(report, arguments)?.window(report, place(name))
}

/// The properties of a table, each given once.
#[derive(Default)]
struct Properties<'w> {
    kind: Option<&'w Lexeme>,
    size: Option<&'w Lexeme>,
    expire: Option<&'w Lexeme>,
    store: Option<&'w Lexeme>,
}

impl<'w> Properties<'w> {
    /// The words in pairs: a property, and its value.
    fn read(report: &mut Report<'_>, arguments: &'w [Lexeme]) -> Option<Self> {
        let mut said = Self::default();
        let mut pairs = arguments.chunks_exact(2);
        for pair in &mut pairs {
            let [key, value] = pair else { continue };
            let slot = match key.text.as_str() {
                "type" => &mut said.kind,
                "size" => &mut said.size,
                "expire" => &mut said.expire,
                "store" => &mut said.store,
                _ => {
                    report.error(key.place, format!("`{} {}` is not accepted", key.text, value.text), FORM);
                    return None;
                }
            };
            if slot.replace(value).is_some() {
                report.error(key.place, format!("`{}` is said twice", key.text), FORM);
                return None;
            }
        }
        if let Some(word) = pairs.remainder().first() {
            report.error(word.place, format!("`{}` is not expected here", word.text), FORM);
            return None;
        }
        Some(said)
    }
}

impl Properties<'_> {
    /// The window of the rate that the table stores, if the line is one that haproxy takes.
    fn window(&self, report: &mut Report<'_>, keyword: Span) -> Option<Duration> {
        match self.kind {
            Some(kind) if matches!(kind.text.as_str(), "ip" | "ipv6") => {}
            Some(kind) => {
                report.error(kind.place, format!("`type {}` is not accepted: sources are counted", kind.text), FORM);
                return None;
            }
            None => {
                report.error(keyword, "the table has no `type`", FORM);
                return None;
            }
        }
        let Some(size) = self.size else {
            report.error(keyword, "the table has no `size`", FORM);
            return None;
        };
        match entries(&size.text) {
            Some(1..REMEMBERED) => {
                let message = format!("a gate remembers {REMEMBERED} sources; haproxy would forget some earlier");
                report.warning(size.place, message, "");
            }
            Some(REMEMBERED..) => {}
            _ => {
                report.error(size.place, format!("`{}` is not the size of a table", size.text), FORM);
                return None;
            }
        }
        let Some(store) = self.store else {
            report.error(keyword, "the table stores no rate", FORM);
            return None;
        };
        let inner = store.text.strip_prefix("http_req_rate(").and_then(|rest| rest.strip_suffix(')'));
        let window = match inner.map(duration::parse) {
            Some(Ok(found)) if found >= Duration::from_secs(1) => found,
            Some(Err(reason)) => {
                report.error(store.place, reason, FORM);
                return None;
            }
            _ => {
                report.error(store.place, format!("`store {}` is not accepted", store.text), FORM);
                return None;
            }
        };
        let Some(expire) = self.expire else { return Some(window) };
        match duration::milliseconds(&expire.text) {
            // Without `expire` haproxy removes an entry only when the table is full.
            Ok(time) if time >= window || time.is_zero() => {}
            Ok(_) => {
                let message =
                    "haproxy forgets a source after this time without a request; a gate counts the whole window";
                report.warning(expire.place, message, "write an `expire` as long as the window of `http_req_rate`");
            }
            Err(reason) => {
                report.error(expire.place, reason, FORM);
                return None;
            }
        }
        Some(window)
    }
}

/// The number of entries of a table, with `k`, `m` or `g` behind it (configuration manual, 2.7 "Size format").
fn entries(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let shift = match unit {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(1 << shift)
}
