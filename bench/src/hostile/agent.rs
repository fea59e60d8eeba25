//! Neutron's real agents behind both programs: a guest that sends an `X-Forwarded-For` of its own, and asks for its own
//! metadata all the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nsgate_tests::Program;
use nsgate_tests::program::{dist, neutron_python, workspace};

use super::Row;

/// The case of tests/neutron/cases.py, run for each driver and address family.
const CASE: &str = "test_a_forged_x_forwarded_for_gets_the_guests_own_metadata";

/// How often the guest did not get its own metadata.
pub(super) fn own_address() -> Result<Row, String> {
    let rival = Program::real_haproxy().ok_or("haproxy is missing")?;
    eprintln!("asking Neutron's agents with a header of the guest's own …");
    Ok(Row {
        what: "requests with the guest's own `X-Forwarded-For` that did not get it its metadata, Neutron's agents"
            .to_owned(),
        nsgate: failures(&dist().join("haproxy"))?,
        haproxy: failures(rival.path())?,
    })
}

/// Failed cases and all of them; the suite's own totals say so.
fn failures(program: &Path) -> Result<(usize, usize), String> {
    let xtask = std::env::var_os("NSGATE_XTASK").map(PathBuf::from).ok_or("start this as `cargo xtask hostile`")?;
    let mut command = Command::new(xtask);
    command.arg("lab").arg(neutron_python()).arg(workspace().join("tests/neutron/run.py"));
    command.arg("--haproxy").arg(program).arg(CASE).current_dir(workspace());
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("tests/neutron/run.py: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let before = |word: &str| text.split(word).next()?.rsplit(' ').next()?.parse::<usize>().ok();
    match (before(" passed, "), before(" failed, ")) {
        (Some(passed), Some(failed)) if passed + failed > 0 => Ok((failed, passed + failed)),
        _ => Err(format!("tests/neutron/run.py did not get to its totals:\n{text}")),
    }
}
