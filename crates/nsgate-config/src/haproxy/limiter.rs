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
    /// A line that denies was read.
    denies: bool,
}

#[derive(Debug)]
struct Table {
    name: String,
    place: Place,
    /// There is a `stick-table` line, right or wrong.
    described: bool,
    window: Option<Duration>,
    /// The counter that fills it: `track-sc0`, `track-sc1` or `track-sc2`.
    tracked: Option<String>,
    requests: Option<u32>,
}

const TABLE: &str = "write `stick-table type ip size 10k expire 60s store http_req_rate(60s)`";
const TRACK: &str = "write `http-request track-sc0 src table NAME`";
const DENY: &str = "write `http-request deny deny_status 429 if { src_http_req_rate(NAME) gt NUMBER }`";

/// The sources that a gate remembers, whatever the table's size (`size 10k`).
const REMEMBERED: u32 = 10 * 1024;

impl Limiter {
    /// A `backend` section begins: it is a table or nothing.
    pub(super) fn table(&mut self, name: &str, place: Place) {
        self.tables.push(Table {
            name: name.to_owned(),
            place,
            described: false,
            window: None,
            tracked: None,
            requests: None,
        });
    }

    fn find(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.name == name)
    }

    /// The limits, once the text is read; `listen` is the name of the section that hears guests.
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

/// The words of a `stick-table` line, each said once.
#[derive(Default)]
struct Described<'w> {
    kind: Option<&'w Word>,
    size: Option<&'w Word>,
    expire: Option<&'w Word>,
    store: Option<&'w Word>,
}

pub(super) fn stick_table(reader: &mut Reader, report: &mut Report<'_>, name: &[Word], arguments: &[Word]) {
    let described = match reader.limiter.tables.last_mut() {
        Some(table) => std::mem::replace(&mut table.described, true),
        None => return,
    };
    if described {
        return report.error(place(name), "a second `stick-table` in one section", TABLE);
    }
    let mut said = Described::default();
    let mut pairs = arguments.chunks_exact(2);
    for pair in &mut pairs {
        let [key, value] = pair else { continue };
        let slot = match key.text.as_str() {
            "type" => &mut said.kind,
            "size" => &mut said.size,
            "expire" => &mut said.expire,
            "store" => &mut said.store,
            _ => return report.error(key.place, format!("`{} {}` is not accepted", key.text, value.text), TABLE),
        };
        if slot.replace(value).is_some() {
            return report.error(key.place, format!("`{}` is said twice", key.text), TABLE);
        }
    }
    if let Some(word) = pairs.remainder().first() {
        return report.error(word.place, format!("`{}` is not expected here", word.text), TABLE);
    }
    let window = said.window(report, place(name));
    if let Some(table) = reader.limiter.tables.last_mut() {
        table.window = window;
    }
}

impl Described<'_> {
    /// The window of the rate that the table stores, if the line is one that haproxy takes.
    fn window(&self, report: &mut Report<'_>, keyword: Place) -> Option<Duration> {
        match self.kind {
            Some(kind) if matches!(kind.text.as_str(), "ip" | "ipv6") => {}
            Some(kind) => {
                report.error(kind.place, format!("`type {}` is not accepted: sources are counted", kind.text), TABLE);
                return None;
            }
            None => {
                report.error(keyword, "the table has no `type`", TABLE);
                return None;
            }
        }
        let Some(size) = self.size else {
            report.error(keyword, "the table has no `size`", TABLE);
            return None;
        };
        match entries(&size.text) {
            Some(1..REMEMBERED) => {
                let message = format!("a gate remembers {REMEMBERED} sources, haproxy would forget some sooner");
                report.warning(size.place, message, "");
            }
            Some(REMEMBERED..) => {}
            _ => {
                report.error(size.place, format!("`{}` is not the size of a table", size.text), TABLE);
                return None;
            }
        }
        let Some(store) = self.store else {
            report.error(keyword, "the table stores no rate", TABLE);
            return None;
        };
        let inner = store.text.strip_prefix("http_req_rate(").and_then(|rest| rest.strip_suffix(')'));
        let window = match inner.map(duration::parse) {
            Some(Ok(found)) if found >= Duration::from_secs(1) => found,
            Some(Err(reason)) => {
                report.error(store.place, reason, TABLE);
                return None;
            }
            _ => {
                report.error(store.place, format!("`store {}` is not accepted", store.text), TABLE);
                return None;
            }
        };
        let Some(expire) = self.expire else { return Some(window) };
        match duration::milliseconds(&expire.text) {
            // Without a time haproxy forgets nothing but for want of room.
            Ok(time) if time >= window || time.is_zero() => {}
            Ok(_) => {
                let message = "haproxy forgets a source that is silent for so long, a gate counts the whole window";
                report.warning(expire.place, message, "write an `expire` as long as the window of `http_req_rate`");
            }
            Err(reason) => {
                report.error(expire.place, reason, TABLE);
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

pub(super) fn track(reader: &mut Reader, report: &mut Report<'_>, name: &[Word], arguments: &[Word]) {
    let texts: Vec<&str> = arguments.iter().map(|word| word.text.as_str()).collect();
    let (["src", "table", table], Some(word)) = (texts.as_slice(), arguments.get(2)) else {
        return report.error(place(name), "only sources can be tracked, in a table", TRACK);
    };
    let counter = name.get(1).map(|word| word.text.clone()).unwrap_or_default();
    if reader.limiter.denies {
        let message = "this stands below a line that denies: haproxy would not count what is denied there";
        return report.error(place(name), message, "write all `track-sc` lines above the first `deny`");
    }
    if reader.limiter.tables.iter().any(|table| table.tracked.as_ref() == Some(&counter)) {
        let message = format!("a second `{counter}`: haproxy heeds the first one alone");
        return report.error(place(name), message, "write `track-sc1` or `track-sc2`");
    }
    match reader.limiter.find(table) {
        Some(found) if found.tracked.is_some() => {
            let message = format!("`{table}` is filled twice: haproxy would count each request twice");
            report.error(word.place, message, "keep one of the two lines");
        }
        Some(found) => found.tracked = Some(counter),
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
    reader.limiter.denies = true;
    match reader.limiter.find(wanted) {
        Some(found) => found.requests = Some(found.requests.map_or(requests, |earlier| earlier.min(requests))),
        None => report.error(table.place, format!("there is no table `{wanted}` above"), DENY),
    }
}
