//! Compiles the policies (`policy/*.toml`) into filter programs for the architecture that the crate is built for, so that a gate
//! loads constants and carries no compiler.
//!
//! For that the crate nsgate-sandbox is compiled twice, once for this script: 3 s of a processor, and at most 51 s for the crates that it
//! names, most of which the programs and the macros want as well.

use nsgate_sandbox::compile;

const ROLES: [&str; 15] = [
    "agent",
    "boundgate",
    "boundgatelog",
    "courier",
    "dispatcher",
    "gate",
    "hostproxy",
    "keeper",
    "reader",
    "signer",
    "signerdb",
    "signerlog",
    "supervisor",
    "worker",
    "zygote",
];

fn main() {
    if let Err(why) = compile::in_build_script("policy", &ROLES) {
        // Said once, and not as the panic of a build script.
        println!("cargo::error={why}");
    }
}
