//! A real API server of Neutron's, with a database of its own in the world's memory, and beside it the look-up of Neutron's own
//! metadata agent over the same database (`tests/neutron/api.py`); and one of Keystone's, which gives the tokens.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, text};
use crate::program::{keystone_python, neutron_python, workspace};

/// Where the server keeps its files.
const PLACE: &str = "/run/lab/api";

/// The port of loopback that it listens at.
const PORT: u16 = 9696;

/// A server of Neutron's API, running or not.
#[derive(Debug)]
pub struct NeutronApi {
    talk: Option<Talk>,
    /// For requests of the test, where Neutron wants one.
    pub token: Option<String>,
}

#[derive(Debug)]
struct Talk {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl NeutronApi {
    /// A server with an empty database. `more` stands at the end of its configuration. Skips the test without Neutron.
    pub fn start(lab: &Lab, more: &str) -> Self {
        if !neutron_python().exists() {
            lab.skip("no Neutron: `cargo xtask test e2e` fetches it");
        }
        fs::create_dir_all(PLACE).expect("a place for the server");
        let paste = neutron_python().ancestors().nth(2).expect("the environment").join("etc/neutron/api-paste.ini");
        let config = format!(
            "[DEFAULT]\ncore_plugin = ml2\nservice_plugins = router\nauth_strategy = noauth\ntransport_url = fake://\n\
             state_path = {PLACE}\napi_paste_config = {}\n\
             [database]\nconnection = sqlite:///{PLACE}/neutron.sqlite\n\
             [ml2]\nmechanism_drivers = openvswitch\ntype_drivers = local\ntenant_network_types = local\n\
             [oslo_concurrency]\nlock_path = {PLACE}/locks\n{more}\n",
            paste.display()
        );
        fs::write(PathBuf::from(PLACE).join("neutron.conf"), config).expect("its configuration");
        let mut api = Self { talk: None, token: None };
        api.begin();
        api
    }

    /// Starts it with the files that it has, and waits until it serves.
    pub fn begin(&mut self) {
        let log = PathBuf::from(PLACE).join("log");
        let output = fs::OpenOptions::new().append(true).create(true).open(&log).expect("a log");
        let mut command = Command::new(neutron_python());
        command.arg(workspace().join("tests/neutron/api.py")).args([PLACE, &PORT.to_string()]).env("HOME", PLACE);
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output);
        let mut child = command.spawn().expect("Python");
        let input = child.stdin.take().expect("its input");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let said = lines.next().and_then(Result::ok);
        assert_eq!(said.as_deref(), Some("serves"), "Neutron does not start: {}", text(&log));
        self.talk = Some(Talk { child, input, lines });
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut talk) = self.talk.take() {
            let _ = (talk.child.kill(), talk.child.wait());
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, PORT).into()
    }

    /// What Neutron's agent finds: `network` or `router`, its UUID, the guest's address; `INSTANCE PROJECT`, `none` or `error NAME`.
    pub fn agent_finds(&mut self, place: &str, id: &str, address: &str) -> String {
        let talk = self.talk.as_mut().expect("a server");
        writeln!(talk.input, "{place} {id} {address}").expect("a question");
        talk.lines.next().expect("Neutron ended").expect("a line")
    }

    /// A request to the API, which must succeed.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body, self.token.as_deref());
        assert!((200..300).contains(&status), "{method} {path} {body}: {status} {answer}");
        answer
    }

    /// A request to the API, with a token if there is one; its status and its body.
    pub fn ask(&self, method: &str, path: &str, body: &Value, token: Option<&str>) -> (u16, Value) {
        let (status, _, body) = ask(self.address(), method, &format!("/v2.0/{path}"), body, token);
        (status, body)
    }

    /// Makes something (`network`, `port`, …) and returns its id.
    pub fn create(&self, what: &str, mut attributes: Value) -> String {
        if attributes.get("project_id").is_none() {
            attributes["project_id"] = "project".into();
        }
        let answer = self.request("POST", &format!("{what}s"), &json!({ what: attributes }));
        answer[what]["id"].as_str().expect("an id").to_owned()
    }
}

impl Drop for NeutronApi {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A real API server of Keystone's, with one user who is an administrator in the project `service`.
#[derive(Debug)]
pub struct Keystone {
    child: Child,
}

impl Keystone {
    /// The user.
    pub const USER: &str = "nsgate";
    /// The user's password.
    pub const PASSWORD: &str = "swordfish";

    /// A server whose tokens last so many seconds. Skips the test without Keystone.
    pub fn start(lab: &Lab, seconds: u32) -> Self {
        if !keystone_python().exists() {
            lab.skip("no Keystone: `cargo xtask test e2e` fetches it");
        }
        let place = lab.directory("identity", 0o700);
        let (script, log) = (workspace().join("tests/neutron/identity.py"), place.join("log"));
        let mut command = Command::new(keystone_python());
        command.arg(script).arg(&place).args(["5000", Self::USER, Self::PASSWORD, &seconds.to_string()]);
        command.env("HOME", &place).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(fs::File::create(&log).expect("a log")).spawn().expect("Python");
        let said = BufReader::new(child.stdout.take().expect("its output")).lines().next().and_then(Result::ok);
        assert_eq!(said.as_deref(), Some("serves"), "Keystone does not start: {}", text(&log));
        Self { child }
    }

    /// Where it listens. Its paths begin with `/v3`.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 5000).into()
    }

    /// What makes Neutron ask it, at the end of Neutron's configuration.
    pub fn for_neutron(&self) -> String {
        format!(
            "[DEFAULT]\nauth_strategy = keystone\n[keystone_authtoken]\nauth_type = password\nauth_url = http://{0}/v3\n\
             www_authenticate_uri = http://{0}\nusername = {1}\npassword = {2}\nuser_domain_name = Default\nproject_name = service\n\
             project_domain_name = Default",
            self.address(),
            Self::USER,
            Self::PASSWORD
        )
    }

    /// A token of the user's.
    pub fn token(&self) -> String {
        let domain = json!({ "name": "Default" });
        let user = json!({ "name": Self::USER, "domain": domain, "password": Self::PASSWORD });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "service", "domain": domain } },
        } });
        let (status, head, body) = ask(self.address(), "POST", "/v3/auth/tokens", &body, None);
        let token = head.lines().find_map(|line| line.strip_prefix("X-Subject-Token: "));
        token.unwrap_or_else(|| panic!("{status} {body}")).to_owned()
    }
}

impl Drop for Keystone {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// One request over a connection of its own: status, head and body of the answer.
fn ask(at: SocketAddr, method: &str, path: &str, body: &Value, token: Option<&str>) -> (u16, String, Value) {
    let mut socket = TcpStream::connect(at).expect("the API");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a deadline");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let token = token.map(|token| format!("x-auth-token: {token}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n{token}content-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).expect("a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    let status = answer.get(9..12).and_then(|digits| digits.parse().ok()).expect("a status");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (status, head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}
