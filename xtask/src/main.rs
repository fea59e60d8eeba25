//! The build tool of the project: `cargo xtask COMMAND`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod arm64;
mod book;
mod build;
mod circles;
mod command;
mod demo;
mod deny;
mod differential;
mod dist;
mod fuzz;
mod house;
mod lab;
mod later_debian;
mod measure;
mod package;
mod policy;
mod prepare;
mod reference;
mod test;
mod tools;
mod type_names;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use nsgate_tests::json;

/// The build tool of nsgate.
///
/// What prints a table prints it as JSON with --json, and everything else on standard error then. Colours are for a terminal, and
/// not where NO_COLOR is set.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

/// Words of another program.
#[derive(Debug, Args)]
struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

#[derive(Debug, Args)]
struct Json {
    /// For a program to read, on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A guest, the gate and an agent in namespaces of their own, shown step by step
    Demo,
    /// Everything, or the stages named
    Test(test::Wish),
    /// The programs, in target/dist/bin/
    Build,
    /// Packages, source tarball, bill of materials, sums, in target/dist/packages/
    Dist(dist::Wish),
    /// Every key of every configuration file, and the passing headers and the accepted haproxy dialect: printed
    Reference {
        /// Into docs/configuration.md
        #[arg(long)]
        write: bool,
        #[command(flatten)]
        json: Json,
    },
    /// What each library crate offers, compared with docs/api/
    Api(api::Wish),
    /// Whether links lead somewhere, and every command and message of the documentation exists
    Book(Json),
    /// Licences, bans and sources of all that is built in, by deny.toml, and what is named and not used
    Deny,
    /// The rules of this tree that no lint checks: how a file begins, how long it is, circles of files, type names
    House,
    /// Each crate as it would be published, and built from its own package
    Package,
    /// Figures beside haproxy's, into docs/benchmarks.md; `bench help` lists load, fairness, guards, host and pool
    #[command(disable_help_flag = true)]
    Bench(Words),
    /// Instructions, allocations and system calls of a request, against those known; --write
    #[command(disable_help_flag = true)]
    Counts(Words),
    /// What a request costs as connections, sources, networks grow, into docs/growth.md
    #[command(disable_help_flag = true)]
    Growth(Words),
    /// What a hostile guest reaches here and at haproxy, into docs/hostile-guest.md
    #[command(disable_help_flag = true)]
    Hostile(Words),
    /// What forged requests become here, at haproxy and at nginx, into docs/forging.md
    #[command(disable_help_flag = true)]
    Forging(Words),
    /// What code in a gate and in haproxy can reach, into docs/threat-model.md
    #[command(disable_help_flag = true)]
    Escape(Words),
    /// Honest and hostile guests together, two minutes or --minutes N; the gate ends as it began
    #[command(disable_help_flag = true)]
    Soak(Words),
    /// Changed configurations: nsgate must understand what haproxy understands, or refuse; --minutes N, --seed N, --json
    Differential(Words),
    /// Changed inputs to a TARGET, guided by coverage, until a promise is broken; --seconds N, --json, --replay FILE
    Fuzz(Words),
    /// Run the suites on filters that log, and name each call outside the policies
    Policy {
        #[command(flatten)]
        json: Json,
        /// Parts of test names
        words: Vec<String>,
    },
    /// A command in a private world: own /run, /proc, /dev/log and network namespaces
    ///
    /// The world has its own mounts (/run with /run/lab and /run/netns, /proc, /dev/log, /tmp, an overlay over /etc), process
    /// numbers and network namespaces. The rest of the host is there and cannot be written. There are accounts `neutron` and
    /// `stranger`. As root it is made by root, else in a user namespace. The command's failure is that of `lab`, and nothing
    /// is left of the world when the command has ended. `cargo xtask lab bash` is a shell, to try things in.
    Lab(Words),
    /// The script that completes nsgate's words in bash, zsh or fish
    Completion { shell: Shell },
    /// What the suites need and where it comes from
    Tools(Json),
    /// What `test` starts beside itself
    #[command(hide = true)]
    Prepare { stages: Vec<String> },
}

fn main() -> ExitCode {
    quiet_where_the_reader_has_gone();
    match run(Options::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<(), String> {
    let asked = |Json { json }: Json| if json { json::ask() } else { Ok(()) };
    match what {
        What::Demo => demo::run(),
        What::Test(wish) => test::run(&wish),
        What::Build => build::run(),
        What::Dist(wish) => dist::run(&wish),
        What::Reference { write, json } => asked(json).and_then(|()| reference::run(write)),
        What::Api(wish) => api::run(&wish),
        What::Book(json) => asked(json).and_then(|()| book::run()),
        What::Deny => deny::run(),
        What::House => house::run(),
        What::Package => package::run(),
        What::Bench(words) => measured("bench", words),
        What::Counts(words) => measured("counts", words),
        What::Growth(words) => measured("growth", words),
        What::Hostile(words) => measured("hostile", words),
        What::Forging(words) => measured("forging", words),
        What::Escape(words) => measured("escape", words),
        What::Soak(words) => measured("soak", words),
        What::Differential(Words { words }) => differential::run(&words),
        What::Fuzz(Words { words }) => fuzz::run(&words),
        What::Policy { json, words } => asked(json).and_then(|()| policy::run(&words)),
        What::Lab(Words { words }) => lab::run(&words),
        What::Completion { shell } => dist::completion::run(shell),
        What::Tools(json) => asked(json).and_then(|()| tools::report()),
        What::Prepare { stages } => prepare::run(&stages),
    }
}

fn measured(name: &str, Words { words }: Words) -> Result<(), String> {
    measure::run(&[vec![name.into()], words].concat())
}

/// `cargo xtask tools | head` ends where the reader does, and not with a panic.
fn quiet_where_the_reader_has_gone() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        if message.starts_with("failed printing to stdout: Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}
