//! What a request costs: a gate of its own, a worker with one network, and a worker with many, side by side in one
//! namespace and asked in turns.

use std::process::{Command, Stdio};

use nsgate_tests::gate::write_config;
use nsgate_tests::pool::Pool;
use nsgate_tests::{Config, Gate, Kind, Lab, Namespace};

use super::super::spent::{LOADS, for_a_request};
use super::crowd::{Crowd, configs, end};

/// Where the gate of its own, the worker with one network and the worker with many listen.
const PLACES: [&str; 3] = ["127.0.0.1:81", "127.0.0.1:82", "127.0.0.1:83"];

/// Microseconds of processor time for a request, each round's, for each load: in the order of [`PLACES`].
pub(super) struct Costs(pub(super) Vec<[Vec<f64>; 3]>);

/// Measures them. They listen in the first namespace of the crowd.
pub(super) fn of(lab: &Lab, crowd: &Crowd, most: usize, rounds: usize) -> Costs {
    println!("processor time of a request …");
    let space = &crowd.namespaces[0];
    let asked = PLACES.map(|place| {
        let id = format!("00000000-0000-4000-8000-0000000000{}", &place[place.len() - 2..]);
        Config::new(Kind::Network).with_id(&id).with_binds(&[place])
    });
    let [alone, one, many] = &asked;
    let standalone = Gate::start(lab, space, alone);
    let few = Pool::start_beside(lab, "few");
    keeper(lab, space, one, &few);
    let full = Pool::start_beside(lab, "full");
    keeper(lab, space, many, &full);
    let others: Vec<Config> = configs(most).into_iter().skip(1).collect();
    for (config, namespace) in others.iter().zip(&crowd.namespaces[1..]) {
        keeper(lab, namespace, config, &full);
    }
    let pids = [standalone.pid, few.worker(), full.worker()];
    let mut costs: Vec<[Vec<f64>; 3]> = LOADS.iter().map(|_| Default::default()).collect();
    for ((_, words), costs) in LOADS.iter().zip(&mut costs) {
        for round in 0..rounds {
            // The first program of a round changes from round to round.
            for column in (0..3).map(|n| (n + round) % 3) {
                let url = format!("http://{}/latest/meta-data/", PLACES[column]);
                costs[column].push(for_a_request(space, &url, words, pids[column], 2));
            }
        }
    }
    end(&asked[1..]);
    end(&others);
    Costs(costs)
}

fn keeper(lab: &Lab, namespace: &Namespace, config: &Config, pool: &Pool) {
    let mut command = Command::new(lab.program.path());
    command.arg("-f").arg(write_config(lab, config)).env("NSGATE_POOL", &pool.socket).stdin(Stdio::null());
    let status = namespace.inside(move || command.status()).expect("a keeper");
    assert!(status.success());
}
