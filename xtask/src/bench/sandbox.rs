//! What the confinement costs a request: one binary with and without it, taking turns.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nsgate_tests::gate::communicate;
use nsgate_tests::lab::wait_until;
use nsgate_tests::program::target;
use nsgate_tests::{Lab, Namespace};

use super::load::processor_time;
use crate::command::{cargo, plain};

/// Kinds of load: a name, and what wrk is told.
const LOADS: [(&str, &[&str]); 2] =
    [("kept connections, 32", &[]), ("a connection for each request, 32", &["-H", "Connection: close"])];

/// The agent's short name, as a gate's small root has it.
const AGENT: &str = "/run/agent";

/// Builds what is measured; outside the laboratory, where cargo finds its home.
pub(super) fn build() -> Result<(), String> {
    let build = ["build", "--release", "--quiet", "--locked", "--package", "nsgate", "--example", "sandbox_cost"];
    if plain(cargo(&build))? { Ok(()) } else { Err("the example does not build; its errors are above".to_owned()) }
}

/// Measures and writes the table. The agent is there already.
pub(super) fn table(lab: &Lab, rounds: usize, seconds: u64) -> String {
    println!("sandbox: with and without …");
    let _ = std::fs::remove_file(AGENT);
    std::os::unix::fs::symlink(lab.socket(), AGENT).expect("a short name for the agent");
    let space = Namespace::create("sandbox");
    let ways = [("with", "8101"), ("without", "8102")];
    let mut running: Vec<Child> = ways.iter().map(|(way, port)| start(&space, way, port)).collect();
    let mut out = format!(
        "\n## The confinement\n\nµs of processor time for a request of one binary (`crates/nsgate/examples/sandbox_cost.rs`) \
         with a gate's filter, Landlock and no capability, and without any of it. Medians of {rounds} rounds of {seconds} s, \
         taking turns.\n\n| load | with | without | ratio |\n|---|---:|---:|---:|\n"
    );
    for (load, words) in LOADS {
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for ((one, (_, port)), costs) in running.iter().zip(ways).zip(&mut costs) {
                let pid = i32::try_from(one.id()).expect("a pid");
                costs.push(once(&space, port, words, pid, seconds));
            }
        }
        let [with, without] = costs.map(median);
        let _ = writeln!(out, "| {load} | {with:.1} | {without:.1} | {:.2} |", with / without);
    }
    for one in &mut running {
        let _ = one.kill();
        let _ = one.wait();
    }
    out
}

fn start(space: &Namespace, way: &str, port: &str) -> Child {
    let mut command = Command::new(target().join("release/examples/sandbox_cost"));
    command.args([way, AGENT, port]).stdin(Stdio::null()).stdout(Stdio::null());
    let child = space.inside(move || command.spawn()).expect("the example");
    let port: u16 = port.parse().expect("a port");
    assert!(wait_until(5.0, || space.listening().iter().any(|(_, found)| *found == port)), "{way} does not listen");
    child
}

fn once(space: &Namespace, port: &str, words: &[&str], pid: i32, seconds: u64) -> f64 {
    let mut command = space.command("wrk");
    command.args(["-t1", "-c32", &format!("-d{seconds}s")]).args(words).arg(format!("http://127.0.0.1:{port}/"));
    let before = processor_time(&[pid]);
    let done = communicate(command, Duration::from_secs(seconds + 20));
    let spent = processor_time(&[pid]) - before;
    assert!(!done.stdout.contains("Non-2xx"), "{}", done.stdout);
    let line = done.stdout.lines().find(|line| line.contains(" requests in ")).unwrap_or_default();
    spent / line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::NAN)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
