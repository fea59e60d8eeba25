//! The lines about instances, and who they amount to.

use super::line::Line;
use crate::{
    Instance, Instances, ProjectId, Server, Signature, Timeouts, Uuid,
    haproxy::{duration, global::digits},
    report::{Place, Report},
};
use std::{collections::BTreeMap, net::IpAddr};

/// What the lines said so far; names point into the text.
#[derive(Default)]
pub(super) struct Collected<'t> {
    pub(super) frontends: usize,
    sources: BTreeMap<&'t str, IpAddr>,
    /// Which `acl` leads to a backend.
    uses: BTreeMap<&'t str, &'t str>,
    backends: Vec<Backend<'t>>,
    /// The settings of the first backend: all others have the same.
    common: BTreeMap<&'t str, &'t str>,
    server: Option<(&'t str, Server)>,
}

#[derive(Default)]
struct Backend<'t> {
    name: &'t str,
    place: Place,
    id: Option<Uuid>,
    project: Option<ProjectId>,
    signature: Option<Signature>,
    served: bool,
}

/// What it all amounts to.
pub(super) struct Found {
    pub(super) server: Server,
    pub(super) instances: Instances,
    pub(super) retries: u32,
}

const SERVER: &str = "write `server NAME HOST:PORT`, for instance `server metasrv 192.0.2.10:8775`; HOST may be a name, which is \
    looked up once, when the proxy starts";
const HEADERS: &str = "accepted: X-Instance-ID, X-Tenant-ID, X-Instance-ID-Signature";

impl<'t> Collected<'t> {
    /// `acl NAME src ADDRESS` and `use_backend NAME if ACL`.
    pub(super) fn frontend_line(&mut self, report: &mut Report<'_>, line: &Line<'t>) {
        match line.words() {
            ["acl", name, "src", address] => {
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
                if self.uses.insert(*name, *acl).is_some() {
                    let message = format!("a second `use_backend {name}`: an instance has one address");
                    report.error(line.place(1), message, "keep one of the two lines");
                }
            }
            ["acl", ..] => {
                let help = "write `acl NAME src ADDRESS`: who asks is known by the source address alone";
                report.error(line.place(0), "this `acl` is not one address of one instance", help);
            }
            _ => report.error(
                line.place(0),
                "this `use_backend` does not stand under one `acl`",
                "write `use_backend NAME if ACL`",
            ),
        }
    }

    pub(super) fn begin_backend(&mut self, report: &mut Report<'_>, line: &Line<'t>) {
        let [_, name] = line.words() else {
            return report.error(line.place(0), "`backend` needs a name and nothing else", "write `backend NAME`");
        };
        self.backends.push(Backend { name, place: line.place(1), ..Backend::default() });
    }

    pub(super) fn backend_line(&mut self, report: &mut Report<'_>, line: &Line<'t>) {
        let first = self.backends.len() == 1;
        let Some(backend) = self.backends.last_mut() else { return };
        match line.words() {
            ["http-request", "set-header", name, value] => backend.header(report, line, name, value),
            ["server", _, address] => {
                if std::mem::replace(&mut backend.served, true) {
                    return report.error(line.place(0), "a second `server` in one backend", "keep one of the two");
                }
                match &self.server {
                    // The same words, ten thousand times.
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
            ["mode", "http"] | ["balance", "roundrobin"] | ["option", "redispatch"] => {}
            [key @ "retries", value] | ["timeout", key @ ("http-request" | "connect" | "server"), value] => {
                match self.common.get(key) {
                    Some(before) if before == value => {}
                    None if first => {
                        self.common.insert(*key, *value);
                    }
                    _ => report.error(
                        line.place(line.words().len() - 1),
                        format!("`{key}` is not what the first backend says"),
                        "one process has one patience for all instances",
                    ),
                }
            }
            _ => report.error(
                line.place(0),
                format!("`{}` in this form is not known in the backend of an instance", line.word(0).unwrap_or("…")),
                "accepted: mode http, balance roundrobin, retries, option redispatch, timeout http-request, timeout \
                 connect, timeout server, http-request set-header, server",
            ),
        }
    }

    /// The instances, or `None` after reporting what is missing.
    pub(super) fn finish(mut self, report: &mut Report<'_>, timeouts: &mut Timeouts) -> Option<Found> {
        let nowhere = Place::default();
        let retries = self.settings(report, timeouts);
        let server = self.server.take().map(|(_, server)| server);
        if server.is_none() {
            report.error(nowhere, "there is no `server` that can be reached", SERVER);
        }
        let mut all = Vec::with_capacity(self.backends.len());
        let mut places = BTreeMap::new();
        for backend in std::mem::take(&mut self.backends) {
            let Some(source) = self.source(report, &backend) else { continue };
            let place = backend.place;
            match (backend.id, backend.project, backend.signature, backend.served) {
                (Some(id), Some(project), Some(signature), true) => {
                    if places.insert(source, place).is_some() {
                        let message = format!("a second instance at {source}: nobody could say which one asks");
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
        Some(Found { server: server?, instances, retries })
    }

    /// The address that leads to a backend.
    fn source(&mut self, report: &mut Report<'_>, backend: &Backend<'t>) -> Option<IpAddr> {
        let Some(acl) = self.uses.remove(backend.name) else {
            let message = format!("no `use_backend` leads to `{}`, or two backends have this name", backend.name);
            report.error(backend.place, message, "write `use_backend NAME if ACL` into section `frontend`");
            return None;
        };
        let source = self.sources.get(acl).copied();
        if source.is_none() {
            let message = format!("there is no `acl {acl}`, by which this instance would be known");
            report.error(backend.place, message, "write `acl NAME src ADDRESS` into section `frontend`");
        }
        source
    }

    fn settings(&self, report: &mut Report<'_>, timeouts: &mut Timeouts) -> u32 {
        let mut retries = 3;
        for (key, value) in &self.common {
            let wrong = match (*key, duration::parse(value)) {
                ("retries", _) => match digits(value).filter(|number| *number <= 100) {
                    Some(number) => {
                        retries = number;
                        continue;
                    }
                    None => format!("`retries {value}`: write a number from 0 to 100"),
                },
                (_, Err(reason)) => format!("`timeout {key}`: {reason}"),
                ("connect", Ok(time)) => {
                    timeouts.connect = time;
                    continue;
                }
                ("server", Ok(time)) => {
                    timeouts.server = time;
                    continue;
                }
                // A request is read in the frontend, by the frontend's patience.
                (_, Ok(_)) => continue,
            };
            report.error(Place::default(), wrong, "");
        }
        retries
    }
}

impl Backend<'_> {
    fn header(&mut self, report: &mut Report<'_>, line: &Line<'_>, name: &str, value: &str) {
        let taken = if name.eq_ignore_ascii_case("X-Instance-ID") {
            value.parse().map(|id| self.id.replace(id).is_some())
        } else if name.eq_ignore_ascii_case("X-Tenant-ID") {
            ProjectId::new(value).map(|project| self.project.replace(project).is_some())
        } else if name.eq_ignore_ascii_case("X-Instance-ID-Signature") {
            Signature::new(value).map(|signature| self.signature.replace(signature).is_some())
        } else {
            return report.error(line.place(2), format!("a host's proxy sets no header `{name}`"), HEADERS);
        };
        match taken {
            Ok(false) => {}
            Ok(true) => report.error(line.place(2), format!("`{name}` is said twice"), "keep one of the two lines"),
            Err(reason) => report.error(line.place(3), reason, ""),
        }
    }
}
