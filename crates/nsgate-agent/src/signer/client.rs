//! The end of the process that carries requests: many questions at once over one stream, each with its number.

use super::{
    Signed, Signer,
    frames::{self, NumberedAnswer},
};
use crate::directory::{NoOccupant, Question};
use std::{
    collections::HashMap,
    io,
    os::unix::net::UnixStream as StdStream,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    net::UnixStream,
    sync::{Notify, oneshot},
};

/// Bytes taken from the stream at a time.
const PIECE: usize = 4096;

/// Asks the signer. A clone asks over the same stream.
#[derive(Clone, Debug)]
pub struct SignerClient(Arc<SignerQueue>);

/// What carries the questions and the answers. Without it no question leaves.
#[derive(Debug)]
pub struct SignerLink {
    stream: UnixStream,
    queue: Arc<SignerQueue>,
    /// What has been written of, in part.
    leaving: Vec<u8>,
    /// What has come, and is no whole answer yet.
    heard: Vec<u8>,
}

#[derive(Debug, Default)]
struct SignerQueue {
    asked: Mutex<SignerQuestions>,
    /// A question waits to leave.
    more: Notify,
}

#[derive(Debug, Default)]
struct SignerQuestions {
    /// The number of the next question. It never comes again: an answer that is late belongs to no other question.
    next: u64,
    outgoing: Vec<u8>,
    waiting: HashMap<u64, oneshot::Sender<Result<Signed, NoOccupant>>>,
    /// Why there is no signer any more.
    ended: Option<String>,
}

/// A question that waits for its answer. To drop it forgets it.
struct WaitingQuestion<'a> {
    queue: &'a SignerQueue,
    number: u64,
}

impl SignerClient {
    /// Over `stream`, which must not block. Must be called on a tokio runtime with I/O.
    ///
    /// # Errors
    /// The event loop cannot watch it.
    pub fn new(stream: StdStream) -> io::Result<(Self, SignerLink)> {
        let (stream, queue) = (UnixStream::from_std(stream)?, Arc::<SignerQueue>::default());
        let link = SignerLink { stream, queue: queue.clone(), leaving: Vec::new(), heard: Vec::new() };
        Ok((Self(queue), link))
    }
}

impl Signer for SignerClient {
    async fn sign(&self, question: &Question) -> Result<Signed, NoOccupant> {
        let (answer, answered) = oneshot::channel();
        let number = {
            let mut asked = self.0.asked();
            if let Some(reason) = &asked.ended {
                return Err(NoOccupant::Away(reason.clone()));
            }
            let number = asked.next;
            asked.next += 1;
            asked.outgoing.extend_from_slice(&frames::question(number, question));
            asked.waiting.insert(number, answer);
            number
        };
        let _waiting = WaitingQuestion { queue: &self.0, number };
        self.0.more.notify_one();
        match answered.await {
            Ok(found) => found,
            Err(_) => Err(NoOccupant::Away(self.0.asked().ended.clone().unwrap_or_default())),
        }
    }
}

impl SignerQueue {
    fn asked(&self) -> MutexGuard<'_, SignerQuestions> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an answer to who waits for it.
    fn answered(&self, (number, found): NumberedAnswer) -> Result<(), &'static str> {
        let mut asked = self.asked();
        if number >= asked.next {
            return Err("an answer to no question");
        }
        // Nobody waits any more where the guest has gone.
        let waiting = asked.waiting.remove(&number);
        drop(asked);
        waiting.map(|waiting| waiting.send(found));
        Ok(())
    }
}

impl Drop for WaitingQuestion<'_> {
    fn drop(&mut self) {
        self.queue.asked().waiting.remove(&self.number);
    }
}

impl SignerLink {
    /// Carries until the signer is gone. Returns why; from then on each question is answered so, too.
    pub async fn run(mut self) -> String {
        let reason = loop {
            if let Err(reason) = self.turn().await {
                break reason;
            }
        };
        let mut asked = self.queue.asked();
        asked.ended = Some(reason.clone());
        asked.waiting.clear();
        reason
    }

    /// Writes what there is to ask, and reads what is answered.
    async fn turn(&mut self) -> Result<(), String> {
        if self.leaving.is_empty() {
            // All questions of one turn of the event loop leave in one write.
            std::mem::swap(&mut self.leaving, &mut self.queue.asked().outgoing);
        }
        if !self.leaving.is_empty() {
            match self.stream.try_write(&self.leaving) {
                Ok(count) => drop(self.leaving.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("the signer has ended: {error}")),
            }
            if self.leaving.is_empty() {
                return Ok(());
            }
        }
        tokio::select! {
            ready = self.stream.readable() => {
                ready.map_err(|error| format!("the signer cannot be heard: {error}"))?;
                self.hear()
            }
            ready = self.stream.writable(), if !self.leaving.is_empty() => {
                ready.map_err(|error| format!("the signer cannot be asked: {error}"))
            }
            () = self.queue.more.notified(), if self.leaving.is_empty() => Ok(()),
        }
    }

    fn hear(&mut self) -> Result<(), String> {
        let mut piece = [0; PIECE];
        match self.stream.try_read(&mut piece) {
            Ok(0) => return Err("the signer has ended".to_owned()),
            Ok(count) => self.heard.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("the signer has ended: {error}")),
        }
        let said = |what: &str| format!("the signer says what no signer says: {what}");
        let mut read = 0;
        while let Some((answer, length)) =
            frames::read_answer(self.heard.get(read..).unwrap_or_default()).map_err(|error| said(&error.to_string()))?
        {
            read += length;
            self.queue.answered(answer).map_err(said)?;
        }
        self.heard.drain(..read);
        Ok(())
    }
}

impl Drop for SignerLink {
    fn drop(&mut self) {
        let mut asked = self.queue.asked();
        asked.ended.get_or_insert_with(|| "nothing carries questions to the signer any more".to_owned());
        asked.waiting.clear();
    }
}
