//! `cargo xtask differential --minutes N`: both dialects at once for as long as asked, and a summary.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nsgate_tests::world;

use crate::haproxy::Haproxy;
use crate::noise::Noise;
use crate::session::{self, Fault, Found, Numbers, Task};
use crate::suite::{Dialect, fixtures, installed};

struct Wish {
    time: Duration,
    seed: u64,
    json: bool,
}

/// Ends the process: with 0 if no fault was found.
pub fn main(words: &[String]) -> ! {
    let status = read(words).and_then(|wish| world::run(move || run(&wish)).map_err(|error| error.to_string()));
    std::process::exit(status.unwrap_or_else(|error| {
        eprintln!("differential: {error}");
        1
    }))
}

fn read(words: &[String]) -> Result<Wish, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let mut wish = Wish { time: Duration::from_secs(60), seed: now, json: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            value.parse::<u64>().map_err(|_| format!("{word} needs a number, not `{value}`"))
        };
        match word.as_str() {
            "--minutes" => wish.time = Duration::from_secs(60 * number()?),
            "--seed" => wish.seed = number()?,
            "--json" => wish.json = true,
            other => return Err(format!("`{other}` is not an option; there are --minutes N, --seed N and --json")),
        }
    }
    Ok(wish)
}

/// The noise, learned from texts of every kind.
pub fn learn(haproxy: &Path, directory: &Path) -> Result<Noise, String> {
    let (gates, hosts) = (fixtures(Dialect::Gate), fixtures(Dialect::Host));
    let few = gates.iter().step_by(gates.len().div_ceil(3).max(1)).chain(&hosts).cloned().collect::<Vec<_>>();
    Noise::learn(&Haproxy::new(haproxy, directory)?, &few)
}

fn run(wish: &Wish) -> i32 {
    let haproxy = match installed() {
        Ok(haproxy) => haproxy,
        Err(why) => {
            eprintln!("differential: {why}");
            return 1;
        }
    };
    let shown = Mutex::new((Instant::now(), [Numbers::default(), Numbers::default()]));
    let ended = std::thread::scope(|scope| {
        let begun = [Dialect::Gate, Dialect::Host].map(|dialect| {
            let (haproxy, shown) = (&haproxy, &shown);
            scope.spawn(move || {
                one(dialect, wish, haproxy, |numbers, fault| {
                    show(shown, dialect, numbers);
                    // At once: a long run is looked at while it runs.
                    fault.into_iter().for_each(|fault| eprintln!("\n{dialect:?}: {fault}"));
                })
            })
        });
        begun.map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked; see above".to_owned())))
    });
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    let mut status = 0;
    for (name, found) in ["gate", "host"].into_iter().zip(ended) {
        status |= finish(name, found, wish);
    }
    status
}

fn one(
    dialect: Dialect,
    wish: &Wish,
    haproxy: &Path,
    shown: impl FnMut(&Numbers, Option<&Fault>),
) -> Result<Found, String> {
    let directory = PathBuf::from(format!("/run/lab/{dialect:?}"));
    let seeds = fixtures(dialect);
    let noise = learn(haproxy, &directory)?;
    let task = Task { seeds, seed: wish.seed, most: u64::MAX, time: wish.time };
    session::run(&task, haproxy, &directory, &noise, shown)
}

/// A line each second, on a terminal.
fn show(shown: &Mutex<(Instant, [Numbers; 2])>, dialect: Dialect, numbers: &Numbers) {
    let Ok(mut shown) = shown.lock() else { return };
    let (last, [gate, host]) = &mut *shown;
    *if dialect == Dialect::Gate { &mut *gate } else { &mut *host } = numbers.clone();
    if std::io::stderr().is_terminal() && last.elapsed() >= Duration::from_secs(1) {
        *last = Instant::now();
        eprint!(
            "\rgate {} texts, {} faults   host {} texts, {} faults ",
            gate.texts, gate.faults, host.texts, host.faults
        );
        let _ = std::io::stderr().flush();
    }
}

fn finish(name: &str, found: Result<Found, String>, wish: &Wish) -> i32 {
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            eprintln!("differential: {name}: {error}");
            return 1;
        }
    };
    let numbers = &found.numbers;
    if wish.json {
        let faults: Vec<_> = found.faults.values().map(|fault| serde_json::json!({ "outcome": format!("{:?}", fault.outcome), "changed": fault.changed, "times": fault.times })).collect();
        let line = serde_json::json!({
            "dialect": name, "seed": wish.seed, "minutes": wish.time.as_secs() / 60, "texts": numbers.texts, "refused": numbers.refused,
            "same": numbers.same, "warned": numbers.warned, "haproxy_died": numbers.died, "faults": faults,
        });
        println!("{line}");
    } else {
        println!("{name}, seed {}: {numbers}", wish.seed);
        found.faults.values().for_each(|fault| println!("{fault}"));
    }
    i32::from(!found.faults.is_empty())
}
