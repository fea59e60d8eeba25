//! The pool's answer about its networks, as JSON.

use nsgate_pool::protocol::NetworkStatus;
use serde_json::{Value, json};

/// Which network it is, and where it listens.
pub(super) fn network_json(one: &NetworkStatus) -> Value {
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
    let mut row = network_json(one);
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
