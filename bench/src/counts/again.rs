//! What an example costs that does the same thing so often: a line of the log, an event of an audit.

use super::Cost;
use super::measure::{LONG, SHORT, once};

/// The difference between a run of many times and a run of few; the number stands before the example's other words.
pub(crate) fn cost(example: &str, words: &[&str]) -> Result<Cost, String> {
    Cost::each(|counter| {
        let run = |count: usize| once(counter, example, &[&[&*count.to_string()], words].concat());
        Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
    })
}
