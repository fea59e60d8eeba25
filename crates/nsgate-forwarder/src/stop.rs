//! How a gate ends, and who says so.

use std::{io, os::fd::AsRawFd};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
};

/// How a gate ends. Listeners are closed first, in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Another process serves the same listeners from now on. A connection is closed with the next answer on it, which
    /// says so, or when nothing comes: no guest loses a request.
    Retire,
    /// Requests under way are finished, and a connection without one is closed.
    Drain,
    /// At once.
    Now,
}

/// Waits until something else is asked for than what is `known`. Where the forwarder's future is gone, that is the end.
pub(crate) async fn next_stop(stop: &mut watch::Receiver<Option<Stop>>, known: Option<Stop>) -> Stop {
    let asked = stop.wait_for(|asked| asked.is_some() && *asked != known).await;
    asked.ok().and_then(|asked| *asked).unwrap_or(Stop::Now)
}

/// A `stop` for [`Forwarder::serve`](crate::Forwarder::serve) that is said by a descriptor, such as the signals of a process
/// that a launcher has made: whenever `source` can be read, `next` is asked until it has nothing more, and `decide` says what
/// each of its answers means. What means nothing is `None`. `next` must not wait.
///
/// Must be called on a tokio runtime with I/O. Where `source` can no longer be watched, that is [`Stop::Now`].
///
/// # Errors
/// The runtime cannot watch the descriptor (epoll_ctl(2)).
#[allow(deprecated, reason = "the successor is unsafe for types that do not own their descriptor; signals do")]
pub fn stopped_by<S, A>(
    source: S,
    next: impl Fn(&S) -> Option<A> + Send + 'static,
    mut decide: impl FnMut(A) -> Option<Stop> + Send + 'static,
) -> io::Result<watch::Receiver<Option<Stop>>>
where
    S: AsRawFd + Send + Sync + 'static,
{
    let source = AsyncFd::with_interest(source, Interest::READABLE)?;
    let (tell, stop) = watch::channel(None);
    tokio::spawn(async move {
        while let Ok(mut ready) = source.readable().await {
            while let Some(asked) = next(source.get_ref()) {
                if let Some(stop) = decide(asked) {
                    tell.send_replace(Some(stop));
                }
            }
            ready.clear_ready();
        }
    });
    Ok(stop)
}
