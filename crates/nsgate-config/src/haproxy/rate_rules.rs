//! Rate limits as Neutron writes them: a stick-table, a line that counts into it, and a line that denies.

use super::{
    arguments::{digits, place},
    stick_table,
    words::Lexeme,
};
use crate::{
    RateLimit,
    model::limits::RATE_REQUESTS,
    report::{Report, Span},
};
use std::time::Duration;

/// The stick-tables of a text, and the rules that use them.
#[derive(Debug, Default)]
pub(super) struct RateRules {
    tables: Vec<StickTable>,
    /// A `deny` line was read.
    denies: bool,
}

#[derive(Debug)]
struct StickTable {
    name: String,
    place: Span,
    /// A `stick-table` line was read, valid or not.
    described: bool,
    window: Option<Duration>,
    /// The counter that counts into it: `track-sc0`, `track-sc1` or `track-sc2`.
    tracked: Option<String>,
    requests: Option<u32>,
}

const TRACK: &str = "write `http-request track-sc0 src table NAME`";
const DENY: &str = "write `http-request deny deny_status 429 if { src_http_req_rate(NAME) gt NUMBER }`";

impl RateRules {
    /// Begins a `backend` section. A gate's text uses one for a stick-table only.
    pub(super) fn table(&mut self, name: &str, place: Span) {
        self.tables.push(StickTable {
            name: name.to_owned(),
            place,
            described: false,
            window: None,
            tracked: None,
            requests: None,
        });
    }

    fn find(&mut self, name: &str) -> Option<&mut StickTable> {
        self.tables.iter_mut().find(|table| table.name == name)
    }

    /// The limits, when the text is read. `listen` is the name of the section with the listeners.
    pub(super) fn finish(self, report: &mut Report<'_>, listen: Option<&str>) -> Vec<RateLimit> {
        let mut limits = Vec::new();
        for (index, table) in self.tables.iter().enumerate() {
            let name = &table.name;
            let earlier = self.tables.iter().take(index).any(|earlier| earlier.name == *name);
            if earlier && !name.is_empty() {
                report.error(table.place, format!("a second `backend {name}`"), "give it another name");
            }
            if listen == Some(name) {
                report.error(table.place, format!("`backend {name}` beside `listen {name}`"), "give it another name");
            }
            match (table.window, table.tracked.is_some(), table.requests) {
                (None, ..) if table.described => {}
                (None, ..) => report.error(
                    table.place,
                    format!("`backend {name}` has no `stick-table`: a gate has one backend, named by `server`"),
                    stick_table::FORM,
                ),
                (Some(window), true, Some(requests)) => limits.push(RateLimit { requests, window }),
                (Some(_), false, Some(_)) => {
                    report.error(table.place, format!("requests are denied by `{name}`, but nothing fills it"), TRACK);
                }
                (Some(_), _, None) => {
                    report.warning(table.place, format!("nothing is denied by `{name}`: it changes nothing"), DENY);
                }
            }
        }
        limits
    }

    /// Reads a `stick-table` line of the current section.
    pub(super) fn describe(&mut self, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
        let Some(table) = self.tables.last_mut() else { return };
        if std::mem::replace(&mut table.described, true) {
            return report.error(place(name), "a second `stick-table` in one section", stick_table::FORM);
        }
        table.window = stick_table::window(report, name, arguments);
    }

    pub(super) fn track(&mut self, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
        let texts: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
        let (["src", "table", table], Some(word)) = (texts.as_slice(), arguments.get(2)) else {
            return report.error(place(name), "only sources can be tracked, in a table", TRACK);
        };
        let counter = name.get(1).map(|word| word.text.clone()).unwrap_or_default();
        if self.denies {
            let message = "this is below a line that denies: haproxy would not count what is denied there";
            return report.error(place(name), message, "write all `track-sc` lines above the first `deny`");
        }
        if self.tables.iter().any(|table| table.tracked.as_ref() == Some(&counter)) {
            let message = format!("a second `{counter}`: haproxy uses only the first one");
            return report.error(place(name), message, "write `track-sc1` or `track-sc2`");
        }
        match self.find(table) {
            Some(found) if found.tracked.is_some() => {
                let message = format!("`{table}` is filled twice: haproxy would count each request twice");
                report.error(word.place, message, "keep one of the two lines");
            }
            Some(found) => found.tracked = Some(counter),
            None => report.error(word.place, format!("there is no table `{table}` above"), TRACK),
        }
    }

    pub(super) fn deny(&mut self, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
        let texts: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
        let (["deny_status", "429", "if", "{", rate, "gt", number, "}"], Some(table), Some(count)) =
            (texts.as_slice(), arguments.get(4), arguments.get(6))
        else {
            return report.error(place(name), "requests are denied by their rate alone, with 429", DENY);
        };
        let Some(wanted) = rate.strip_prefix("src_http_req_rate(").and_then(|rest| rest.strip_suffix(')')) else {
            return report.error(table.place, format!("`{rate}` is not accepted"), DENY);
        };
        let Some(requests) = digits(number).filter(|requests| RATE_REQUESTS.contains(requests)) else {
            let most = RATE_REQUESTS.end();
            return report.error(count.place, format!("`{number}` is not a number of requests from 1 to {most}"), DENY);
        };
        self.denies = true;
        match self.find(wanted) {
            Some(found) => found.requests = Some(found.requests.map_or(requests, |earlier| earlier.min(requests))),
            None => report.error(table.place, format!("there is no table `{wanted}` above"), DENY),
        }
    }
}
