//! `nsgate status --all`: every network of this host, and the state of its process.

use super::{
    NOT_ALL_READ, hop_status, listing,
    table::{self, print},
};
use crate::{
    overview::{self, Counted, Overview, ProcessOverview},
    pool::hangs,
    terminal::say,
};
use nsgate_config::AbsolutePath;
use nsgate_forwarder::counters::CounterValues;
use nsgate_pool::{Listing, list, protocol::NetworkStatus};
use serde_json::{Map, Value, json};

/// Exit status if a process holds more than it should, or answers no guest.
const NOT_OK: u8 = 3;

/// The state of the host.
pub(super) struct HostLook {
    overview: Overview,
    /// The pool's networks, or why it does not answer; `None` if there is no pool.
    pool: Option<Result<Listing, String>>,
    socket: AbsolutePath,
}

impl HostLook {
    /// Collects the state. Asks the pool at `socket` if that file exists, or if the command line or the site's settings name a pool
    /// (`wanted`).
    pub(super) fn at(socket: &AbsolutePath, wanted: bool) -> Result<Self, String> {
        let overview = overview::look()?;
        let there = wanted || socket.as_path().symlink_metadata().is_ok();
        let pool = there.then(|| list(socket.as_path()).map_err(|error| hangs::said(socket, &error)));
        Ok(Self { overview, pool, socket: socket.clone() })
    }

    /// What is missing, and why.
    fn silent(&self, listing: &Listing) -> Vec<String> {
        listing.silent.iter().map(|worker| hangs::silent(self.socket.as_path(), worker)).collect()
    }

    fn networks(&self) -> &[NetworkStatus] {
        self.pool.as_ref().and_then(|pool| pool.as_ref().ok()).map_or(&[], |listing| listing.networks.as_slice())
    }

    /// The exit status.
    pub(super) fn status(&self) -> u8 {
        let all = || self.overview.processes.iter();
        let silent = match &self.pool {
            None => false,
            Some(Ok(listing)) => !listing.silent.is_empty(),
            Some(Err(_)) => true,
        };
        if all().any(|one| one.ok() == Some(false)) {
            NOT_OK
        } else if all().any(|one| one.confined.is_none() || is_unread(&one.counted)) || silent {
            NOT_ALL_READ
        } else {
            0
        }
    }

    pub(super) fn json(&self) -> Value {
        let processes: Vec<Value> = self.overview.processes.iter().map(process).collect();
        let pool = match &self.pool {
            None => Value::Null,
            Some(Err(error)) => json!({ "error": error }),
            Some(Ok(listing)) => {
                let networks: Vec<Value> = listing.networks.iter().map(listing::numbers).collect();
                json!({ "networks": networks, "silent": self.silent(listing) })
            }
        };
        json!({ "processes": processes, "left_out": self.overview.left_out, "pool": pool })
    }

    pub(super) fn show(&self) {
        let head =
            ["", "role", "identity", "id", "pid", "seconds", "connections", "requests", "served", "rejected", "failed"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        // Show a process without a network only if something is wrong with it.
        let gates = self.overview.processes.iter().filter(|one| one.is_a_gate() || one.ok() != Some(true));
        rows.extend(gates.map(row));
        rows.extend(self.networks().iter().map(network));
        if rows.len() == 1 {
            say!("no gate, keeper or proxy runs here");
        } else {
            print(&rows, 4);
        }
        for one in &self.overview.processes {
            reasons(one).into_iter().for_each(|reason| say!("{}: {}", one.pid, reason));
        }
        self.overview.processes.iter().filter(|one| one.role == "agent").for_each(hop_status::show);
        match &self.pool {
            Some(Err(error)) => say!("the pool does not say what it serves: {}", error),
            Some(Ok(listing)) => self.silent(listing).iter().for_each(|worker| say!("{}", worker)),
            None => {}
        }
        if self.overview.left_out > 0 {
            say!("{} more processes are not shown", self.overview.left_out);
        }
    }
}

fn is_unread(counted: &Counted) -> bool {
    matches!(counted, Counted::Unreadable(_) | Counted::Strange)
}

/// Why a process is not as it should be: one sentence each.
fn reasons(one: &ProcessOverview) -> Vec<String> {
    let mut all: Vec<String> = one.notes.iter().map(|note| (*note).to_owned()).collect();
    all.extend(one.silent.iter().map(|silent| format!("{}; {}", silent.what, silent.remedy)));
    let wrong = one.wrong.join(", ");
    match one.confined {
        Some(false) if one.role == "haproxy" => all.push("it is haproxy, and no gate".to_owned()),
        Some(false) => all.push(format!("not as it should be: {wrong}; nsgate attest {}", one.pid)),
        None => all.push(format!("cannot be read: {wrong}; ask as root")),
        Some(true) => {}
    }
    match &one.counted {
        Counted::Strange => all.push("its counters are of another release, or spoilt".to_owned()),
        Counted::Unreadable(error) => all.push(format!("its counters cannot be read: {error}; ask as root")),
        Counted::None if one.confined == Some(true) && ["gate", "keeper", "hostproxy"].contains(&one.role) => {
            all.push("it counts nothing: it is of an earlier release, or had no memory for it".to_owned());
        }
        _ => {}
    }
    all
}

fn row(one: &ProcessOverview) -> Vec<String> {
    let mark = table::mark(one.ok());
    let (kind, id) =
        one.identity.map_or(("-", "-".to_owned()), |identity| (identity.header(), identity.uuid().to_string()));
    let mut row = vec![mark, one.role.to_owned(), kind.to_owned(), id, one.pid.to_string()];
    row.push(one.seconds.map_or("-".to_owned(), |seconds| seconds.to_string()));
    match one.counted.read() {
        Some(read) => {
            let numbers = &read.numbers;
            let all =
                [read.connections, numbers.requests(), numbers.served(), numbers.refused(), numbers.agent_errors()];
            row.extend(all.iter().map(ToString::to_string));
        }
        None => row.extend(std::iter::repeat_n("-".to_owned(), 5)),
    }
    row
}

/// A network that the pool's worker serves.
fn network(one: &NetworkStatus) -> Vec<String> {
    let mut row =
        vec![String::new(), "worker".to_owned(), one.identity.header().to_owned(), one.identity.uuid().to_string()];
    row.push("-".to_owned());
    let numbers = [one.age, u64::from(one.connections), one.requests, one.served, one.rejected, one.failed];
    row.extend(numbers.iter().map(ToString::to_string));
    row
}

fn process(one: &ProcessOverview) -> Value {
    json!({
        "pid": one.pid,
        "role": one.role,
        "identity": one.identity.map(|identity| identity.header()),
        "id": one.identity.map(|identity| identity.uuid().to_string()),
        "ok": one.ok(),
        "wrong": one.wrong,
        "reasons": reasons(one),
        "seconds": one.seconds,
        "counters": one.counted.read().map(|read| {
            if one.role == "agent" {
                return hop_status::numbers(read);
            }
            let mut all = numbers(&read.numbers);
            let own = json!({
                "connections": read.connections,
                "accepted": read.accepted,
                "serves": read.serves,
                "lost_log_lines": read.lost_lines,
                "lost_audit_events": read.lost_events,
            });
            if let Value::Object(own) = own {
                all.extend(own);
            }
            all
        }),
    })
}

fn numbers(numbers: &CounterValues) -> Map<String, Value> {
    let reasons: Map<String, Value> = numbers
        .reasons()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.name().to_owned(), count.into()))
        .collect();
    let all = json!({
        "requests": numbers.requests(),
        "served": numbers.served(),
        "rejected": numbers.refused(),
        "failed": numbers.agent_errors(),
        "bytes": numbers.bytes(),
        "reasons": reasons,
        "last_rejection": moment(numbers.refused_at()),
        "last_failure": moment(numbers.failed_at()),
    });
    match all {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

/// Seconds since 1970; nothing for never.
fn moment(seconds: u64) -> Option<u64> {
    (seconds > 0).then_some(seconds)
}
