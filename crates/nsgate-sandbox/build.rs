//! Compiles the policies (`policy/*.toml`) into filter programs for the architecture that the crate is built for, so
//! that a gate loads constants and carries no compiler. `src/compile.rs` does the work, for tests as well.

use std::{env, error::Error, fs, path::Path};

#[path = "src/compile.rs"]
mod compile;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=policy");
    println!("cargo::rerun-if-changed=src/compile.rs");
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let logs = env::var_os("CARGO_FEATURE_LOG_VIOLATIONS").is_some();
    let mismatch = if logs { compile::Mismatch::Log } else { compile::Mismatch::Kill };
    let mut code = String::new();
    for role in ["gate", "hostproxy", "keeper", "supervisor", "worker"] {
        let path = format!("policy/{role}.toml");
        let source = compile::rust_source(role, &fs::read_to_string(&path)?, &arch, mismatch);
        code.push_str(&source.map_err(|error| format!("{path}: {error}"))?);
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("policies.rs"), code)?;
    Ok(())
}
