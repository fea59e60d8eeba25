//! The operator's command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    nsgate::cli::main()
}
