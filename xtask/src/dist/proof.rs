//! The promises of the packages, checked without a machine: the same bits twice, no complaint of lintian and rpmlint,
//! profiles that compile, a valid bill, and a bound on what systemd says a unit may do.
// Kept here, and no suite of `tests/`: three checks pack anew with functions of this tool, and the world of a suite is sealed, so that
// nothing could be installed in it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::choice::chooses;
use nsgate_tests::program::{target, workspace};

use super::rpm::packaged;
use super::{Release, all, built, contents, empty, pack, source, sums, twice};
use crate::command::said;
use crate::test::Totals;
use crate::tools::{self, Tool};

/// How exposed systemd-analyze(1) may find the pool at its start, of 10: docs/hardened.md says what the rest is.
const POOL_EXPOSURE: f64 = 1.0;
/// The same of the second hop, which starts as root, for the secret's sake, and connects to Nova.
const AGENT_EXPOSURE: f64 = 3.3;
/// The same of a gate by name, which binds port 80 in a namespace by itself.
const GATE_EXPOSURE: f64 = 3.5;

/// The release of Kubernetes whose schemas judge the example.
const KUBERNETES: &str = "1.31";

/// Packages that are built from the source tarball.
pub(crate) struct Trial {
    /// `first`: packages; `next`: the same programs as a later version.
    pub(crate) place: PathBuf,
}

/// Why a check did not pass.
pub(crate) enum Verdict {
    Skipped(String),
    Failed(String),
}

impl From<String> for Verdict {
    fn from(why: String) -> Verdict {
        Verdict::Failed(why)
    }
}

type Check = (&'static str, fn(&Trial) -> Result<(), Verdict>);

const CHECKS: [Check; 14] = [
    ("packed_twice_every_file_is_the_same_bit_for_bit", |trial| {
        let other = trial.place.join("packed-once-more-in-a-longer-directory");
        let (release, vendor) = (Release::read()?, source::vendor()?);
        pack(&release, Some(&vendor), &trial.programs(), &other.join("work"), &other.join("packages"))?;
        sums::write(&other.join("packages"))?;
        twice::same(&trial.first(), &other.join("packages"))?;
        fs::remove_dir_all(&other).map_err(|e| e.to_string())?;
        Ok(())
    }),
    ("without_vendor_debian_builds_from_the_crates_of_a_distribution", contents::from_crates_of_a_distribution),
    ("notices_of_third_parties_are_in_every_package_with_a_program", contents::notices),
    ("the_sums_are_those_of_the_files", |trial| {
        let mut check = Command::new("sha256sum");
        check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(trial.first());
        Ok(said(check).map(drop)?)
    }),
    ("lintian_finds_nothing_that_is_not_explained", |trial| {
        ensure(tools::LINTIAN)?;
        let mut lintian = Command::new("lintian");
        lintian.args(["--fail-on", "error,warning", "--tag-display-limit", "0"]).args(trial.files("first", "dsc")?);
        lintian.args(trial.files("first", "deb")?);
        // It refuses to unpack as root, unless told otherwise.
        lintian.arg("--allow-root");
        complaints(lintian)
    }),
    ("rpmlint_finds_nothing_that_is_not_explained", |trial| {
        ensure(tools::RPMLINT)?;
        let mut rpmlint = Command::new("rpmlint");
        rpmlint.args(["--strict", "--config"]).arg(packaged("rpm/rpmlint.toml")).args(trial.files("first", "rpm")?);
        complaints(rpmlint)
    }),
    ("manual_pages_are_formatted_without_a_warning", manual_pages),
    ("completions_are_scripts_that_their_shells_accept", completions),
    ("the_bill_of_materials_is_cyclonedx_1_5", |trial| {
        let validate = "import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())
sys.exit(str(error) if error else 0)";
        let python = tools::packaging_python().map_err(Verdict::Skipped)?;
        let bill = trial.first().join(format!("{}.cdx.json", Release::read()?.name()));
        let mut command = Command::new(python);
        command.args(["-c", validate]).arg(bill);
        complaints(command)
    }),
    ("kubernetes_takes_the_daemonset", |_| {
        let python = tools::packaging_python().map_err(Verdict::Skipped)?;
        let mut validate = Command::new(python.with_file_name("kubernetes-validate"));
        validate.args(["--strict", "--kubernetes-version", KUBERNETES]).arg(example("kubernetes/nsgate-pool.yaml"));
        complaints(validate)
    }),
    ("ansible_takes_the_play_and_its_role", |_| {
        let python = tools::packaging_python().map_err(Verdict::Skipped)?;
        let mut playbook = Command::new(python.with_file_name("ansible-playbook"));
        playbook.args(["--syntax-check", "--inventory", "localhost,"]).arg(example("ansible/site.yml"));
        playbook.env("ANSIBLE_HOME", target().join("dist/ansible")).env("LC_ALL", "C.UTF-8");
        complaints(playbook)
    }),
    ("the_apparmor_profile_compiles", |_| {
        ensure(tools::APPARMOR)?;
        let mut parser = Command::new("apparmor_parser");
        parser.args(["--skip-kernel-load", "--skip-cache"]).arg(packaged("apparmor/nsgate"));
        complaints(parser)
    }),
    ("the_selinux_module_compiles", |trial| {
        ensure(tools::CHECKPOLICY)?;
        ensure(tools::SEMODULE)?;
        let (module, package) = (trial.place.join("nsgate.mod"), trial.place.join("nsgate.pp"));
        let mut compile = Command::new("checkmodule");
        compile.args(["-M", "-m", "-o"]).arg(&module).arg(packaged("selinux/nsgate.te"));
        complaints(compile)?;
        let mut pack = Command::new("semodule_package");
        pack.arg("-o").arg(package).arg("-m").arg(module).arg("-f").arg(packaged("selinux/nsgate.fc"));
        complaints(pack)
    }),
    ("systemd_finds_the_units_as_closed_as_they_are_said_to_be", |_| {
        let bounds = [
            ("nsgate-pool.service", POOL_EXPOSURE),
            ("nsgate-agent.service", AGENT_EXPOSURE),
            ("nsgate@.service", GATE_EXPOSURE),
        ];
        for (unit, bound) in bounds {
            let found = exposure(unit)?;
            println!("    {unit}: {found}");
            if found > bound {
                return Err(Verdict::Failed(format!("{unit}: {found}, and at most {bound} is promised")));
            }
        }
        Ok(())
    }),
];

impl Trial {
    /// Builds this version from its tarball, as `cargo xtask dist` does, and packs its programs as the next one's.
    pub(crate) fn make() -> Result<Trial, String> {
        let trial = Trial { place: target().join("dist/trial") };
        empty(&trial.place)?;
        all(&trial.place.join("work"), &trial.first())?;
        let release = Release::read()?;
        let next = Release { version: format!("{}+next", release.version), ..release };
        pack(&next, None, &trial.programs(), &trial.place.join("work-next"), &trial.place.join("next"))?;
        Ok(trial)
    }

    /// Where the build from the tarball left the programs.
    pub(crate) fn programs(&self) -> PathBuf {
        built().unwrap_or_else(|| self.tree().join("debian/target/release"))
    }

    /// What is generated, as the tarball has it.
    fn pages(&self) -> PathBuf {
        self.tree().join("pages")
    }

    /// The tarball, unpacked.
    fn tree(&self) -> PathBuf {
        let name = Release::read().map_or_else(|_| String::new(), |release| release.name());
        self.place.join("work/deb").join(name)
    }

    pub(crate) fn first(&self) -> PathBuf {
        self.place.join("first")
    }

    pub(crate) fn files(&self, version: &str, extension: &str) -> Result<Vec<PathBuf>, String> {
        let entries = fs::read_dir(self.place.join(version)).map_err(|e| e.to_string())?;
        let files = entries.flatten().map(|entry| entry.path());
        Ok(files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect())
    }
}

/// Runs every check that a word chooses, one line each, which `said` gets as well.
pub(crate) fn run(trial: &Trial, words: &[String], said: &mut String) -> Totals {
    let mut totals = Totals::default();
    for (name, check) in CHECKS {
        if !words.is_empty() && !words.iter().any(|word| chooses(word, "files", name)) {
            continue;
        }
        said.push_str(&format!("suite files: 1\ntest {name} ... \n"));
        match check(trial) {
            Ok(()) => {
                println!("test {name} ... ok");
                totals += Totals::passed(1);
            }
            Err(Verdict::Skipped(why)) => {
                println!("test {name} ... skipped ({why})");
                totals += Totals::skipped(1);
            }
            Err(Verdict::Failed(why)) => {
                println!("test {name} ... FAILED");
                why.lines().for_each(|line| println!("    | {line}"));
                totals += Totals::failed(1);
            }
        }
    }
    totals
}

/// A file of `docs/examples`.
fn example(name: &str) -> PathBuf {
    workspace().join("docs/examples").join(name)
}

fn ensure(tool: Tool) -> Result<(), Verdict> {
    tool.ensure().map_err(Verdict::Skipped)
}

/// Runs a tool that prints its complaints, and shows them.
pub(crate) fn complaints(mut command: Command) -> Result<(), Verdict> {
    let out = command.output().map_err(|e| format!("{:?}: {e}", command.get_program()))?;
    if out.status.success() {
        return Ok(());
    }
    let said = [out.stdout, out.stderr].concat();
    Err(Verdict::Failed(format!("{command:?}\n{}", String::from_utf8_lossy(&said))))
}

/// groff's warnings, and that what the issue names is there.
fn manual_pages(trial: &Trial) -> Result<(), Verdict> {
    ensure(tools::MAN)?;
    let pages = trial.pages().join("man");
    for page in ["nsgate.1", "nsgate.toml.5", "nsgate-pool.8", "nsgate-agent.8", "nsgate-attest.1"] {
        let page = pages.join(page);
        let mut man = Command::new("man");
        man.args(["--warnings=w", "--encoding=UTF-8", "--troff-device=utf8", "--ditroff", "--local-file"]).arg(&page);
        man.env("LC_ALL", "C.UTF-8").env("MANROFFSEQ", "").env("MANWIDTH", "100");
        let out = man.output().map_err(|e| format!("man: {e}"))?;
        if !out.status.success() || !out.stderr.is_empty() {
            return Err(Verdict::Failed(format!("{}: {}", page.display(), String::from_utf8_lossy(&out.stderr))));
        }
    }
    Ok(())
}

fn completions(trial: &Trial) -> Result<(), Verdict> {
    let pages = trial.pages();
    let scripts = [
        ("bash", "bash/nsgate", None),
        ("zsh", "zsh/_nsgate", Some(tools::ZSH)),
        ("fish", "fish/nsgate.fish", Some(tools::FISH)),
    ];
    for (shell, script, tool) in scripts {
        tool.map_or(Ok(()), ensure)?;
        let script = pages.join(script);
        let mut command = Command::new(shell);
        command.arg("-n").arg(&script);
        complaints(command)?;
        let text = fs::read_to_string(&script).map_err(|e| format!("{}: {e}", script.display()))?;
        // The page that describes it, and the place that uses it.
        if text.matches("_nsgate_networks").count() < 2 {
            return Err(Verdict::Failed(format!("{} does not complete networks", script.display())));
        }
    }
    Ok(())
}

/// The number of systemd-analyze(1), from the unit's own text.
fn exposure(unit: &str) -> Result<f64, Verdict> {
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=yes", "--no-pager"]).arg(packaged("systemd").join(unit));
    let text = said(analyze).map_err(Verdict::Skipped)?;
    let line = text.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_default();
    let number = line.rsplit(": ").next().and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.ok_or_else(|| Verdict::Failed(format!("systemd-analyze says no number of {unit}: {text}")))
}
