//! A directory of instances that is a file: it is read again every two seconds, and what changed holds from the next request on.
//!
//! The reader beside this process reads it. A text with an error changes nothing, and its error is logged once.

use crate::{reread::FileReader, sys};
use nsgate_agent::directory::FileDirectory;
use nsgate_launcher::{ReaderAnswer, ReaderPipes};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Between two looks at the file.
const PAUSE: Duration = Duration::from_secs(2);

/// What watches the file.
pub(super) struct FileWatch {
    reader: ReaderPipes,
    file: String,
    known: FileDirectory,
    /// What the file said last: a digest, since a copy of a text is as large as it.
    last: u64,
}

impl FileWatch {
    /// `text` is what `known` was made of.
    pub(super) fn new(reader: ReaderPipes, file: String, known: FileDirectory, last: u64) -> Self {
        Self { reader, file, known, last }
    }

    /// Takes over each later text. Returns the reason when that is no longer possible.
    pub(super) async fn follow(self) -> String {
        let Self { reader, file, known, mut last } = self;
        let mut reader = match FileReader::new(reader) {
            Ok(reader) => reader,
            Err(reason) => return reason,
        };
        loop {
            tokio::select! {
                reason = reader.ends() => return reason,
                () = tokio::time::sleep(PAUSE) => {}
            }
            let (now, outcome) = match reader.read().await {
                Ok(ReaderAnswer::Text(text)) => (digest(&text), Ok(text)),
                Ok(ReaderAnswer::Refused(reason)) => (digest(&reason), Err(format!("{file}: {reason}"))),
                Err(reason) => return reason,
            };
            if std::mem::replace(&mut last, now) == now {
                continue;
            }
            match outcome.and_then(|text| known.replace(&file, &text).map_err(|error| error.to_string())) {
                Ok(number) => tracing::info!("{file} has changed: {number} instances"),
                Err(reason) => tracing::error!("{reason}; the {} instances known before stay", known.instances()),
            }
            sys::give_back();
        }
    }
}

/// What two texts are compared by. It is no secret, and no other process chooses it.
pub(super) fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
