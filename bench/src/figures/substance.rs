//! The programs themselves: size on disk, permitted system calls.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use nsgate_tests::{Lab, Program};

use super::report::haproxy_name;

/// The table.
pub(super) fn table(lab: &Lab) -> String {
    let size = |path: &str| fs::metadata(path).map_or(0, |found| found.len() / 1024);
    let own = lab.program.path().display().to_string();
    let theirs = Program::real_haproxy().map(|program| program.path().display().to_string()).unwrap_or_default();
    let mut out =
        "\n## What the programs are\n\nThe shared libraries of each come on top of its file. A role is what a \
         process is for; each has its own filter.\n\n| program | file, KiB | system calls permitted |\n|---|---:|---|\n"
            .to_owned();
    let _ = writeln!(out, "| nsgate, as `haproxy` | {} | {} |", size(&own), permitted(&own));
    let _ = writeln!(out, "| {} | {} | all: no filter |", haproxy_name(), size(&theirs));
    let _ = writeln!(out, "| nginx | {} | all: no filter |", size("/usr/sbin/nginx"));
    out
}

/// As the program itself says.
fn permitted(program: &str) -> String {
    let said = Command::new(program).arg("-vv").output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&said).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Permitted system calls by role: "));
    line.unwrap_or("not said").to_owned()
}
