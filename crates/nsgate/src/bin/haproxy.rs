//! The name that OpenStack Neutron's agents start.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    nsgate::haproxy_name::main()
}
