//! `cargo xtask bench guards`: what guards cost a request. The same gate without any and with all of them, taking turns;
//! instructions of the forwarder alone; and the check of a session token by itself.

use std::fs;
use std::process::Command;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{Gate, nsgate};
use nsgate_tests::program::target;
use nsgate_tests::table::table;
use nsgate_tests::{Guest, Lab, Network, Program, json};

use super::load::backend;
use super::report::quantile;
use super::spent::{LOADS, for_a_request};
use crate::counts::measure::{self, Load};
use crate::page;

/// Rounds of each load, and seconds of each round; `--quick` takes fewer, to try the tool itself.
const ROUNDS: usize = 31;
const QUICK: usize = 3;
const SECONDS: u64 = 2;

/// All guards.
const GUARDS: &str = "[guards]\nrefuse_forwarded = true\nhosts = [\"169.254.169.254\", \"fe80::a9fe:a9fe\"]\n\
    require_header = { name = \"Metadata-Flavor\", value = \"Google\" }\ntokens = \"required\"\n\
    methods = [\"GET\", \"HEAD\", \"POST\"]\npaths = [\"/openstack/\", \"/latest/\"]\n\
    expiring = { names = [\"user_data\", \"user-data\"], after = \"10m\" }\nhop_limit = 1\n";
const WITHOUT: u16 = 8201;
const WITH: u16 = 8202;

/// Measures and prints.
pub(crate) fn run(quick: bool) -> Result<(), String> {
    let rounds = if quick { QUICK } else { ROUNDS };
    let check = check()?;
    println!("{}", table(&check));
    let counted = counted()?;
    println!("{}", table(&counted));
    page::in_world(move || {
        println!("load …");
        let loads = loads(rounds);
        println!("{}", table(&loads));
        let [check, counted, loads] = [check, counted, loads].map(|rows| json::of_rows(&rows));
        json::say(&serde_json::json!({ "check": check, "counted": counted, "loads": loads }));
        0
    })
}

/// The check of a token alone.
fn check() -> Result<Vec<Vec<String>>, String> {
    let program = target().join("release/examples/token_check");
    let said = Command::new(&program).output().map_err(|error| format!("{}: {error}", program.display()))?;
    let mut rows = vec![["guards", "ns"].map(str::to_owned).to_vec()];
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        let (what, nanoseconds) = line.split_once(' ').ok_or_else(|| format!("not a figure: {line}"))?;
        let what = match what {
            "made" => "a token is made".to_owned(),
            "judged" => "a request with a good token is judged by all guards".to_owned(),
            kind => format!("a {kind} token is checked"),
        };
        rows.push(vec![what, nanoseconds.to_owned()]);
    }
    Ok(rows)
}

/// The figures that do not depend on the load of the machine.
fn counted() -> Result<Vec<Vec<String>>, String> {
    let header = ["of the forwarder, for each request", "without", "with", "more"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for (load, name) in [(Load::Kept, "kept connection"), (Load::Own, "connection of its own")] {
        let [without, with] = measure::guards(load)?;
        for ((what, without), (_, with)) in without.parts().into_iter().zip(with.parts()) {
            let more = format!("{:+.1} %", (with / without - 1.0) * 100.0);
            rows.push(vec![format!("{what}, {name}"), format!("{without:.1}"), format!("{with:.1}"), more]);
        }
    }
    Ok(rows)
}

/// Processor time of a whole gate, confined and with its log.
fn loads(rounds: usize) -> Vec<Vec<String>> {
    let lab = Lab::enter(Program::under_test());
    let network = Network::create();
    let _backend = backend(&lab);
    let gates = [(WITHOUT, ""), (WITH, GUARDS)].map(|(port, guards)| (port, start(&lab, &network, port, guards)));
    let token = format!("X-aws-ec2-metadata-token: {}", token(&network));
    let header = ["µs of processor time for each request", "without", "with", "more", "from", "to"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (load, words) in LOADS {
        let words: Vec<&str> = words.iter().copied().chain(["-H", "Metadata-Flavor: Google", "-H", &token]).collect();
        let mut costs = [Vec::new(), Vec::new()];
        let mut ratios = Vec::new();
        for round in 0..rounds {
            let mut pair = [0.0, 0.0];
            // The first program of a round changes from round to round.
            for index in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (port, gate) = &gates[index];
                let url = format!("http://169.254.169.254:{port}/latest/meta-data/");
                pair[index] = for_a_request(&network.guest, &url, &words, gate.pid, SECONDS);
                costs[index].push(pair[index]);
            }
            ratios.push(pair[1] / pair[0]);
        }
        ratios.sort_by(f64::total_cmp);
        let part = |at: usize| format!("{:+.1} %", (ratios[at] - 1.0) * 100.0);
        let [without, with] = costs.map(|costs| quantile(&costs, 0.5));
        let (quarter, half) = (rounds / 4, rounds / 2);
        let figures =
            [format!("{without:.1}"), format!("{with:.1}"), part(half), part(quarter), part(rounds - 1 - quarter)];
        rows.push(std::iter::once(load.to_owned()).chain(figures).collect());
    }
    rows
}

fn start(lab: &Lab, network: &Network, port: u16, guards: &str) -> Gate {
    let (file, pid_file) = (lab.state().join(format!("{port}.toml")), lab.state().join(format!("{port}.pid")));
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:{port}\"]\nbackend = \"{}\"\nuser = \"neutron\"\n\
         group = \"neutron\"\ndaemon = true\npid_file = \"{}\"\n{guards}",
        lab.socket().display(),
        pid_file.display()
    );
    fs::write(&file, text).expect("the configuration");
    let started = nsgate(lab, &network.gate, &["run", "--config", &file.to_string_lossy()]);
    assert!(started.ok(), "{started:#?}");
    Gate::adopt(file, pid_file, started).expect("a gate")
}

fn token(network: &Network) -> String {
    let guest = Guest::talking(&network.guest, "10.0.0.11".parse().unwrap(), ([169, 254, 169, 254], WITH).into());
    let answer = guest.ask(
        "PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata-Flavor: Google\r\n\
         X-aws-ec2-metadata-token-ttl-seconds: 21600\r\nConnection: close\r\n\r\n",
    );
    answer.expect("a token").text()
}
