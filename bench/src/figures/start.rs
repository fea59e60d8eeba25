//! From the start of the program to the first answered request, the programs taking turns.

use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nsgate_tests::gate::write_config;
use nsgate_tests::lab::text;
use nsgate_tests::{Guest, Lab, Namespace};

use super::{Contender, address, config};

/// Every start of one program: milliseconds until the starter exited, and until the first answer.
#[derive(Default)]
pub(super) struct Starts {
    pub(super) exited: Vec<f64>,
    pub(super) answered: Vec<f64>,
}

/// Starts each program in turn, `starts` times.
pub(super) fn of(contenders: &[Contender], namespace: &Namespace, starts: usize) -> Vec<Starts> {
    println!("start: {starts} starts of each, taking turns …");
    let mut all: Vec<Starts> = contenders.iter().map(|_| Starts::default()).collect();
    for round in 0..=starts {
        for (contender, figures) in contenders.iter().zip(&mut all) {
            let (exited, answered) = once(contender, namespace);
            if round > 0 {
                // The first round warms the page cache.
                figures.exited.push(milliseconds(exited));
                figures.answered.push(milliseconds(answered));
            }
        }
    }
    all
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// Started inside the namespace without `ip netns exec`, which would add its own time to both.
fn once(contender: &Contender, namespace: &Namespace) -> (Duration, Duration) {
    let lab = Lab::enter(contender.program.clone());
    let config = config(1);
    let file = write_config(&lab, &config);
    let at: IpAddr = address(1).parse().expect("an address");
    let guest = Guest::talking(namespace, at, (at, 80).into());
    let mut command = Command::new(contender.program.path());
    command.arg("-f").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = namespace.inside(move || command.status()).expect("the program starts");
    let exited = start.elapsed();
    assert!(status.success(), "{} did not start: {status}", contender.name);
    let answer = guest.get("/").expect("an answer");
    let answered = start.elapsed();
    assert_eq!(answer.status, 200);
    stop(&text(&config.pid_file));
    (exited, answered)
}

fn stop(pid: &str) {
    use nix::sys::signal::{Signal, kill};
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().expect("a pid"));
    kill(pid, Signal::SIGTERM).expect("SIGTERM");
    let gone = nsgate_tests::lab::wait_until(5.0, || kill(pid, None).is_err());
    assert!(gone, "the process did not end");
}
