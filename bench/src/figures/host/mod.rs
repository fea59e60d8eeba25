//! `cargo xtask bench host`: the proxy of a whole host beside haproxy with the same file, as its instances become many,
//! into `docs/host-benchmarks.md`.

mod count;
mod report;
mod serve;

use std::net::Ipv4Addr;

use nsgate_tests::host::instances_at;
use nsgate_tests::{Lab, Network, Program, SyslogReader};

use super::Contender;
use crate::page;

/// Instances in the rows.
const SIZES: [u32; 3] = [1, 100, 10_000];

/// How much is measured.
struct Size {
    starts: usize,
    reloads: usize,
}

const WHOLE: Size = Size { starts: 7, reloads: 9 };
const QUICK: Size = Size { starts: 2, reloads: 2 };

/// `quick` takes few rounds, to try the tool itself, and writes no file.
pub(crate) fn run(quick: bool) -> Result<(), String> {
    let counted = count::all()?;
    let size = if quick { QUICK } else { WHOLE };
    page::make((!quick).then_some("docs/host-benchmarks.md"), move || report::text(&size, &counted, &served(&size)))
}

/// For each number of instances the figures of each program, nsgate's first.
fn served(size: &Size) -> Vec<[serve::Served; 2]> {
    let lab = Lab::enter(Program::under_test());
    let haproxy = Program::real_haproxy().expect("haproxy was found or installed before");
    let contenders = [
        Contender { name: "nsgate".to_owned(), program: lab.program.clone() },
        Contender { name: super::report::haproxy_name(), program: haproxy },
    ];
    let network = Network::create();
    let _nova = nsgate_tests::host::Nova::start(&network);
    let _log = SyslogReader::bind("/dev/log".as_ref());
    SIZES.iter().map(|instances| serve::of(&contenders, &network, *instances, size)).collect()
}

/// Neutron's text for so many instances, of which the last is at `last`. From the others' addresses no request comes.
fn text(instances: u32, last: Ipv4Addr) -> String {
    let others = (1..instances).map(|number| Ipv4Addr::from(0xf000_0001 + number));
    instances_at(others.chain([last]))
}
