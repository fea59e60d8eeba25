//! Development: a session driven from memory. tests/fuzz uses it, no program does.

use super::copy::{OvnCopy, PortChanges};
use super::{
    options::{OvnOptions, OvnServer},
    session::Kept,
    session::OvnSession,
    shared::OvnShared,
    trouble::OvnTrouble,
    trouble::line,
};
use crate::directory::Index;
use crate::ovsdb::Frames;
use std::time::Duration;

/// What has become of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Why the server was left, if it was.
    pub trouble: Option<String>,
    /// Ports that can be found now.
    pub ports: usize,
    /// Bytes of requests.
    pub asked: usize,
    /// Whether the index is what it would be if it were made anew of all copied rows.
    pub sound: bool,
    /// Whether trouble left the answers as they were before the message that brought it.
    pub steady: bool,
    /// Whether trouble ended the copy, as it must.
    pub ended: bool,
}

/// Plays what a server says, in parts of so many bytes, to a directory of a chassis or of all.
#[must_use]
pub fn replay(stream: &[u8], part: usize, chassis: Option<&str>) -> Replayed {
    let options =
        OvnOptions { longest_message: 4096, ..OvnOptions::new(Vec::<OvnServer>::new(), chassis.map(str::to_owned)) };
    let (shared, mut kept) = (OvnShared::new(Duration::MAX), Kept::default());
    let mut session = OvnSession::new(&options, &shared, &mut kept);
    let mut frames = Frames::new(options.longest_message);
    let (mut trouble, mut asked, mut before, mut member) = (None, 0, Vec::new(), false);
    'stream: for part in stream.chunks(part.max(1)) {
        frames.push(part);
        loop {
            match frames.next_message() {
                Ok(None) => break,
                Err(error) => {
                    before = shared.all();
                    (trouble, member) = (Some(line(&error.to_string())), true);
                    break 'stream;
                }
                Ok(Some(message)) => {
                    before = shared.all();
                    let outcome = session.take(message);
                    asked += session.requests().len();
                    if let Err(error) = outcome {
                        (member, trouble) = (matches!(error, OvnTrouble::Member(_)), Some(line(&error.to_string())));
                        break 'stream;
                    }
                }
            }
        }
    }
    let now = shared.all();
    let sound = trouble.is_some() || kept.copy.as_ref().map_or(now.is_empty(), |copy| rebuilt(copy) == now);
    let steady = trouble.is_none() || before == now;
    let ended = trouble.is_none() || member || kept.copy.is_none();
    Replayed { trouble, ports: shared.status().ports, asked, sound, steady, ended }
}

fn rebuilt(copy: &OvnCopy) -> Vec<String> {
    let all: PortChanges = copy.all();
    let mut index = Index::default();
    all.into_iter().for_each(|(name, port)| port.into_iter().for_each(|port| index.set(name, port)));
    index.found()
}
