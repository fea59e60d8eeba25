//! One connection of a gate's: whose it is, and HTTP on it.

use super::{Gates, doors::Doors, speaker::Speaker, tether::Tether};
use crate::{
    binding::{BEGIN, BoundConnection, Brought, HeldDoor, bind},
    http_io::{HttpIo, HttpTimer},
    signer::Signer,
};
use bytes::Bytes;
use hyper::{server::conn::http1, service::service_fn};
use nsgate_forwarder::Stop;
use std::{
    future::{Future, pending},
    io,
    os::fd::AsFd,
    pin::{Pin, pin},
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::UnixStream, sync::OwnedSemaphorePermit, time::timeout};

/// Bytes of a request's head at most: a gate's own bound is below.
const LONGEST_HEAD: usize = 64 * 1024;

impl<S: Signer> Gates<S> {
    /// Looks at the first bytes, and serves what they ask for. A silent connection holds a place. A door holds none, since root
    /// alone has one.
    pub(super) async fn attend(&self, mut stream: UnixStream, place: Option<OwnedSemaphorePermit>, mut tether: Tether) {
        let mut first = [0; BEGIN.len()];
        let count = tokio::select! {
            _ = tether.asked(None) => return,
            read = timeout(self.0.settings.head, first_bytes(&mut stream, &mut first)) => match read {
                Ok(Ok(count)) => count,
                Ok(Err(_)) | Err(_) => return,
            },
        };
        if first == BEGIN {
            let asked = bind(stream, &first, &self.0.settings.binders);
            match asked.await {
                Ok(door) => {
                    drop(place);
                    if let (Some(store), Some(name)) = (&self.0.settings.store, door.name()) {
                        store.put(&name, door.as_fd()).await;
                    }
                    self.attend_door(door, tether).await;
                }
                Err(why) => tracing::warn!("{why}"),
            }
            return;
        }
        let read_before = Bytes::copy_from_slice(first.get(..count).unwrap_or_default());
        self.serve_http(HttpIo::after(read_before, stream), Speaker::Plain, pending(), tether).await;
    }

    /// Serves the connections that a door brings, and the doors, until its holder closes it.
    pub(super) async fn attend_door(&self, door: HeldDoor, mut tether: Tether) {
        let opened = Doors::open(&self.0.doors, door.identity(), door.is_brought());
        let kept = self.0.settings.store.as_ref().and_then(|store| Some((store, door.name()?)));
        let shared = tether.clone();
        let hand = |brought: Brought| {
            let (gates, tether) = (self.clone(), shared.clone());
            match brought {
                Brought::Connection(connection) => _ = tokio::spawn(gates.serve_bound(connection, tether)),
                Brought::Door(door) => gates.begin_door(door, tether),
            }
        };
        let attended = door.attend(self.0.settings.door_connections, hand);
        let outcome = tokio::select! {
            _ = tether.asked(None) => return,
            outcome = attended => outcome,
        };
        // Not where the agent ends: then it is kept for the next one.
        if let Some((store, name)) = kept {
            store.remove(&name).await;
        }
        opened.closed(outcome);
    }

    /// A door attends those that it has brought in a task of their own. Not a part of the future that begins it, which would hold
    /// itself.
    fn begin_door(self, door: HeldDoor, tether: Tether) {
        let attended: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async move { self.attend_door(door, tether).await });
        tokio::spawn(attended);
    }

    async fn serve_bound(self, connection: BoundConnection, tether: Tether) {
        let BoundConnection { stream, identity, place, mut unbound } = connection;
        self.serve_http(HttpIo::new(stream), Speaker::Bound(identity), unbound.wait(), tether).await;
        drop(place);
    }

    /// Serves HTTP/1.1 on one connection until it ends. After `unbound` it has no further request.
    async fn serve_http(
        &self,
        io: HttpIo<UnixStream>,
        speaker: Speaker,
        unbound: impl Future<Output = ()>,
        mut tether: Tether,
    ) {
        let _open = self.0.open.open();
        let service = service_fn(|request| async move { self.0.service.answer(request, speaker).await });
        let connection = http1::Builder::new()
            .timer(HttpTimer)
            .header_read_timeout(head_patience(speaker, self.0.settings.head))
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(io, service);
        let (mut connection, mut unbound) = (pin!(connection), pin!(unbound));
        let (mut known, mut bound) = (None, true);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!("a gate's connection ends: {error}");
                    }
                    return;
                }
                asked = tether.asked(known) => match asked {
                    Stop::Now => return,
                    asked => known = Some(asked),
                },
                () = unbound.as_mut(), if bound => bound = false,
            }
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// A bound connection is kept for as long as its network is: it may be silent between two requests. hyper counts from the end of
/// the last answer.
fn head_patience(speaker: Speaker, head: Duration) -> Option<Duration> {
    match speaker {
        Speaker::Plain => Some(head),
        Speaker::Bound(_) => None,
    }
}

/// Reads until it is clear that this is no binding, or is one. Returns the number of bytes.
async fn first_bytes(stream: &mut UnixStream, first: &mut [u8; BEGIN.len()]) -> io::Result<usize> {
    let mut count = 0;
    while first.get(..count) == BEGIN.get(..count) && count < first.len() {
        match stream.read(first.get_mut(count..).unwrap_or_default()).await? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}
