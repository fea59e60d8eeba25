//! A session and a scripted server: what is asked, what is believed, and when a copy is thrown away.

use super::{OvnDirectory, OvnOptions, OvnServer, OvnTrouble, session::Kept, session::OvnSession, shared::OvnShared};
use crate::directory::{Caller, NoOccupant, Question};
use nsgate_config::Identity;
use serde_json::{Deserializer, Value, json};
use std::time::Duration;

const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

fn row(number: u8) -> String {
    format!("aaaaaaaa-0000-4000-8000-{number:012x}")
}

fn options(chassis: Option<&str>) -> OvnOptions {
    OvnOptions::new(Vec::<OvnServer>::new(), chassis.map(str::to_owned))
}

/// As ovsdb-server tells its schema; it has more than is wanted.
fn schema() -> Value {
    let set = |key: &str| json!({ "type": { "key": key, "min": 0, "max": "unlimited" } });
    let map = json!({ "type": { "key": "string", "value": "string", "min": 0, "max": "unlimited" } });
    let reference = |min: u8| json!({ "type": { "key": { "type": "uuid", "refTable": "X" }, "min": min } });
    let ports = json!({ "mac": set("string"), "chassis": reference(0), "datapath": reference(1), "external_ids": map,
        "colour": { "type": "real" } });
    json!({ "name": "OVN_Southbound", "tables": {
        "Port_Binding": { "columns": ports },
        "Datapath_Binding": { "columns": { "external_ids": map } },
        "Chassis": { "columns": { "name": { "type": "string" } } },
    } })
}

fn port(address: &str, chassis: u8, instance: &str) -> Value {
    json!({
        "mac": format!("fa:16:3e:00:00:01 {address}"),
        "chassis": ["uuid", row(chassis)],
        "datapath": ["uuid", row(9)],
        "external_ids": ["map", [["neutron:device_id", instance], ["neutron:project_id", "p"], ["neutron:mtu", "1450"]]],
        "colour": 1.5,
    })
}

fn datapaths() -> Value {
    json!({ row(9): { "initial": { "external_ids": ["map", [["name", format!("neutron-{NETWORK}")]]] } } })
}

/// A session with the server's side of it.
struct Talk<'a> {
    session: OvnSession<'a>,
    asked: Vec<Value>,
}

impl<'a> Talk<'a> {
    fn begin(options: &'a OvnOptions, shared: &'a OvnShared, kept: &'a mut Kept) -> Self {
        Self { session: OvnSession::new(options, shared, kept), asked: Vec::new() }
    }

    /// The next request, which must be this one.
    fn asks(&mut self, method: &str) -> Value {
        let bytes = self.session.requests();
        self.asked.extend(Deserializer::from_slice(&bytes).into_iter::<Value>().map(|value| value.expect("JSON")));
        assert!(!self.asked.is_empty(), "no request; wanted {method}");
        let request = self.asked.remove(0);
        assert_eq!(request["method"], method, "{request}");
        request
    }

    fn says(&mut self, message: &Value) -> Result<(), OvnTrouble> {
        self.session.take(message.to_string().as_bytes())
    }

    fn answers(&mut self, method: &str, result: &Value) -> Result<Value, OvnTrouble> {
        let request = self.asks(method);
        self.says(&json!({ "id": request["id"], "result": result, "error": null }))?;
        Ok(request["params"].clone())
    }

    fn refuses(&mut self, method: &str, error: &Value) -> Result<(), OvnTrouble> {
        let request = self.asks(method);
        self.says(&json!({ "id": request["id"], "error": error }))
    }

    /// Up to the schema, without a word of itself.
    fn greets(&mut self) {
        self.answers("list_dbs", &json!(["OVN_Southbound"])).expect("it goes on");
        self.answers("get_schema", &schema()).expect("it goes on");
    }
}

fn question(address: &str) -> Question {
    let place = Identity::OvnNetwork(NETWORK.parse().expect("a UUID"));
    Question { place, caller: Caller::of(address.parse().expect("an address")) }
}

fn who(shared: &OvnShared, address: &str) -> Result<String, NoOccupant> {
    shared.who(&question(address)).map(|occupant| occupant.instance().to_owned())
}

fn shared() -> OvnShared {
    OvnShared::new(Duration::from_secs(60))
}

#[test]
fn only_the_ports_of_the_own_chassis_are_asked_for_and_believed() {
    let (options, shared, mut kept) = (options(Some("host-1")), shared(), Kept::default());
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.greets();
    assert!(matches!(who(&shared, "10.0.0.2"), Err(NoOccupant::Away(_))), "nothing is known yet");
    let chassis = json!([false, NIL, { "Chassis": { row(1): { "initial": { "name": "host-1" } } } }]);
    let params = talk.answers("monitor_cond_since", &chassis).expect("it goes on");
    assert_eq!(params[2]["Chassis"][0]["where"], json!([["name", "==", "host-1"]]));
    let ports =
        json!({ row(2): { "initial": port("10.0.0.2", 1, "a") }, row(3): { "initial": port("10.0.0.3", 7, "b") } });
    let copy = json!([false, row(50), { "Port_Binding": ports, "Datapath_Binding": datapaths(), "Odd": {} }]);
    let params = talk.answers("monitor_cond_since", &copy).expect("it goes on");
    assert_eq!(params[2]["Port_Binding"][0]["where"], json!([["chassis", "==", ["uuid", row(1)]]]));
    assert_eq!(params[2]["Datapath_Binding"][0].get("where"), None);
    assert_eq!(params[3], NIL);
    assert_eq!(who(&shared, "10.0.0.2"), Ok("a".to_owned()));
    assert_eq!(who(&shared, "10.0.0.3"), Err(NoOccupant::NoPort), "a row that was not asked for");
}

/// A session that follows; its copy ends with the transaction 50 and has the port 10.0.0.2.
fn followed<'a>(options: &'a OvnOptions, shared: &'a OvnShared, kept: &'a mut Kept) -> Talk<'a> {
    let mut talk = Talk::begin(options, shared, kept);
    talk.greets();
    let ports = json!({ row(2): { "initial": port("10.0.0.2", 1, "a") } });
    let copy = json!([false, row(50), { "Port_Binding": ports, "Datapath_Binding": datapaths() }]);
    talk.answers("monitor_cond_since", &copy).expect("it goes on");
    talk
}

fn update(changes: &Value) -> Value {
    json!({ "id": null, "method": "update3", "params": ["ports-1", row(51), { "Port_Binding": changes }] })
}

#[test]
fn an_address_that_moves_is_never_anothers() {
    let (options, shared, mut kept) = (options(None), shared(), Kept::default());
    let mut talk = followed(&options, &shared, &mut kept);
    talk.says(&update(&json!({ row(3): { "insert": port("10.0.0.2", 1, "b") } }))).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.2"), Err(NoOccupant::SeveralPorts(2)));
    talk.says(&update(&json!({ row(2): { "delete": null } }))).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.2"), Ok("b".to_owned()));
    let unbound = json!({ row(3): { "modify": { "chassis": ["set", []] } } });
    talk.says(&update(&unbound)).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.2"), Err(NoOccupant::NoPort), "a port without a chassis");
    let renamed = json!({ row(3): { "modify": {
        "chassis": ["uuid", row(1)], "external_ids": ["map", [["neutron:device_id", "c"]]],
    } } });
    talk.says(&update(&renamed)).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.2"), Ok("c".to_owned()));
    let nameless = json!({ row(3): { "modify": { "external_ids": ["map", [["neutron:device_id", "c"]]] } } });
    talk.says(&update(&nameless)).expect("it goes on");
    assert!(matches!(who(&shared, "10.0.0.2"), Err(NoOccupant::NoInstance(_))));
}

#[test]
fn only_the_first_element_of_mac_counts_whatever_the_order_of_changes() {
    let (options, shared, mut kept) = (options(None), shared(), Kept::default());
    let mut talk = followed(&options, &shared, &mut kept);
    let unknown = json!({ row(2): { "modify": { "mac": "unknown" } } });
    talk.says(&update(&unknown)).expect("it goes on");
    let moved = json!({ row(2): { "modify": { "mac": ["set", ["fa:16:3e:00:00:01 10.0.0.2", "fa:16:3e:00:00:01 10.0.0.9"]] } } });
    talk.says(&update(&moved)).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.9"), Ok("a".to_owned()), "mac is fa:… and `unknown`, in this order");
    let second = json!({ row(2): { "modify": { "mac": "fa:16:3e:00:00:02 10.0.0.8" } } });
    talk.says(&update(&second)).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.8"), Err(NoOccupant::NoPort), "the second element");
}

#[test]
fn a_copy_goes_on_after_its_last_transaction() {
    let (options, shared, mut kept) = (options(None), shared(), Kept::default());
    followed(&options, &shared, &mut kept).says(&update(&json!({}))).expect("it goes on");
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.greets();
    let since = json!([true, row(52), { "Port_Binding": { row(3): { "insert": port("10.0.0.3", 1, "b") } } }]);
    let params = talk.answers("monitor_cond_since", &since).expect("it goes on");
    assert_eq!(params[3], row(51), "the last transaction that the copy has");
    assert_eq!(who(&shared, "10.0.0.2"), Ok("a".to_owned()));
    assert_eq!(who(&shared, "10.0.0.3"), Ok("b".to_owned()));
    assert_eq!((shared.status().copies, shared.status().resumptions), (1, 1));
}

#[test]
fn what_a_server_does_not_find_is_copied_whole_and_nothing_old_is_left() {
    let (options, shared, mut kept) = (options(None), shared(), Kept::default());
    drop(followed(&options, &shared, &mut kept));
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.greets();
    assert_eq!(who(&shared, "10.0.0.2"), Ok("a".to_owned()), "the old copy answers until the new one is whole");
    let all = json!([false, NIL, { "Port_Binding": { row(3): { "initial": port("10.0.0.3", 1, "b") } },
        "Datapath_Binding": datapaths() }]);
    talk.answers("monitor_cond_since", &all).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.2"), Err(NoOccupant::NoPort));
    assert_eq!(who(&shared, "10.0.0.3"), Ok("b".to_owned()));
}

#[test]
fn a_change_that_does_not_fit_is_not_half_done_and_ends_the_copy() {
    for changes in [
        json!({ row(2): { "delete": null }, row(3): { "insert": { "mac": 5 } } }),
        json!({ row(2): { "delete": null }, row(8): { "modify": {} } }),
        json!({ row(2): { "delete": null }, "x": { "delete": null } }),
    ] {
        let (options, shared, mut kept) = (options(None), shared(), Kept::default());
        let mut talk = followed(&options, &shared, &mut kept);
        assert!(talk.says(&update(&changes)).is_err(), "{changes}");
        assert_eq!(who(&shared, "10.0.0.2"), Ok("a".to_owned()));
        assert!(kept.copy.is_none(), "the next copy begins anew");
    }
}

#[test]
fn another_row_of_the_chassis_is_another_copy() {
    let (options, shared, mut kept) = (options(Some("host-1")), shared(), Kept::default());
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.greets();
    talk.answers("monitor_cond_since", &json!([false, NIL, {}])).expect("it goes on");
    let Err(NoOccupant::Away(why)) = who(&shared, "10.0.0.2") else { panic!("away") };
    assert!(why.contains("no chassis `host-1`"), "{why}");
    let told = |talk: &mut Talk<'_>, rows: &Value| {
        talk.says(&json!({ "id": null, "method": "update3", "params": ["chassis", NIL, { "Chassis": rows }] }))
            .expect("it goes on");
    };
    told(&mut talk, &json!({ row(1): { "insert": { "name": "host-1" } } }));
    let late = talk.asks("monitor_cond_since");
    told(&mut talk, &json!({ row(1): { "delete": null }, row(4): { "insert": { "name": "host-1" } } }));
    let copy = |chassis| {
        json!([false, NIL, { "Port_Binding": { row(2): { "initial": port("10.0.0.2", chassis, "a") } },
        "Datapath_Binding": datapaths() }])
    };
    talk.says(&json!({ "id": late["id"], "result": copy(1), "error": null })).expect("it goes on");
    assert!(matches!(who(&shared, "10.0.0.2"), Err(NoOccupant::Away(_))), "a reply for the row before");
    assert_eq!(talk.asks("monitor_cancel")["params"], json!(["ports-1"]));
    let params = talk.answers("monitor_cond_since", &copy(4)).expect("it goes on");
    assert_eq!(params[2]["Port_Binding"][0]["where"], json!([["chassis", "==", ["uuid", row(4)]]]));
    assert_eq!(who(&shared, "10.0.0.2"), Ok("a".to_owned()));
    told(&mut talk, &json!({ row(4): { "delete": null } }));
    assert!(matches!(who(&shared, "10.0.0.2"), Err(NoOccupant::Away(_))), "the chassis is gone");
}

#[test]
fn an_older_server_is_followed_in_the_older_way() {
    let (options, shared, mut kept) = (options(Some("host-1")), shared(), Kept::default());
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.greets();
    talk.refuses("monitor_cond_since", &json!("unknown method")).expect("it goes on");
    talk.answers("monitor_cond", &json!({ "Chassis": { row(1): { "initial": { "name": "host-1" } } } }))
        .expect("it goes on");
    let copy =
        json!({ "Port_Binding": { row(2): { "initial": port("10.0.0.2", 1, "a") } }, "Datapath_Binding": datapaths() });
    let params = talk.answers("monitor_cond", &copy).expect("it goes on");
    assert_eq!(params.as_array().map(Vec::len), Some(3), "no last transaction");
    let gone = json!({ "id": null, "method": "update2", "params": ["ports-1", { "Port_Binding": { row(2): { "delete": null } } }] });
    assert_eq!(who(&shared, "10.0.0.2"), Ok("a".to_owned()));
    talk.says(&gone).expect("it goes on");
    assert_eq!(who(&shared, "10.0.0.2"), Err(NoOccupant::NoPort));
}

#[test]
fn a_server_that_is_not_ovns_is_left_with_the_reason() {
    let (options, shared, mut kept) = (options(Some("host-1")), shared(), Kept::default());
    let told = |trouble: Result<Value, OvnTrouble>| trouble.expect_err("trouble").to_string();
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    let said = told(talk.answers("list_dbs", &json!(["OVN_Northbound", "_Server"])));
    assert!(said.contains("`OVN_Northbound` and not OVN_Southbound"), "{said}");
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.answers("list_dbs", &json!(["OVN_Southbound"])).expect("it goes on");
    let said = told(talk.answers("get_schema", &json!({ "tables": { "Port_Binding": { "columns": {} } } })));
    assert!(said.contains("no column mac"), "{said}");
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.greets();
    let said = talk.refuses("monitor_cond_since", &json!({ "error": "permission error", "details": "no" }));
    assert_eq!(said.expect_err("trouble").to_string(), "it refuses a copy of the chassis: permission error: no");
}

#[test]
fn a_member_that_loses_its_cluster_is_left_and_the_copy_is_kept() {
    let (options, shared, mut kept) = (options(None), shared(), Kept::default());
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.answers("list_dbs", &json!(["OVN_Southbound", "_Server"])).expect("it goes on");
    let member =
        |index: u8| json!({ "name": "OVN_Southbound", "connected": true, "cid": ["uuid", row(60)], "index": index });
    let database = |index| json!([false, NIL, { "Database": { row(61): { "initial": member(index) } } }]);
    talk.answers("monitor_cond_since", &database(8)).expect("it goes on");
    talk.answers("get_schema", &schema()).expect("it goes on");
    let copy = json!([false, row(50), { "Port_Binding": { row(2): { "initial": port("10.0.0.2", 1, "a") } },
        "Datapath_Binding": datapaths() }]);
    talk.answers("monitor_cond_since", &copy).expect("it goes on");
    let alone = json!({ "Database": { row(61): { "modify": { "connected": false } } } });
    let left = talk.says(&json!({ "id": null, "method": "update3", "params": ["server", NIL, alone] }));
    assert!(matches!(left, Err(OvnTrouble::Member(_))), "{left:?}");
    assert!(kept.copy.is_some());
    let mut talk = Talk::begin(&options, &shared, &mut kept);
    talk.answers("list_dbs", &json!(["OVN_Southbound", "_Server"])).expect("it goes on");
    let behind = talk.answers("monitor_cond_since", &database(7)).expect_err("trouble");
    assert!(behind.to_string().contains("behind"), "{behind}");
}

#[test]
fn a_copy_that_is_too_old_is_not_answered_from() {
    let (options, shared, mut kept) = (options(None), OvnShared::new(Duration::ZERO), Kept::default());
    let _talk = followed(&options, &shared, &mut kept);
    std::thread::sleep(Duration::from_millis(2));
    let Err(NoOccupant::Away(why)) = who(&shared, "10.0.0.2") else { panic!("away") };
    assert!(why.contains("has not been heard for 0 s"), "{why}");
    assert!(shared.lost("tcp:192.0.2.1:6642: it closed the connection".to_owned()));
    let Err(NoOccupant::Away(why)) = who(&shared, "10.0.0.2") else { panic!("away") };
    assert!(why.contains("tcp:192.0.2.1:6642: it closed"), "{why}");
}

#[test]
fn a_network_of_another_kind_of_agent_finds_no_port() {
    let (options, shared, mut kept) = (options(None), shared(), Kept::default());
    let _talk = followed(&options, &shared, &mut kept);
    let place = Identity::Network(NETWORK.parse().expect("a UUID"));
    assert_eq!(shared.who(&Question { place, ..question("10.0.0.2") }), Err(NoOccupant::NoPort));
    let (directory, _follower) = OvnDirectory::new(options.clone());
    assert_eq!(directory.status().ports, 0);
}
