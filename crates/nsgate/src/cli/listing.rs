//! The pool's answer about its networks: as JSON, and messages about missing parts.

use nsgate_config::AbsolutePath;
use nsgate_pool::{
    AskError,
    protocol::{NetworkStatus, SilentWorker},
};
use serde_json::{Value, json};
use std::io;

/// A message about a worker that does not answer.
pub(super) fn silent(worker: &SilentWorker) -> String {
    format!(
        "worker {} does not answer ({}): its networks are not shown; `ps` says whether it is stopped (T) or busy (R), and \
         if it is killed the pool makes another one",
        worker.number, worker.reason
    )
}

/// A message about a pool that does not answer.
pub(super) fn unanswered(socket: &AbsolutePath, error: &AskError) -> String {
    let away = |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    let hint = match error {
        AskError::Io(error) if away(error) => {
            "; `systemctl status nsgate-pool` says whether one runs, and its configuration where its socket is (--pool)"
        }
        _ => "",
    };
    format!("{socket}: {error}{hint}")
}

/// Which network it is, and where it listens.
pub(super) fn place(one: &NetworkStatus) -> Value {
    json!({
        "identity": one.identity.header(),
        "id": one.identity.uuid().to_string(),
        "listen": one.listen.split(' ').collect::<Vec<_>>(),
        "backend": one.backend,
        "worker": one.worker,
    })
}

/// The same with its numbers.
pub(super) fn numbers(one: &NetworkStatus) -> Value {
    let mut row = place(one);
    let more = json!({
        "seconds": one.age,
        "connections": one.connections,
        "requests": one.requests,
        "served": one.served,
        "rejected": one.rejected,
        "failed": one.failed,
    });
    if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
        row.extend(more);
    }
    row
}
