//! `neutron-ns-metadata-proxy` as Neutron had it until Ocata, in Python, as a peer of the load tables.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::program::{NEUTRON, neutron_python, target};
use nsgate_tests::{Lab, Network};

pub(super) use nsgate_tests::program::OCATA;

/// The interpreter, and where the proxy's code is.
pub(super) struct Ocata {
    pub(super) python: PathBuf,
    pub(super) code: PathBuf,
}

/// The page's paragraph about it.
pub(super) fn said(ocata: &Result<Ocata, String>) -> String {
    let what = format!("The Python\n`neutron-ns-metadata-proxy` of Neutron {OCATA} (Ocata)");
    match ocata {
        Ok(_) => format!(
            "{what} runs here with the libraries of Neutron {NEUTRON}, since its own\nare too old for a current Python; it serves \
             100 connections at a time, so it has no row where there are more."
        ),
        Err(reason) => format!("{what} is not among the peers: {reason}."),
    }
}

impl Ocata {
    /// Where `cargo xtask bench` has installed it.
    ///
    /// # Errors
    /// The proxy is missing, or it cannot use the libraries that are installed.
    pub(super) fn find() -> Result<Ocata, String> {
        let (python, code) = (neutron_python(), target().join("neutron/ocata"));
        let mut import = Command::new(&python);
        import.args(["-W", "ignore", "-c", "import neutron.agent.metadata.namespace_proxy"]).env("PYTHONPATH", &code);
        let imported = import.output().map_err(|error| format!("{}: {error}", python.display()))?;
        if imported.status.success() && code.is_dir() {
            return Ok(Ocata { python, code });
        }
        let said = String::from_utf8_lossy(&imported.stderr).trim().lines().last().unwrap_or_default().to_owned();
        Err(format!("it cannot be imported: {said}"))
    }

    /// Starts it as its agents did, and returns its pid.
    pub(super) fn start(&self, lab: &Lab, network: &Network, port: u16) -> i32 {
        let pid_file = lab.state().join("ocata.pid");
        let mut command = network.gate.command(&self.python.to_string_lossy());
        command.env("PYTHONPATH", &self.code).args(["-W", "ignore", "-c"]);
        command.arg("from neutron.cmd.eventlet.agents.metadata_proxy import main; main()");
        command.arg(format!("--pid_file={}", pid_file.display()));
        command.arg(format!("--metadata_proxy_socket={}", lab.socket().display()));
        command.args([format!("--network_id={NETWORK}"), format!("--state_path={}", lab.state().display())]);
        command.args([format!("--metadata_port={port}"), format!("--log-file={}/ocata.log", lab.state().display())]);
        command.args(["--metadata_proxy_user=neutron", "--metadata_proxy_group=neutron"]);
        let started = communicate(command, Duration::from_secs(60));
        assert!(started.ok(), "the proxy of Neutron Ocata: {started:#?}");
        let listens = || network.gate.listening().iter().any(|(_, found)| *found == port);
        assert!(wait_until(60.0, listens), "the proxy of Neutron Ocata does not listen");
        text(&pid_file).trim().parse().expect("a pid")
    }
}
