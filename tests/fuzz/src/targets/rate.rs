//! The limiter's table, with a clock of the input's.

use super::input::Input;
use crate::Target;
use nsgate_config::RateLimit;
use nsgate_forwarder::fuzzing::{MOST, Rates};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

/// Enough to fill the table once.
const STRANGERS: u32 = MOST as u32 + 1000;

/// Limits first, then requests: who asks, how long after the one before.
pub const TARGET: Target = Target {
    name: "rate",
    promise: "the table keeps its bound, counts as a naive model does, and a refusal's wait is long enough",
    run,
    words: &[
        "\x00\x00",
        "\x01\x00",
        "\x01\x10",
        "\x02\x7f",
        "\x03\x40",
        "\x04\x01",
        "\x0f\x01",
        "\x0f\x7f\x0f\x7f\x0f\x7f",
    ],
    seeds,
    longest: 400,
};

fn seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0, 3, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 200, 1, 1],
        vec![1, 6, 59, 2, 9, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 200, 1, 100, 1, 1],
        vec![0, 1, 0, 1, 1, 255, 255, 255, 255, 255, 255, 1, 1, 255, 255],
        (0..200).collect(),
    ]
}

/// When requests came, and which of them were accepted.
#[derive(Debug, Default)]
struct Asked {
    all: Vec<Duration>,
    accepted: Vec<Duration>,
}

/// Every source's requests, as the model keeps them: all of them.
type History = HashMap<IpAddr, Asked>;

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let count = 1 + usize::from(input.byte() % 2);
    let limits: Vec<RateLimit> = (0..count)
        .map(|_| RateLimit {
            requests: 1 + u32::from(input.byte() % 16),
            window: Duration::from_secs(1 + u64::from(input.byte() % 64)),
        })
        .collect();
    let (rates, start) = (Rates::new(limits.clone()), Instant::now());
    let (mut now, mut history, mut strangers) = (Duration::ZERO, History::new(), 0u32);
    while !input.0.is_empty() {
        let (who, step) = (input.byte(), input.byte());
        if who == u8::MAX {
            // Many sources that never come again.
            for _ in 0..(u32::from(step) * 16).min(STRANGERS.saturating_sub(strangers)) {
                strangers += 1;
                let _ = rates.count(stranger(strangers), start + now);
                assert!(rates.remembered() <= MOST, "{} sources", rates.remembered());
            }
            continue;
        }
        now += Duration::from_millis(u64::from(step) * u64::from(step) * 2);
        let source = IpAddr::V4(Ipv4Addr::new(10, 0, 0, who % 16));
        let verdict = rates.count(source, start + now);
        let asked = history.entry(source).or_default();
        asked.all.push(now);
        if verdict.is_ok() {
            asked.accepted.push(now);
        }
        // A source that the table forgot begins anew. No source is forgotten before the table has been full.
        if (strangers as usize) < MOST / 2 - 16 {
            compare(&limits, asked, verdict);
        } else {
            asked.all.clear();
            asked.accepted.clear();
        }
        if let Err(wait) = verdict {
            assert!(!wait.is_zero() && limits.iter().any(|limit| wait <= limit.window * 2), "{wait:?}");
        }
        assert!(rates.remembered() <= MOST, "{} sources", rates.remembered());
    }
    patience(&limits, &history, start);
}

fn stranger(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + number))
}

/// The verdict on the last request of a history, from the whole of it.
fn compare(limits: &[RateLimit], asked: &Asked, verdict: Result<(), Duration>) {
    let over = limits.iter().map(|limit| model(limit, &asked.all)).fold(f64::NEG_INFINITY, f64::max);
    // At the very edge two ways of rounding may differ.
    if over.abs() > 1e-6 {
        assert_eq!(verdict.is_err(), over >= 0.0, "over by {over}: {asked:?} {limits:?}");
    }
    let now = asked.all.last().copied().unwrap_or_default();
    let since = |times: &[Duration], span: Duration| times.iter().filter(|at| **at + span > now).count();
    if limits.iter().all(|limit| since(&asked.all, limit.window * 2) <= limit.requests as usize) {
        assert!(verdict.is_ok(), "refused, with few requests in two windows: {asked:?} {limits:?}");
    }
    // A window covers two periods at most, and no period has more than the limit.
    for limit in limits {
        let accepted = since(&asked.accepted, limit.window);
        assert!(accepted <= 2 * limit.requests as usize, "{accepted} accepted: {asked:?} {limit:?}");
    }
}

/// By how much the last request is too much: periods of one window, counted from the first request after a pause of two.
fn model(limit: &RateLimit, asked: &[Duration]) -> f64 {
    let (mut start, mut current, mut previous) = (asked[0], 0u32, 0u32);
    for at in asked {
        let periods = (*at - start).as_nanos() / limit.window.as_nanos();
        match periods {
            0 => {}
            1 => (start, previous, current) = (start + limit.window, current, 0),
            _ => (start, previous, current) = (*at, 0, 0),
        }
        current += 1;
    }
    let now = asked.last().copied().unwrap_or_default();
    let left = 1.0 - (now - start).as_secs_f64() / limit.window.as_secs_f64();
    f64::from(current) + f64::from(previous) * left - f64::from(limit.requests) - 1.0
}

/// A source that is refused, and then asks no more for as long as it was told, is served.
fn patience(limits: &[RateLimit], history: &History, start: Instant) {
    for (source, asked) in history.iter().filter(|(_, asked)| !asked.all.is_empty()) {
        let rates = Rates::new(limits.to_vec());
        let mut last = Ok(());
        for at in &asked.all {
            last = rates.count(*source, start + *at);
        }
        if let (Err(wait), Some(now)) = (last, asked.all.last()) {
            let then = start + *now + wait + Duration::from_millis(1);
            assert!(rates.count(*source, then).is_ok(), "not served after {wait:?}: {asked:?} {limits:?}");
        }
    }
}
