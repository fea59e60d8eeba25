//! Measurements and attacks, beside haproxy and nginx: the tables and pages of docs/. `cargo xtask bench`,
//! `counts`, `growth`, `hostile`, `forging`, `escape` and `soak` see to tools and programs and start this program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod counts;
#[cfg(target_arch = "x86_64")]
mod escape;
mod figures;
mod forging;
mod growth;
mod hostile;
mod page;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use nsgate_tests::json;

/// Figures of nsgate beside haproxy's and nginx's, taken in the same run.
#[derive(Debug, Parser)]
struct Options {
    /// The tables as JSON on standard output, everything else on standard error.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    quick: Quick,
}

#[derive(Clone, Copy, Debug, Args)]
struct Quick {
    /// A tenth of everything, to try the tool itself; no page is written.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The load tables whose names have all these words, printed.
    Load(figures::one::Choice),
    /// A guest beside another one that attacks, under haproxy as well, printed.
    Fairness,
    /// What guards cost a request, printed.
    Guards,
    /// The proxy of a whole host as its instances become many, into docs/host-benchmarks.md.
    Host,
    /// One worker for many networks beside a haproxy each, into docs/pool-benchmarks.md.
    Pool,
    /// `nsgate agent` beside Neutron's metadata agent, into docs/agent-benchmarks.md.
    Agent,
    /// Instructions, allocations and system calls of a request, against those known.
    Counts {
        /// Write them down.
        #[arg(long)]
        write: bool,
    },
    /// What a request costs as connections, sources, networks grow, into docs/growth.md.
    Growth,
    /// What a hostile guest reaches here and at haproxy, into docs/hostile-guest.md.
    Hostile,
    /// What forged requests become here, at haproxy and at nginx, into docs/forging.md.
    Forging,
    /// What code in a gate and in haproxy can reach, into docs/threat-model.md.
    #[cfg(target_arch = "x86_64")]
    Escape,
    /// Honest and hostile guests together; the gate ends as it began.
    Soak {
        #[arg(long, default_value_t = 2)]
        minutes: u64,
    },
}

fn main() -> ExitCode {
    let Options { json, what, quick: Quick { quick } } = Options::parse();
    let outcome = if json { json::ask() } else { Ok(()) }.and_then(|()| match what {
        None => figures::run(quick),
        Some(What::Load(choice)) => figures::one::run(&choice),
        Some(What::Fairness) => figures::fairness::run(quick),
        Some(What::Guards) => figures::guards::run(quick),
        Some(What::Host) => figures::host::run(quick),
        Some(What::Pool) => figures::pool::run(quick),
        Some(What::Agent) => figures::agent::run(quick),
        Some(What::Counts { write }) => counts::run(write),
        Some(What::Growth) => growth::run(),
        Some(What::Hostile) => hostile::run(),
        Some(What::Forging) => forging::run(),
        #[cfg(target_arch = "x86_64")]
        Some(What::Escape) => escape::run(),
        Some(What::Soak { minutes }) => figures::soak::run(minutes),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
