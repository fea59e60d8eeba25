//! `cargo xtask bench pool`: one worker for many networks beside a haproxy for each, into `docs/pool-benchmarks.md`.

mod cost;
mod crowd;
mod report;

use nsgate_tests::{Lab, Program, SyslogReader};

use crate::page;
use crowd::Crowd;

/// Networks in the two columns.
const WHOLE: [usize; 2] = [100, 1000];
const QUICK: [usize; 2] = [10, 50];

/// `quick` takes few networks, to try the tool itself, and writes no file.
pub(crate) fn run(quick: bool) -> Result<(), String> {
    let (sizes, rounds) = if quick { (QUICK, 1) } else { (WHOLE, 15) };
    page::make((!quick).then_some("docs/pool-benchmarks.md"), move || measure(sizes, rounds))
}

fn measure(sizes: [usize; 2], rounds: usize) -> String {
    let lab = Lab::enter(Program::under_test());
    let haproxy = Program::real_haproxy().expect("haproxy was found or installed before");
    let _backend = super::load::backend(&lab);
    let _log = SyslogReader::bind("/dev/log".as_ref());
    let most = sizes[1];
    println!("making {most} namespaces …");
    let crowd = Crowd::new(most);
    let keepers: Vec<_> = sizes.iter().map(|size| crowd.keepers(&lab, *size)).collect();
    let standalone = crowd.processes(&lab, &lab.program, most, "standalone gates");
    let others = crowd.processes(&lab, &haproxy, most, "haproxies");
    let added = crowd.added(&lab, most);
    let costs = cost::of(&lab, &crowd, most, rounds);
    report::text(&sizes, &keepers, &standalone, &others, &added, &costs)
}
