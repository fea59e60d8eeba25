//! Every vector against one program: what the guest was told, what the agent got, and whether it was deceived.
//!
//! Nothing here knows how nsgate reads a request. [`strict`] and [`loose`] are readers of their own.

mod contender;
mod exchange;
pub mod judge;
pub mod loose;
pub mod nginx;
mod promise;
pub mod strict;

pub use contender::{Contender, Running};
pub use exchange::{Answered, End};
pub use judge::{Truth, Verdict};

use std::time::Duration;

use crate::config::Kind;
use crate::lab::Lab;
use crate::vectors::Vector;

/// What became of one vector.
#[derive(Debug)]
pub struct Outcome {
    /// The vector.
    pub vector: Vector,
    /// What the guest was told.
    pub answered: Answered,
    /// What the agent got, one item for each connection.
    pub records: Vec<Vec<u8>>,
    /// Whether that deceives it.
    pub verdict: Verdict,
}

impl Outcome {
    /// How nsgate's promise for this vector was broken, if it was.
    pub fn broken_promise(&self, truth: &Truth) -> Option<String> {
        promise::broken(self, truth)
    }
}

/// What became of every vector at one program.
#[derive(Debug)]
pub struct Tried {
    /// The program's name and version.
    pub name: String,
    /// What it had to tell the agent.
    pub truth: Truth,
    /// The outcomes, in the order of the vectors.
    pub outcomes: Vec<Outcome>,
}

/// Sends the same vectors to every program, all programs at once, each with a guest and an agent of its own.
pub fn try_all(lab: &Lab, contenders: &[Contender], kind: Kind, vectors: &[Vector]) -> Vec<Tried> {
    let label = |number: usize| format!("{}{number}", kind.header().to_lowercase().replace("-network-id", ""));
    let started = contenders.iter().enumerate().map(|(number, contender)| contender.start(lab, &label(number), kind));
    let started: Vec<Running> = started.collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = started.iter().map(|running| scope.spawn(|| run(running, vectors.to_vec()))).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().expect("a program's thread"));
        let each = contenders.iter().zip(&started).zip(outcomes);
        each.map(|((contender, running), outcomes)| Tried {
            name: contender.name(),
            truth: running.truth.clone(),
            outcomes,
        })
        .collect()
    })
}

/// Sends every vector to a running program, one after the other.
///
/// One at a time, so that each request that arrives at the agent is known to come from this vector.
fn run(running: &Running, vectors: Vec<Vector>) -> Vec<Outcome> {
    vectors.into_iter().map(|vector| one(running, vector)).collect()
}

fn one(running: &Running, vector: Vector) -> Outcome {
    running.agent.forget();
    let answered = exchange::send(&running.guest, &vector.bytes);
    if !answered.statuses.contains(&200) {
        // A program that streams may have handed the head on before the body turned bad, and the agent waits for more.
        let body =
            vector.bytes.windows(4).position(|end| end == b"\r\n\r\n").is_some_and(|at| at + 4 < vector.bytes.len());
        std::thread::sleep(Duration::from_millis(if body { 25 } else { 3 }));
    }
    let records: Vec<Vec<u8>> = running.agent.seen().into_iter().map(|seen| seen.bytes).collect();
    let verdict = judge::verdict(&records, vector.honest.len(), &answered, &running.truth);
    Outcome { vector, answered, records, verdict }
}
