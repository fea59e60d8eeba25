//! The build tool of the project: `cargo xtask COMMAND`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod arm64;
mod bench;
mod book;
mod build;
mod command;
mod counts;
mod demo;
mod deny;
mod dependencies;
mod differential;
mod dist;
#[cfg(target_arch = "x86_64")]
mod escape;
mod forging;
mod fuzz;
mod growth;
mod hostile;
mod house;
mod json;
mod lab;
mod later_debian;
mod package;
mod policy;
mod prepare;
mod reference;
mod terminal;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
The build tool of nsgate.

    cargo xtask demo                   a guest, the gate and an agent in namespaces of their own, shown step by step
    cargo xtask test [STAGE ...]       everything, or the stages named: fmt clippy deny package unit doc arm64 counts e2e neutron
                                       cloud-init dist
                [--haproxy PATH]         run the suites against another haproxy, to compare
                [-- WORD ...]            only the tests whose names contain a word
    cargo xtask book                   whether links lead somewhere and every command of the documentation exists
    cargo xtask build                  the programs, in target/dist/bin/
    cargo xtask dist                   packages, source tarball, bill of materials, sums, in target/dist/packages/
                [--check]                everything twice, in different directories, compared bit by bit
                [pages DIR]              manual pages, completions, notices of third parties, below DIR
    cargo xtask bench                  figures beside haproxy's, into docs/benchmarks.md
    cargo xtask bench load [WORDS]     the load tables whose names have all these words, printed (--rounds N, --seconds N)
    cargo xtask bench fairness         a guest beside another one that attacks, under haproxy as well, printed
    cargo xtask bench guards           what guards cost a request, printed
    cargo xtask bench host             the proxy of a whole host as its instances become many, into docs/host-benchmarks.md
    cargo xtask bench pool             one worker for many networks beside a haproxy each, into docs/pool-benchmarks.md
    cargo xtask completion SHELL       the script that completes nsgate's words in bash, zsh or fish
    cargo xtask counts                 instructions, allocations and system calls of a request, against those known
                [--write]                write them down
    cargo xtask api [--write]          what each library crate offers, into docs/api/; compared with it
                [--since REVISION]       what has come and gone since, and which version that asks for
    cargo xtask deny                   licences, bans and sources of all that is built in, by deny.toml
    cargo xtask dependencies           how many packages each crate brings, and that it uses what it names
                [--write]                into docs/dependencies.md
    cargo xtask differential           changed configurations: nsgate must understand what haproxy understands, or refuse
                [--minutes N] [--json]   for how long (1); a summary for programs
                [--seed N]               other texts
    cargo xtask escape                 what code in a gate and in haproxy can reach, into docs/threat-model.md
    cargo xtask fuzz TARGET            changed inputs, guided by coverage, until a promise is broken or the time is over
                [--seconds N] [--json]   for how long (60); a summary for programs
                [--replay FILE]          one input, without the fuzzer around it
    cargo xtask growth                 what a request costs as connections, sources, networks grow, into docs/growth.md
    cargo xtask hostile                what a hostile guest reaches here and at haproxy, into docs/hostile-guest.md
    cargo xtask house                  rules of this tree that no compiler checks, and every unsafe with its reason
    cargo xtask unsafe                 every unsafe of this tree: file, line, why it is sound
    cargo xtask package                each crate as it would be published, and built from its own package
    cargo xtask policy [WORD ...]      run the suites on filters that log, and name each call outside the policies
    cargo xtask reference [--write]    every key of every configuration file, into docs/configuration.md
    cargo xtask soak [--minutes N]     honest and hostile guests together, two minutes; the gate ends as it began
    cargo xtask forging                what forged requests become here, at haproxy and at nginx, into docs/forging.md
    cargo xtask lab COMMAND ...        a command in a private world: own /run, /proc, /dev/log and network namespaces
    cargo xtask tools                  what the suites need and where it comes from

Whatever prints a table prints it as JSON with --json (bench, book, counts, dependencies,
escape, forging, growth, hostile, house, policy, reference, test, tools, unsafe), and
everything else on standard error then. Colours are for a terminal, and not where NO_COLOR is set.
";

fn main() -> ExitCode {
    quiet_where_nobody_reads();
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if let Err(message) = apart(&mut words) {
        eprintln!("xtask: {message}");
        return ExitCode::FAILURE;
    }
    let rest = words.get(1..).unwrap_or_default();
    let outcome = match words.first().map(String::as_str) {
        // Words behind these are another program's.
        Some(command) if !["lab", "fuzz"].contains(&command) && rest.first().is_some_and(|word| is_help(word)) => {
            print!("{HELP}");
            Ok(())
        }
        Some(command) if ALONE.contains(&command) && !rest.is_empty() => {
            Err(format!("`{}`? cargo xtask {command} takes no words", rest.join(" ")))
        }
        Some("demo") => demo::run(),
        Some("test") => test::run(rest),
        Some("api") => api::run(rest),
        Some("book") => book::run(),
        Some("deny") => deny::run(),
        Some("package") => package::run(),
        Some("dependencies") => dependencies::run(rest),
        Some("differential") => differential::run(rest),
        Some("build") => build::run(),
        Some("dist") => dist::run(rest),
        Some("bench") => bench::run(rest),
        Some("growth") => growth::run(),
        Some("counts") => counts::run(rest),
        Some("soak") => bench::soak::run(rest),
        #[cfg(target_arch = "x86_64")]
        Some("escape") => escape::run(),
        Some("fuzz") => fuzz::run(rest),
        Some("hostile") => hostile::run(),
        Some("house") => house::run(),
        Some("completion") => dist::completion::run(rest),
        Some("reference") => reference::run(rest),
        Some("policy") => policy::run(rest),
        Some("forging") => forging::run(),
        Some("lab") => lab::run(rest),
        Some("unsafe") => house::unsafe_code(),
        Some("tools") => tools::report(),
        // What `test` starts beside itself.
        Some("prepare") => prepare::run(rest),
        Some("help" | "-h" | "--help") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(format!("there is no command `{other}`\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Commands without words of their own.
const ALONE: [&str; 12] =
    ["demo", "book", "deny", "package", "build", "growth", "escape", "hostile", "house", "forging", "unsafe", "tools"];

fn is_help(word: &str) -> bool {
    ["help", "-h", "--help"].contains(&word)
}

/// `cargo xtask unsafe | head` ends where the reader does, and not with a panic.
fn quiet_where_nobody_reads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map(String::as_str).unwrap_or_default();
        if message.starts_with("failed printing to stdout: Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}

/// Takes `--json` out of the words, and makes room for it. A program that is run by `lab`, the fuzzer and
/// the differential test have their own.
fn apart(words: &mut Vec<String>) -> Result<(), String> {
    let Some(command) = words.first().filter(|command| !["lab", "fuzz", "differential"].contains(&command.as_str()))
    else {
        return Ok(());
    };
    let ours = words.iter().take_while(|word| *word != "--");
    let Some(place) = ours.enumerate().find_map(|(place, word)| (word == "--json").then_some(place)) else {
        return Ok(());
    };
    if !json::COMMANDS.contains(&command.as_str()) {
        return Err(format!("`{command}` prints no table; --json is for {}", json::COMMANDS.join(", ")));
    }
    words.remove(place);
    json::ask()
}
