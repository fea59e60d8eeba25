//! Compiles the policies (`policy/*.toml`) into filter programs for the architecture that the crate is built for, so
//! that a gate loads constants and carries no compiler. `src/compile.rs` does the work, for tests as well.

use std::{env, error::Error, fs, path::Path};

#[path = "src/address.rs"]
mod address;
#[path = "src/compile.rs"]
mod compile;

/// With debug assertions, the standard library asks at each close whether the descriptor is open, and tokio at each socket
/// that it is given whether it waits. A gate that is built for development would end there; none that is distributed is.
const DEVELOPMENT: &str = "
[[syscall]]
name = 'fcntl'
reason = 'debug assertions: is a descriptor open when it is closed (F_GETFD), does a socket wait (F_GETFL)'
when = [[{ arg = 1, equals = 1, means = 'F_GETFD' }], [{ arg = 1, equals = 3, means = 'F_GETFL' }]]
";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=policy");
    println!("cargo::rerun-if-changed=src/compile.rs");
    println!("cargo::rerun-if-changed=src/address.rs");
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let logs = env::var_os("CARGO_FEATURE_LOG_VIOLATIONS").is_some();
    let mismatch = if logs { compile::Mismatch::Log } else { compile::Mismatch::Kill };
    let more = if env::var("PROFILE").is_ok_and(|profile| profile == "debug") { DEVELOPMENT } else { "" };
    let mut code = String::new();
    for role in ["courier", "dispatcher", "gate", "hostproxy", "keeper", "reader", "supervisor", "worker", "zygote"] {
        let path = format!("policy/{role}.toml");
        let text = fs::read_to_string(&path)? + more;
        let source = compile::rust_source(role, &text, &arch, mismatch);
        code.push_str(&source.map_err(|error| format!("{path}: {error}"))?);
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("policies.rs"), code)?;
    Ok(())
}
