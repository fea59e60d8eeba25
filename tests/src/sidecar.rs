//! Neutron's agent in a container, and the proxies that its wrapper starts in containers beside it, as kolla-ansible and EDPM do.
//!
//! The container has the host's PIDs and network, the volumes that those projects give it, no `/dev/log` unless they do, and
//! runs as `neutron`. Neutron 29 (the handler of requests, the driver, rootwrap, privsep), sudo, podman and its containers
//! are real. The wrappers are our own, with the same commands and options (`tests/containers`).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::engine::{Engine, KOLLA_NEUTRON};
use crate::gate::Started;
use crate::lab::{Lab, wait_until};
use crate::program::{target, workspace};

/// Where kolla's agents keep their files; a volume's name, and where it is in a container.
pub const VOLUME: (&str, &str) = ("neutron_metadata_socket", "/var/lib/neutron/kolla");
/// The agent's container.
pub const AGENT: &str = "neutron_l3_agent";

/// How a deployment starts its agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// kolla-ansible with wrappers, and podman.
    Kolla,
    /// kolla-ansible with wrappers, and docker.
    KollaDocker,
    /// kolla-ansible without wrappers, and others that do not know them; here on a root that is read-only.
    Alone,
    /// openstack-k8s-operators: the agent is root, and ends its proxies by a script.
    Edpm,
}

/// An agent's container on a host.
#[derive(Debug)]
pub struct Agent<'a> {
    engine: &'a Engine,
    nova: Child,
    way: Way,
    /// Options of `podman run` beside those of every agent's container.
    pub options: Vec<String>,
}

impl Way {
    /// `state_path` of Neutron.
    pub fn state(self) -> &'static str {
        if self == Way::Edpm { "/var/lib/neutron" } else { VOLUME.1 }
    }

    /// The user of the agent.
    fn user(self) -> &'static str {
        if self == Way::Edpm { "root" } else { "neutron" }
    }

    fn options(self) -> Vec<String> {
        let host = ["--pid=host", "--cgroupns=host"];
        let of: &[&str] = match self {
            Way::Kolla => &["--volume=/run/podman/podman.sock:/run/podman/podman.sock"],
            Way::KollaDocker => &["--volume=/run/podman/podman.sock:/run/docker.sock"],
            Way::Alone => return ["--privileged", "--read-only"].map(str::to_owned).to_vec(),
            Way::Edpm => &[
                "--user=root",
                "--volume=/run/lab/edpm/lib:/var/lib/neutron:shared",
                "--volume=/run/lab/edpm/config/neutron.conf:/etc/neutron/neutron.conf:ro",
                "--volume=/run/lab/edpm/lib/haproxy_wrapper:/usr/local/bin/haproxy:ro",
                "--volume=/run/lab/edpm/lib/kill_scripts:/etc/neutron/kill_scripts:ro",
            ],
        };
        ["--privileged"].iter().chain(&host).chain(of).map(|word| (*word).to_owned()).collect()
    }
}

impl<'a> Agent<'a> {
    /// What every host of such a container has. Skips the test where Neutron is not there.
    pub fn new(lab: &Lab, engine: &'a Engine, way: Way) -> Agent<'a> {
        let python = venv().join("bin/python");
        lab.needs(&python.display().to_string(), "cargo xtask test neutron");
        for place in ["/etc/kolla/neutron-l3-agent", "/run/lab/task"] {
            fs::create_dir_all(place).expect("a directory");
        }
        helpers(&python);
        if way == Way::Edpm {
            edpm();
        }
        let mut nova = Command::new(python);
        nova.arg(scripts().join("fake_nova.py")).arg("8775").stdout(Stdio::null()).stderr(Stdio::null());
        let nova = nova.spawn().expect("Nova");
        Agent { engine, nova, way, options: way.options() }
    }

    /// Starts its container from this image, as an operator's tool does: after the old container is removed.
    #[track_caller]
    pub fn start(&self, image: &str) {
        self.end();
        let mut words: Vec<String> = ["run", "--detach", "--name", AGENT, "--net=host"].map(str::to_owned).to_vec();
        if self.way == Way::Edpm {
            fs::write("/run/lab/edpm/lib/image", image).expect("the image's name");
        }
        words.extend(self.options.iter().cloned());
        for (name, value) in [
            ("KOLLA_IMAGE", image),
            ("KOLLA_NAME", AGENT),
            ("NSGATE_NEUTRON_CONF", "/etc/neutron/neutron.conf"),
            ("NSGATE_STATE", self.way.state()),
            ("NSGATE_DRIVER_LOG", "/var/log/kolla/neutron/driver.log"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ] {
            words.push(format!("--env={name}={value}"));
        }
        let (venv, scripts) = (venv().display().to_string(), scripts().display().to_string());
        let rootwrap = format!("{venv}/etc/neutron/rootwrap.d");
        if self.way != Way::Edpm {
            words.push(format!("--volume={}:{}", VOLUME.0, VOLUME.1));
        }
        for (from, to) in [
            ("kolla_logs", "/var/log/kolla"),
            ("/run/netns", "/run/netns:shared"),
            (&venv, &venv),
            ("/run/lab/venv", "/var/lib/kolla/venv/bin"),
            (&rootwrap, "/etc/neutron/rootwrap.d"),
            (&scripts, &scripts),
            ("/run/lab/task", "/run/lab/task"),
        ] {
            words.push(format!("--volume={from}:{to}"));
        }
        let serve = format!(
            "sleep infinity | exec {venv}/bin/python -W ignore {scripts}/agent.py neutron {}/metadata_proxy 8775 \
                 /var/log/kolla/neutron/agent.log",
            self.way.state()
        );
        words.extend([image, "sh", "-c", &serve].map(str::to_owned));
        self.engine.run(&words);
        if matches!(self.way, Way::Kolla | Way::KollaDocker) {
            // kolla's extend_start.sh does this as root, before the agent begins.
            let copy = "cp /usr/local/lib/neutron-wrappers/* /usr/local/bin/
                 printf 'KOLLA_IMAGE=%s\\nKOLLA_NAME=%s\\nKOLLA_SERVICE_NAME=%s\\n' \"$KOLLA_IMAGE\" \"$KOLLA_NAME\" \\
                     \"$KOLLA_SERVICE_NAME\" >/usr/local/etc/neutron-wrappers/config";
            self.engine.run(&["exec", "--user=root", AGENT, "sh", "-ec", copy]);
        }
        let listens = || self.exec("root", &["test", "-S", &format!("{}/metadata_proxy", self.way.state())]).ok();
        assert!(wait_until(60.0, listens), "no agent: {}", self.engine.ask(&["logs", AGENT]).said());
    }

    /// Ends its container, and removes it.
    pub fn end(&self) {
        self.engine.run(&["rm", "--force", "--time=2", "--ignore", AGENT]);
    }

    /// The process that serves this network, as the agent's pid file has it.
    #[track_caller]
    pub fn gate(&self, network: &str) -> i32 {
        let said = self.exec("root", &["cat", &format!("{}/external/pids/{network}.pid.haproxy", self.way.state())]);
        said.stdout.trim().parse().unwrap_or_else(|_| panic!("no pid: {said:#?}"))
    }

    /// Runs a command in the agent's container as this user.
    pub fn exec(&self, user: &str, words: &[&str]) -> Started {
        self.engine.ask(&[&["exec", "--user", user, AGENT], words].concat())
    }

    /// The agent's driver does this: lines of `spawn|destroy NAMESPACE network|router UUID`.
    pub fn ask(&self, task: &str) -> Started {
        fs::write("/run/lab/task/task", task).expect("a task");
        let python = venv().join("bin/python").display().to_string();
        let script = scripts().join("switch.py").display().to_string();
        let done = self.exec(self.way.user(), &[&python, "-W", "ignore", &script, "/run/lab/task/task"]);
        self.engine.settle();
        done
    }

    /// The same, and it must end well.
    #[track_caller]
    pub fn does(&self, task: &str) {
        let done = self.ask(task);
        let logs = self.exec("root", &["sh", "-c", "grep -v DEBUG /var/log/kolla/neutron/driver.log | tail -n 60"]);
        assert!(done.ok(), "{task}: {done:#?} {}", logs.stdout);
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.nova.kill();
        let _ = self.nova.wait();
    }
}

fn venv() -> PathBuf {
    target().join("neutron/venv")
}

fn scripts() -> PathBuf {
    workspace().join("tests/neutron")
}

/// The directories that edpm-ansible makes on a host, with the wrapper and the script in them.
fn edpm() {
    let (lib, config) = (Path::new("/run/lab/edpm/lib"), Path::new("/run/lab/edpm/config"));
    let files = workspace().join("tests/containers/edpm");
    for place in [config, lib, &lib.join("kill_scripts"), &lib.join("external/pids")] {
        fs::create_dir_all(place).expect("a directory");
    }
    for (from, to) in
        [("haproxy", lib.join("haproxy_wrapper")), ("haproxy-kill", lib.join("kill_scripts/haproxy-kill"))]
    {
        fs::copy(files.join(from), to).expect("a script");
    }
    fs::copy(files.join("neutron.conf"), config.join("neutron.conf")).expect("a configuration");
    // The agent's container gives its directory to the account of its image.
    for place in [lib, &lib.join("external"), &lib.join("external/pids")] {
        std::os::unix::fs::chown(place, Some(KOLLA_NEUTRON), Some(KOLLA_NEUTRON)).expect("an owner");
    }
}

/// What kolla's virtual environment has for sudo to start, with this interpreter.
fn helpers(python: &Path) {
    let place = Path::new("/run/lab/venv");
    fs::create_dir_all(place).expect("a directory");
    for (name, module, main) in
        [("neutron-rootwrap", "oslo_rootwrap.cmd", "main"), ("privsep-helper", "oslo_privsep.daemon", "helper_main")]
    {
        let text = format!("#!{}\nfrom {module} import {main}\n{main}()\n", python.display());
        fs::write(place.join(name), text).expect("a program");
        fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).expect("its mode");
    }
}

/// The program of a process, as `/proc/PID/exe` names it.
pub fn program(pid: i32) -> String {
    fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe"))
        .map(|path| path.display().to_string())
        .unwrap_or_default()
}
