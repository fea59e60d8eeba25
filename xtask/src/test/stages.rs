//! The stages, in order.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::choice::AMONG_OTHERS;
use nsgate_tests::program::{self, target, workspace};
use nsgate_tests::world;

use super::totals::Totals;
use super::{Wish, beside};
use crate::api::LIBRARIES;
use crate::command::{Finished, cargo, own_program, plain, stream, works};
use crate::{build, dist, later_debian, tools};

/// Why a stage gave no numbers.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It could not run here, and that is said.
    Skipped(String),
    /// It went wrong as a whole.
    Failed(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Failed(why)
    }
}

type Outcome = Result<Vec<(String, Totals)>, Trouble>;

/// A stage: its name and what it does.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Wish) -> Outcome,
}

/// Runs tests, and keeps what is said of them.
fn tested(wish: &Wish, command: Command) -> Result<Finished, Trouble> {
    let finished = stream(command)?;
    wish.said.borrow_mut().push_str(&finished.output);
    Ok(finished)
}

/// The totals that a suite prints last, which runs the tests that the words choose and leaves it to us whether there are any.
fn counted(wish: &Wish, mut command: Command, name: &str) -> Result<Totals, Trouble> {
    command.arg(AMONG_OTHERS).args(&wish.words);
    totals_of(&tested(wish, command)?, name)
}

/// The totals that stand last.
fn totals_of(finished: &Finished, name: &str) -> Result<Totals, Trouble> {
    match Totals::of_suites(&finished.output).pop() {
        Some((_, totals)) => Ok(verdict(finished, totals)),
        None => Err(Trouble::Failed(format!("{name} did not get to its totals"))),
    }
}

/// Every stage.
pub(crate) const ALL: [Stage; 13] = [
    Stage { name: "fmt", run: fmt },
    Stage { name: "clippy", run: clippy },
    Stage { name: "deny", run: deny },
    Stage { name: "api", run: api },
    Stage { name: "package", run: package },
    Stage { name: "unit", run: unit },
    Stage { name: "doc", run: doc },
    Stage { name: "arm64", run: arm64 },
    Stage { name: "counts", run: counts },
    Stage { name: "e2e", run: e2e },
    Stage { name: "neutron", run: neutron },
    Stage { name: "cloud-init", run: cloud_init },
    Stage { name: "dist", run: packages },
];

fn one(totals: Totals) -> Outcome {
    Ok(vec![(String::new(), totals)])
}

/// A runner that ends before it counts has failed.
fn verdict(finished: &Finished, totals: Totals) -> Totals {
    let silent = !finished.success && totals.failed == 0;
    if silent { Totals { failed: 1, ..totals } } else { totals }
}

fn check(name: &str, arguments: &[&str], component: &str) -> Outcome {
    if !works("cargo", &[name, "--version"]) {
        return Err(Trouble::Failed(format!(
            "cargo {name} is missing; install it with `rustup component add {component}`"
        )));
    }
    let finished = stream(cargo(arguments))?;
    one(if finished.success { Totals::passed(1) } else { Totals::failed(1) })
}

fn fmt(_: &Wish) -> Outcome {
    check("fmt", &["fmt", "--all", "--check"], "rustfmt")
}

fn clippy(_: &Wish) -> Outcome {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    check("clippy", &arguments, "clippy")
}

/// What the programs are built from.
fn deny(_: &Wish) -> Outcome {
    crate::deny::ready().map_err(Trouble::Skipped)?;
    // Four judgements: bans, licences, sources, and what is not used.
    match crate::deny::judge()? {
        [true, true] => one(Totals::passed(4)),
        _ => one(Totals::failed(1)),
    }
}

/// Each library crate's interface is that of its page.
fn api(_: &Wish) -> Outcome {
    crate::api::comparable().map_err(Trouble::Skipped)?;
    let differing = crate::api::differing()?;
    differing.iter().for_each(|line| println!("{line}"));
    one(Totals { passed: LIBRARIES.len() - differing.len(), failed: differing.len(), skipped: 0 })
}

/// Each crate as it would be published.
fn package(_: &Wish) -> Outcome {
    crate::package::able().map_err(Trouble::Skipped)?;
    one(Totals::passed(crate::package::made()?))
}

/// The crates whose tests run in cargo's own runner.
const NOT_THE_LABORATORY: [&str; 3] = ["--workspace", "--exclude", "nsgate-tests"];

fn unit(wish: &Wish) -> Outcome {
    let kinds = ["test", "--no-fail-fast", "--locked", "--lib", "--bins", "--tests"];
    let words = [&["--"], &wish.words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat();
    let finished = tested(wish, cargo(&[&kinds[..], &NOT_THE_LABORATORY[..], &words[..]].concat()))?;
    one(verdict(&finished, Totals::of_cargo(&finished.output)))
}

fn doc(_: &Wish) -> Outcome {
    let finished =
        stream(cargo(&[&["test", "--doc", "--no-fail-fast", "--locked"], &NOT_THE_LABORATORY[..]].concat()))?;
    one(verdict(&finished, Totals::of_cargo(&finished.output)))
}

/// The programs for another architecture, and with the oldest Rust that the manifests allow.
fn arm64(_: &Wish) -> Outcome {
    tools::CROSS_GCC.ensure().and_then(|()| tools::CROSS_LIBC.ensure()).map_err(Trouble::Skipped)?;
    crate::arm64::rustc().map_err(Trouble::Skipped)?;
    one(if crate::arm64::check()? { Totals::passed(1) } else { Totals::failed(1) })
}

/// A request and an event cost what they did before.
fn counts(_: &Wish) -> Outcome {
    tools::VALGRIND.ensure().and_then(|()| tools::STRACE.ensure()).map_err(Trouble::Skipped)?;
    let finished = stream(crate::measure::ready(&["counts".into()])?)?;
    one(totals_of(&finished, "counts")?)
}

/// The program under test: built, unless another one was named.
fn program(wish: &Wish) -> Result<PathBuf, Trouble> {
    if let Some(path) = &wish.haproxy {
        let path = workspace().join(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Trouble::Failed(format!("no program at {}", path.display())))
        };
    }
    build::programs()?;
    Ok(program::dist().join("haproxy"))
}

/// The namespaces every suite needs.
fn namespaces() -> Result<(), Trouble> {
    tools::IP.ensure().map_err(Trouble::Skipped)?;
    world::missing().map_or(Ok(()), |why| Err(Trouble::Skipped(why)))
}

fn e2e(wish: &Wish) -> Outcome {
    namespaces()?;
    let wanted = [
        (tools::HAPROXY, "the comparison with haproxy is skipped"),
        (tools::JOURNALD, "nothing is written to a journal"),
        (tools::STRACE, "the count of system calls is skipped"),
        (tools::PROMETHEUS, "the pool's metrics are not read by Prometheus' parser"),
        (tools::CURL, "the pages of docs/ are not run"),
        (tools::ACL, "no path has an access control list"),
        (tools::CAPSH, "nothing starts without some capabilities"),
        (tools::ZSH, "what it completes is not tried"),
        (tools::FISH, "what it completes is not tried"),
    ];
    let missing = wanted.into_iter().map(|(tool, what)| (tool.ensure(), what));
    let others = [
        (later_debian::of_this_release(), "the tests with nscd, jemalloc, tcmalloc and OVN's database are skipped"),
        (
            tools::neutron().map(drop),
            "the readers of Python in the forging suite and the directory that asks Neutron are skipped",
        ),
        (tools::keystone().map(drop), "no token of a real Keystone is shown to Neutron"),
    ];
    for (missing, what) in missing.chain(others).filter_map(|(outcome, what)| Some((outcome.err()?, what))) {
        println!("{missing} ({what})");
    }
    let program = program(wish)?;
    // Programs that are not measured are built without optimisation of the whole program, which takes minutes.
    let examples = [
        "--release --package nsgate-sandbox --features compile --example echo",
        "--release --package nsgate-forwarder --example forward",
        "--package nsgate --example agent",
        "--package nsgate-sandbox --example look",
        "--package nsgate-launcher --example launch",
        "--package nsgate-config --example translate",
    ];
    for example in examples {
        let words: Vec<&str> = ["build", "--quiet", "--locked"].into_iter().chain(example.split(' ')).collect();
        if !plain(cargo(&words))? {
            return Err(Trouble::Failed(format!("`{example}` does not build; its errors are above")));
        }
    }
    embedders()?;
    let xtask = own_program()?;
    let commands = beside::suites(&["test", "--locked", "--package", "nsgate-tests"])?.into_iter().map(|file| {
        let mut command = suite(wish, file);
        command.env("NSGATE_HAPROXY", &program).env("NSGATE_XTASK", &xtask);
        command
    });
    let finished = beside::run(commands.collect())?;
    wish.said.borrow_mut().push_str(&finished.output);
    let mut suites = Totals::of_suites(&finished.output);
    suites.sort_by(|one, other| one.0.cmp(&other.0));
    suites.extend(runner_failed(&finished, &suites));
    Ok(suites)
}

/// A row for a suite that ended badly without counting, or if there is none at all.
fn runner_failed(finished: &Finished, suites: &[(String, Totals)]) -> Option<(String, Totals)> {
    let silent = suites.is_empty() || (!finished.success && suites.iter().all(|(_, totals)| totals.failed == 0));
    silent.then(|| ("runner".to_owned(), Totals::failed(1)))
}

/// A suite's file, with the words that choose its tests.
fn suite(wish: &Wish, file: PathBuf) -> Command {
    let mut command = Command::new(file);
    command.arg(AMONG_OTHERS).args(&wish.words).current_dir(workspace().join("tests"));
    command
}

/// Programs of others, as they would build them: each by its own manifest, without optimisation, in a directory that they share.
fn embedders() -> Result<(), Trouble> {
    let projects: [(&str, &str, &[&str]); 4] = [
        ("sandbox", "embedders", &[]),
        ("gate", "embedders", &[]),
        ("handover", "embedders", &[]),
        ("sandbox", "embedders/logs", &["--features", "log-violations"]),
    ];
    for (project, place, more) in projects {
        let directory = workspace().join("tests/embedders").join(project);
        // The versions that this workspace is tested with; cargo removes those that the project does not use.
        std::fs::copy(workspace().join("Cargo.lock"), directory.join("Cargo.lock"))
            .map_err(|error| Trouble::Failed(format!("tests/embedders/{project}/Cargo.lock: {error}")))?;
        let mut command = cargo(&["build", "--quiet"]);
        command.arg("--manifest-path").arg(directory.join("Cargo.toml"));
        command.arg("--target-dir").arg(target().join(place)).args(more);
        if !plain(command)? {
            return Err(Trouble::Failed(format!("tests/embedders/{project} does not build; its errors are above")));
        }
    }
    Ok(())
}

fn neutron(wish: &Wish) -> Outcome {
    namespaces()?;
    let python = tools::neutron().map_err(Trouble::Skipped)?;
    let mut suites = vec![(String::new(), python_suite(wish, python.clone(), "tests/neutron/run.py", &[])?)];
    match later_debian::ovn_node() {
        Ok(files) => {
            let mut more = vec![OsStr::new("--node"), files.as_os_str()];
            let nova = tools::nova();
            match &nova {
                Ok((nova, databases)) => {
                    let place = databases.as_os_str();
                    more.extend([OsStr::new("--nova"), nova.as_os_str(), OsStr::new("--databases"), place]);
                }
                Err(why) => {
                    println!("the second hop with real Nova: skipped: {why}");
                    suites.push(("nova".to_owned(), Totals::skipped(1)));
                }
            }
            suites.push(("ovn".to_owned(), python_suite(wish, python, "tests/neutron/ovn_run.py", &more)?));
        }
        Err(why) => {
            println!("the second hop with real OVN: skipped: {why}");
            suites.push(("ovn".to_owned(), Totals::skipped(1)));
        }
    }
    Ok(suites)
}

fn cloud_init(wish: &Wish) -> Outcome {
    namespaces()?;
    tools::CLOUD_INIT.ensure().map_err(Trouble::Skipped)?;
    let python = || PathBuf::from("/usr/bin/python3");
    let suite = "tests/cloud_init/run.py";
    let mut suites = vec![(String::new(), python_suite(wish, python(), suite, &[])?)];
    match later_debian::unpacked(NEWER_CLOUD_INIT, "cloud-init") {
        Ok(files) => {
            let modules = files.join("usr/lib/python3/dist-packages");
            let more = [OsStr::new("--cloud-init"), modules.as_os_str()];
            suites.push((NEWER_CLOUD_INIT.to_owned(), python_suite(wish, python(), suite, &more)?));
        }
        Err(why) => {
            println!("cloud-init of Debian {NEWER_CLOUD_INIT}: skipped: {why}");
            suites.push((NEWER_CLOUD_INIT.to_owned(), Totals::skipped(1)));
        }
    }
    Ok(suites)
}

/// The Debian release whose cloud-init is tried beside the host's own: its data sources know IPv6.
pub(crate) const NEWER_CLOUD_INIT: &str = "trixie";

/// Packages of the programs under test: the complaints of tools, and the state of a machine that they are installed on.
fn packages(wish: &Wish) -> Outcome {
    for tool in [tools::DPKG_DEV, tools::DEBHELPER, tools::RPM, tools::CHECKPOLICY, tools::SEMODULE] {
        tool.ensure().map_err(Trouble::Skipped)?;
    }
    let trial = dist::proof::Trial::make()?;
    let mut suites = vec![("files".to_owned(), dist::proof::run(&trial, &wish.words, &mut wish.said.borrow_mut()))];
    let root = |(kind, name)| dist::debian::root(kind).map(|root| (name, root));
    let machines = tools::IP.ensure().and_then(|()| dist::debian::Kind::ALL.into_iter().map(root).collect());
    let roots: Vec<(&str, PathBuf)> = match machines {
        Ok(roots) => roots,
        Err(why) => {
            println!("machine: skipped: {why}");
            suites.push(("machine".to_owned(), Totals::skipped(1)));
            return Ok(suites);
        }
    };
    if let Err(missing) = tools::neutron() {
        println!("{missing} (the tests with Neutron's driver are skipped)");
    }
    for tool in [tools::PODMAN, tools::NETAVARK, tools::RUNC] {
        if let Err(missing) = tool.ensure() {
            println!("{missing} (no image is made and no sidecar is started)");
        }
    }
    let names = [("packages", "machine"), ("containers", "containers"), ("sidecars", "sidecars")];
    let wanted = names.iter().flat_map(|(suite, _)| ["--test", suite]);
    let build: Vec<&str> = ["test", "--locked", "--package", "nsgate-tests"].into_iter().chain(wanted).collect();
    let commands = beside::suites(&build)?.into_iter().map(|file| {
        let mut command = suite(wish, file);
        command.env("NSGATE_PACKAGES", &trial.place).envs(roots.iter().cloned());
        command.env("NSGATE_HAPROXY", trial.programs().join("haproxy"));
        command
    });
    let finished = beside::run(commands.collect())?;
    wish.said.borrow_mut().push_str(&finished.output);
    let found = Totals::of_suites(&finished.output);
    // A suite that did not get to its totals has failed.
    let totals =
        |name: &str| found.iter().find(|(suite, _)| suite == name).map_or(Totals::failed(1), |(_, totals)| *totals);
    suites.extend(names.map(|(suite, name)| (name.to_owned(), totals(suite))));
    suites.extend(runner_failed(&finished, &suites));
    Ok(suites)
}

/// Runs a suite of Python in a world; we run ourselves again for that, so that its output can be counted.
fn python_suite(wish: &Wish, python: PathBuf, script: &str, more: &[&OsStr]) -> Result<Totals, Trouble> {
    let program = program(wish)?;
    let mut command = Command::new(own_program()?);
    command.arg("lab").arg(python).arg(workspace().join(script)).arg("--haproxy").arg(program);
    command.args(more).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(workspace());
    counted(wish, command, script)
}
