//! A page of ports, as Neutron's API writes it (API reference of Networking v2.0, "List ports"), and the question that it answers.

use super::trouble::RestFault;
use crate::directory::Caller;
use nsgate_config::Uuid;
use serde::Deserialize;
use std::{fmt::Write, net::IpAddr};

/// The kinds of ports by which a router is in a network: `ROUTER_INTERFACE_OWNERS` of `neutron_lib/constants.py`.
const INTERFACES: [&str; 3] =
    ["network:router_interface", "network:ha_router_replicated_interface", "network:router_interface_distributed"];

/// A question for ports.
#[derive(Clone, Copy, Debug)]
pub(super) enum PortQuestion<'a> {
    /// Those of these networks with the address.
    Guest(&'a [Uuid], Caller),
    /// The interfaces of a router.
    Router(Uuid),
}

/// Ports, and whether there are more.
#[derive(Debug, Deserialize)]
pub(super) struct PortPage {
    pub(super) ports: Vec<PortAnswer>,
    #[serde(default)]
    ports_links: Vec<PageLink>,
}

/// A port, with what was asked for of it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PortAnswer {
    pub(super) id: String,
    pub(super) network_id: String,
    pub(super) device_id: Option<String>,
    pub(super) project_id: Option<String>,
    device_owner: Option<String>,
    mac_address: Option<String>,
    #[serde(default)]
    fixed_ips: Vec<FixedAddress>,
}

#[derive(Clone, Debug, Deserialize)]
struct FixedAddress {
    ip_address: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PageLink {
    rel: String,
}

impl PortQuestion<'_> {
    /// Path and query, for the page after the port `marker`.
    pub(super) fn target(&self, marker: Option<&str>) -> String {
        let mut target = "/v2.0/ports?fields=id&fields=network_id&fields=device_id".to_owned();
        match self {
            Self::Guest(networks, caller) => {
                target += match caller {
                    Caller::Address(_) => "&fields=project_id&fields=fixed_ips&fixed_ips=ip_address%3D",
                    Caller::Mac(_) => "&fields=project_id&fields=mac_address&mac_address=",
                };
                // Neither form has a character that a query must not have (RFC 3986, section 3.4).
                let _ = write!(target, "{caller}");
                for network in *networks {
                    let _ = write!(target, "&network_id={network}");
                }
            }
            Self::Router(router) => {
                let _ = write!(target, "&fields=device_owner&device_id={router}");
                for kind in INTERFACES {
                    let _ = write!(target, "&device_owner={kind}");
                }
            }
        }
        if let Some(marker) = marker {
            let _ = write!(target, "&marker={marker}");
        }
        target
    }

    /// Whether the port is one that was asked for.
    fn is_answered_by(&self, port: &PortAnswer) -> bool {
        match self {
            Self::Guest(networks, caller) => {
                port.network_id.parse().is_ok_and(|network| networks.contains(&network))
                    && match caller {
                        Caller::Address(address) => port.fixed_ips.iter().any(|fixed| fixed.is(*address)),
                        Caller::Mac(_) => {
                            let mac = port.mac_address.as_deref().unwrap_or_default();
                            mac.eq_ignore_ascii_case(&caller.to_string())
                        }
                    }
            }
            Self::Router(router) => {
                let owner = port.device_owner.as_deref().unwrap_or_default();
                let device = port.device_id.as_deref().unwrap_or_default();
                INTERFACES.contains(&owner) && device.parse() == Ok(*router)
            }
        }
    }
}

impl FixedAddress {
    fn is(&self, address: IpAddr) -> bool {
        self.ip_address.as_deref().is_some_and(|text| text.parse() == Ok(address))
    }
}

impl PortPage {
    /// Reads the body of an answer with status 200.
    pub(super) fn read(body: &[u8], question: &PortQuestion<'_>) -> Result<Self, RestFault> {
        let page: Self =
            serde_json::from_slice(body).map_err(|error| RestFault::Foreign(error.to_string().replace('\n', " ")))?;
        let uuid = |text: &str| text.parse::<Uuid>().is_ok();
        match page.ports.iter().all(|port| uuid(&port.id) && uuid(&port.network_id) && question.is_answered_by(port)) {
            true => Ok(page),
            false => Err(RestFault::Foreign("it has a port that was not asked for".to_owned())),
        }
    }

    /// The port after which the next page begins, if there is one.
    pub(super) fn next(&self) -> Option<&str> {
        let more = self.ports_links.iter().any(|link| link.rel == "next");
        self.ports.last().filter(|_| more).map(|port| port.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{PortPage, PortQuestion};
    use crate::directory::Caller;
    use nsgate_config::Uuid;
    use proptest::{collection::vec, prelude::*, sample::Index};
    use serde_json::{Value, json};

    fn uuid(number: usize) -> Uuid {
        format!("7a1c4d2e-9f7b-4b59-9a55-{number:012x}").parse().unwrap()
    }

    fn caller(text: &str) -> Caller {
        Caller::of(text.parse().unwrap())
    }

    #[test]
    fn a_question_is_written_as_neutrons_api_reads_it() {
        let networks = [uuid(1), uuid(2)];
        assert_eq!(
            PortQuestion::Guest(&networks[..1], caller("2001:DB8::2")).target(None),
            "/v2.0/ports?fields=id&fields=network_id&fields=device_id&fields=project_id&fields=fixed_ips\
             &fixed_ips=ip_address%3D2001:db8::2&network_id=7a1c4d2e-9f7b-4b59-9a55-000000000001"
        );
        assert_eq!(
            PortQuestion::Guest(&networks, caller("fe80::f816:3eff:fe00:1")).target(Some("m")),
            "/v2.0/ports?fields=id&fields=network_id&fields=device_id&fields=project_id&fields=mac_address\
             &mac_address=fa:16:3e:00:00:01&network_id=7a1c4d2e-9f7b-4b59-9a55-000000000001\
             &network_id=7a1c4d2e-9f7b-4b59-9a55-000000000002&marker=m"
        );
        assert_eq!(
            PortQuestion::Router(uuid(3)).target(None),
            "/v2.0/ports?fields=id&fields=network_id&fields=device_id&fields=device_owner\
             &device_id=7a1c4d2e-9f7b-4b59-9a55-000000000003&device_owner=network:router_interface\
             &device_owner=network:ha_router_replicated_interface&device_owner=network:router_interface_distributed"
        );
    }

    const ADDRESSES: [&str; 4] = ["10.0.0.2", "10.0.0.3", "2001:db8::2", "2001:DB8::0:2"];

    fn port() -> impl Strategy<Value = Value> {
        (0..3usize, vec(0..4usize, 0..3), 0..3usize, any::<bool>()).prop_map(|(network, addresses, mac, more)| {
            let fixed: Vec<Value> =
                addresses.iter().map(|at| json!({ "ip_address": ADDRESSES[*at], "x": 1 })).collect();
            let mut port = json!({
                "id": "", "network_id": uuid(network).to_string(), "device_id": "one", "project_id": "project",
                "fixed_ips": fixed, "mac_address": format!("FA:16:3E:00:00:0{mac}"),
            });
            port["id"] = uuid(9).to_string().into();
            if more {
                port["binding:profile"] = json!({ "a": [null, 1e300, "\u{0}"] });
            }
            port
        })
    }

    fn asked(port: &Value, networks: &[Uuid], caller: Caller) -> bool {
        let network = networks.iter().any(|network| port["network_id"] == network.to_string());
        let addresses = port["fixed_ips"].as_array().unwrap();
        let is = |fixed: &Value| fixed["ip_address"].as_str().unwrap().parse().map(Caller::of) == Ok(caller);
        network
            && match caller {
                Caller::Mac(_) => port["mac_address"].as_str().unwrap().to_lowercase() == caller.to_string(),
                Caller::Address(_) => addresses.iter().any(is),
            }
    }

    proptest! {
        #[test]
        fn an_answer_is_taken_if_all_its_ports_were_asked_for_and_not_else(
            ports in vec(port(), 0..4),
            networks in 0..3usize,
            from in prop::sample::select(vec!["10.0.0.2", "2001:db8::2", "fe80::f816:3eff:fe00:1"]),
        ) {
            let networks: Vec<Uuid> = (0..=networks).map(uuid).collect();
            let question = PortQuestion::Guest(&networks, caller(from));
            let right = ports.iter().all(|port| asked(port, &networks, caller(from)));
            let body = json!({ "ports": ports, "new": true }).to_string();
            let read = PortPage::read(body.as_bytes(), &question);
            prop_assert_eq!(read.is_ok(), right, "{}", body);
            prop_assert!(read.map_or(true, |page| page.ports.len() == ports.len() && page.next().is_none()));
        }

        /// Half an answer, or one with a byte changed, is refused or says what was asked for.
        #[test]
        fn a_damaged_answer_names_no_port_that_was_not_asked_for(
            one in port(),
            cut in any::<Index>(),
            at in any::<Index>(),
            byte in any::<u8>(),
        ) {
            let networks = [uuid(0), uuid(1), uuid(2)];
            let question = PortQuestion::Guest(&networks, caller("10.0.0.2"));
            let mut body = json!({ "ports": [one] }).to_string().into_bytes();
            prop_assert!(PortPage::read(&body[..cut.index(body.len())], &question).is_err());
            let at = at.index(body.len());
            body[at] = byte;
            if let Ok(page) = PortPage::read(&body, &question) {
                for port in &page.ports {
                    prop_assert!(port.fixed_ips.iter().any(|fixed| fixed.is("10.0.0.2".parse().unwrap())));
                    prop_assert!(networks.iter().any(|network| port.network_id.parse() == Ok(*network)));
                }
            }
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(body in vec(any::<u8>(), 0..200)) {
            let page = PortPage::read(&body, &PortQuestion::Router(uuid(1)));
            prop_assert!(page.is_err());
        }
    }
}
