//! Lines to standard error, to a file in its place, or to a descriptor of the starter's.
//!
//! Promises that no line is cut by another (of one that was taken in part, the rest goes first), and that what was not
//! taken is counted.

use nsgate_launcher::Output;
use std::os::fd::AsFd;

/// Where lines go.
#[derive(Debug)]
pub(crate) struct LineWriter<F> {
    output: Output<F>,
    /// What is left of a line.
    rest: Vec<u8>,
    /// Lines that were not taken since the last one that was.
    lost: u64,
}

impl<F: AsFd> LineWriter<F> {
    /// None so far.
    pub(crate) fn new(output: Output<F>) -> Self {
        Self { output, rest: Vec::new(), lost: 0 }
    }

    /// Writes one line on behalf of somebody who counts by itself what was not taken; false if this was not.
    pub(crate) fn offer(&mut self, line: &str) -> bool {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.offer_all(bytes)
    }

    /// Writes one line, and before it how many were lost, in the words of `confess`; true if both were taken.
    pub(super) fn write(&mut self, line: &str, confess: impl FnOnce(u64) -> String) -> bool {
        // Together: where there is room for the shorter one alone, it would be said again and again.
        let taken = match self.lost {
            0 => self.offer(line),
            lost => self.offer(&format!("{}\n{line}", confess(lost))),
        };
        self.lost = if taken { 0 } else { self.lost.saturating_add(1) };
        taken
    }

    /// In one write(2): a pipe takes that whole or not at all (PIPE_BUF, pipe(7)), and lines of several writers do not mix.
    fn offer_all(&mut self, mut bytes: Vec<u8>) -> bool {
        if !self.rest.is_empty() {
            let Ok(taken) = self.output.write(&self.rest) else { return false };
            self.rest.drain(..taken.min(self.rest.len()));
            if !self.rest.is_empty() {
                return false;
            }
        }
        let Ok(taken) = self.output.write(&bytes) else { return false };
        bytes.drain(..taken.min(bytes.len()));
        self.rest = bytes;
        true
    }
}
