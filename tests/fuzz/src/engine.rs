//! The loop: change an input, run it, keep it if it reached something new, stop at the first broken promise.

use crate::corpus::{Size, distil, size_of};
use crate::coverage::{Coverage, Feature};
use crate::execute::{Executor, MEMORY, TIME, Trouble, keep_panics};
use crate::minimise::minimise;
use crate::mutate::mutate;
use crate::options::Options;
use crate::places::{Places, keep, read_all};
use crate::progress::{Numbers, Progress};
use crate::random::Random;
use crate::supervise::Journal;
use crate::sys::counters;
use std::path::PathBuf;

/// Questions asked to shorten an input that reaches something new, and one that broke a promise.
const TRIES: usize = 128;
const TRIES_FOR_A_FINDING: usize = 3000;

/// A broken promise, and where the input that broke it was written.
#[derive(Debug)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// What was broken.
    pub trouble: Trouble,
}

struct Engine {
    executor: Executor,
    coverage: Coverage,
    journal: Journal,
    executions: u64,
    queue: Vec<Entry>,
}

/// An input that reached something new, and how much it reaches altogether.
struct Entry {
    input: Vec<u8>,
    reach: usize,
}

/// Fuzzes until the time is over or a promise is broken.
///
/// # Errors
/// Why it could not run. A finding is no error.
pub fn fuzz(options: &Options, places: &Places) -> Result<Option<Finding>, String> {
    keep_panics();
    let mut engine = Engine {
        executor: Executor::new(options.target),
        coverage: Coverage::default(),
        journal: Journal::open(&places.running)?,
        executions: 0,
        queue: Vec::new(),
    };
    let mut progress = Progress::begin();
    let mut numbers = Numbers { counters: counters(), ..Numbers::default() };
    let outcome = engine.session(options, places, &mut progress, &mut numbers)?;
    numbers.corpus = if outcome.is_none() { engine.distil(places)? } else { size_of(&places.corpus)? };
    let finding = match outcome {
        None => None,
        Some((input, trouble)) => {
            let (input, trouble) = engine.shorten_finding(input, trouble);
            Some(Finding { path: keep(&places.findings, &input)?, trouble })
        }
    };
    engine.journal.close();
    progress.finish(options, &numbers, finding.as_ref().map(|finding| &finding.path));
    Ok(finding)
}

impl Engine {
    fn execute(&mut self, input: &[u8]) -> Result<(), Trouble> {
        self.executions += 1;
        self.journal.begin(input);
        self.coverage.begin();
        let outcome = self.executor.run(input);
        self.journal.end();
        outcome
    }

    /// Runs, and returns what is new about it.
    fn try_out(&mut self, input: &[u8]) -> Result<Vec<Feature>, Trouble> {
        self.execute(input)?;
        let news = self.coverage.news();
        if news.is_empty() {
            return Ok(news);
        }
        // A hash table's order, for instance, differs from run to run. Only edges that are reached again count.
        self.execute(input)?;
        let again = self.coverage.news();
        self.coverage.learn(&news);
        Ok(news.into_iter().filter(|feature| again.contains(feature)).collect())
    }

    /// Ends with the time, or with an input that broke a promise.
    fn session(
        &mut self,
        options: &Options,
        places: &Places,
        progress: &mut Progress,
        numbers: &mut Numbers,
    ) -> Result<Option<(Vec<u8>, Trouble)>, String> {
        let target = options.target;
        let kept = read_all(&places.corpus)?.into_iter().chain(read_all(&places.fresh)?);
        let kept = kept.map(|(_, bytes)| (bytes, false));
        let seeds = (target.seeds)().into_iter().chain([Vec::new()]).map(|bytes| (bytes, true));
        for (input, fresh) in kept.chain(seeds) {
            match self.try_out(&input) {
                Ok(news) if news.is_empty() => {}
                Ok(_) => {
                    if fresh {
                        keep(&places.fresh, &input)?;
                    }
                    self.remember(input);
                }
                Err(trouble) => return Ok(Some((input, trouble))),
            }
        }
        if self.queue.is_empty() {
            self.remember(Vec::new());
        }
        let mut random = Random::new(options.seed);
        while progress.elapsed() < options.duration {
            let input = self.invent(&mut random, options);
            let news = match self.try_out(&input) {
                Ok(news) => news,
                Err(trouble) => return Ok(Some((input, trouble))),
            };
            if !news.is_empty() {
                let input = match self.shorten(input, &news) {
                    Ok(input) => input,
                    Err(broken) => return Ok(Some(broken)),
                };
                keep(&places.fresh, &input)?;
                self.remember(input);
                numbers.news += 1;
                numbers.edges = self.coverage.edges();
            }
            numbers.executions = self.executions;
            progress.show(numbers);
        }
        numbers.edges = self.coverage.edges();
        Ok(None)
    }

    /// Runs once more, to see how much it reaches.
    fn remember(&mut self, input: Vec<u8>) {
        let _ = self.execute(&input);
        let reach = self.coverage.all().len();
        self.queue.push(Entry { input, reach });
    }

    /// A change of an input that reached something: of a recent one, or of the one of two that reaches further. An
    /// accepted input reaches further than one that is refused at its first word.
    fn invent(&self, random: &mut Random, options: &Options) -> Vec<u8> {
        let length = self.queue.len();
        let any = |random: &mut Random| &self.queue[random.below(length)];
        let one = if random.once_in(3) {
            &self.queue[length - 1 - random.below(length.min(16))]
        } else {
            let (left, right) = (any(random), any(random));
            if left.reach >= right.reach { left } else { right }
        };
        let other = &any(random).input;
        mutate(random, &one.input, other, options.target.words, options.target.longest)
    }

    fn shorten(&mut self, input: Vec<u8>, news: &[Feature]) -> Result<Vec<u8>, (Vec<u8>, Trouble)> {
        let mut broken = None;
        let short = minimise(&input, TRIES, |shorter| match self.execute(shorter) {
            Ok(()) => {
                let all = self.coverage.all();
                broken.is_none() && news.iter().all(|feature| all.binary_search(feature).is_ok())
            }
            Err(trouble) => {
                broken.get_or_insert((shorter.to_vec(), trouble));
                false
            }
        });
        broken.map_or(Ok(short), Err)
    }

    /// A finding of time or memory is kept as it is. Each try to shorten it would take the time again, and a process that
    /// has grown stays large.
    fn shorten_finding(&mut self, input: Vec<u8>, trouble: Trouble) -> (Vec<u8>, Trouble) {
        if [TIME, MEMORY].contains(&trouble.place.as_str()) {
            return (input, trouble);
        }
        let same = |found: Result<(), Trouble>| found.is_err_and(|found| found.place == trouble.place);
        let short = minimise(&input, TRIES_FOR_A_FINDING, |shorter| same(self.execute(shorter)));
        let trouble = self.execute(&short).err().unwrap_or(trouble);
        (short, trouble)
    }

    /// Inputs that reach nothing of their own are removed from the corpus.
    fn distil(&mut self, places: &Places) -> Result<Size, String> {
        distil(&places.corpus, &places.fresh, |input| {
            let _ = self.execute(input);
            self.coverage.all()
        })
    }
}
