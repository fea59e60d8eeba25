//! `cargo xtask forging`: what nsgate, haproxy and nginx let through of what a guest forged, into `docs/forging.md`.

mod report;

use std::fs;

use nsgate_tests::forging::{self, Contender, Tried};
use nsgate_tests::program::workspace;
use nsgate_tests::{Kind, Lab, Program, vectors, world};

use crate::{build, tools};

/// Tries every vector and writes the document.
pub(crate) fn run() -> Result<(), String> {
    tools::IP.ensure()?;
    tools::HAPROXY.ensure()?;
    if !tools::NGINX.present() {
        println!("nginx is not installed: there will be no column for it ({})", tools::NGINX.command());
    }
    build::programs()?;
    let file = workspace().join("docs/forging.md");
    let status = world::run(move || {
        let (network, ovn) = tried();
        let text = report::text(&network, &ovn);
        crate::json::say(&crate::json::of_page(&text));
        println!("{}", report::summary(&network, &ovn));
        if let Err(error) = fs::write(&file, &text) {
            eprintln!("{}: {error}", file.display());
            return 1;
        }
        println!("written to {}", file.display());
        i32::from(promises_broken(&network) + promises_broken(&ovn) > 0)
    });
    match status {
        Ok(0) => Ok(()),
        Ok(status) => Err(format!("nsgate broke a promise, or nothing could be tried (status {status}); see above")),
        Err(error) => Err(error.to_string()),
    }
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
