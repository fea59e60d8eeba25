//! Compiles the policies (`policy/*.toml`) into filter programs for the architecture that the crate is built for, so
//! that a gate loads constants and carries no compiler. `src/compile` does the work, for tests as well.

use std::{env, error::Error, fs, path::Path};

#[path = "src/address.rs"]
mod address;
#[path = "src/compile/mod.rs"]
mod compile;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=policy");
    println!("cargo::rerun-if-changed=src/compile");
    println!("cargo::rerun-if-changed=src/address.rs");
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    if let Err(why) = compile::known(&arch) {
        // Said once, and not as the panic of a build script.
        println!("cargo::error={why}");
        return Ok(());
    }
    let logs = env::var_os("CARGO_FEATURE_LOG_VIOLATIONS").is_some();
    let development = env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let mismatch = compile::Mismatch::of(logs, development);
    let library = |name: &str| fs::read_to_string(format!("policy/{name}.toml")).ok();
    let mut code = String::new();
    for role in ["courier", "dispatcher", "gate", "hostproxy", "keeper", "reader", "supervisor", "worker", "zygote"] {
        let path = format!("policy/{role}.toml");
        let whole = compile::Whole::read(role, &fs::read_to_string(&path)?, &library);
        let source = whole.and_then(|whole| compile::source::rust(role, &whole, &arch, mismatch, development));
        code.push_str(&source.map_err(|error| format!("{path}: {error}"))?);
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("policies.rs"), code)?;
    Ok(())
}
