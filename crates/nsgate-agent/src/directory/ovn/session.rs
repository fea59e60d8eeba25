//! What is said on one connection to a server, without the connection: messages go in, requests come out.
//!
//! 1. `list_dbs`: is it OVN's southbound database?
//! 2. The server of itself, where it can: is it a member of a cluster that should be asked? It goes on to tell.
//! 3. `get_schema`: are the columns there?
//! 4. The row of this chassis, by its name, if one is configured: ports name their chassis by the UUID of that row.
//! 5. Ports and datapaths, from the last transaction of the copy on.
//!
//! If the row of the chassis is another one later, step 5 begins anew with an empty copy.

use super::copy::{Layouts, OvnCopy, Scope};
use super::options::OvnOptions;
use super::shared::OvnShared;
use super::tables::{CHASSIS, DATABASE, DATAPATH_BINDING, PORT_BINDING};
use super::trouble::OvnTrouble;
use crate::ovsdb::{
    Changes, Cluster, Layout, MonitorMethod, MonitorReply, MonitorRequest, MonitorUpdate, RpcMessage, RpcRefusal,
    SERVER, ServerDatabase, Table, Torn, Uuid, echo_reply, request,
};
use serde_json::{Value, json, value::RawValue};
use std::collections::HashMap;

/// What is kept from one connection to the next.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) copy: Option<OvnCopy>,
    pub(crate) cluster: Option<Cluster>,
}

/// A connection to a server of OVN's southbound database.
#[derive(Debug)]
pub struct OvnSession<'a> {
    options: &'a OvnOptions,
    shared: &'a OvnShared,
    kept: &'a mut Kept,
    method: MonitorMethod,
    asked: HashMap<u64, Asked>,
    next: u64,
    out: Vec<u8>,
    server: Table,
    chassis: Option<Table>,
    layouts: Option<Layouts>,
    ports: Option<PortMonitor>,
    begun: u64,
}

/// The monitor of ports and datapaths.
#[derive(Debug)]
struct PortMonitor {
    name: String,
    scope: Scope,
    /// Whether it was asked to go on after the last transaction of the copy.
    resumes: bool,
    /// Whether its first reply has come: the copy is what the server has.
    follows: bool,
}

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Databases,
    Schema,
    Server,
    Chassis,
    Ports(String),
    /// The reply says that the server is there.
    Nothing,
}

impl<'a> OvnSession<'a> {
    /// Begins: the first request waits to be sent.
    pub(crate) fn new(options: &'a OvnOptions, shared: &'a OvnShared, kept: &'a mut Kept) -> Self {
        let server = Table::new(ServerDatabase::layout());
        let (method, asked, out) = (MonitorMethod::Since, HashMap::new(), Vec::new());
        let (chassis, layouts, ports) = (None, None, None);
        let mut session =
            Self { options, shared, kept, method, asked, next: 0, out, server, chassis, layouts, ports, begun: 0 };
        session.ask(Asked::Databases, "list_dbs", &json!([]));
        session
    }

    /// What is to be sent now.
    pub fn requests(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Whether the copy is what the server has.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.ports.as_ref().is_some_and(|ports| ports.follows)
    }

    /// Asks whether the server is there.
    pub(crate) fn probe(&mut self) {
        self.ask(Asked::Nothing, "echo", &json!([]));
    }

    /// Takes a message.
    ///
    /// # Errors
    /// The server is to be left. The next copy begins anew, unless the next member of a cluster is to be asked.
    pub fn take(&mut self, message: &[u8]) -> Result<(), OvnTrouble> {
        let outcome = self.understand(message);
        if !matches!(outcome, Ok(()) | Err(OvnTrouble::Member(_))) {
            self.kept.copy = None;
        }
        outcome
    }

    fn understand(&mut self, message: &[u8]) -> Result<(), OvnTrouble> {
        match RpcMessage::read(message)? {
            Some(RpcMessage::Echo { id, params }) => self.out.extend(echo_reply(id, params)),
            Some(RpcMessage::Reply { id, result }) => {
                if let Some(asked) = self.asked.remove(&id) {
                    self.answered(asked, result)?;
                }
            }
            Some(RpcMessage::Notice { method, params }) => match MonitorUpdate::read(&method, params)? {
                Some(update) => self.updated(&update)?,
                None if method == "monitor_canceled" => return Err(OvnTrouble::Ended(method.into_owned())),
                None => {}
            },
            None => {}
        }
        if self.follows() {
            self.shared.heard();
        }
        Ok(())
    }

    fn ask(&mut self, asked: Asked, method: &str, params: &Value) {
        self.next += 1;
        self.out.extend(request(self.next, method, params));
        self.asked.insert(self.next, asked);
    }

    fn answered(&mut self, asked: Asked, result: Result<&RawValue, RpcRefusal>) -> Result<(), OvnTrouble> {
        match (asked, result) {
            (Asked::Databases, Ok(result)) => self.databases(&serde_json::from_str::<Vec<String>>(result.get())?),
            (Asked::Schema, Ok(result)) => self.schema(&serde_json::from_str(result.get())?),
            (Asked::Server, Ok(result)) => {
                let reply = MonitorReply::read(self.method, result, std::slice::from_ref(self.server.layout()))?;
                fill(&mut self.server, reply.changes)?;
                self.judge_server()?;
                self.ask_schema();
                Ok(())
            }
            (Asked::Chassis, Ok(result)) => {
                if let Some(chassis) = &mut self.chassis {
                    let reply = MonitorReply::read(self.method, result, std::slice::from_ref(chassis.layout()))?;
                    fill(chassis, reply.changes)?;
                }
                self.follow_scope();
                Ok(())
            }
            (Asked::Ports(name), Ok(result)) => self.copied(&name, result),
            (Asked::Nothing, _) => Ok(()),
            (asked, Err(refusal)) if refusal.is_unknown_method() && self.method == MonitorMethod::Since => {
                self.method = MonitorMethod::Whole;
                self.monitor(asked, refusal)
            }
            (asked, Err(refusal)) => Err(OvnTrouble::Refused(asked.what(), refusal)),
        }
    }

    /// Asks again, in the older way, what an older server refused.
    fn monitor(&mut self, asked: Asked, refusal: RpcRefusal) -> Result<(), OvnTrouble> {
        match asked {
            Asked::Server => self.monitor_server(),
            Asked::Chassis => self.monitor_chassis(),
            Asked::Ports(_) => {
                self.ports = None;
                self.follow_scope();
            }
            Asked::Databases | Asked::Schema | Asked::Nothing => {
                return Err(OvnTrouble::Refused(asked.what(), refusal));
            }
        }
        Ok(())
    }

    fn databases(&mut self, names: &[String]) -> Result<(), OvnTrouble> {
        if !names.iter().any(|name| name == DATABASE) {
            let names: Vec<_> = names.iter().filter(|name| *name != SERVER).map(|name| format!("`{name}`")).collect();
            let what = if names.is_empty() { "no database".to_owned() } else { names.join(", ") };
            return Err(OvnTrouble::NotOvn(what.chars().take(200).collect()));
        }
        if names.iter().any(|name| name == SERVER) {
            self.monitor_server()
        } else {
            self.ask_schema()
        }
        Ok(())
    }

    fn monitor_server(&mut self) {
        let tables = [(self.server.layout(), None)];
        let request = MonitorRequest { database: SERVER, monitor: "server", tables: &tables, last: Uuid::NIL };
        let params = request.params(self.method);
        self.ask(Asked::Server, self.method.name(), &params);
    }

    /// Whether this is still the member of its cluster that should be asked.
    fn judge_server(&mut self) -> Result<(), OvnTrouble> {
        let Some(database) = ServerDatabase::find(DATABASE, &self.server) else { return Ok(()) };
        database.fit(self.options.only_the_leader, self.kept.cluster)?;
        self.kept.cluster = database.cluster;
        Ok(())
    }

    fn ask_schema(&mut self) {
        self.ask(Asked::Schema, "get_schema", &json!([DATABASE]));
    }

    fn schema(&mut self, schema: &Value) -> Result<(), OvnTrouble> {
        self.layouts = Some([Layout::in_schema(&PORT_BINDING, schema)?, Layout::in_schema(&DATAPATH_BINDING, schema)?]);
        if self.options.chassis.is_some() {
            self.chassis = Some(Table::new(Layout::in_schema(&CHASSIS, schema)?));
            self.monitor_chassis();
        } else {
            self.follow_scope();
        }
        Ok(())
    }

    fn monitor_chassis(&mut self) {
        let Some(chassis) = &self.chassis else { return };
        let tables = [(chassis.layout(), Some(json!([["name", "==", self.options.chassis]])))];
        let request = MonitorRequest { database: DATABASE, monitor: "chassis", tables: &tables, last: Uuid::NIL };
        let params = request.params(self.method);
        self.ask(Asked::Chassis, self.method.name(), &params);
    }

    /// Whose ports are to be copied, as far as the database says.
    fn scope(&self) -> Option<Scope> {
        let Some(chassis) = &self.chassis else { return Some(Scope::All) };
        chassis.rows().keys().min().copied().map(Scope::Chassis)
    }

    /// Monitors the ports of the scope, if it is another than before.
    fn follow_scope(&mut self) {
        let scope = self.scope();
        if self.ports.as_ref().map(|ports| ports.scope) == scope && scope.is_some() {
            return;
        }
        if let Some(before) = self.ports.take() {
            self.ask(Asked::Nothing, "monitor_cancel", &json!([before.name]));
        }
        let (Some(scope), Some(layouts)) = (scope, &self.layouts) else {
            let chassis = self.options.chassis.as_deref().unwrap_or_default();
            self.kept.copy = None;
            self.shared.nothing(format!(
                "it has no chassis `{chassis}`: has ovn-controller registered it, under this system-id?"
            ));
            return;
        };
        self.begun += 1;
        let name = format!("ports-{}", self.begun);
        let [ports, datapaths] = layouts;
        let last = self.kept.copy.as_ref().map_or(Uuid::NIL, |copy| copy.last(scope, layouts));
        let tables = [(ports, Some(conditions(scope))), (datapaths, None)];
        let params = MonitorRequest { database: DATABASE, monitor: &name, tables: &tables, last }.params(self.method);
        self.ask(Asked::Ports(name.clone()), self.method.name(), &params);
        self.ports = Some(PortMonitor { name, scope, resumes: last != Uuid::NIL, follows: false });
    }

    /// The first reply of the monitor of ports. That of a monitor that was cancelled meanwhile says nothing.
    fn copied(&mut self, name: &str, result: &RawValue) -> Result<(), OvnTrouble> {
        let (Some(ports), Some(layouts)) = (&mut self.ports, &self.layouts) else { return Ok(()) };
        if ports.name != name {
            return Ok(());
        }
        let reply = MonitorReply::read(self.method, result, layouts)?;
        ports.follows = true;
        match &mut self.kept.copy {
            Some(copy) if reply.found && ports.resumes => self.shared.resumed(copy.apply(reply.last, reply.changes)?),
            _ => {
                let mut copy = OvnCopy::new(ports.scope, layouts.clone());
                self.shared.copied(copy.apply(reply.last, reply.changes)?);
                self.kept.copy = Some(copy);
            }
        }
        Ok(())
    }

    fn updated(&mut self, update: &MonitorUpdate<'_>) -> Result<(), OvnTrouble> {
        match &*update.monitor {
            "server" => {
                let changes = update.changes(std::slice::from_ref(self.server.layout()))?;
                fill(&mut self.server, changes)?;
                self.judge_server()?;
            }
            "chassis" => {
                if let Some(chassis) = &mut self.chassis {
                    let changes = update.changes(std::slice::from_ref(chassis.layout()))?;
                    fill(chassis, changes)?;
                    self.follow_scope();
                }
            }
            name => {
                let ours = self.ports.as_ref().is_some_and(|ports| ports.follows && ports.name == name);
                if let (true, Some(layouts), Some(copy)) = (ours, &self.layouts, &mut self.kept.copy) {
                    self.shared.changed(copy.apply(update.last, update.changes(layouts)?)?);
                }
            }
        }
        Ok(())
    }
}

impl Asked {
    fn what(&self) -> &'static str {
        match self {
            Self::Databases => "list_dbs",
            Self::Schema => "get_schema",
            Self::Server => "a copy of what it says of itself",
            Self::Chassis => "a copy of the chassis",
            Self::Ports(_) => "a copy of the ports",
            Self::Nothing => "an echo",
        }
    }
}

/// Rows of the wanted ports (RFC 7047, section 5.1, `<condition>`).
fn conditions(scope: Scope) -> Value {
    match scope {
        Scope::All => json!([["chassis", "!=", ["set", []]]]),
        Scope::Chassis(row) => json!([["chassis", "==", ["uuid", row.to_string()]]]),
    }
}

fn fill(table: &mut Table, changes: Changes) -> Result<(), Torn> {
    changes.into_iter().try_for_each(|(_, name, change)| table.apply(name, change))
}
