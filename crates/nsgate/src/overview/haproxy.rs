//! The distribution's haproxy in a network's place, known by the configuration that Neutron's agents start it with.

use nsgate_config::{Identity, Uuid};
use nsgate_sandbox::attest::Holdings;
use std::path::Path;

/// The network of a haproxy that an agent has started: `haproxy -f …/ns-metadata-proxy/UUID.conf`. A router has the same form and
/// is taken for a network.
pub(super) fn network_of_haproxy(holdings: &Holdings) -> Option<Identity> {
    (holdings.name == "haproxy").then(|| of(&holdings.command))?
}

fn of(command: &[String]) -> Option<Identity> {
    let file = command.iter().skip_while(|word| *word != "-f").nth(1)?;
    let path = Path::new(file);
    let uuid: Uuid = path.file_name()?.to_str()?.strip_suffix(".conf")?.parse().ok()?;
    match path.parent()?.file_name()?.to_str()? {
        "ns-metadata-proxy" => Some(Identity::Network(uuid)),
        "ovn-metadata-proxy" => Some(Identity::OvnNetwork(uuid)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use nsgate_config::Identity;

    #[test]
    fn a_haproxy_of_neutrons_is_known_by_its_configuration() {
        const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let uuid = ID.parse().unwrap();
        let one = |directory: &str| of(&words(&format!("haproxy -f /var/lib/neutron/{directory}/{ID}.conf")));
        assert_eq!(one("ns-metadata-proxy"), Some(Identity::Network(uuid)));
        assert_eq!(one("ovn-metadata-proxy"), Some(Identity::OvnNetwork(uuid)));
        assert_eq!(one("elsewhere"), None);
        assert_eq!(of(&words("haproxy -Ws -f /etc/haproxy/haproxy.cfg")), None);
        assert_eq!(of(&words("haproxy -f")), None);
    }
}
