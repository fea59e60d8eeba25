//! TLS before a server that speaks none: haproxy of the distribution, as clouds put it before Nova.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::certificates::Issued;
use crate::lab::{Lab, text, wait_until};
use crate::program::Program;

/// A haproxy that passes bytes on. Dropped, it is killed.
#[derive(Debug)]
pub struct TlsFront {
    /// Where it speaks TLS.
    pub address: SocketAddr,
    child: Child,
}

impl TlsFront {
    /// Before `server`, with this certificate. `more` are further words of its `bind` line, such as `ssl-max-ver TLSv1.2`.
    pub fn start(lab: &Lab, server: SocketAddr, shown: &Issued, more: &str) -> TlsFront {
        let Some(haproxy) = Program::real_haproxy() else { lab.skip("no haproxy: apt-get install haproxy") };
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let directory = lab.directory(&format!("front-{}", address.port()), 0o700);
        let [both, config, log] = ["both.pem", "haproxy.cfg", "log"].map(|name| directory.join(name));
        fs::write(&both, text(&shown.certificate) + &text(&shown.key)).expect("a certificate with its key");
        let content = format!(
            "defaults\n mode tcp\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n\
             listen nova\n bind {address} ssl crt {} {more}\n server nova {server}\n",
            both.display()
        );
        fs::write(&config, content).expect("a configuration");
        let output = fs::File::create(&log).expect("a log");
        let mut command = Command::new(haproxy.path());
        command.args(["-db", "-f"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let front = TlsFront { address, child: command.spawn().expect("haproxy") };
        assert!(wait_until(10.0, || TcpStream::connect(address).is_ok()), "{}", text(&log));
        front
    }

    /// The words of a `bind` line that want a certificate of this authority from each client.
    pub fn wanting(authority: &Path) -> String {
        format!("verify required ca-file {}", authority.display())
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
