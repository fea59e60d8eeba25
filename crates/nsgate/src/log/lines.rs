//! Writes lines to standard error, to a file in its place, or to a descriptor of the starter.
//!
//! Promises that lines do not mix (the rest of a line that was written in part goes first), and that lost lines are counted.

use nsgate_launcher::Output;
use std::os::fd::AsFd;

/// Where lines go.
#[derive(Debug)]
pub(crate) struct LineWriter<F> {
    output: Output<F>,
    /// The rest of a line that was written in part.
    rest: Vec<u8>,
    /// Lines lost since the last written one.
    lost: u64,
}

impl<F: AsFd> LineWriter<F> {
    /// Writes to `output`.
    pub(crate) fn new(output: Output<F>) -> Self {
        Self { output, rest: Vec::new(), lost: 0 }
    }

    /// Writes one line for a caller that counts lost lines itself; false if the line was not taken.
    pub(crate) fn offer(&mut self, line: &str) -> bool {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.offer_all(bytes)
    }

    /// Writes one line, and before it how many were lost, worded by `confess`; true if both were taken.
    pub(super) fn write(&mut self, line: &str, confess: impl FnOnce(u64) -> String) -> bool {
        // In one write: with room for the count alone, it would be repeated.
        let taken = match self.lost {
            0 => self.offer(line),
            lost => self.offer(&format!("{}\n{line}", confess(lost))),
        };
        self.lost = if taken { 0 } else { self.lost.saturating_add(1) };
        taken
    }

    /// Writes in one write(2). A pipe takes that whole or not at all (PIPE_BUF, pipe(7)), so that lines of several writers do not mix.
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
