//! The programs are compiled for arm64, by the Rust of Debian 13, which is the oldest that the manifests ask for as well.
//!
//! rustup's libraries for other architectures come from its own server; Debian has them as packages. They are unpacked and not
//! installed (`later_debian.rs`), and the compiler runs beside its own C library.
//! What a crate compiles of C takes the cross compiler of this host.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nsgate_tests::program::target;

use crate::command::{cargo, plain};
use crate::later_debian;

const SUITE: &str = "trixie";

/// The compiler, its standard library here and there, and every library that it is linked with.
const PACKAGES: [&str; 18] = [
    "rustc",
    "libstd-rust-1.85",
    "libstd-rust-dev",
    "libstd-rust-dev:arm64",
    "libllvm19",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "zlib1g",
    "libffi8",
    "libedit2",
    "libxml2",
    "libzstd1",
    "libtinfo6",
    "libbsd0",
    "libmd0",
    "liblzma5",
    "libicu76",
];

/// The compiler, fetched if it is not there yet.
///
/// # Errors
/// One line: this machine is of another architecture, or Debian's packages cannot be had.
pub(crate) fn rustc() -> Result<PathBuf, String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("the compiler for arm64 is one of an amd64 machine".to_owned());
    }
    let files = later_debian::together(SUITE, "rust", &PACKAGES)?;
    let files = fs::canonicalize(&files).map_err(|e| format!("{}: {e}", files.display()))?;
    let script = files.join("rustc");
    let text = format!(
        "#!/bin/sh\nexec {0}/usr/lib64/ld-linux-x86-64.so.2 --library-path {0}/usr/lib/x86_64-linux-gnu \\\n    \
         {0}/usr/bin/rustc --sysroot {0}/usr \"$@\"\n",
        files.display()
    );
    let written =
        fs::write(&script, text).and_then(|()| fs::set_permissions(&script, fs::Permissions::from_mode(0o755)));
    written.map_err(|e| format!("{}: {e}", script.display()))?;
    Ok(script)
}

/// Whether the programs compile.
pub(crate) fn check() -> Result<bool, String> {
    let mut command = cargo(&["check", "--locked", "--package", "nsgate", "--target", "aarch64-unknown-linux-gnu"]);
    command.env("RUSTC", rustc()?).env("CARGO_TARGET_DIR", target().join("arm64")).env_remove("RUSTFLAGS");
    plain(command)
}
