//! What a request costs: a gate of its own, a worker with one network, a worker with many, taking turns.

use std::process::{Command, Stdio};
use std::time::Duration;

use nsgate_tests::gate::{communicate, write_config};
use nsgate_tests::lab::text;
use nsgate_tests::pool::Pool;
use nsgate_tests::{Lab, Namespace};

use super::super::load::processor_time;
use super::crowd::{Crowd, configs};

/// Kinds of load: a name, and what wrk is told.
pub(super) const LOADS: [(&str, &[&str]); 2] =
    [("kept connections, 32", &[]), ("a connection for each request, 32", &["-H", "Connection: close"])];

/// Microseconds of processor time for a request, each round's, for each load: standalone, one network, many.
pub(super) struct Costs(pub(super) Vec<[Vec<f64>; 3]>);

/// Measures each in turns. The first network of the crowd is the one that is asked.
pub(super) fn of(lab: &Lab, crowd: &Crowd, most: usize, rounds: usize) -> Costs {
    println!("processor time of a request …");
    let all = configs(most);
    let mut costs: Vec<[Vec<f64>; 3]> = LOADS.iter().map(|_| Default::default()).collect();
    // A worker at a time, each with a crowd of its own size; the standalone gate listens elsewhere in the same namespace.
    let alone = nsgate_tests::Config::new(nsgate_tests::Kind::Network)
        .with_id("00000000-0000-4000-8000-000000000000")
        .with_binds(&["127.0.0.1:81"]);
    let space = &crowd.namespaces[0];
    let standalone = nsgate_tests::Gate::start(lab, space, &alone);
    for _ in 0..rounds {
        for (column, count) in [(1, 1), (2, most)] {
            let pool = Pool::start(lab);
            for (config, namespace) in all.iter().take(count).zip(&crowd.namespaces) {
                let file = write_config(lab, config);
                let mut command = Command::new(lab.program.path());
                command.arg("-f").arg(file).env("NSGATE_POOL", &pool.socket).stdin(Stdio::null());
                let status = namespace.inside(move || command.status()).expect("a keeper");
                assert!(status.success());
            }
            for (load, (_, words)) in LOADS.iter().enumerate() {
                costs[load][column].push(once(space, "169.254.169.254:80", words, pool.worker()));
                if column == 1 {
                    costs[load][0].push(once(space, "127.0.0.1:81", words, standalone.pid));
                }
            }
            super::crowd::end(&all[..count]);
        }
    }
    Costs(costs)
}

/// Two seconds of load, and what each request cost.
fn once(space: &Namespace, at: &str, words: &[&str], pid: i32) -> f64 {
    let mut command = space.command("wrk");
    command.args(["-t1", "-c32", "-d2s"]).args(words).arg(format!("http://{at}/latest/meta-data/"));
    let before = processor_time(&[pid]);
    let done = communicate(command, Duration::from_secs(20));
    let spent = processor_time(&[pid]) - before;
    let line = done.stdout.lines().find(|line| line.contains(" requests in ")).unwrap_or_default();
    let requests: f64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    assert!(!done.stdout.contains("Non-2xx"), "{}{}", done.stdout, text("/dev/null"));
    spent / requests
}
