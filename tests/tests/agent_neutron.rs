//! The directory that asks Neutron, with a real API server (ML2 with Open vSwitch, routers): what it answers while ports come, move
//! and go, and what Neutron's own metadata agent answers to the same questions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nsgate_agent::directory::neutron::{NeutronDirectory, NeutronOptions, NeutronUser, RestPlace, UserPassword};
use nsgate_agent::directory::{Caller, Directory, NoOccupant, Question};
use nsgate_config::{Identity, Uuid};
use nsgate_tests::neutron::{Keystone, NeutronApi};
use nsgate_tests::{Lab, suite};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

fn main() {
    suite!["agent_neutron":
        a_port_is_found_by_each_of_its_addresses_in_its_network_and_behind_its_router,
        a_router_finds_the_guests_of_its_own_networks_alone,
        an_address_that_moves_is_its_former_owners_for_no_longer_than_answers_are_kept,
        a_server_that_is_away_is_told_by_name_and_asked_again_when_it_is_back,
        two_ports_of_one_address_are_refused_also_on_two_pages,
        tokens_of_a_real_keystone_are_renewed_before_their_end_and_a_wrong_password_is_told,
        neutron_finds_the_same_instances_and_refuses_the_same_questions,
    ]
}

/// A directory, and the thread that its questions run in.
struct Asking {
    runtime: Runtime,
    directory: NeutronDirectory,
}

impl Asking {
    fn of(api: &NeutronApi, kept_for: Duration) -> Asking {
        Asking::with(api, kept_for, None)
    }

    fn with(api: &NeutronApi, kept_for: Duration, user: Option<(RestPlace, NeutronUser)>) -> Asking {
        let address = api.address();
        let place =
            RestPlace { authority: address.to_string(), prefix: String::new(), addresses: vec![address], tls: None };
        let mut options = NeutronOptions::new(place);
        (options.kept_for, options.refusals_kept_for) = (kept_for, kept_for / 4);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Asking { runtime, directory: NeutronDirectory::new(options, user) }
    }

    fn asks(&self, place: Identity, address: &str) -> Result<String, NoOccupant> {
        let question = Question { place, caller: Caller::of(address.parse().expect("an address")) };
        self.runtime.block_on(self.directory.who(&question)).map(|occupant| occupant.instance().to_owned())
    }

    fn network(&self, network: &str, address: &str) -> Result<String, NoOccupant> {
        self.asks(Identity::Network(uuid(network)), address)
    }

    fn router(&self, router: &str, address: &str) -> Result<String, NoOccupant> {
        self.asks(Identity::Router(uuid(router)), address)
    }
}

fn uuid(text: &str) -> Uuid {
    text.parse().expect("a UUID")
}

fn found(instance: &str) -> Result<String, NoOccupant> {
    Ok(instance.to_owned())
}

/// A network with a subnet for each of IPv4 and IPv6 (`10.N.0.0/24`, `2001:db8:N::/64`).
struct Net {
    id: String,
    v4: String,
    v6: String,
}

impl Net {
    fn create(api: &NeutronApi, number: u8) -> Net {
        let id = api.create("network", json!({ "name": format!("net-{number}") }));
        let subnet = |version: u8, cidr: String| {
            api.create("subnet", json!({ "network_id": id, "ip_version": version, "cidr": cidr, "enable_dhcp": false }))
        };
        let (v4, v6) = (subnet(4, format!("10.{number}.0.0/24")), subnet(6, format!("2001:db8:{number}::/64")));
        Net { id, v4, v6 }
    }

    /// A port with these addresses.
    fn port(&self, api: &NeutronApi, device: &str, addresses: &[&str], mac: &str) -> String {
        let fixed = self.fixed(addresses);
        let port = json!({
            "network_id": self.id, "fixed_ips": fixed, "mac_address": mac, "device_id": device, "device_owner": "compute:nova",
        });
        api.create("port", port)
    }

    fn fixed(&self, addresses: &[&str]) -> Vec<Value> {
        let subnet = |address: &str| if address.contains(':') { &self.v6 } else { &self.v4 };
        addresses.iter().map(|address| json!({ "subnet_id": subnet(address), "ip_address": address })).collect()
    }

    fn joins(&self, api: &NeutronApi, router: &str) {
        let path = format!("routers/{router}/add_router_interface");
        api.request("PUT", &path, &json!({ "subnet_id": self.v4 }));
    }
}

fn a_port_is_found_by_each_of_its_addresses_in_its_network_and_behind_its_router(lab: &Lab) {
    let api = NeutronApi::start(lab, "");
    let (net, other) = (Net::create(&api, 1), Net::create(&api, 2));
    let asking = Asking::of(&api, Duration::ZERO);
    assert_eq!(asking.network(&net.id, "10.1.0.5"), Err(NoOccupant::NoPort));
    let port = net.port(&api, "one", &["10.1.0.5", "2001:db8:1::5"], "fa:16:3e:00:00:01");
    let router = api.create("router", json!({}));
    net.joins(&api, &router);
    for address in ["10.1.0.5", "::ffff:10.1.0.5", "2001:db8:1::5", "2001:DB8:1:0::5", "fe80::f816:3eff:fe00:1"] {
        assert_eq!(asking.network(&net.id, address), found("one"), "{address}");
        assert_eq!(asking.router(&router, address), found("one"), "{address}");
        assert_eq!(asking.asks(Identity::OvnNetwork(uuid(&net.id)), address), found("one"), "{address}");
        assert_eq!(asking.network(&other.id, address), Err(NoOccupant::NoPort), "{address}");
    }
    api.request("PUT", &format!("ports/{port}"), &json!({ "port": { "device_id": "", "device_owner": "" } }));
    assert!(matches!(asking.network(&net.id, "10.1.0.5"), Err(NoOccupant::NoInstance(_))));
    api.request("DELETE", &format!("ports/{port}"), &Value::Null);
    assert_eq!(asking.network(&net.id, "10.1.0.5"), Err(NoOccupant::NoPort));
}

fn a_router_finds_the_guests_of_its_own_networks_alone(lab: &Lab) {
    let mut api = NeutronApi::start(lab, "");
    let nets = [1, 2, 3].map(|number| Net::create(&api, number));
    for (net, address) in nets.iter().zip(["10.1.0.5", "10.2.0.5", "10.3.0.5"]) {
        net.port(
            &api,
            &format!("guest-{address}"),
            &[address],
            &format!("fa:16:3e:00:00:{}", &address[3..4].repeat(2)),
        );
    }
    let [router, without] = ["a", "b"].map(|name| api.create("router", json!({ "name": name })));
    nets[0].joins(&api, &router);
    nets[1].joins(&api, &router);
    let asking = Asking::of(&api, Duration::ZERO);
    assert_eq!(asking.router(&router, "10.1.0.5"), found("guest-10.1.0.5"));
    assert_eq!(asking.router(&router, "10.2.0.5"), found("guest-10.2.0.5"));
    assert_eq!(asking.router(&router, "10.3.0.5"), Err(NoOccupant::NoPort));
    // Neutron's agent asks for ports of any network then, and takes another network's guest for this router's.
    assert_eq!(asking.router(&without, "10.3.0.5"), Err(NoOccupant::NoPort));
    assert_eq!(api.agent_finds("router", &without, "10.3.0.5"), "guest-10.3.0.5 project");
    let nobody = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";
    assert_eq!(asking.router(nobody, "10.3.0.5"), Err(NoOccupant::NoPort));
}

fn an_address_that_moves_is_its_former_owners_for_no_longer_than_answers_are_kept(lab: &Lab) {
    let api = NeutronApi::start(lab, "");
    let net = Net::create(&api, 1);
    let ports = [1, 2].map(|number| {
        net.port(&api, &number.to_string(), &[&format!("10.1.0.{number}0")], &format!("fa:16:3e:00:00:0{number}"))
    });
    let gives = |port: &str, address: &str| {
        api.request("PUT", &format!("ports/{port}"), &json!({ "port": { "fixed_ips": net.fixed(&[address]) } }));
    };
    let kept_for = Duration::from_secs(2);
    let [never, kept] = [Duration::ZERO, kept_for].map(|kept_for| Asking::of(&api, kept_for));
    for round in 0..3 {
        let [now, next] = [round % 2, (round + 1) % 2];
        gives(&ports[now], "10.1.0.77");
        std::thread::sleep(kept_for);
        assert_eq!(kept.network(&net.id, "10.1.0.77"), found(&(now + 1).to_string()));
        gives(&ports[now], &format!("10.1.0.{}0", now + 1));
        gives(&ports[next], "10.1.0.77");
        let moved = Instant::now();
        assert_eq!(never.network(&net.id, "10.1.0.77"), found(&(next + 1).to_string()), "nothing is kept");
        while moved.elapsed() < kept_for + Duration::from_millis(500) {
            let asked = moved.elapsed();
            let answer = kept.network(&net.id, "10.1.0.77");
            assert!(asked < kept_for || answer == found(&(next + 1).to_string()), "{answer:?} after {asked:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        gives(&ports[next], &format!("10.1.0.{}0", next + 1));
    }
    let status = kept.directory.status();
    println!("{status:?}");
    assert!(status.spared > 10 * status.asked, "{status:?}");
}

fn a_server_that_is_away_is_told_by_name_and_asked_again_when_it_is_back(lab: &Lab) {
    let mut api = NeutronApi::start(lab, "");
    let net = Net::create(&api, 1);
    net.port(&api, "one", &["10.1.0.5"], "fa:16:3e:00:00:01");
    let asking = Asking::of(&api, Duration::ZERO);
    assert_eq!(asking.network(&net.id, "10.1.0.5"), found("one"));
    api.kill();
    let began = Instant::now();
    for _ in 0..3 {
        let Err(NoOccupant::Away(why)) = asking.network(&net.id, "10.1.0.5") else { panic!("away") };
        assert!(why.contains("127.0.0.1:9696: cannot be reached"), "{why}");
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    api.begin();
    assert_eq!(asking.network(&net.id, "10.1.0.5"), found("one"));
    let status = asking.directory.status();
    assert!(status.failed == 3 && status.trouble.is_none(), "{status:?}");
}

fn two_ports_of_one_address_are_refused_also_on_two_pages(lab: &Lab) {
    let mut api = NeutronApi::start(lab, "[DEFAULT]\npagination_max_limit = 1");
    // Two networks with one range, which a router has one address each of.
    let nets = [Net::create(&api, 1), Net::create(&api, 1)];
    let router = api.create("router", json!({}));
    for (net, last) in nets.iter().zip(["1", "2"]) {
        net.port(&api, last, &["10.1.0.5"], &format!("fa:16:3e:00:00:0{last}"));
    }
    nets[0].joins(&api, &router);
    let asking = Asking::of(&api, Duration::ZERO);
    assert_eq!(asking.router(&router, "10.1.0.5"), found("1"));
    // The API refuses a router two subnets that overlap; a subnet beside them is not refused, and its network is the router's all the same.
    let beside = json!({ "network_id": nets[1].id, "ip_version": 4, "cidr": "10.9.0.0/24", "enable_dhcp": false });
    let beside = api.create("subnet", beside);
    api.request("PUT", &format!("routers/{router}/add_router_interface"), &json!({ "subnet_id": beside }));
    assert_eq!(asking.router(&router, "10.1.0.5"), Err(NoOccupant::SeveralPorts(2)));
    assert_eq!(api.agent_finds("router", &router, "10.1.0.5"), "none");
    for (net, last) in nets.iter().zip(["1", "2"]) {
        assert_eq!(asking.network(&net.id, "10.1.0.5"), found(last));
    }
}

fn tokens_of_a_real_keystone_are_renewed_before_their_end_and_a_wrong_password_is_told(lab: &Lab) {
    // Neutron renews its own token half a minute before its end: with a shorter life it would have none.
    let keystone = Keystone::start(lab, 40);
    let mut api = NeutronApi::start(lab, &keystone.for_neutron());
    api.token = Some(keystone.token());
    let net = api.create("network", json!({}));
    api.token = Some(keystone.token());
    api.create("subnet", json!({ "network_id": net, "ip_version": 4, "cidr": "10.1.0.0/24", "enable_dhcp": false }));
    api.token = Some(keystone.token());
    let port = json!({ "network_id": net, "fixed_ips": [{ "ip_address": "10.1.0.5" }], "device_id": "one" });
    api.create("port", port);
    let user = |password: &str| {
        let name = |text: &str| text.to_owned();
        let address = keystone.address();
        let place =
            RestPlace { authority: address.to_string(), prefix: "/v3".to_owned(), addresses: vec![address], tls: None };
        let password = UserPassword::new(password.into()).expect("a password");
        let (domain, project_domain) = (name("Default"), name("Default"));
        (place, NeutronUser { name: name(Keystone::USER), domain, project: name("service"), project_domain, password })
    };
    let asking = Asking::with(&api, Duration::ZERO, Some(user(Keystone::PASSWORD)));
    let (began, mut late) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(42) {
        match asking.network(&net, "10.1.0.5") {
            // On a machine that does much else, Neutron's server may take longer than an answer is waited for: no matter of tokens.
            Err(NoOccupant::Away(why)) if why.ends_with("no answer in time") => late += 1,
            answer => assert_eq!(answer, found("one"), "after {:?}", began.elapsed()),
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let status = asking.directory.status();
    println!("{status:?}");
    assert!((2..=3).contains(&status.tokens) && status.failed == late && late < 3, "{status:?}");
    let asking = Asking::with(&api, Duration::ZERO, Some(user("sword")));
    let Err(NoOccupant::Away(why)) = asking.network(&net, "10.1.0.5") else { panic!("away") };
    assert!(why.contains("refuses user `nsgate` (401)"), "{why}");
    let asking = Asking::of(&api, Duration::ZERO);
    let Err(NoOccupant::Away(why)) = asking.network(&net, "10.1.0.5") else { panic!("away") };
    assert!(why.contains("answers 401: it wants a token"), "{why}");
}

/// Numbers that look random, the same in each run (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// Something comes or goes at random: a port with up to three addresses, as a rule, or an interface of a router.
fn change(
    api: &NeutronApi,
    numbers: &mut Numbers,
    nets: &[Net; 3],
    routers: &[String; 2],
    ports: &mut [Option<String>; 10],
) {
    let at = numbers.below(ports.len());
    if let Some(port) = ports[at].take() {
        api.request("DELETE", &format!("ports/{port}"), &Value::Null);
        return;
    }
    let number = numbers.below(nets.len());
    let net = &nets[number];
    if numbers.below(8) == 0 {
        // Refused if it is there already, or if two ranges overlap.
        let interface = json!({ "subnet_id": net.v4 });
        api.ask("PUT", &format!("routers/{}/add_router_interface", routers[numbers.below(2)]), &interface, None);
        return;
    }
    // The third network has the range of the second.
    let range = number.min(1) + 1;
    let last = 10 + numbers.below(3);
    let all =
        [format!("10.{range}.0.{last}"), format!("2001:db8:{range}::{last:x}"), format!("10.{range}.0.{}", last + 3)];
    let count = 1 + numbers.below(all.len());
    let fixed = net.fixed(&all.iter().take(count).map(String::as_str).collect::<Vec<_>>());
    let device = ["", "instance"][usize::from(numbers.below(6) > 0)];
    let device = if device.is_empty() { String::new() } else { format!("{device}-{at}") };
    let port = json!({
        "network_id": net.id, "fixed_ips": fixed, "mac_address": format!("fa:16:3e:00:00:{:02x}", numbers.below(4)), "device_id": device,
        "project_id": "project",
    });
    // Refused if the network has the address, or the MAC address, already.
    let (status, answer) = api.ask("POST", "ports", &json!({ "port": port }), None);
    assert!([201, 409].contains(&status), "{status} {answer}");
    ports[at] = answer["port"]["id"].as_str().map(str::to_owned);
}

fn neutron_finds_the_same_instances_and_refuses_the_same_questions(lab: &Lab) {
    let mut api = NeutronApi::start(lab, "");
    let nets = [Net::create(&api, 1), Net::create(&api, 2), Net::create(&api, 2)];
    let routers = ["a", "b"].map(|name| api.create("router", json!({ "name": name })));
    nets[0].joins(&api, &routers[0]);
    nets[1].joins(&api, &routers[1]);
    // One router is in two networks, so that two guests behind it may have one MAC address.
    api.request("PUT", &format!("routers/{}/add_router_interface", routers[1]), &json!({ "subnet_id": nets[0].v6 }));
    // So that each refusal is seen: two guests of one MAC address behind that router, and one port without an instance.
    for net in &nets[..2] {
        net.port(&api, "twin", &[if net.v4 == nets[0].v4 { "10.1.0.30" } else { "10.2.0.30" }], "fa:16:3e:00:00:03");
    }
    nets[0].port(&api, "", &["10.1.0.12"], "fa:16:3e:00:00:31");
    let asking = Asking::of(&api, Duration::ZERO);
    let addresses: Vec<String> = (10..13)
        .flat_map(|last| [format!("10.1.0.{last}"), format!("10.2.0.{last}"), format!("2001:db8:2::{last:x}")])
        .chain((0..4).map(|last| format!("fe80::f816:3eff:fe00:{last:x}")))
        .chain(["::ffff:10.1.0.11".to_owned(), "10.1.0.1".to_owned()])
        .collect();
    let (mut numbers, mut ports, mut seen) = (Numbers(7), Default::default(), BTreeMap::<String, usize>::new());
    let began = Instant::now();
    for round in 0..2 {
        for _ in 0..16 {
            change(&api, &mut numbers, &nets, &routers, &mut ports);
        }
        let places = nets.iter().map(|net| ("network", &net.id)).chain(routers.iter().map(|router| ("router", router)));
        for (place, id) in places {
            for address in &addresses {
                let neutron = api.agent_finds(place, id, address);
                let ours = if place == "network" { asking.network(id, address) } else { asking.router(id, address) };
                let agree = match &ours {
                    Err(NoOccupant::NoPort | NoOccupant::SeveralPorts(_) | NoOccupant::NoInstance(_)) => {
                        neutron == "none"
                    }
                    Ok(instance) => {
                        neutron == format!("{instance} project")
                            || neutron.starts_with(instance) && address == "10.1.0.1"
                    }
                    Err(NoOccupant::Away(_)) => false,
                };
                assert!(agree, "round {round}, {place} {id} {address}: Neutron says {neutron}, the directory {ours:?}");
                let kind = match ours {
                    Ok(_) => format!("found by {place}"),
                    Err(other) => format!("{other:?}").chars().take_while(|one| one.is_alphanumeric()).collect(),
                };
                *seen.entry(kind).or_default() += 1;
            }
        }
    }
    println!("{seen:?} in {:?}", began.elapsed());
    for kind in ["found by network", "found by router", "SeveralPorts", "NoPort", "NoInstance"] {
        assert!(seen.get(kind).is_some_and(|count| *count >= 2), "{kind} was hardly seen: {seen:?}");
    }
}
