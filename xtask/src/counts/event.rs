//! What an event of an audit costs: made, and written to a descriptor.

use super::Cost;
use super::measure::{LONG, SHORT, once};

/// The difference between a run of many events and a run of few.
pub(crate) fn cost() -> Result<Cost, String> {
    Cost::each(|counter| {
        let run = |count: usize| once(counter, "event", &[&count.to_string(), "/dev/null"]);
        Ok((run(LONG)? - run(SHORT)?) / (LONG - SHORT) as f64)
    })
}
