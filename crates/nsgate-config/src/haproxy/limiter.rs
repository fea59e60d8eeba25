//! Rate limits, as Neutron says them: a table, a line that fills it, and a line that denies.

use super::{
    duration,
    global::{digits, place},
    reader::Reader,
    words::Word,
};
use crate::{
    RateLimit,
    model::limits::RATE_REQUESTS,
    report::{Place, Report},
};
use std::time::Duration;

/// The tables of a text and what is done with them.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    tables: Vec<Table>,
}

#[derive(Debug)]
struct Table {
    name: String,
    place: Place,
    /// There is a `stick-table` line, right or wrong.
    described: bool,
    window: Option<Duration>,
    tracked: bool,
    requests: Option<u32>,
}

const TABLE: &str = "write `stick-table type ip size 10k expire 60s store http_req_rate(60s)`";
const TRACK: &str = "write `http-request track-sc0 src table NAME`";
const DENY: &str = "write `http-request deny deny_status 429 if { src_http_req_rate(NAME) gt NUMBER }`";

impl Limiter {
    /// A `backend` section begins: it is a table or nothing.
    pub(super) fn table(&mut self, name: &str, place: Place) {
        self.tables.push(Table {
            name: name.to_owned(),
            place,
            described: false,
            window: None,
            tracked: false,
            requests: None,
        });
    }

    fn find(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.name == name)
    }

    /// The limits, once the text is read.
    pub(super) fn finish(self, report: &mut Report<'_>) -> Vec<RateLimit> {
        let mut limits = Vec::new();
        for (index, table) in self.tables.iter().enumerate() {
            let name = &table.name;
            if self.tables.iter().take(index).any(|earlier| earlier.name == *name) {
                report.error(table.place, format!("a second `backend {name}`"), "give it another name");
            }
            match (table.window, table.tracked, table.requests) {
                (None, ..) if table.described => {}
                (None, ..) => report.error(
                    table.place,
                    format!("`backend {name}` has no `stick-table`: a gate has one backend, named by `server`"),
                    TABLE,
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
}

pub(super) fn stick_table(reader: &mut Reader, report: &mut Report<'_>, name: &[Word], arguments: &[Word]) {
    if let Some(table) = reader.limiter.tables.last_mut() {
        table.described = true;
    }
    let mut window = None;
    let mut pairs = arguments.chunks_exact(2);
    for pair in &mut pairs {
        let [key, value] = pair else { continue };
        match key.text.as_str() {
            "type" if matches!(value.text.as_str(), "ip" | "ipv6") => {}
            // The gate's table has a bound and a lifetime of its own, for both families at once.
            "size" | "expire" => {}
            "store" => {
                let inner = value.text.strip_prefix("http_req_rate(").and_then(|rest| rest.strip_suffix(')'));
                match inner.map(duration::parse) {
                    Some(Ok(found)) if found >= Duration::from_secs(1) => window = Some(found),
                    Some(Err(reason)) => return report.error(value.place, reason, TABLE),
                    _ => return report.error(value.place, format!("`store {}` is not accepted", value.text), TABLE),
                }
            }
            _ => return report.error(key.place, format!("`{} {}` is not accepted", key.text, value.text), TABLE),
        }
    }
    if let Some(word) = pairs.remainder().first() {
        return report.error(word.place, format!("`{}` is not expected here", word.text), TABLE);
    }
    match (window, reader.limiter.tables.last_mut()) {
        (Some(window), Some(table)) if table.window.is_none() => table.window = Some(window),
        (None, _) => report.error(place(name), "the table stores no rate", TABLE),
        _ => report.error(place(name), "a second `stick-table` in one section", TABLE),
    }
}

pub(super) fn track(reader: &mut Reader, report: &mut Report<'_>, name: &[Word], arguments: &[Word]) {
    let texts: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
    let (["src", "table", table], Some(word)) = (texts.as_slice(), arguments.get(2)) else {
        return report.error(place(name), "only sources can be tracked, in a table", TRACK);
    };
    match reader.limiter.find(table) {
        Some(table) => table.tracked = true,
        None => report.error(word.place, format!("there is no table `{table}` above"), TRACK),
    }
}

pub(super) fn deny(reader: &mut Reader, report: &mut Report<'_>, name: &[Word], arguments: &[Word]) {
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
    match reader.limiter.find(wanted) {
        Some(found) => found.requests = Some(found.requests.map_or(requests, |earlier| earlier.min(requests))),
        None => report.error(table.place, format!("there is no table `{wanted}` above"), DENY),
    }
}
