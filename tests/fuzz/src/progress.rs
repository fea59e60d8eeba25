//! What a person sees while it runs, and the summary at the end.

use crate::corpus::Size;
use crate::options::Options;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The state of a session in numbers.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Runs.
    pub executions: u64,
    /// Edges taken.
    pub edges: usize,
    /// Edges there are.
    pub counters: usize,
    /// Inputs that reached something new in this session.
    pub news: usize,
    /// The corpus on disk.
    pub corpus: Size,
}

/// A line each second, on a terminal.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    /// The session begins.
    pub fn begin() -> Progress {
        let now = Instant::now();
        Progress { began: now, shown: now, terminal: std::io::stderr().is_terminal() }
    }

    /// How long the session has lasted.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Shows the numbers, if it is time to.
    pub fn show(&mut self, numbers: &Numbers) {
        if self.terminal && self.shown.elapsed() >= Duration::from_secs(1) {
            self.shown = Instant::now();
            let Numbers { executions, edges, counters, news, .. } = numbers;
            let (seconds, rate) = (self.elapsed().as_secs(), self.rate(*executions));
            eprint!("\r{seconds:4} s   {executions} runs   {rate} a second   {edges}/{counters} edges   {news} new ");
            let _ = std::io::stderr().flush();
        }
    }

    fn rate(&self, executions: u64) -> u64 {
        (executions as f64 / self.elapsed().as_secs_f64().max(0.001)) as u64
    }

    /// The last words.
    pub fn finish(&self, options: &Options, numbers: &Numbers, finding: Option<&PathBuf>) {
        let Numbers { executions, edges, counters, news, corpus } = numbers;
        let (name, seed, rate) = (options.target.name, options.seed, self.rate(*executions));
        let seconds = self.elapsed().as_secs_f64();
        if self.terminal {
            eprintln!();
        }
        if options.json {
            let finding = finding.map_or("null".to_owned(), |path| format!("\"{}\"", path.display()));
            println!(
                "{{\"target\":\"{name}\",\"seed\":{seed},\"seconds\":{seconds:.1},\"executions\":{executions},\
                 \"executions_per_second\":{rate},\"edges\":{edges},\"counters\":{counters},\"new_inputs\":{news},\
                 \"corpus_files\":{},\"corpus_bytes\":{},\"finding\":{finding}}}",
                corpus.files, corpus.bytes
            );
        } else {
            println!(
                "{name}: {executions} runs in {seconds:.0} s ({rate} a second), {edges} of {counters} edges, {news} new \
                 inputs; corpus {} files, {} bytes",
                corpus.files, corpus.bytes
            );
        }
    }
}
