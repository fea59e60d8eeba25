//! The cost of one thing that an example does many times: a line of the log, an event of an audit.

use super::Cost;
use super::measure::{LONG, SHORT, once};

/// The difference between a long run and a short run. The number of times is the example's first word.
pub(crate) fn cost(example: &str, words: &[&str]) -> Result<Cost, String> {
    Cost::each(|counter| {
        let run = |count: usize| once(counter, example, &[&[&*count.to_string()], words].concat());
        Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
    })
}
