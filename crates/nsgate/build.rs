//! Links the part of GCC's library that unwinds stacks into the programs, where the C library is GNU's and shared.
//!
//! It is the one thing that they need of `libgcc_s.so.1`: without that library a program starts sooner, and each process has
//! a page or two less of its own. What is linked in is under the GCC Runtime Library Exception.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found.split(',').any(|one| one == value));
    let shared = !is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && shared {
        // Whole, so that it stands before the standard library, which names the shared one: that is then not needed.
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
    }
}
