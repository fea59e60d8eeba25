//! nginx with what Neutron's configuration says, in nginx's words: another proxy to compare with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::config::Config;
use crate::lab::{Lab, text, wait_until};
use crate::network::Namespace;

/// A running nginx; ended when dropped.
#[derive(Debug)]
pub struct Nginx {
    process: Child,
}

/// Where Debian puts it.
pub fn path() -> Option<PathBuf> {
    let path = Path::new("/usr/sbin/nginx");
    path.exists().then(|| path.to_owned())
}

/// The version, as in `nginx 1.22.1`.
pub fn name() -> String {
    let said = path().and_then(|path| std::process::Command::new(path).arg("-v").output().ok());
    let said = said.map(|out| String::from_utf8_lossy(&out.stderr).trim().to_owned()).unwrap_or_default();
    said.rsplit(' ').next().unwrap_or("nginx").replace('/', " ")
}

impl Nginx {
    /// Starts it in a namespace and waits until it listens.
    pub fn start(lab: &Lab, namespace: &Namespace, config: &Config) -> Nginx {
        let directory = lab.directory("nginx", 0o755);
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration(lab, &directory, config)).expect("nginx's configuration");
        let log = fs::File::create(directory.join("started.log")).expect("a log");
        let mut command = namespace.command("/usr/sbin/nginx");
        command.arg("-c").arg(&file).arg("-e").arg(directory.join("error.log")).arg("-p").arg(&directory);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("nginx starts");
        let nginx = Nginx { process };
        let listens = wait_until(5.0, || !namespace.listening().is_empty());
        assert!(listens, "nginx does not listen: {}", text(directory.join("started.log")));
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        // `ip netns exec` replaces itself, so the child is nginx's master, which ends its workers.
        let pid = i32::try_from(self.process.id()).map(nix::unistd::Pid::from_raw);
        let _ = pid.map(|pid| kill(pid, Signal::SIGTERM));
        let ended = wait_until(3.0, || self.process.try_wait().is_ok_and(|status| status.is_some()));
        if !ended {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn configuration(lab: &Lab, directory: &Path, config: &Config) -> String {
    let user = if lab.is_root() { "user neutron neutron;" } else { "" };
    let here = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {here}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\n{user}\nworker_processes 1;\npid {here}/nginx.pid;\nerror_log {here}/error.log;\n\
         events {{ worker_connections 256; }}\nhttp {{\n    access_log off;\n{temporary}    server {{\n        \
         listen 169.254.169.254:80;\n        location / {{\n            proxy_pass http://unix:{};\n            \
         proxy_set_header Host $http_host;\n            proxy_set_header X-Forwarded-For $remote_addr;\n            \
         proxy_set_header X-Neutron-Network-ID {network};\n            proxy_set_header X-Neutron-Router-ID \"\";\n        \
         }}\n    }}\n}}\n",
        config.socket.display(),
        network = config.id
    )
}
