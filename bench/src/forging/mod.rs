//! `cargo xtask forging`: how many forged requests nsgate, haproxy and nginx let through, into `docs/forging.md`.

mod report;

use nsgate_tests::forging::{self, Contender, Tried};
use nsgate_tests::{Kind, Lab, Program, json, vectors};

use crate::page;

/// Tries every vector and writes the document.
pub(crate) fn run() -> Result<(), String> {
    page::in_world(|| {
        let (network, ovn) = tried();
        let text = report::text(&network, &ovn);
        json::say(&json::of_page(&text));
        println!("{}", report::summary(&network, &ovn));
        let written = page::write("docs/forging.md", &text);
        i32::from(written.is_err() || promises_broken(&network) + promises_broken(&ovn) > 0)
    })
}

/// Both configurations; nsgate is the first of each.
fn tried() -> (Vec<Tried>, Vec<Tried>) {
    let lab = Lab::enter(Program::under_test());
    let ours = || [Contender::Haproxy(lab.program.clone())].into_iter();
    let network: Vec<_> = ours().chain(Contender::rivals()).collect();
    let haproxy = Contender::rivals().into_iter().filter(|rival| matches!(rival, Contender::Haproxy(_)));
    let ovn: Vec<_> = ours().chain(haproxy).collect();
    println!("trying {} vectors, and {} of them for OVN …", vectors::all().len(), vectors::generated().len());
    (
        forging::try_all(&lab, &network, Kind::Network, &vectors::all()),
        forging::try_all(&lab, &ovn, Kind::Ovn, &vectors::generated()),
    )
}

fn promises_broken(tried: &[Tried]) -> usize {
    let Some(nsgate) = tried.first() else { return 0 };
    let broken = nsgate.outcomes.iter().filter_map(|outcome| {
        let why = outcome.broken_promise(&nsgate.truth)?;
        println!("nsgate, {}: {why}", outcome.vector.name);
        Some(())
    });
    broken.count()
}
