//! Reads the lines about instances.

use super::line::HostLine;
use crate::{
    Instance, Instances, ProjectId, Server, Signature, Uuid,
    haproxy::{
        arguments::digits,
        duration,
        header::{NAMES, has_capitals, odd},
        settings::ProxySettings,
    },
    report::{Report, Span},
};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// The lines about instances so far. Names are slices of the text.
#[derive(Default)]
pub(super) struct HostLines<'t> {
    pub(super) frontends: usize,
    sources: BTreeMap<&'t str, IpAddr>,
    /// The source address that leads to each backend.
    uses: BTreeMap<&'t str, Option<IpAddr>>,
    backends: Vec<InstanceBackend<'t>>,
    server: Option<(&'t str, Server)>,
}

#[derive(Default)]
struct InstanceBackend<'t> {
    name: &'t str,
    place: Span,
    id: Option<Uuid>,
    project: Option<ProjectId>,
    signature: Option<Signature>,
    served: bool,
    /// `mode http`.
    http: bool,
    patience: Patience,
}

/// Retries and timeouts towards Nova, in a backend or in the `defaults` above it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Patience {
    pub(super) retries: Option<u32>,
    pub(super) connect: Option<Duration>,
    pub(super) server: Option<Duration>,
}

/// The instances of the text, and their server.
pub(super) struct HostInstances {
    pub(super) server: Server,
    pub(super) instances: Instances,
    /// The same for all instances.
    pub(super) patience: Patience,
}

const SERVER: &str = "write `server NAME HOST:PORT`, for instance `server metasrv 192.0.2.10:8775`; HOST may be a name, which is \
    looked up once, when the proxy starts";
const HEADERS: &str = "accepted: X-Instance-ID, X-Tenant-ID, X-Instance-ID-Signature";

impl<'t> HostLines<'t> {
    /// `acl NAME src ADDRESS` and `use_backend NAME if ACL`.
    pub(super) fn frontend_line(&mut self, report: &mut Report<'_>, line: &HostLine<'t>) {
        match line.words() {
            ["acl", name, "src", address] => {
                if let Some(c) = odd(name) {
                    return report.error(line.place(1), format!("`{name}` contains {c:?}, which no name has"), NAMES);
                }
                if name.eq_ignore_ascii_case("or") {
                    let message = format!("`{name}` is a word of conditions, and not valid as the name of an `acl`");
                    return report.error(line.place(1), message, "give it another name");
                }
                let Ok(source) = address.parse::<IpAddr>() else {
                    let message = format!("`{address}` is not the address of one instance");
                    return report.error(line.place(3), message, "write `acl NAME src ADDRESS`");
                };
                if self.sources.insert(*name, source.to_canonical()).is_some() {
                    let message = format!("a second `acl {name}`: an instance has one address");
                    report.error(line.place(1), message, "keep one of the two lines");
                }
            }
            ["use_backend", name, "if", acl] => {
                let source = self.sources.get(acl).copied();
                if source.is_none() {
                    let message = format!("there is no `acl {acl}` above: the proxy would not know the instance");
                    report.error(line.place(3), message, "write `acl NAME src ADDRESS` above it");
                }
                if self.uses.insert(*name, source).is_some() {
                    let message = format!("a second `use_backend {name}`: an instance has one address");
                    report.error(line.place(1), message, "keep one of the two lines");
                }
            }
            _ if line.first() == Some("acl") => {
                let help = "write `acl NAME src ADDRESS`: the proxy knows an instance by its source address only";
                report.error(line.place(0), "this `acl` is not one address of one instance", help);
            }
            _ => report.error(
                line.place(0),
                "this `use_backend` has not exactly one `acl` as its condition",
                "write `use_backend NAME if ACL`",
            ),
        }
    }

    /// Begins a backend with the settings of the `defaults` above it. False if the line is not `backend NAME`; the section is read
    /// as a backend in any case.
    pub(super) fn begin_backend(&mut self, line: &HostLine<'t>, defaults: &ProxySettings) -> bool {
        let name = match line.words() {
            [_, name] if odd(name).is_none() && *name != "from" => *name,
            _ => "",
        };
        let ProxySettings { http, retries, timeouts, .. } = defaults;
        self.backends.push(InstanceBackend {
            name,
            place: line.place(1),
            http: *http,
            patience: Patience { retries: *retries, connect: timeouts.connect, server: timeouts.server },
            ..InstanceBackend::default()
        });
        !name.is_empty()
    }

    pub(super) fn backend_line(&mut self, report: &mut Report<'_>, line: &HostLine<'t>) {
        let Some(backend) = self.backends.last_mut() else { return };
        match line.words() {
            ["http-request", "set-header", name, value] => backend.header(report, line, name, value),
            ["server", name, address] => {
                if let Some(c) = odd(name) {
                    return report.error(line.place(1), format!("`{name}` contains {c:?}, which no name has"), NAMES);
                }
                if std::mem::replace(&mut backend.served, true) {
                    return report.error(line.place(0), "a second `server` in one backend", "keep one of the two");
                }
                match &self.server {
                    // The usual case: all backends have the same server.
                    Some((text, _)) if text == address => {}
                    known => match (Server::new(address), known) {
                        (Err(reason), _) => report.error(line.place(2), reason, SERVER),
                        (Ok(found), Some((_, server))) if found != *server => {
                            let message = format!("another server than `{server}`");
                            report.error(line.place(2), message, "a host's proxy has one TCP destination");
                        }
                        (Ok(found), _) => self.server = Some((*address, found)),
                    },
                }
            }
            ["mode", "http"] => backend.http = true,
            ["balance", "roundrobin"] | ["option", "redispatch"] => {}
            ["retries", value] => match digits(value).filter(|number| *number <= 100) {
                Some(number) => backend.patience.retries = Some(number),
                None => report.error(line.place(1), format!("`{value}` is not a number from 0 to 100"), ""),
            },
            ["timeout", key @ ("http-request" | "connect" | "server"), value] => match (duration::parse(value), *key) {
                (Err(reason), _) => report.error(line.place(2), reason, ""),
                (Ok(time), "connect") => backend.patience.connect = Some(time),
                (Ok(time), "server") => backend.patience.server = Some(time),
                // The frontend reads the request, with its own timeout.
                (Ok(_), _) => {}
            },
            _ => report.error(
                line.place(0),
                format!("`{}` in this form is not known in the backend of an instance", line.first().unwrap_or("…")),
                "accepted: mode http, balance roundrobin, retries, option redispatch, timeout http-request, timeout \
                 connect, timeout server, http-request set-header, server",
            ),
        }
    }

    /// The instances, or `None` after reporting what is missing.
    pub(super) fn finish(mut self, report: &mut Report<'_>) -> Option<HostInstances> {
        let nowhere = Span::default();
        let server = self.server.take().map(|(_, server)| server);
        if server.is_none() {
            report.error(nowhere, "there is no `server` that can be reached", SERVER);
        }
        let backends = std::mem::take(&mut self.backends);
        let patience = backends.first().map(|first| first.patience).unwrap_or_default();
        let mut all = Vec::with_capacity(backends.len());
        let mut places = BTreeMap::new();
        // A missing name is reported already.
        for backend in backends.into_iter().filter(|backend| !backend.name.is_empty()) {
            backend.check(report, &patience);
            let Some(source) = self.source(report, &backend) else { continue };
            let place = backend.place;
            match (backend.id, backend.project, backend.signature, backend.served) {
                (Some(id), Some(project), Some(signature), true) => {
                    if places.insert(source, place).is_some() {
                        let message = format!("a second instance at {source}: the proxy could not tell them apart");
                        report.error(place, message, "an address belongs to one instance");
                    }
                    all.push((source, Instance { id, project, signature }));
                }
                _ => report.error(
                    place,
                    format!("backend `{}` lacks a header or its server", backend.name),
                    "X-Instance-ID, X-Tenant-ID, X-Instance-ID-Signature and `server` are needed",
                ),
            }
        }
        for name in self.uses.keys() {
            report.error(nowhere, format!("`use_backend {name}` leads nowhere"), format!("write `backend {name}`"));
        }
        let instances = Instances::new(all).ok()?;
        Some(HostInstances { server: server?, instances, patience })
    }

    /// The address that leads to a backend.
    fn source(&mut self, report: &mut Report<'_>, backend: &InstanceBackend<'t>) -> Option<IpAddr> {
        let used = self.uses.remove(backend.name);
        if used.is_none() {
            let message = format!("no `use_backend` leads to `{}`, or two backends have this name", backend.name);
            report.error(backend.place, message, "write `use_backend NAME if ACL` into section `frontend`");
        }
        used.flatten()
    }
}

impl InstanceBackend<'_> {
    /// Reports settings by which haproxy would treat this instance differently from the first one.
    fn check(&self, report: &mut Report<'_>, first: &Patience) {
        if !self.http {
            let message = format!("backend `{}` has no `mode http`", self.name);
            report.error(self.place, message, "write it there, or into a section `defaults` above");
        }
        let own = &self.patience;
        for (same, word) in [
            (own.retries == first.retries, "retries"),
            (own.connect == first.connect, "timeout connect"),
            (own.server == first.server, "timeout server"),
        ] {
            if !same {
                let message = format!("`{word}` of `{}` differs from that of the first backend", self.name);
                report.error(self.place, message, "one process has the same retries and timeouts for all instances");
            }
        }
    }

    fn header(&mut self, report: &mut Report<'_>, line: &HostLine<'_>, name: &str, value: &str) {
        let taken = if name.eq_ignore_ascii_case("X-Instance-ID") {
            value.parse().map(|id| self.id.replace(id).is_some())
        } else if name.eq_ignore_ascii_case("X-Tenant-ID") {
            ProjectId::new(value).map(|project| self.project.replace(project).is_some())
        } else if name.eq_ignore_ascii_case("X-Instance-ID-Signature") {
            Signature::new(value).map(|signature| self.signature.replace(signature).is_some())
        } else {
            return report.error(line.place(2), format!("a host's proxy sets no header `{name}`"), HEADERS);
        };
        let as_it_stands = name.eq_ignore_ascii_case("X-Tenant-ID");
        match taken {
            Ok(false) if !as_it_stands && has_capitals(value) => {
                report.warning(
                    line.place(3),
                    "the proxy writes it in small letters, haproxy as it is written here",
                    "",
                );
            }
            Ok(false) => {}
            Ok(true) => report.error(line.place(2), format!("`{name}` is said twice"), "keep one of the two lines"),
            Err(reason) => report.error(line.place(3), reason, ""),
        }
    }
}
