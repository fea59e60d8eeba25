//! A file that is read again while the process serves, by the reader beside it: this process opens none.

use nsgate_launcher::{Incoming, ReaderAnswer, ReaderPipes};
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe::{Receiver, Sender},
};

/// Bytes taken from the pipe at a time.
const PIECE: usize = 64 * 1024;

/// The reader's pipes, on the event loop.
pub(crate) struct FileReader {
    ask: Sender,
    answer: Receiver,
}

impl FileReader {
    /// Must be called on a tokio runtime with I/O.
    ///
    /// # Errors
    /// A sentence: the event loop cannot watch them.
    pub(crate) fn new(ReaderPipes { ask, answer }: ReaderPipes) -> Result<Self, String> {
        let ends =
            Sender::from_owned_fd_unchecked(ask).and_then(|ask| Ok((ask, Receiver::from_owned_fd_unchecked(answer)?)));
        let (ask, answer) = ends.map_err(|error| format!("epoll_ctl(2) refuses the reader's pipe: {error}"))?;
        Ok(Self { ask, answer })
    }

    /// Asks for the file, and reads the whole answer.
    ///
    /// # Errors
    /// A sentence: the reader is of no use any more.
    pub(crate) async fn read(&mut self) -> Result<ReaderAnswer, String> {
        self.ask.write_all(b"?").await.map_err(|error| ended(Err(error)))?;
        let mut incoming = Incoming::default();
        let mut piece = vec![0; PIECE];
        loop {
            let count = match self.answer.read(&mut piece).await {
                Ok(0) => return Err(ended(Ok(0))),
                Ok(count) => count,
                Err(error) => return Err(ended(Err(error))),
            };
            let heard = piece.get(..count).unwrap_or_default();
            if let Some(answer) = incoming.push(heard).map_err(|nonsense| nonsense.to_string())? {
                return Ok(answer);
            }
        }
    }

    /// Waits until the reader ends, or speaks without having been asked. Returns the sentence.
    pub(crate) async fn ends(&mut self) -> String {
        ended(self.answer.read(&mut [0]).await)
    }
}

fn ended(read: io::Result<usize>) -> String {
    match read {
        Ok(0) => "the reader of the configuration has ended".to_owned(),
        Ok(_) => "the reader of the configuration speaks without having been asked".to_owned(),
        Err(error) => format!("the reader of the configuration cannot be heard: {error}"),
    }
}
