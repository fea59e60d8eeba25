//! Many changed texts, one after the other, until the time or the number is over; each kind of fault is kept once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use nsgate_fuzz::random::Random;

use crate::generate::change;
use crate::haproxy::Haproxy;
use crate::judge::{Judge, Outcome};
use crate::noise::Noise;

/// The work of one thread.
#[derive(Clone, Debug)]
pub struct Task {
    /// The configurations to change.
    pub seeds: Vec<String>,
    pub seed: u64,
    pub most: u64,
    pub time: Duration,
}

/// How many texts came to each verdict.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    pub texts: u64,
    pub refused: u64,
    pub same: u64,
    pub warned: u64,
    pub died: u64,
    pub faults: u64,
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Numbers { texts, refused, same, warned, died, faults } = self;
        write!(
            f,
            "{texts} texts: {refused} refused, {same} mean the same, {warned} differ as a warning says, {faults} faults"
        )?;
        if *died > 0 {
            write!(f, "; {died} ended haproxy itself, and are not shown")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match &self.outcome {
            Outcome::OnlyHere(alert) => format!("accepted here; haproxy: {alert}"),
            Outcome::Differs(place) => {
                format!("haproxy's memory differs from that for what nsgate understood: {place}")
            }
            other => format!("{other:?}"),
        };
        write!(f, "{said} ({} times)", self.times)?;
        self.changed.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// A kind of fault, and its shortest text so far.
#[derive(Clone, Debug)]
pub struct Fault {
    pub outcome: Outcome,
    /// The configuration, and its changes as lines added and removed.
    pub changed: Vec<String>,
    pub times: u64,
}

/// What a thread found.
#[derive(Debug, Default)]
pub struct Found {
    pub numbers: Numbers,
    pub faults: BTreeMap<String, Fault>,
}

/// Runs a task; `shown` is called after every text, with the fault if it is the first of its kind.
pub fn run(
    task: &Task,
    haproxy: &Path,
    directory: &Path,
    noise: &Noise,
    mut shown: impl FnMut(&Numbers, Option<&Fault>),
) -> Result<Found, String> {
    let mut judge = Judge::new(Haproxy::new(haproxy, directory)?, noise);
    let (mut random, began) = (Random::new(task.seed), Instant::now());
    let mut found = Found::default();
    while found.numbers.texts < task.most && began.elapsed() < task.time {
        let seed = &task.seeds[random.below(task.seeds.len())];
        let other = &task.seeds[random.below(task.seeds.len())];
        let text = change(&mut random, seed, other);
        let outcome = judge.judge(&text)?;
        let mut new = None;
        let numbers = &mut found.numbers;
        numbers.texts += 1;
        match outcome {
            Outcome::Refused => numbers.refused += 1,
            Outcome::Same => numbers.same += 1,
            Outcome::Warned => numbers.warned += 1,
            Outcome::Died => numbers.died += 1,
            Outcome::OnlyHere(_) | Outcome::Differs(_) => {
                numbers.faults += 1;
                let kind = outcome.fault().unwrap_or_default();
                match found.faults.get_mut(&kind) {
                    Some(fault) => fault.times += 1,
                    None => {
                        let (text, outcome) = shorter(&mut judge, &text, seed, &kind, outcome)?;
                        let fault = Fault { outcome, changed: lines_changed(seed, &text), times: 1 };
                        found.faults.insert(kind.clone(), fault);
                        new = Some(kind);
                    }
                }
            }
        }
        shown(&found.numbers, new.and_then(|kind| found.faults.get(&kind)));
    }
    Ok(found)
}

/// Takes changes back, a line at a time, as long as the fault stays of its kind.
fn shorter(
    judge: &mut Judge<'_>,
    text: &str,
    seed: &str,
    kind: &str,
    outcome: Outcome,
) -> Result<(String, Outcome), String> {
    let (mut best, mut outcome) = (text.to_owned(), outcome);
    loop {
        let mut better = false;
        for candidate in with_one_change_less(seed, &best) {
            let judged = judge.judge(&candidate)?;
            if judged.fault().as_deref() == Some(kind) {
                (best, outcome, better) = (candidate, judged, true);
                break;
            }
        }
        if !better {
            return Ok((best, outcome));
        }
    }
}

/// A line that both have, only the seed has, or only the text has.
#[derive(Clone, Copy, PartialEq)]
enum Edit<'t> {
    Kept(&'t str),
    Gone(&'t str),
    Come(&'t str),
}

/// The lines of both texts, in an order that is either's (the longest common subsequence).
fn edits<'t>(seed: &'t str, text: &'t str) -> Vec<Edit<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (seed.split('\n').collect(), text.split('\n').collect());
    let mut longest = vec![vec![0u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let skipped = longest[i + 1][j].max(longest[i][j + 1]);
            longest[i][j] = if old[i] == new[j] { longest[i + 1][j + 1] + 1 } else { skipped };
        }
    }
    let (mut i, mut j, mut all) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            all.push(Edit::Kept(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            all.push(Edit::Gone(old[i]));
            i += 1;
        } else {
            all.push(Edit::Come(new[j]));
            j += 1;
        }
    }
    all
}

fn with_one_change_less(seed: &str, text: &str) -> Vec<String> {
    let edits = edits(seed, text);
    let changed = (0..edits.len()).filter(|index| !matches!(edits[*index], Edit::Kept(_)));
    let undone = |back: usize| {
        let line = |(index, edit): (usize, &Edit<'_>)| match (edit, index == back) {
            (Edit::Kept(line), _) | (Edit::Gone(line), true) | (Edit::Come(line), false) => Some((*line).to_owned()),
            _ => None,
        };
        edits.iter().enumerate().filter_map(line).collect::<Vec<_>>().join("\n")
    };
    changed.map(undone).collect()
}

fn lines_changed(seed: &str, text: &str) -> Vec<String> {
    let mut above = "";
    let mut all = Vec::new();
    for edit in edits(seed, text) {
        match edit {
            Edit::Kept(line) => above = line,
            Edit::Gone(line) => all.push(format!("- {line:?}")),
            Edit::Come(line) => all.push(format!("+ {line:?}   (below {:?})", above.trim())),
        }
    }
    all
}
