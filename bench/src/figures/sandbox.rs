//! What the confinement costs a request: one binary with and without it, taking turns.

use std::fmt::Write;
use std::process::{Child, Command, Stdio};

use nsgate_tests::lab::wait_until;
use nsgate_tests::program::target;
use nsgate_tests::{Lab, Namespace};

use super::report::quantile;
use super::spent::{LOADS, for_a_request};

/// The agent's short name, as a gate's small root has it.
const AGENT: &str = "/run/agent";

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
                costs.push(for_a_request(&space, &format!("http://127.0.0.1:{port}/"), words, pid, seconds));
            }
        }
        let [with, without] = costs.map(|costs| quantile(&costs, 0.5));
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
