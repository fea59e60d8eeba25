//! nsgate's look-up and Neutron's own get the same questions about the same rows of the same server, and give the same answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nsgate_agent::directory::NoOccupant;
use nsgate_tests::Lab;
use nsgate_tests::lab::wait_until;
use nsgate_tests::ovn::{self, Binding, Row, Server};
use nsgate_tests::program::{neutron_python, workspace};

const NETWORKS: [&str; 3] = [
    "bb000000-0000-4000-8000-000000000001",
    "bb000000-0000-4000-8000-000000000002",
    "bb000000-0000-4000-8000-000000000003",
];

/// Values of the column `mac`, in the forms that northd and Neutron write.
const MACS: [&[&str]; 14] = [
    &[],
    &["unknown"],
    &["router"],
    &["fa:16:3e:00:00:01"],
    &["fa:16:3e:00:00:01 10.0.0.1"],
    &["fa:16:3e:00:00:02 10.0.0.2"],
    &["fa:16:3e:00:00:02 10.0.0.2 2001:db8::2"],
    &["fa:16:3e:00:00:03 10.0.0.3", "unknown"],
    &["fa:16:3e:00:00:03 10.0.0.3", "fa:16:3e:00:00:04 10.0.0.4"],
    &["fa:16:3e:00:00:04 10.0.0.4/24"],
    &["fa:16:3e:00:00:05 2001:db8::5 fe80::f816:3eff:fe00:5"],
    &["fa:16:3e:00:00:06 dynamic"],
    &["10.0.0.1"],
    &["fa:16:3e:00:00:01 10.0.0.1 10.0.0.2 10.0.0.3"],
];

const ADDRESSES: [&str; 14] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.4",
    "10.0.0.9",
    "::ffff:10.0.0.2",
    "2001:db8::2",
    "2001:db8::5",
    "fe80::f816:3eff:fe00:1",
    "fe80::f816:3eff:fe00:2",
    "fe80::f816:3eff:fe00:3",
    "fe80::f816:3eff:fe00:4",
    "fe80::f816:3eff:fe00:5",
    "fe80::f816:3eff:fe00:6",
];

const KINDS: [&str; 8] = ["", "", "localport", "patch", "l3gateway", "chassisredirect", "virtual", "external"];

/// Numbers that look random, the same in each run (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn any_port(numbers: &mut Numbers, key: usize, datapaths: &[Row], hosts: &[Option<Row>]) -> Binding {
    let mut ids = BTreeMap::from([("neutron:port_name", format!("name {key}"))]);
    for (id, value) in [("neutron:device_id", format!("instance-{key}")), ("neutron:project_id", "project".to_owned())]
    {
        match numbers.below(12) {
            0 => {}
            1 => drop(ids.insert(id, String::new())),
            _ => drop(ids.insert(id, value)),
        }
    }
    Binding {
        name: format!("port-{key}"),
        key,
        datapath: numbers.one_of(datapaths).clone(),
        chassis: numbers.one_of(hosts).clone(),
        mac: numbers.one_of(&MACS).iter().map(|text| (*text).to_owned()).collect(),
        kind: KINDS[numbers.below(KINDS.len())],
        ids,
    }
}

/// Neutron's look-up, in a process of its own.
struct Neutron {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Neutron {
    fn start(server: &Server) -> Neutron {
        let script = workspace().join("tests/neutron/ovn_lookup.py");
        let mut command = Command::new(neutron_python());
        command.arg(script).args([&server.remote(), super::CHASSIS]).env("HOME", "/run/lab");
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("Python");
        let input = child.stdin.take().expect("its input");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Neutron { child, input, lines }
    }

    fn says(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("a question");
        self.lines.next().expect("Neutron ended").expect("a line")
    }
}

impl Drop for Neutron {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

/// Compares the answers over rounds of changes. The directory follows them all; Neutron follows some, and copies anew before
/// others.
pub fn compare(
    lab: &Lab,
    server: &Server,
    here: &Row,
    there: &Row,
    asks: impl Fn(&str, &str) -> Result<String, NoOccupant>,
) {
    if !neutron_python().exists() {
        lab.skip("no Neutron: `cargo xtask test e2e` fetches it");
    }
    let mut neutron = Neutron::start(server);
    let mut numbers = Numbers(20);
    let names = [format!("neutron-{}", NETWORKS[0]), NETWORKS[1].to_owned(), "something else".to_owned()];
    let datapaths: Vec<_> = names.iter().enumerate().map(|(at, name)| ovn::datapath(name, at + 100)).collect();
    let datapaths = server.insert(&datapaths);
    let hosts = [Some(here.clone()), Some(here.clone()), Some(here.clone()), Some(there.clone()), None];
    let questions: Vec<_> = NETWORKS.iter().flat_map(|network| ADDRESSES.map(|address| (*network, address))).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut there_are = [false; 25];
    for round in 0..4usize {
        for _ in 0..60 {
            let key = numbers.below(there_are.len() - 1) + 1;
            let port = any_port(&mut numbers, key, &datapaths, &hosts);
            let operation = match (there_are[key], numbers.below(3)) {
                (false, _) => port.insert(),
                (true, 0) => port.delete(),
                (true, _) => port.update(),
            };
            there_are[key] = operation["op"] != "delete";
            server.transact(&[operation]);
        }
        // A port that was not there before says that all changes have arrived.
        let (last, address) = (round + 1000, format!("10.9.9.{}", round + 1));
        let mac = format!("fa:16:3e:ff:00:{round:02x} {address}");
        server.transact(&[Binding::of(&format!("last-{round}"), last, &datapaths[0], here, &mac, "last").insert()]);
        assert!(wait_until(10.0, || asks(NETWORKS[0], &address).is_ok()));
        if round % 2 == 0 {
            assert_eq!(neutron.says("copy"), "copied");
        }
        let arrived = format!("{} {address}", NETWORKS[0]);
        assert!(wait_until(10.0, || neutron.says(&arrived) == "last project"));
        for (network, address) in &questions {
            let neutron = neutron.says(&format!("{network} {address}"));
            let ours = asks(network, address);
            let agree = match (&ours, neutron.split_once(' ')) {
                (Err(NoOccupant::NoPort | NoOccupant::SeveralPorts(_)), None) => true,
                // Neutron's answer is 404 or, where an id is not there at all, none; without a project Nova's is.
                (Err(NoOccupant::NoInstance(_)), None | Some(("error", "KeyError") | (_, ""))) => true,
                (Ok(instance), Some((theirs, "project"))) => instance == theirs,
                _ => false,
            };
            assert!(agree, "round {round}, {network} {address}: Neutron says {neutron}, the directory {ours:?}");
            let kind = match ours {
                Ok(_) => "found".to_owned(),
                Err(NoOccupant::SeveralPorts(_)) => "several".to_owned(),
                Err(other) => format!("{other:?}").chars().take_while(|c| c.is_alphanumeric()).collect(),
            };
            *seen.entry(kind).or_default() += 1;
        }
    }
    println!("{seen:?}");
    for kind in ["found", "several", "NoPort", "NoInstance"] {
        assert!(seen.get(kind).is_some_and(|count| *count >= 3), "{kind} was hardly seen: {seen:?}");
    }
}
