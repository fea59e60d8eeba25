//! Policies that are compiled when a program is built.

use super::inclusion::WholePolicy;
use super::program::{Mismatch, known};
use super::source;
use std::{env, fs, path::Path};

/// Compiles the policies of these names, whose texts are in `directory` with the ending `.toml`, for the architecture that the
/// crate is built for. Writes `policies.rs` into `OUT_DIR`: a [`CompiledPolicy`](crate::CompiledPolicy) of each name in capitals,
/// which `include!(concat!(env!("OUT_DIR"), "/policies.rs"))` takes in.
///
/// A build with debug assertions names refused calls ([`OnRefusal::Names`](crate::OnRefusal)). A crate that has a feature
/// `log-violations`, and hands it on to this crate's, logs them where it is switched on.
///
/// # Errors
/// One sentence that the build ends with: `println!("cargo::error={why}")`.
pub fn in_build_script(directory: &str, names: &[&str]) -> Result<(), String> {
    println!("cargo::rerun-if-changed={directory}");
    let variable =
        |name: &str| env::var(name).map_err(|_| format!("{name} is not set: this is for build scripts alone"));
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    known(&arch)?;
    let development = variable("PROFILE")? == "debug";
    let mismatch = Mismatch::of(env::var_os("CARGO_FEATURE_LOG_VIOLATIONS").is_some(), development);
    let library = |name: &str| fs::read_to_string(Path::new(directory).join(format!("{name}.toml"))).ok();
    let mut code = String::new();
    for name in names {
        let text = library(name).ok_or_else(|| format!("{directory}/{name}.toml cannot be read"))?;
        let source = WholePolicy::read(name, &text, &library)
            .and_then(|whole| source::rust(name, &whole, &arch, mismatch, development));
        code += &source.map_err(|error| error.to_string())?;
    }
    let file = Path::new(&variable("OUT_DIR")?).join("policies.rs");
    fs::write(&file, code).map_err(|error| format!("{}: {error}", file.display()))
}
