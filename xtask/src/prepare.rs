//! What a new machine lacks is fetched while the first stages compile: Debian packages in one transaction, Neutron, the clean
//! root that packages are tried on.
//!
//! It is a process of its own, with a log of its own. A stage that needs a missing tool waits for its end first, so that no
//! two of them install at once. It decides nothing: the stage that needs a tool says that it could not be fetched.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nsgate_tests::program::target;
use nsgate_tests::table::seconds;

use crate::test::NEWER_CLOUD_INIT;
use crate::{arm64, deny, dist, later_debian, tools};

/// Set for the process that prepares: it waits for no other.
const PREPARING: &str = "NSGATE_PREPARING";

static RUNNING: Mutex<Option<Child>> = Mutex::new(None);

/// Begins, for these stages, and returns at once. As a user who may not install, it does nothing.
pub(crate) fn begin(stages: &[&str]) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let log = target().join("prepare.log");
    let begun = fs::create_dir_all(target()).and_then(|()| fs::File::create(&log)).and_then(|output| {
        let errors = output.try_clone()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("prepare").args(stages).env(PREPARING, "1");
        command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn()
    });
    match begun {
        Ok(child) => *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(child),
        // The stage that needs a missing tool installs it.
        Err(error) => println!("nothing is prepared: {}: {error}", log.display()),
    }
}

/// Waits until nothing is being prepared any more.
pub(crate) fn wait() {
    if std::env::var_os(PREPARING).is_some() {
        return;
    }
    let Some(mut child) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    if matches!(child.try_wait(), Ok(Some(_))) {
        return;
    }
    println!("waiting for what is being installed ({}) …", target().join("prepare.log").display());
    let began = Instant::now();
    let _ = child.wait();
    println!("waited {}", seconds(began.elapsed()));
}

/// The process that prepares.
pub(crate) fn run(stages: &[String]) -> Result<(), String> {
    let wanted = |name: &str| stages.iter().any(|stage| stage == name);
    let mut step = Step(Instant::now());
    step.took("Debian packages", tools::install_for(stages));
    if wanted("deny") {
        step.took("tools of cargo", deny::ready());
    }
    if wanted("arm64") {
        step.took("a compiler for arm64", arm64::rustc().map(drop));
    }
    if wanted("e2e") {
        step.took("packages that are not installed", later_debian::of_this_release().map(drop));
    }
    if wanted("neutron") {
        step.took("a node of OVN", later_debian::ovn_node().map(drop));
    }
    if wanted("cloud-init") {
        step.took("a newer cloud-init", later_debian::unpacked(NEWER_CLOUD_INIT, "cloud-init").map(drop));
    }
    if wanted("dist") {
        for (kind, _) in dist::debian::Kind::ALL {
            step.took("a root for packages", dist::debian::root(kind).map(drop));
        }
        step.took("tools of Python", tools::packaging_python().map(drop));
    }
    if wanted("e2e") || wanted("neutron") || wanted("dist") {
        step.took("Neutron", tools::neutron().map(drop));
    }
    if wanted("neutron") {
        step.took("Nova", tools::nova().map(drop));
    }
    if wanted("e2e") {
        step.took("Keystone", tools::keystone().map(drop));
    }
    Ok(())
}

/// Prints how long each step took, and its error. The next step runs in any case.
struct Step(Instant);

impl Step {
    fn took(&mut self, what: &str, outcome: Result<(), String>) {
        println!(
            "{what}: {}{}",
            seconds(self.0.elapsed()),
            outcome.err().map_or(String::new(), |why| format!(": {why}"))
        );
        self.0 = Instant::now();
    }
}
