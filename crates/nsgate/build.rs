//! Links the part of GCC's library that unwinds stacks into the programs, where the C library is GNU's and shared.
//!
//! It is the one thing that they need of `libgcc_s.so.1`: without that library a program starts sooner, and each process has
//! a page or two less of its own. What is linked in is under the GCC Runtime Library Exception.
//!
//! GCC's unwinder asks a function for tables that glibc has since 2.35, and `src/sys.rs` answers in its place, so that a program
//! starts where glibc is older. That answer is for the program alone, and no library may find it there: it is not exported.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=hidden.map");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found.split(',').any(|one| one == value));
    let shared = !is("CARGO_CFG_TARGET_FEATURE", "crt-static");
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && shared {
        // Whole, so that it stands before the standard library, which names the shared one: that is then not needed.
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
        let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-Wl,--version-script={here}/hidden.map");
    }
}
