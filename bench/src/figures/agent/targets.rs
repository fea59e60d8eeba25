//! What is promised beside Neutron's agent, and whether this run kept it.

use super::super::report::quantile;
use super::{Beside, HopFigures, Turn};

/// One promise.
pub(super) struct HopTarget {
    pub(super) what: String,
    /// As the table writes it.
    pub(super) bound: String,
    pub(super) found: String,
    pub(super) met: bool,
}

/// The greatest part of Neutron's processor time, at each of the clouds.
const PROCESSOR: [f64; 3] = [20.0, 150.0, 2_000.0];
/// The clouds' processor times of a request: how far from one another, as a part of the least.
const SPREAD: f64 = 0.05;
const RATE: [f64; 3] = [20.0, 150.0, 1_500.0];
const LATENCY: [f64; 3] = [20.0, 100.0, 500.0];
const MEMORY: [f64; 3] = [30.0, 30.0, 50.0];
const START: f64 = 50.0;
/// Private memory at the largest cloud, to that at the smallest.
const GROWTH: f64 = 1.05;
/// A gate's own time behind `nsgate agent`, to that behind an agent that closes.
const GATE: f64 = 0.65;

/// The loads with many requests at once.
const MANY: usize = 1;

pub(super) fn all(figures: &HopFigures) -> Vec<HopTarget> {
    let mut out = Vec::new();
    let mut at_most = |what: String, times: f64, ratio: f64| {
        let (bound, found) = (format!("1/{times:.0}"), format!("1/{ratio:.0}"));
        out.push(HopTarget { what, bound, found, met: ratio >= times });
    };
    for (beside, times) in figures.beside.iter().zip(PROCESSOR) {
        at_most(format!("processor time of a request, {}", bindings(beside)), times, ratio(beside, |turn| turn.spent));
    }
    for (beside, times) in figures.beside.iter().zip(LATENCY) {
        let [theirs, ours] = [0, 1].map(|who| latency(beside, who, MANY, 0.99));
        at_most(format!("99th percentile at 32 at once, {}", bindings(beside)), times, theirs / ours);
    }
    for (beside, times) in figures.beside.iter().zip(MEMORY) {
        at_most(format!("private memory, {}", bindings(beside)), times, beside.private[0] / beside.private[1]);
    }
    if let Some(beside) = figures.beside.last() {
        let [theirs, ours] = [0, 1].map(|who| quantile(&beside.starts[who], 0.5));
        at_most(format!("start to first answer, {}", bindings(beside)), START, theirs / ours);
    }
    for (beside, times) in figures.beside.iter().zip(RATE) {
        let found = 1.0 / ratio(beside, |turn| turn.outcome.rate());
        out.push(HopTarget {
            what: format!("requests a second at 32 at once, {}", bindings(beside)),
            bound: format!("{times:.0} times"),
            found: format!("{found:.0} times"),
            met: found >= times,
        });
    }
    let spent = in_turns(figures);
    let spread = quantile(&spent, 1.0) / quantile(&spent, 0.0) - 1.0;
    out.push(HopTarget {
        what: "the clouds' processor times of a request, from one another".to_owned(),
        bound: format!("{:.0} %", SPREAD * 100.0),
        found: format!("{:.1} %", spread * 100.0),
        met: spread <= SPREAD,
    });
    let mut up_to = |what: String, most: f64, found: f64| {
        let met = (found * 100.0).round() / 100.0 <= most;
        out.push(HopTarget { what, bound: format!("{most:.2}"), found: format!("{found:.2}"), met });
    };
    if let [small, .., large] = figures.beside.as_slice() {
        let what = format!("private memory, {} to {}", bindings(large), bindings(small));
        up_to(what, GROWTH, large.private[1] / small.private[1]);
    }
    for work in &figures.gates {
        let ratios: Vec<f64> = work.rounds.iter().map(|[ours, theirs, _]| ours / theirs).collect();
        up_to(format!("a gate's own processor time, {}", work.name), GATE, quantile(&ratios, 0.5));
    }
    let [_, ours] = &figures.guests;
    out.push(HopTarget {
        what: format!("refused of 64 guests at once for {:.0} s", figures.size.guests),
        bound: "0".to_owned(),
        found: ours.outcome.refused.to_string(),
        met: ours.outcome.refused == 0 && ours.outcome.answered > 0,
    });
    out
}

/// Each cloud's processor time of a request to that at the smallest: the medians of the short rounds' own ratios.
pub(super) fn in_turns(figures: &HopFigures) -> Vec<f64> {
    let Some(first) = figures.beside.first() else { return Vec::new() };
    let one = |beside: &Beside| {
        let ratios: Vec<f64> = beside.short.iter().zip(&first.short).map(|(this, that)| this / that).collect();
        quantile(&ratios, 0.5)
    };
    figures.beside.iter().map(one).collect()
}

/// `1,000 bindings`.
pub(super) fn bindings(beside: &Beside) -> String {
    match beside.bindings {
        few @ ..1_000 => format!("{few} bindings"),
        many => format!("{},{:03} bindings", many / 1_000, many % 1_000),
    }
}

/// The median of the rounds' ratios, Neutron's agent to `nsgate agent`, at 32 at once.
fn ratio(beside: &Beside, figure: fn(&Turn) -> f64) -> f64 {
    let [theirs, ours] = &beside.turns;
    let ratios = theirs[MANY].iter().zip(&ours[MANY]).map(|(theirs, ours)| figure(theirs) / figure(ours));
    quantile(&ratios.collect::<Vec<_>>(), 0.5)
}

/// The median of one figure.
pub(super) fn median(turns: &[Turn], figure: impl Fn(&Turn) -> f64) -> f64 {
    quantile(&turns.iter().map(figure).collect::<Vec<_>>(), 0.5)
}

/// Milliseconds below which this part of all rounds' requests are answered.
pub(super) fn latency(beside: &Beside, who: usize, which: usize, part: f64) -> f64 {
    let all = beside.turns[who][which].iter().flat_map(|turn| turn.outcome.latencies.iter().copied());
    quantile(&all.collect::<Vec<_>>(), part)
}
