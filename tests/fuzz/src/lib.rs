//! The fuzzer: targets with invariants, and a small engine that is guided by coverage on the stable compiler.
//!
//! A [`Target`] takes bytes and panics if a promise of the product does not hold for them. The [`engine`] changes inputs
//! and keeps those that reach code that nothing reached before; where the compiler has put no counters in (see
//! [`coverage`]), the same targets replay the kept corpus as an ordinary test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod corpus;
pub mod coverage;
pub mod engine;
pub mod execute;
pub mod minimise;
pub mod mutate;
pub mod options;
pub mod places;
pub mod progress;
pub mod random;
pub mod supervise;
pub mod sys;
pub mod targets;

/// Something that takes bytes from strangers.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As the command line names it, and the directory of its corpus.
    pub name: &'static str,
    /// What is promised, in a line.
    pub promise: &'static str,
    /// Panics if the promise is broken.
    pub run: fn(&[u8]),
    /// Words that mean something to it.
    pub words: &'static [&'static str],
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Longer inputs are not tried.
    pub longest: usize,
}
