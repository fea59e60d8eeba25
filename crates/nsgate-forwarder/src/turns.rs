//! Turns at the resources that all sources share: requests at the agent, and heads that did not come in one piece.

use crate::exchange::Among;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// The turns that one source may have.
pub(crate) struct Turns {
    own: Arc<Semaphore>,
    /// The turns of its /64, which may not have all turns.
    prefix: Option<Arc<Semaphore>>,
    all: Arc<Semaphore>,
    /// The connections that give way while a request waits: they hold a turn and keep the gate waiting.
    giving: Option<(Among, Arc<dyn GivesWay>)>,
}

/// Connections of which some may give way to others.
pub(crate) trait GivesWay: Send + Sync {
    /// Asks one of them to give way.
    fn displace_one(&self, among: Among);
}

/// Waits for room, and asks one connection after another to give way until there is some.
pub(crate) async fn while_others_give_way<T>(others: &dyn GivesWay, among: Among, room: impl Future<Output = T>) -> T {
    let mut room = pin!(room);
    loop {
        others.displace_one(among);
        if let Ok(room) = timeout(pause(among), &mut room).await {
            return room;
        }
    }
}

/// The pause between two checks while a connection waits for room.
fn pause(among: Among) -> Duration {
    match among {
        Among::Connections => Duration::from_millis(20),
        Among::Heads | Among::Answers => Duration::from_millis(250),
    }
}

/// One turn. A drop gives it back.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _prefix: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

/// A semaphore with as many permits as a bound says.
pub(crate) fn turns(bound: u32) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(bound).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
}

impl Turns {
    pub(crate) fn new(
        own: u32,
        prefix: Option<Arc<Semaphore>>,
        all: Arc<Semaphore>,
        giving: (Among, Arc<dyn GivesWay>),
    ) -> Self {
        Self { own: turns(own), prefix, all, giving: Some(giving) }
    }

    /// Turns of a source that is alone.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone(bound: u32) -> Self {
        Self { own: turns(bound), prefix: None, all: turns(bound), giving: None }
    }

    /// A turn, if the source and its /64 both have one free.
    pub(crate) fn at_once(&self) -> Option<Turn> {
        Some(Turn {
            _own: self.own.clone().try_acquire_owned().ok()?,
            _prefix: match &self.prefix {
                Some(prefix) => Some(prefix.clone().try_acquire_owned().ok()?),
                None => None,
            },
            _all: self.all.clone().try_acquire_owned().ok()?,
        })
    }

    /// Waits for a turn. Never returns `None`: the semaphores are not closed.
    pub(crate) async fn next(&self) -> Option<Turn> {
        // The source's own turn first: a request that waits for it takes no turn from another source.
        let own = self.own.clone().acquire_owned().await.ok()?;
        let prefix = match &self.prefix {
            Some(prefix) => Some(self.while_others_give_way(prefix.clone().acquire_owned()).await.ok()?),
            None => None,
        };
        let all = self.while_others_give_way(self.all.clone().acquire_owned()).await.ok()?;
        Some(Turn { _own: own, _prefix: prefix, _all: all })
    }

    async fn while_others_give_way<T>(&self, turn: impl Future<Output = T>) -> T {
        match &self.giving {
            Some((among, others)) => while_others_give_way(&**others, *among, turn).await,
            None => turn.await,
        }
    }
}
