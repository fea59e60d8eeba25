//! What those who ask see: the index, and how old the copy may be.

use super::copy::PortChanges;
use crate::directory::{Index, NoOccupant, Occupant, Question};
use crate::ovsdb::Uuid;
use nsgate_config::Identity;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// How a directory does that follows a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OvnStatus {
    /// The server that is followed or asked now, if one is.
    pub server: Option<String>,
    /// Why there is no copy, or why the server before was left.
    pub trouble: Option<String>,
    /// How long ago the server that is followed was heard last, if one ever was.
    pub silent_for: Option<Duration>,
    /// Ports in the copy.
    pub ports: usize,
    /// How often all was copied.
    pub copies: u64,
    /// How often a copy went on where it had ended.
    pub resumptions: u64,
    /// Changes that servers told of.
    pub updates: u64,
}

/// What a directory and its follower share.
#[derive(Debug)]
pub(crate) struct OvnShared {
    known: RwLock<Known>,
    begun: Instant,
    stale_after: Duration,
}

#[derive(Debug, Default)]
struct Known {
    index: Option<Index<Uuid>>,
    /// When the last copy was thrown away.
    emptied: Option<Instant>,
    heard: Option<Instant>,
    status: OvnStatus,
}

impl OvnShared {
    pub(crate) fn new(stale_after: Duration) -> Self {
        Self { known: RwLock::default(), begun: Instant::now(), stale_after }
    }

    pub(crate) fn who(&self, question: &Question) -> Result<Occupant, NoOccupant> {
        let Identity::OvnNetwork(network) = question.place else { return Err(NoOccupant::NoPort) };
        let known = self.read();
        let why = || known.status.trouble.as_deref().unwrap_or("a server is being asked");
        let Some(index) = &known.index else {
            let since = known.emptied.unwrap_or(self.begun).elapsed().as_secs();
            return Err(NoOccupant::Away(format!(
                "there has been no copy of OVN's southbound database for {since} s: {}",
                why()
            )));
        };
        match known.heard.map(|heard| heard.elapsed()) {
            Some(silent) if silent <= self.stale_after => index.who(network, question.caller),
            silent => Err(NoOccupant::Away(format!(
                "OVN's southbound database has not been heard for {} s: {}",
                silent.unwrap_or_default().as_secs(),
                why()
            ))),
        }
    }

    /// All was copied.
    pub(crate) fn copied(&self, ports: PortChanges) {
        let mut index = Index::default();
        change(&mut index, ports);
        let mut known = self.write();
        known.status.copies += 1;
        known.follows(index);
    }

    /// The copy goes on where it had ended, with these changes.
    pub(crate) fn resumed(&self, ports: PortChanges) {
        let mut known = self.write();
        known.status.resumptions += 1;
        let mut index = known.index.take().unwrap_or_default();
        change(&mut index, ports);
        known.follows(index);
    }

    /// Ports changed.
    pub(crate) fn changed(&self, ports: PortChanges) {
        let mut known = self.write();
        let known = &mut *known;
        known.status.updates += 1;
        if let Some(index) = &mut known.index {
            change(index, ports);
            known.status.ports = index.len();
        }
    }

    /// There is nothing that can be copied, for this reason.
    pub(crate) fn nothing(&self, trouble: String) {
        let mut known = self.write();
        known.emptied = known.index.take().map(|_| Instant::now()).or(known.emptied);
        known.status.ports = 0;
        known.status.trouble = Some(trouble);
    }

    /// A message of the server that is followed came.
    pub(crate) fn heard(&self) {
        self.write().heard = Some(Instant::now());
    }

    /// A server is asked now.
    pub(crate) fn asks(&self, server: String) {
        self.write().status.server = Some(server);
    }

    /// The server is left, for this reason. Whether that is another reason than the last.
    pub(crate) fn lost(&self, trouble: String) -> bool {
        let mut known = self.write();
        known.status.server = None;
        let before = known.status.trouble.replace(trouble);
        before != known.status.trouble
    }

    pub(crate) fn status(&self) -> OvnStatus {
        let known = self.read();
        OvnStatus { silent_for: known.heard.map(|heard| heard.elapsed()), ..known.status.clone() }
    }

    /// Everything that can be found.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn all(&self) -> Vec<String> {
        self.read().index.as_ref().map(Index::found).unwrap_or_default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn follows(&mut self, index: Index<Uuid>) {
        self.heard = Some(Instant::now());
        self.status.ports = index.len();
        self.status.trouble = None;
        self.index = Some(index);
    }
}

fn change(index: &mut Index<Uuid>, ports: PortChanges) {
    for (name, port) in ports {
        match port {
            Some(port) => index.set(name, port),
            None => index.remove(&name),
        }
    }
}
