//! The runner of the suites: every test in a world of its own, several at once, with a limit, and skipped said aloud.
//!
//! A suite is `fn main() { suite!["name": test_one, test_two] }`. Each test is a `fn(&Lab)`: it passes when it returns, fails when
//! it panics, and is skipped by [`Lab::skip`]. Words on the command line choose tests ([`crate::choice`]);
//! `--list` prints the names. `NSGATE_TEST_JOBS` sets how many run at once;
//! suites that run beside each other share room ([`crate::slots`]). `--cut=WAY` takes a way out of the laboratory
//! ([`crate::cut`]): a test passes then where it fails.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::exit;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{ForkResult, Pid, dup2_stderr, dup2_stdout, pipe2};

use crate::choice::Choice;
use crate::cut::Way;
use crate::lab::{Lab, SKIPPED};
use crate::program::Program;
use crate::slots::{Slot, Slots};
use crate::{sys, world};

/// How long one test may take: a test that hangs is ended. The longest takes a minute and a half beside others.
const LIMIT: Duration = Duration::from_secs(300);

/// A test: its name and what it does.
#[derive(Clone, Copy)]
pub struct Test {
    /// The promise it states.
    pub name: &'static str,
    /// The test.
    pub run: &'static dyn Fn(&Lab),
}

/// The `main` of a suite: `suite!["drop": the_uid_is_the_gates, …]`.
#[macro_export]
macro_rules! suite {
    ($name:literal: $($test:ident),* $(,)?) => {
        $crate::harness::main($name, &[$($crate::harness::Test { name: stringify!($test), run: &$test }),*])
    };
}

struct Running {
    test: Test,
    pid: Pid,
    output: OwnedFd,
    said: Vec<u8>,
    start: Instant,
    _slot: Slot,
}

#[derive(Default)]
struct Totals {
    passed: usize,
    failed: Vec<&'static str>,
    skipped: usize,
}

/// Runs the tests the command line chooses, prints one line each and the totals, and exits with 1 if one failed.
pub fn main(name: &str, tests: &[Test]) -> ! {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let choice = Choice::of(&words);
    let mut waiting: Vec<Test> = tests.iter().copied().filter(|test| choice.has(name, test.name)).collect();
    if words.iter().any(|word| word == "--list") {
        waiting.iter().for_each(|test| println!("{}: test", test.name));
        exit(0);
    }
    if let Some(why) = choice.fault(name, waiting.len()) {
        println!("suite {name}: {why}");
        println!("{name}: 0 passed, 1 failed, 0 skipped");
        exit(1);
    }
    if let Some(way) = words.iter().find_map(|word| word.strip_prefix("--cut=")) {
        Way::cut(way).unwrap_or_else(|why| panic!("{why}"));
    }
    let program = Program::under_test();
    if !program.exists() {
        println!("suite {name}: no program at {}; build it with `cargo xtask build`", program.path().display());
        exit(1);
    }
    if let Some(why) = world::missing() {
        println!("suite {name}: {why}");
        println!("{name}: 0 passed, 0 failed, {} skipped", waiting.len());
        exit(0);
    }
    println!("suite {name}: {} tests of {}", waiting.len(), program.path().display());
    let chosen = waiting.len();
    waiting.reverse();
    let jobs = std::env::var("NSGATE_TEST_JOBS").ok().and_then(|text| text.parse().ok());
    let jobs: usize = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
    let (mut running, mut totals) = (Vec::new(), Totals::default());
    let slots = Slots::of_environment();
    while !waiting.is_empty() || !running.is_empty() {
        while running.len() < jobs.max(1) {
            // The test is taken only when there is room for it.
            let Some(slot) = (!waiting.is_empty()).then(|| slots.take()).flatten() else { break };
            let Some(test) = waiting.pop() else { break };
            running.push(start(test, &program, slot).unwrap_or_else(|e| panic!("{}: {e}", test.name)));
        }
        step(&mut running, &mut totals);
    }
    let Totals { passed, failed, skipped } = totals;
    assert_eq!(passed + failed.len() + skipped, chosen, "a test of the suite {name} has got lost");
    println!("{name}: {passed} passed, {} failed, {skipped} skipped", failed.len());
    failed.iter().for_each(|test| println!("    failed: {test}"));
    exit(i32::from(!failed.is_empty()))
}

fn start(test: Test, program: &Program, slot: Slot) -> io::Result<Running> {
    let (read, write) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    match sys::fork_single()? {
        ForkResult::Parent { child } => {
            Ok(Running { test, pid: child, output: read, said: Vec::new(), start: Instant::now(), _slot: slot })
        }
        ForkResult::Child => {
            // Dropped here, it would free the room while the test goes on.
            std::mem::forget(slot);
            drop(read);
            if dup2_stdout(&write).is_err() || dup2_stderr(&write).is_err() || sys::hear_the_keyboard().is_err() {
                sys::exit_now(world::NO_WORLD);
            }
            drop(write);
            let program = program.clone();
            world::become_world(move || {
                std::panic::set_hook(Box::new(|panic| println!("{panic}")));
                (test.run)(&Lab::enter(program));
                0
            })
        }
    }
}

/// Waits for output of any test, at most 100 ms, and finishes those that ended.
fn step(running: &mut Vec<Running>, totals: &mut Totals) {
    let mut ready: Vec<bool> = {
        let mut fds: Vec<_> = running.iter().map(|r| PollFd::new(r.output.as_fd(), PollFlags::POLLIN)).collect();
        let _ = poll(&mut fds, PollTimeout::from(100u8));
        fds.iter().map(|fd| fd.any().unwrap_or(false)).collect()
    };
    let mut index = 0;
    while index < running.len() {
        let test = &mut running[index];
        let mut ended = ready.remove(0) && at_end(test);
        if !ended && test.start.elapsed() > LIMIT {
            let _ = nix::sys::signal::kill(test.pid, nix::sys::signal::Signal::SIGKILL);
            test.said.extend_from_slice(format!("\nnot finished after {LIMIT:?}: killed\n").as_bytes());
            ended = true;
        }
        if ended {
            finish(running.remove(index), totals);
        } else {
            index += 1;
        }
    }
}

fn at_end(test: &mut Running) -> bool {
    let mut part = [0; 4096];
    let Ok(copy) = test.output.try_clone() else { return true };
    match std::fs::File::from(copy).read(&mut part) {
        Ok(0) | Err(_) => true,
        Ok(n) => {
            test.said.extend_from_slice(&part[..n]);
            false
        }
    }
}

fn finish(test: Running, totals: &mut Totals) {
    let status = sys::wait_for(test.pid).unwrap_or(world::NO_WORLD);
    let took = test.start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&test.said).into_owned();
    let name = test.test.name;
    let cut = Way::ALL.iter().any(|(_, way)| way.is_cut());
    match status {
        0 if cut => {
            totals.failed.push(name);
            println!("test {name} ... FAILED (it passes where its way is cut, {took:.2} s)");
        }
        SKIPPED => {
            totals.skipped += 1;
            let why = said.lines().rev().find_map(|line| line.strip_prefix("skipped: ")).unwrap_or("no reason given");
            println!("test {name} ... skipped ({why})");
        }
        _ if cut || status == 0 => {
            totals.passed += 1;
            println!("test {name} ... ok ({took:.2} s)");
        }
        _ => {
            totals.failed.push(name);
            println!("test {name} ... FAILED (status {status}, {took:.2} s)");
            said.lines().for_each(|line| println!("    | {line}"));
        }
    }
}
