//! The southbound database of a cloud with so many port bindings: a metadata port, three guests here, and the rest on other hosts.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use nsgate_tests::Lab;
use nsgate_tests::config::NETWORK;
use nsgate_tests::ovn::{self, Binding, Row, Server};
use serde_json::json;

/// The host on which everything is measured.
pub(super) const CHASSIS: &str = "host-1";
/// Guests on it, in one network.
pub(super) const GUESTS: usize = 3;

/// Other hosts, and ports of a network that has none here.
const HOSTS: usize = 100;
const PORTS: usize = 50;
/// Rows of one transaction.
const BATCH: usize = 500;

/// A database that is served.
pub(super) struct Cloud {
    pub(super) bindings: usize,
    pub(super) server: Server,
    network: Row,
    here: Row,
}

impl Cloud {
    pub(super) fn new(lab: &Lab, number: usize, bindings: usize) -> Cloud {
        let server = Server::numbered(lab, &ovn::schema(), number);
        // The agent that is measured asks as a user of its own.
        fs::set_permissions(server.socket(), fs::Permissions::from_mode(0o666)).expect("the socket's mode");
        server.transact(&[json!({ "op": "insert", "table": "SB_Global", "row": { "nb_cfg": 0 } })]);
        let here = server.insert(&ovn::chassis(CHASSIS)).remove(1);
        let private = json!({ "op": "insert", "table": "Chassis_Private", "row": { "name": CHASSIS, "chassis": ["uuid", here.0] } });
        server.transact(&[private]);
        let network = server.insert(&[ovn::datapath(&format!("neutron-{NETWORK}"), 1)]).remove(0);
        let cloud = Cloud { bindings, server, network, here };
        cloud.metadata_port();
        cloud.guests(0..GUESTS);
        cloud.elsewhere(bindings - GUESTS - 1);
        cloud
    }

    /// The network's metadata port. It has no MAC address, so that Neutron's agent makes no namespace for the network.
    fn metadata_port(&self) {
        let ids = ids("ovnmeta", "network:distributed", NETWORK, "10.0.0.2");
        let port = Binding {
            name: "metadata-port".to_owned(),
            key: 1,
            datapath: self.network.clone(),
            chassis: None,
            mac: Vec::new(),
            kind: "localport",
            ids,
        };
        self.server.transact(&[port.insert()]);
    }

    /// Binds guests of the one network to this host.
    pub(super) fn guests(&self, numbers: std::ops::Range<usize>) {
        let port = |number: usize| {
            let (network, here) = (&self.network, &self.here);
            port(&format!("guest-{number}"), number + 2, network, here, NETWORK, address(number), &instance(number))
        };
        self.server.transact(&numbers.map(port).collect::<Vec<_>>());
    }

    /// Ports of other networks, bound to other hosts.
    fn elsewhere(&self, count: usize) {
        let hosts: Vec<Row> = (0..HOSTS.min(count))
            .map(|number| self.server.insert(&ovn::chassis(&format!("other-{number}"))).remove(1))
            .collect();
        let id = |network: usize| format!("bb000000-0000-4000-8000-{network:012x}");
        let networks: Vec<_> = (0..count.div_ceil(PORTS))
            .map(|network| ovn::datapath(&format!("neutron-{}", id(network)), network + 2))
            .collect();
        let networks = if networks.is_empty() { Vec::new() } else { self.server.insert(&networks) };
        let ports: Vec<_> = (0..count)
            .map(|number| {
                let network = number / PORTS;
                let address = Ipv4Addr::from(0x0a01_0000 + u32::try_from(number).expect("a number of a port"));
                let instance = format!("dd000000-0000-4000-8000-{number:012x}");
                let (datapath, host) = (&networks[network], &hosts[number % HOSTS]);
                port(&format!("other-{number}"), number % PORTS + 1, datapath, host, &id(network), address, &instance)
            })
            .collect();
        ports.chunks(BATCH).for_each(|part| drop(self.server.transact(part)));
    }
}

/// The address of a guest on this host.
pub(super) fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 11 + u8::try_from(number).expect("few guests"))
}

fn instance(number: usize) -> String {
    format!("abcdef00-0000-4000-8000-{number:012x}")
}

fn port(
    name: &str,
    key: usize,
    datapath: &Row,
    chassis: &Row,
    network: &str,
    address: Ipv4Addr,
    instance: &str,
) -> serde_json::Value {
    let [_, b, c, d] = address.octets();
    let mut port =
        Binding::of(name, key, datapath, chassis, &format!("fa:16:3e:{b:02x}:{c:02x}:{d:02x} {address}"), "");
    port.ids = ids(instance, "compute:nova", network, &address.to_string());
    port.insert()
}

/// All that Neutron's mechanism driver writes for a port (`_get_port_options` in `mech_driver/ovsdb/ovn_client.py`).
fn ids(device: &str, owner: &str, network: &str, address: &str) -> BTreeMap<&'static str, String> {
    let ids = [
        ("neutron:cidrs", format!("{address}/16")),
        ("neutron:device_id", device.to_owned()),
        ("neutron:device_owner", owner.to_owned()),
        ("neutron:host_id", CHASSIS.to_owned()),
        ("neutron:mtu", "1450".to_owned()),
        ("neutron:network_name", format!("neutron-{network}")),
        ("neutron:port_capabilities", String::new()),
        ("neutron:port_name", String::new()),
        ("neutron:project_id", "5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60".to_owned()),
        ("neutron:revision_number", "4".to_owned()),
        ("neutron:security_group_ids", "0b0b5f4e-3f54-4a4c-8f0e-6c7f6f0f3f10".to_owned()),
        ("neutron:subnet_pool_addr_scope4", String::new()),
        ("neutron:subnet_pool_addr_scope6", String::new()),
        ("neutron:vnic_type", "normal".to_owned()),
    ];
    ids.into()
}
