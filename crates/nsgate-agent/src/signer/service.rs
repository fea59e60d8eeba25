//! The end of the process that has the directory and the secret: it reads questions of one size and nothing else.

use super::{
    LocalSigner, Signed, Signer,
    frames::{self, QUESTION},
};
use crate::{
    directory::{Directory, NoOccupant, Question},
    signature::Secret,
};
use std::{future::poll_fn, io, os::unix::net::UnixStream as StdStream, sync::Arc, task::Poll};
use tokio::{
    net::UnixStream,
    task::{JoinError, JoinSet},
};

/// Bytes taken from the stream at a time.
const PIECE: usize = 4096;
/// Questions that wait for the directory at once. The next ones wait in the stream.
const MOST_WAITING: usize = 4096;
/// Bytes of answers that wait to leave. No question is read before they have.
const MOST_LEAVING: usize = 256 * 1024;

/// Answers the questions of a [`SignerClient`](super::SignerClient).
#[derive(Debug)]
pub struct SignerService<D>(Arc<LocalSigner<D>>);

/// A question that the directory could not answer at once.
type SlowAnswer = (u64, Result<Signed, NoOccupant>);

impl<D: Directory> SignerService<D> {
    /// Looks up in `directory`, signs with `secret`.
    pub fn new(directory: D, secret: Secret) -> Self {
        Self(Arc::new(LocalSigner::new(directory, secret)))
    }

    /// Answers until the other end closes `stream`, which is in order, and which must not block. Must be called on a tokio runtime
    /// with I/O.
    ///
    /// # Errors
    /// The other end sends what is no question ([`io::ErrorKind::InvalidData`]), which is logged: the process there is not what was
    /// started. Nothing of it is answered. Or the stream fails.
    pub async fn serve(&self, stream: StdStream) -> io::Result<()> {
        let stream = UnixStream::from_std(stream)?;
        let mut slow: JoinSet<SlowAnswer> = JoinSet::new();
        let (mut heard, mut leaving) = (Vec::new(), Vec::new());
        loop {
            let hears = slow.len() < MOST_WAITING && leaving.len() < MOST_LEAVING;
            tokio::select! {
                ready = stream.readable(), if hears => {
                    ready?;
                    match read(&stream, &mut heard)? {
                        HeardQuestions::Nothing => continue,
                        HeardQuestions::Bytes => self.answer(&mut heard, &mut leaving, &mut slow).await?,
                        HeardQuestions::End => return Ok(()),
                    }
                }
                Some(found) = slow.join_next() => add(&mut leaving, found),
                ready = stream.writable(), if !leaving.is_empty() => ready?,
            }
            while let Some(found) = slow.try_join_next() {
                add(&mut leaving, found);
            }
            write(&stream, &mut leaving)?;
        }
    }

    /// Answers what has come: at once, where the directory has it at hand.
    async fn answer(
        &self,
        heard: &mut Vec<u8>,
        leaving: &mut Vec<u8>,
        slow: &mut JoinSet<SlowAnswer>,
    ) -> io::Result<()> {
        let mut questions = heard.as_slice();
        while let Some((frame, rest)) = questions.split_first_chunk::<QUESTION>() {
            let (number, question) = frames::read_question(frame).map_err(|wrong| {
                tracing::error!(
                    "the process that carries requests sends what is no question: {wrong}; nothing of it is answered"
                );
                io::Error::new(io::ErrorKind::InvalidData, wrong)
            })?;
            questions = rest;
            let mut found = Box::pin(look_up(self.0.clone(), number, question));
            match poll_fn(|context| Poll::Ready(found.as_mut().poll(context))).await {
                Poll::Ready((number, found)) => frames::answer(leaving, number, &found),
                Poll::Pending => drop(slow.spawn(found)),
            }
        }
        let left = questions.len();
        heard.drain(..heard.len() - left);
        Ok(())
    }
}

async fn look_up<D: Directory>(signer: Arc<LocalSigner<D>>, number: u64, question: Question) -> SlowAnswer {
    (number, signer.sign(&question).await)
}

fn add(leaving: &mut Vec<u8>, found: Result<SlowAnswer, JoinError>) {
    // No task is aborted, and one that panics has ended the process.
    if let Ok((number, found)) = found {
        frames::answer(leaving, number, &found);
    }
}

/// What came of one read.
enum HeardQuestions {
    Nothing,
    Bytes,
    End,
}

fn read(stream: &UnixStream, heard: &mut Vec<u8>) -> io::Result<HeardQuestions> {
    let mut piece = [0; PIECE];
    match stream.try_read(&mut piece) {
        Ok(0) => Ok(HeardQuestions::End),
        Ok(count) => {
            heard.extend_from_slice(piece.get(..count).unwrap_or_default());
            Ok(HeardQuestions::Bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(HeardQuestions::Nothing),
        // The other process has ended, with answers under way.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(HeardQuestions::End),
        Err(error) => Err(error),
    }
}

fn write(stream: &UnixStream, leaving: &mut Vec<u8>) -> io::Result<()> {
    if leaving.is_empty() {
        return Ok(());
    }
    match stream.try_write(leaving) {
        Ok(count) => drop(leaving.drain(..count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        // It has ended; the next read says so.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => leaving.clear(),
        Err(error) => return Err(error),
    }
    Ok(())
}
