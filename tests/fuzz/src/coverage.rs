//! Which edges of the program a run has taken: LLVM's inline 8-bit counters, which the stable compiler puts in with
//! `-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-inline-8bit-counters` (`cargo xtask fuzz` does).
//!
//! Without those flags there are no counters, and nothing is ever new.

use crate::sys::{counters, take};

/// An edge, and how often it was taken, as a power of two.
pub type Feature = (u32, u8);

/// What has been reached so far.
#[derive(Debug)]
pub struct Coverage {
    /// For each counter the powers of two that were seen.
    seen: Vec<u8>,
    now: Vec<u8>,
}

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage { seen: vec![0; counters()], now: vec![0; counters()] }
    }
}

impl Coverage {
    /// Sets the counters to zero before a run is measured.
    pub fn begin(&mut self) {
        take(&mut self.now);
    }

    /// What this run has reached first.
    pub fn news(&mut self) -> Vec<Feature> {
        self.reached(|seen, bucket| bucket & !seen != 0)
    }

    /// All that the run has reached.
    pub fn all(&mut self) -> Vec<Feature> {
        self.reached(|_, _| true)
    }

    fn reached(&mut self, wanted: impl Fn(u8, u8) -> bool) -> Vec<Feature> {
        take(&mut self.now);
        let mut found = Vec::new();
        for (index, eight) in self.now.chunks(8).enumerate() {
            if eight == [0; 8] {
                continue;
            }
            for (offset, count) in eight.iter().enumerate().filter(|(_, count)| **count > 0) {
                let at = index * 8 + offset;
                if wanted(self.seen[at], bucket(*count)) {
                    found.push((at as u32, bucket(*count)));
                }
            }
        }
        found
    }

    /// Remembers.
    pub fn learn(&mut self, features: &[Feature]) {
        for (at, bucket) in features {
            self.seen[*at as usize] |= bucket;
        }
    }

    /// Edges taken so far.
    pub fn edges(&self) -> usize {
        self.seen.iter().filter(|seen| **seen != 0).count()
    }
}

/// 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more: a bit for each.
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}
