//! The name that OpenStack Neutron's agents started until Ocata.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    nsgate::namespace_proxy::main()
}
