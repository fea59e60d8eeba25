//! The words of sections `defaults` and `listen`.

use super::{
    address::socket,
    arguments::{alone, digits, number, one, place},
    duration,
    header::{NAMES, has_capitals, odd},
    reader::HaproxyReader,
    words::Lexeme,
};
use crate::{Backend, Identity, UriPath, Uuid, model::limits::BACKEND_REQUESTS, report::Report};

pub(super) fn server_close(reader: &mut HaproxyReader, report: &mut Report<'_>, _: &[Lexeme], arguments: &[Lexeme]) {
    reader.settings().server_close |= alone(report, arguments);
}

pub(super) fn httplog(reader: &mut HaproxyReader, report: &mut Report<'_>, _: &[Lexeme], arguments: &[Lexeme]) {
    reader.settings().httplog |= alone(report, arguments);
}

pub(super) fn dontlognull(reader: &mut HaproxyReader, report: &mut Report<'_>, _: &[Lexeme], arguments: &[Lexeme]) {
    reader.settings().dontlognull |= alone(report, arguments);
}

/// `option forwardfor` is always on. Its arguments would let a guest choose the address, so they are refused.
pub(super) fn forwardfor(reader: &mut HaproxyReader, report: &mut Report<'_>, _: &[Lexeme], arguments: &[Lexeme]) {
    if let Some(word) = arguments.first() {
        let message = format!("`option forwardfor {}` would let a guest's own header through", word.text);
        report.error(word.place, message, "write `option forwardfor` alone: the header is set to the peer's address");
    }
    reader.settings().forwardfor = true;
}

pub(super) fn log(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(word) = one(report, name, arguments, "log global") else { return };
    if word.text != "global" {
        report.error(word.place, format!("`log {}` is not accepted here", word.text), "write `log global`");
    }
    reader.settings().logged |= reader.log.is_some();
}

pub(super) fn mode(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(word) = one(report, name, arguments, "mode http") else { return };
    if word.text != "http" {
        report.error(word.place, format!("`mode {}` is not what a gate does", word.text), "write `mode http`");
    }
    reader.settings().http = true;
}

pub(super) fn maxconn(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    if let Some(number) = number(report, name, arguments, "maxconn NUMBER", 1..=1_000_000) {
        reader.settings().connections = Some(number);
    }
}

pub(super) fn retries(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    if let Some(number) = number(report, name, arguments, "retries NUMBER", 0..=100) {
        reader.settings().retries = Some(number);
    }
}

pub(super) fn timeout(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let which = name.get(1).map(|word| word.text.as_str()).unwrap_or_default();
    let Some(word) = one(report, name, arguments, &format!("timeout {which} TIME")) else { return };
    let value = match duration::parse(&word.text) {
        Ok(value) => value,
        Err(reason) => return report.error(word.place, reason, ""),
    };
    let said = &mut reader.settings().timeouts;
    let slot = match which {
        "http-request" => &mut said.request,
        "connect" => &mut said.connect,
        "client" => &mut said.client,
        "server" => &mut said.server,
        _ => &mut said.keep_alive,
    };
    *slot = Some(value);
}

pub(super) fn monitor_uri(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(word) = one(report, name, arguments, "monitor-uri /PATH") else { return };
    match UriPath::new(&word.text) {
        Ok(path) => reader.monitor = Some(path),
        Err(reason) => report.error(word.place, reason, "write `monitor-uri /PATH`"),
    }
}

pub(super) fn stats_uri(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(word) = one(report, name, arguments, "stats uri /PATH") else { return };
    match UriPath::new(&word.text) {
        Ok(path) => reader.statistics = Some(path),
        Err(reason) => report.error(word.place, reason, "write `stats uri /PATH`"),
    }
}

pub(super) fn server(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let form = "write `server NAME /PATH/OF/SOCKET`";
    let [called, address, rest @ ..] = arguments else {
        return report.error(place(name), "`server` needs a name and a socket", form);
    };
    if let Some(c) = odd(&called.text) {
        return report.error(called.place, format!("`{}` contains {c:?}, which no name has", called.text), NAMES);
    }
    if reader.backend.is_some() {
        return report.error(place(name), "a second `server`: a gate has one backend", form);
    }
    match rest {
        [] => {}
        [key, value] if key.text == "maxconn" => match digits(&value.text)
            .filter(|number| BACKEND_REQUESTS.contains(number))
        {
            Some(number) => reader.limits.backend_requests = number,
            None => return report.error(value.place, format!("`{}` is not a number of requests", value.text), form),
        },
        [option, ..] => {
            return report.error(option.place, format!("`server` option `{}` is not accepted", option.text), form);
        }
    }
    let path = address.text.strip_prefix("unix@").unwrap_or(&address.text);
    match socket(path).and_then(|path| Ok(Backend::new(path)?)) {
        Ok(backend) => reader.backend = Some(backend),
        Err(reason) => report.error(address.place, reason, form),
    }
}

/// The identity with this header, compared without regard to case.
fn identity_named(header: &str, id: Uuid) -> Option<Identity> {
    let kinds = [Identity::Network(id), Identity::Router(id), Identity::OvnNetwork(id)];
    kinds.into_iter().find(|identity| identity.header().eq_ignore_ascii_case(header))
}

const HEADERS: &str = "X-Neutron-Network-ID, X-Neutron-Router-ID or X-OVN-Network-ID";

/// `set-header` and `add-header` mean the same here: the gate removes a guest's own header first.
pub(super) fn identity_header(
    reader: &mut HaproxyReader,
    report: &mut Report<'_>,
    name: &[Lexeme],
    arguments: &[Lexeme],
) {
    let [header, value] = arguments else {
        return report.error(
            place(name),
            "the header's name and its value are expected",
            format!("write {HEADERS} and a UUID"),
        );
    };
    let id: Uuid = match value.text.parse() {
        Ok(id) => id,
        Err(reason) => return report.error(value.place, reason, ""),
    };
    let Some(identity) = identity_named(&header.text, id) else {
        let message = format!("a gate sets no header `{}`", header.text);
        return report.error(header.place, message, format!("accepted: {HEADERS}"));
    };
    if has_capitals(&value.text) {
        report.warning(value.place, "a gate writes the identity in small letters, haproxy as it is written here", "");
    }
    match reader.identity {
        Some((previous, _)) if previous == identity => {
            report.warning(header.place, "the identity is said twice; a gate writes one header", "");
        }
        Some((previous, _)) => report.error(
            header.place,
            format!("a second identity, beside `{} {}`", previous.header(), previous.uuid()),
            "an agent refuses a request with two; keep one",
        ),
        None => reader.identity = Some((identity, header.place)),
    }
}

/// A gate always removes the identity headers of a guest, so this line changes nothing.
pub(super) fn del_header(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    let Some(header) = one(report, name, arguments, "http-request del-header NAME") else { return };
    match (identity_named(&header.text, Uuid::NIL), reader.identity) {
        (None, _) => {
            let message = format!("a gate has its own list of headers that pass, for `{}` too", header.text);
            report.error(header.place, message, format!("accepted: {HEADERS}"));
        }
        (Some(removed), Some((own, _))) if removed.header() == own.header() => {
            report.error(header.place, "this removes the identity that was set above", "keep one of the two lines");
        }
        _ => {}
    }
}

pub(super) fn stick_table(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    reader.rates.describe(report, name, arguments);
}

pub(super) fn track(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    reader.rates.track(report, name, arguments);
}

pub(super) fn deny(reader: &mut HaproxyReader, report: &mut Report<'_>, name: &[Lexeme], arguments: &[Lexeme]) {
    reader.rates.deny(report, name, arguments);
}
