//! Metrics in the OpenMetrics text format, over HTTP on a UNIX socket: `curl --unix-socket PATH http://nsgate/metrics`.

use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// Most readers of a worker's metrics at once. Each has its own copy of the page.
pub(super) const READERS: usize = 8;
/// How long a reader may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a reader that does not ask, or does not read a share of the page, keeps its place while others wait. A real client
/// of a UNIX socket asks and reads at once.
const GRACE: Duration = Duration::from_millis(100);
/// Shares of a page. While others wait, a reader must take each within [`GRACE`].
const SHARES: usize = 10;
/// Smallest share in bytes.
const SHARE: usize = 64 * 1024;
/// Longest page of a worker in bytes: a hundred thousand networks with every class and reason.
const LONGEST_PAGE: u64 = 256 * 1024 * 1024;
/// Longest head of a request in bytes.
const HEAD: usize = 4096;

/// Answers with the text that `page` returns, to at most `readers` readers at once, until the future is dropped. Needs a runtime.
/// Readers that do not ask, or do not read, make way for others.
pub async fn serve<P, F>(listener: UnixListener, readers: usize, page: P)
where
    P: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = Arc<str>> + Send,
{
    let readers = Arc::new(Semaphore::new(readers));
    let full = Arc::new(Notify::new());
    loop {
        if readers.available_permits() == 0 {
            full.notify_one();
        }
        // Never closed.
        let Ok(place) = readers.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (page, full) = (page.clone(), full.clone());
        tokio::spawn(async move {
            if timeout(PATIENCE, answer(page, stream, &full)).await.is_err() {
                tracing::warn!(
                    "a reader of metrics has not asked, or not read all, within {} s: it is left",
                    PATIENCE.as_secs()
                );
            }
            drop(place);
        });
    }
}

/// The head of a request; empty if the reader left, or made way for another.
async fn head(stream: &mut UnixStream, full: &Notify) -> std::io::Result<Vec<u8>> {
    let wanted = wanted(full);
    tokio::pin!(wanted);
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = tokio::select! {
            read = stream.read_buf(&mut head) => read?,
            () = &mut wanted => 0,
        };
        if head.len() > HEAD || read == 0 {
            return Ok(Vec::new());
        }
    }
    Ok(head)
}

/// Ready when the grace of this place is over and others wait for it.
async fn wanted(full: &Notify) {
    sleep(GRACE).await;
    full.notified().await;
}

/// Writes a page, unless its reader makes way for another.
async fn tell(stream: &mut UnixStream, page: &[u8], full: &Notify) -> std::io::Result<()> {
    for share in page.chunks((page.len() / SHARES).max(SHARE)) {
        tokio::select! {
            written = stream.write_all(share) => written?,
            () = wanted(full) => return Err(std::io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

async fn answer<F: Future<Output = Arc<str>>>(
    page: impl Fn() -> F,
    mut stream: UnixStream,
    full: &Notify,
) -> std::io::Result<()> {
    let head = head(&mut stream, full).await?;
    if head.is_empty() {
        return Ok(());
    }
    // The head of the answer to HEAD is that of GET (RFC 9110, section 9.3.2).
    let without_content = head.starts_with(b"HEAD ");
    let (status, content) = if head.starts_with(b"GET /metrics ") || head.starts_with(b"HEAD /metrics ") {
        ("200 OK", page().await)
    } else {
        ("404 Not Found", "metrics are at /metrics\n".into())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if !without_content {
        tell(&mut stream, content.as_bytes(), full).await?;
    }
    stream.shutdown().await
}

/// Gives a dispatcher this worker's page.
pub(super) async fn write(page: String, mut stream: UnixStream, place: OwnedSemaphorePermit) {
    let _ = timeout(PATIENCE, stream.write_all(page.as_bytes())).await;
    drop(place);
}

/// Reads a worker's page for the dispatcher; `None` if it is not whole in time.
pub(super) async fn read_page(stream: UnixStream) -> Option<String> {
    let mut page = String::new();
    let read = stream.take(LONGEST_PAGE).read_to_string(&mut page).await;
    (read.is_ok() && page.ends_with("# EOF\n")).then_some(page)
}
