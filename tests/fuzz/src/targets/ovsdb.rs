//! What a server of OVN's southbound database says to the directory that follows it.

use crate::Target;
use nsgate_agent::directory::ovn::fuzzing::{Replayed, replay};
use serde_json::{Value, json};

/// The input is the server's side of a connection.
pub const TARGET: Target = Target {
    name: "ovsdb",
    promise: "a change is taken whole or not at all, wherever the stream is cut, and what is found is what the rows say",
    run,
    words: &[
        "{\"id\":1,\"result\":[\"OVN_Southbound\"],\"error\":null}",
        "{\"id\":2,\"result\":",
        "{\"id\":null,\"method\":\"update3\",\"params\":[\"ports-1\",\"00000000-0000-0000-0000-000000000000\",{",
        "{\"id\":null,\"method\":\"update2\",\"params\":[\"chassis\",{",
        "{\"id\":\"echo\",\"method\":\"echo\",\"params\":[]}",
        "\"error\":\"unknown method\"",
        "\"Port_Binding\":{",
        "\"Datapath_Binding\":{",
        "\"Chassis\":{",
        "\"Database\":{",
        "\"aaaaaaaa-0000-4000-8000-000000000001\":{",
        "\"aaaaaaaa-0000-4000-8000-000000000009\":{",
        "\"insert\":{",
        "\"initial\":{",
        "\"modify\":{",
        "\"delete\":null",
        "\"mac\":\"fa:16:3e:00:00:01 10.0.0.2\"",
        "\"mac\":[\"set\",[\"fa:16:3e:00:00:01 10.0.0.2\",\"unknown\"]]",
        "\"chassis\":[\"uuid\",\"aaaaaaaa-0000-4000-8000-000000000001\"]",
        "\"chassis\":[\"set\",[]]",
        "\"datapath\":[\"uuid\",\"aaaaaaaa-0000-4000-8000-000000000009\"]",
        "\"external_ids\":[\"map\",[[\"neutron:device_id\",\"a\"]]]",
        "\"external_ids\":[\"map\",[[\"name\",\"neutron-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"]]]",
        "\"connected\":false",
        "\"index\":7",
        "monitor_canceled",
        "\\u0000",
        "\\\"",
    ],
    seeds,
    longest: 8000,
};

fn run(bytes: &[u8]) {
    for chassis in [None, Some("host-1")] {
        let whole = replay(bytes, bytes.len(), chassis);
        promised(&whole);
        for part in [1, 7, 61] {
            assert_eq!(replay(bytes, part, chassis), whole, "in parts of {part} bytes");
        }
    }
}

fn promised(outcome: &Replayed) {
    assert!(outcome.sound, "the index is not what the rows say: {outcome:?}");
    assert!(outcome.steady, "a change was half done: {outcome:?}");
    assert!(outcome.ended, "a copy outlived trouble: {outcome:?}");
    let trouble = outcome.trouble.as_deref().unwrap_or_default();
    assert!(trouble.len() < 1200 && !trouble.contains('\n'), "{trouble}");
}

fn row(number: u8) -> String {
    format!("aaaaaaaa-0000-4000-8000-{number:012x}")
}

/// Conversations as real servers have them: of all ports, of a chassis in a cluster, and with an older server.
fn seeds() -> Vec<Vec<u8>> {
    let nil = "00000000-0000-0000-0000-000000000000";
    let reply = |id: u8, result: &Value| json!({ "id": id, "result": result, "error": null });
    let told = |monitor: &str, tables: &Value| json!({ "id": null, "method": "update3", "params": [monitor, row(51), tables] });
    let map = json!({ "type": { "key": "string", "value": "string", "min": 0, "max": "unlimited" } });
    let column =
        |key: &str, min: u8, max: &Value| json!({ "type": { "key": { "type": key }, "min": min, "max": max } });
    let schema = json!({ "tables": {
        "Port_Binding": { "columns": { "mac": column("string", 0, &json!("unlimited")), "chassis": column("uuid", 0, &json!(1)),
            "datapath": column("uuid", 1, &json!(1)), "external_ids": map } },
        "Datapath_Binding": { "columns": { "external_ids": map } },
        "Chassis": { "columns": { "name": { "type": "string" } } },
    } });
    let port = |address: &str| {
        json!({ "mac": format!("fa:16:3e:00:00:01 {address}"), "chassis": ["uuid", row(1)],
        "datapath": ["uuid", row(9)],
        "external_ids": ["map", [["neutron:device_id", "a"], ["neutron:project_id", "p"]]] })
    };
    let network = json!({ "initial": {
        "external_ids": ["map", [["name", "neutron-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"]]] } });
    let rows =
        json!({ "Port_Binding": { row(2): { "initial": port("10.0.0.2") } }, "Datapath_Binding": { row(9): network } });
    let chassis = json!({ "Chassis": { row(1): { "initial": { "name": "host-1" } } } });
    let member = json!({ "Database": { row(61): { "initial": { "name": "OVN_Southbound", "connected": true, "leader": true,
        "cid": ["uuid", row(60)], "index": 8 } } } });
    let databases = json!(["OVN_Southbound"]);
    let changes = |monitor: &str| {
        vec![
            told(monitor, &json!({ "Port_Binding": { row(3): { "insert": port("10.0.0.2 2001:db8::2") } } })),
            told(
                monitor,
                &json!({ "Port_Binding": { row(2): { "modify": { "mac": ["set", ["unknown", "x 10.0.0.9"]] } } } }),
            ),
            json!({ "id": "echo", "method": "echo", "params": [] }),
            told(monitor, &json!({ "Port_Binding": { row(2): { "modify": { "chassis": ["set", []] } } } })),
            told(
                monitor,
                &json!({ "Datapath_Binding": { row(9): { "delete": null } }, "Port_Binding": { row(3): { "delete": null } } }),
            ),
        ]
    };
    let all = vec![reply(1, &databases), reply(2, &schema), reply(3, &json!([false, row(50), rows]))];
    let own = vec![
        reply(1, &json!(["_Server", "OVN_Southbound"])),
        reply(2, &json!([false, nil, member])),
        reply(3, &schema),
        reply(4, &json!([false, nil, chassis])),
        reply(5, &json!([false, row(50), rows])),
        told("server", &json!({ "Database": { row(61): { "modify": { "index": 9 } } } })),
        told(
            "chassis",
            &json!({ "Chassis": { row(1): { "delete": null }, row(4): { "insert": { "name": "host-1" } } } }),
        ),
        reply(7, &json!([false, row(50), rows])),
    ];
    let old = vec![
        reply(1, &databases),
        reply(2, &schema),
        json!({ "id": 3, "error": "unknown method" }),
        reply(4, &rows),
        json!({ "id": null, "method": "update2", "params": ["ports-2", { "Port_Binding": { row(2): { "delete": null } } }] }),
    ];
    let torn = told("ports-1", &json!({ "Port_Binding": { row(2): { "delete": null }, row(8): { "modify": {} } } }));
    let conversations = [[all.clone(), changes("ports-1")].concat(), [all, vec![torn]].concat(), own, old];
    conversations.map(|messages| messages.iter().map(Value::to_string).collect::<Vec<_>>().join("").into_bytes()).into()
}
