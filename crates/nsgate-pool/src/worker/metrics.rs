//! Metrics in the OpenMetrics text format, over HTTP on a UNIX socket: `curl --unix-socket PATH http://nsgate/metrics`.

use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// Readers at once.
const READERS: usize = 8;
/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest page of a worker in bytes: a hundred thousand networks with every class and reason.
const LONGEST_PAGE: u64 = 256 * 1024 * 1024;
/// Longest head of a request in bytes.
const HEAD: usize = 4096;

/// Answers with what `page` returns, until it is dropped. Needs a runtime.
pub async fn serve<P, F>(listener: UnixListener, page: P)
where
    P: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = String> + Send,
{
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        // Never closed.
        let Ok(place) = readers.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let page = page.clone();
        tokio::spawn(async move {
            if timeout(PATIENCE, answer(page, stream)).await.is_err() {
                tracing::warn!(
                    "a reader of metrics has not asked, or not read all, within {} s: it is left",
                    PATIENCE.as_secs()
                );
            }
            drop(place);
        });
    }
}

async fn answer<F: Future<Output = String>>(page: impl Fn() -> F, mut stream: UnixStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (status, content) = if head.starts_with(b"GET /metrics ") {
        ("200 OK", page().await)
    } else {
        ("404 Not Found", "metrics are at /metrics\n".to_owned())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(content.as_bytes()).await?;
    stream.shutdown().await
}

/// Gives a dispatcher this worker's page.
pub(super) async fn write(page: String, mut stream: UnixStream, place: OwnedSemaphorePermit) {
    let _ = timeout(PATIENCE, stream.write_all(page.as_bytes())).await;
    drop(place);
}

/// A worker's page, as a dispatcher gets it, if that is whole. The dispatcher does not wait for ever.
pub(super) async fn read(stream: UnixStream) -> Option<String> {
    let mut page = String::new();
    let read = stream.take(LONGEST_PAGE).read_to_string(&mut page).await;
    (read.is_ok() && page.ends_with("# EOF\n")).then_some(page)
}
