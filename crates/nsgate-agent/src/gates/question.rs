//! From a request's headers to a question: which network, and who in it.

use super::{Speaker, refusal::GateRefusal};
use crate::directory::{Caller, Question};
use http::{HeaderMap, HeaderValue};
use nsgate_config::{Identity, Uuid};
use std::net::IpAddr;

/// Makes an identity of a network's or router's id.
type Kind = fn(Uuid) -> Identity;

/// The headers that name a network or a router, in lower case (`Identity::header`).
const IDENTITIES: [(&str, Kind); 3] = [
    ("x-ovn-network-id", Identity::OvnNetwork),
    ("x-neutron-network-id", Identity::Network),
    ("x-neutron-router-id", Identity::Router),
];

/// Where the gate writes the guest's address.
pub(super) const FORWARDED_FOR: &str = "x-forwarded-for";

/// What `speaker` asks with these headers, and the guest's address. The value of `x-forwarded-for` is returned as it came: Nova gets
/// it.
pub(super) fn question(headers: &HeaderMap, speaker: Speaker) -> Result<(Question, IpAddr, &HeaderValue), GateRefusal> {
    let said = identity(headers)?;
    let place = match (speaker, said) {
        (Speaker::Plain, Some(said)) => said,
        (Speaker::Plain, None) => return Err(GateRefusal::bad("the request names neither a network nor a router")),
        (Speaker::Bound(bound), Some(said)) if said != bound => return Err(GateRefusal::foreign(bound, said)),
        (Speaker::Bound(bound), _) => bound,
    };
    let (address, text) = source(headers)?;
    Ok((Question { place, caller: Caller::of(address) }, address, text))
}

fn identity(headers: &HeaderMap) -> Result<Option<Identity>, GateRefusal> {
    let mut said = None;
    for (name, kind) in IDENTITIES {
        for value in headers.get_all(name) {
            let id = value.to_str().ok().and_then(|text| text.trim().parse::<Uuid>().ok());
            let id =
                id.ok_or_else(|| GateRefusal::bad("the network or router that the request names is not a UUID"))?;
            if said.replace(kind(id)).is_some() {
                return Err(GateRefusal::bad("the request names more than one network or router"));
            }
        }
    }
    Ok(said)
}

/// The one address of the guest.
fn source(headers: &HeaderMap) -> Result<(IpAddr, &HeaderValue), GateRefusal> {
    let mut values = headers.get_all(FORWARDED_FOR).iter();
    let value = values.next().ok_or_else(|| GateRefusal::bad("the request has no X-Forwarded-For"))?;
    if values.next().is_some() {
        return Err(GateRefusal::bad("the request has more than one X-Forwarded-For"));
    }
    let address = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    Ok((address.ok_or_else(|| GateRefusal::bad("X-Forwarded-For is not one address"))?, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
    const OTHER: &str = "00000000-9f7b-4b59-9a55-0d3c1f6e2b10";

    fn asked(speaker: Speaker, fields: &[(&str, &str)]) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).expect("name"),
                HeaderValue::from_str(value).expect("value"),
            );
        }
        let answer = question(&headers, speaker)
            .map(|(question, ..)| format!("{} {} {}", question.place.header(), question.place.uuid(), question.caller));
        answer.map_err(|refusal| refusal.status().as_u16())
    }

    #[test]
    fn a_plain_connection_speaks_for_the_one_network_that_it_names() {
        let forwarded = ("X-Forwarded-For", "10.0.0.2");
        for name in ["X-OVN-Network-ID", "X-Neutron-Network-ID", "X-Neutron-Router-ID"] {
            assert_eq!(asked(Speaker::Plain, &[(name, ID), forwarded]), Ok(format!("{name} {ID} 10.0.0.2")));
            for other in ["X-OVN-Network-ID", "X-Neutron-Network-ID", "X-Neutron-Router-ID"] {
                assert_eq!(asked(Speaker::Plain, &[(name, ID), (other, ID), forwarded]), Err(400), "{name} {other}");
            }
        }
        let network = ("X-OVN-Network-ID", ID);
        for fields in [
            &[forwarded][..],
            &[network],
            &[("X-OVN-Network-ID", "x"), forwarded],
            &[("X-OVN-Network-ID", ""), forwarded],
            &[network, ("X-Forwarded-For", "")],
            &[network, ("X-Forwarded-For", "10.0.0.2, 10.0.0.3")],
            &[network, forwarded, ("X-Forwarded-For", "10.0.0.3")],
            &[network, ("X-Forwarded-For", "fe80::1%eth0")],
        ] {
            assert_eq!(asked(Speaker::Plain, fields), Err(400), "{fields:?}");
        }
    }

    #[test]
    fn a_bound_connection_speaks_for_its_network_whatever_it_says() {
        let bound = Speaker::Bound(Identity::OvnNetwork(ID.parse().expect("a UUID")));
        let forwarded = ("X-Forwarded-For", "10.0.0.2");
        let expected = Ok(format!("X-OVN-Network-ID {ID} 10.0.0.2"));
        assert_eq!(asked(bound, &[forwarded]), expected);
        assert_eq!(asked(bound, &[("X-OVN-Network-ID", ID), forwarded]), expected);
        for (name, id) in [("X-OVN-Network-ID", OTHER), ("X-Neutron-Network-ID", ID), ("X-Neutron-Router-ID", ID)] {
            assert_eq!(asked(bound, &[(name, id), forwarded]), Err(403), "{name} {id}");
        }
        assert_eq!(asked(bound, &[("X-OVN-Network-ID", ID), ("X-OVN-Network-ID", OTHER), forwarded]), Err(400));
    }
}
