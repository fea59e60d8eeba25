//! The tables of OVN's southbound schema that say who has which address (ovn-sb(5)), and what Neutron reads out of a row.

use crate::directory::{Caller, DirectoryPort, Occupant};
use crate::ovsdb::{Atom, Content, Datum, Row, Uuid, WantedTable};
use std::net::IpAddr;

/// The database.
pub(crate) const DATABASE: &str = "OVN_Southbound";

/// Ports: logical ones, with the chassis to which each is bound.
pub(crate) const PORT_BINDING: WantedTable = WantedTable {
    table: "Port_Binding",
    columns: &[
        ("mac", Content::Text),
        ("chassis", Content::Uuid),
        ("datapath", Content::Uuid),
        ("external_ids", Content::Keys(&["neutron:device_id", "neutron:project_id"])),
    ],
};

/// Networks, and routers.
pub(crate) const DATAPATH_BINDING: WantedTable =
    WantedTable { table: "Datapath_Binding", columns: &[("external_ids", Content::Keys(&["name"]))] };

/// Hosts.
pub(crate) const CHASSIS: WantedTable = WantedTable { table: "Chassis", columns: &[("name", Content::Text)] };

/// The chassis that a row of Port_Binding is bound to.
pub(crate) fn chassis(row: &Row) -> Option<Uuid> {
    let [_, chassis, _, _] = &**row else { return None };
    uuid(chassis)
}

/// The datapath that a row of Port_Binding is in.
pub(crate) fn datapath(row: &Row) -> Option<Uuid> {
    let [_, _, datapath, _] = &**row else { return None };
    uuid(datapath)
}

fn uuid(datum: &Datum) -> Option<Uuid> {
    match datum.first() {
        Some(Atom::Uuid(name)) => Some(*name),
        _ => None,
    }
}

/// The network that a row of Datapath_Binding is (`get_network_name_from_datapath` in `neutron/common/ovn/utils.py`).
pub(crate) fn network(row: &Row) -> Option<Uuid> {
    let [external_ids] = &**row else { return None };
    external_ids.value(0)?.replacen("neutron-", "", 1).parse().ok()
}

/// The port that a row of Port_Binding is, in this network. A row without `mac` is none.
pub(crate) fn port(row: &Row, network: Uuid) -> Option<DirectoryPort> {
    let [mac, _, _, external_ids] = &**row else { return None };
    let Some(Atom::Text(first)) = mac.first() else { return None };
    let id = |place| external_ids.value(place).unwrap_or_default();
    Some(DirectoryPort { place: network, callers: callers(first), occupant: Occupant::new(id(0), id(1)) })
}

/// The addresses in the first element of `mac`, `MAC IP IP …`. Neutron looks at no other element. What is no address
/// (`unknown`, `router`, an address with the length of its prefix) finds no port, as there.
fn callers(text: &str) -> Vec<Caller> {
    let caller = |word: &str| match word.parse::<IpAddr>() {
        Ok(address) => Some(Caller::of(address)),
        Err(_) => mac_address(word).map(Caller::Mac),
    };
    text.split(' ').filter_map(caller).collect()
}

fn mac_address(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        callers(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_addresses_of_a_port_are_those_that_neutron_finds_in_its_text() {
        assert_eq!(told("fa:16:3e:00:00:01 10.0.0.2 2001:db8::2"), ["fa:16:3e:00:00:01", "10.0.0.2", "2001:db8::2"]);
        assert_eq!(told("FA:16:3E:00:00:01 2001:DB8:0::2"), ["fa:16:3e:00:00:01", "2001:db8::2"], "another spelling");
        assert_eq!(told("fa:16:3e:00:00:01 fe80::f816:3eff:fe00:1"), ["fa:16:3e:00:00:01", "fa:16:3e:00:00:01"]);
        for none in [
            "",
            "unknown",
            "router",
            "dynamic",
            "10.0.0.1/24",
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:1:2",
            "fa:16:3e:00:00:+1",
        ] {
            assert!(told(none).is_empty(), "{none}");
        }
    }
}
