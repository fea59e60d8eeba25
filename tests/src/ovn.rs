//! A real server of OVN's southbound database (ovsdb-server(1)), alone or as a cluster, without the rest of OVN: rows are
//! written as northd and ovn-controller write them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Deserializer, Value, json};

use crate::certificates::{Authority, Issued};
use crate::lab::{Lab, text, wait_until};
use crate::program::of_debian;

/// The name under which the test command unpacks the programs (`cargo xtask test e2e` fetches them).
pub const PACKAGE: &str = "ovn";

/// The database.
pub const DATABASE: &str = "OVN_Southbound";

/// Where servers keep their files: in the world's memory.
const PLACE: &str = "/run/lab/ovn";

/// A server, running or not.
#[derive(Debug)]
pub struct Server {
    number: usize,
    port: Option<u16>,
    /// Words of its command line beside the usual ones.
    more: Vec<String>,
    child: Option<Child>,
}

/// A row that other rows refer to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row(pub String);

/// The schema of the southbound database, as OVN installs it. Without OVN it is nowhere, and no server is started.
pub fn schema() -> PathBuf {
    of_debian(PACKAGE, "usr/share/ovn/ovn-sb.ovsschema").unwrap_or_default()
}

/// A program of Open vSwitch, with its libraries; it runs in the place of the servers' files.
pub fn program(name: &str) -> Command {
    let path =
        of_debian(PACKAGE, &format!("usr/bin/{name}")).or_else(|| of_debian(PACKAGE, &format!("usr/sbin/{name}")));
    let path = path.unwrap_or_else(|| panic!("no {name}: `cargo xtask test e2e` fetches it"));
    let root = path.ancestors().nth(3).expect("the package's files");
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    let libraries = ["usr/lib", "lib"].map(|top| root.join(top).join(&machine).display().to_string());
    let mut command = Command::new(path);
    command.env("LD_LIBRARY_PATH", libraries.join(":")).env("OVS_RUNDIR", PLACE).env("OVS_LOGDIR", PLACE);
    command.current_dir(PLACE).stdin(Stdio::null());
    command
}

/// Runs a program to its end and returns what it printed.
pub fn run(name: &str, arguments: &[&str]) -> String {
    let out = program(name).args(arguments).output().unwrap_or_else(|e| panic!("{name}: {e}"));
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{name} {arguments:?}: {said}{}", String::from_utf8_lossy(&out.stderr));
    said
}

/// Makes room for servers; skips the test where the programs are not there.
fn enter(lab: &Lab) {
    if of_debian(PACKAGE, "usr/sbin/ovsdb-server").is_none() {
        lab.skip("no ovsdb-server: `cargo xtask test e2e` fetches it");
    }
    fs::create_dir_all(PLACE).expect("a place for databases");
}

impl Server {
    /// One server with an empty database of this schema.
    pub fn start(lab: &Lab, schema: &Path) -> Server {
        let mut server = Server::made(lab, schema);
        server.begin();
        server
    }

    /// The same, at this port as well.
    pub fn start_at(lab: &Lab, schema: &Path, port: u16) -> Server {
        let mut server = Server::made(lab, schema);
        server.port = Some(port);
        server.begin();
        server
    }

    /// The same, over TLS at this port as well, for clients with a certificate of the authority's.
    pub fn start_with_tls(lab: &Lab, schema: &Path, port: u16, shown: &Issued, authority: &Authority) -> Server {
        let mut server = Server::made(lab, schema);
        let files =
            [("private-key", &shown.key), ("certificate", &shown.certificate), ("ca-cert", &authority.certificate)];
        server.more = files.iter().map(|(word, file)| format!("--{word}={}", file.display())).collect();
        server.more.push(format!("--remote=pssl:{port}:127.0.0.1"));
        server.begin();
        server
    }

    /// The same; the number tells servers apart that run beside each other and do not know of each other.
    pub fn numbered(lab: &Lab, schema: &Path, number: usize) -> Server {
        let mut server = Server::made_as(lab, schema, number);
        server.begin();
        server
    }

    /// The same, before it is started.
    pub fn made(lab: &Lab, schema: &Path) -> Server {
        Server::made_as(lab, schema, 1)
    }

    fn made_as(lab: &Lab, schema: &Path, number: usize) -> Server {
        enter(lab);
        let server = Server { number, port: None, more: Vec::new(), child: None };
        run("ovsdb-tool", &["create", &server.file("db"), &schema.display().to_string()]);
        server
    }

    /// A cluster of so many members, all of them joined.
    pub fn cluster(lab: &Lab, members: usize) -> Vec<Server> {
        enter(lab);
        let mut servers: Vec<Server> = Vec::new();
        for number in 1..=members {
            let mut server = Server { number, port: None, more: Vec::new(), child: None };
            let raft = |number: usize| format!("unix:{PLACE}/{number}.raft");
            match number {
                1 => run(
                    "ovsdb-tool",
                    &["create-cluster", &server.file("db"), &schema().display().to_string(), &raft(1)],
                ),
                _ => run("ovsdb-tool", &["join-cluster", &server.file("db"), DATABASE, &raft(number), &raft(1)]),
            };
            server.begin();
            servers.push(server);
        }
        let joined = |server: &Server| server.status().contains("Status: cluster member");
        assert!(wait_until(30.0, || servers.iter().all(joined)), "the cluster does not come together");
        servers
    }

    /// Starts it, or starts it again, with the files that it has. Every user may connect to its socket.
    pub fn begin(&mut self) {
        let output = fs::File::create(self.file("log")).expect("a log");
        let mut command = program("ovsdb-server");
        command.arg(format!("--remote=punix:{}", self.file("sock"))).arg(format!("--unixctl={}", self.file("ctl")));
        command.args(self.port.map(|port| format!("--remote=ptcp:{port}:[::]")));
        command.args(&self.more);
        command.arg(self.file("db")).stdout(Stdio::null()).stderr(output);
        self.child = Some(command.spawn().expect("ovsdb-server"));
        let ready = || UnixStream::connect(self.file("sock")).is_ok() && Path::new(&self.file("ctl")).exists();
        assert!(wait_until(20.0, ready), "ovsdb-server does not listen: {}", text(self.file("log")));
        fs::set_permissions(self.socket(), fs::Permissions::from_mode(0o666)).expect("a mode");
    }

    /// Ends it at once, as a host that loses power does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it where it is, or lets it go on: a host that hangs.
    pub fn freeze(&self, frozen: bool) {
        use nix::sys::signal::{Signal, kill};
        let pid = i32::try_from(self.child.as_ref().expect("a server").id()).expect("a process id");
        let signal = if frozen { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(nix::unistd::Pid::from_raw(pid), signal).expect("a signal");
    }

    /// Its address for clients.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.file("sock"))
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.file("sock").into()
    }

    /// Tells it something (`ovs-appctl`) and returns what it answers.
    pub fn tell(&self, words: &[&str]) -> String {
        run("ovs-appctl", &[&["-t", &self.file("ctl")], words].concat())
    }

    /// What it says of its cluster.
    pub fn status(&self) -> String {
        self.tell(&["cluster/status", DATABASE])
    }

    /// Whether it leads its cluster.
    pub fn leads(&self) -> bool {
        self.child.is_some() && self.status().contains("Role: leader")
    }

    /// Commits operations (RFC 7047, section 5.2) as one transaction and returns their results.
    pub fn transact(&self, operations: &[Value]) -> Vec<Value> {
        let params: Vec<_> = std::iter::once(json!(DATABASE)).chain(operations.iter().cloned()).collect();
        let request = json!({ "id": 0, "method": "transact", "params": params });
        let mut stream = UnixStream::connect(self.socket()).expect("a server that listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(request.to_string().as_bytes()).expect("a request");
        let reply = Deserializer::from_reader(&stream).into_iter::<Value>().next().expect("a reply").expect("JSON");
        let _ = stream.shutdown(Shutdown::Both);
        let results = reply["result"].as_array().unwrap_or_else(|| panic!("{reply}")).clone();
        assert!(results.iter().all(|result| result.get("error").is_none_or(Value::is_null)), "{reply}");
        results
    }

    /// Inserts rows as one transaction, in this order; returns their names.
    pub fn insert(&self, rows: &[Value]) -> Vec<Row> {
        let results = self.transact(rows);
        results.iter().map(|result| Row(result["uuid"][1].as_str().expect("a name").to_owned())).collect()
    }

    fn file(&self, ending: &str) -> String {
        format!("{PLACE}/{}.{ending}", self.number)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A chassis, as ovn-controller registers it.
pub fn chassis(name: &str) -> [Value; 2] {
    let encap = json!({ "op": "insert", "table": "Encap", "uuid-name": "encap",
        "row": { "type": "geneve", "ip": name, "chassis_name": name } });
    let row = json!({ "op": "insert", "table": "Chassis", "row": { "name": name, "encaps": ["named-uuid", "encap"] } });
    [encap, row]
}

/// A network or a router, as northd writes it. The key is its number in tunnels.
pub fn datapath(name: &str, key: usize) -> Value {
    json!({ "op": "insert", "table": "Datapath_Binding",
        "row": { "tunnel_key": key, "external_ids": map(&[("name", name), ("logical-switch", "x")]) } })
}

/// A port, as northd and ovn-controller write it.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Its name, by which it is found again.
    pub name: String,
    /// The number in its network.
    pub key: usize,
    /// The network.
    pub datapath: Row,
    /// The host.
    pub chassis: Option<Row>,
    /// The elements of `mac`.
    pub mac: Vec<String>,
    /// Such as `localport`; empty for a guest's.
    pub kind: &'static str,
    /// Such as `neutron:device_id`.
    pub ids: BTreeMap<&'static str, String>,
}

impl Binding {
    /// A guest's port.
    pub fn of(name: &str, key: usize, datapath: &Row, chassis: &Row, mac: &str, instance: &str) -> Binding {
        let ids = [("neutron:device_id", instance), ("neutron:project_id", "project"), ("neutron:mtu", "1450")];
        Binding {
            name: name.to_owned(),
            key,
            datapath: datapath.clone(),
            chassis: Some(chassis.clone()),
            mac: vec![mac.to_owned()],
            kind: "",
            ids: ids.map(|(key, value)| (key, value.to_owned())).into(),
        }
    }

    /// The operation that inserts it.
    pub fn insert(&self) -> Value {
        json!({ "op": "insert", "table": "Port_Binding", "row": self.row() })
    }

    /// The operation that makes the row of its name this.
    pub fn update(&self) -> Value {
        json!({ "op": "update", "table": "Port_Binding", "where": [["logical_port", "==", self.name]], "row": self.row() })
    }

    /// The operation that deletes it.
    pub fn delete(&self) -> Value {
        json!({ "op": "delete", "table": "Port_Binding", "where": [["logical_port", "==", self.name]] })
    }

    fn row(&self) -> Value {
        let ids: Vec<_> = self.ids.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let chassis: Vec<_> = self.chassis.iter().map(|row| json!(["uuid", row.0])).collect();
        json!({ "logical_port": self.name, "tunnel_key": self.key, "datapath": ["uuid", self.datapath.0], "type": self.kind,
            "chassis": ["set", chassis], "mac": ["set", self.mac], "external_ids": map(&ids) })
    }
}

/// A map in the notation of RFC 7047.
fn map(pairs: &[(&str, &str)]) -> Value {
    json!(["map", pairs])
}
