//! What the dialect promises, asked of haproxy itself: a text that nsgate accepts means what it means to haproxy, or a
//! warning says what differs.
//!
//! Neutron's configurations are changed (`generate`) and given to the real `haproxy -c` and to nsgate's parser. Refused there
//! and accepted here is a fault. What both accept is written by nsgate as Neutron would write it (`gate`, `host`), and haproxy
//! reads that too: its memory must be the same (`snapshot`, `meaning`), but for what is noise (`noise`). Nothing here knows what
//! a keyword means.
//!
//! `cargo xtask differential --minutes N` goes on with other seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(target_arch = "x86_64")]
mod gate;
#[cfg(target_arch = "x86_64")]
mod generate;
#[cfg(target_arch = "x86_64")]
mod haproxy;
#[cfg(target_arch = "x86_64")]
mod host;
#[cfg(target_arch = "x86_64")]
mod inert;
#[cfg(target_arch = "x86_64")]
mod judge;
#[cfg(target_arch = "x86_64")]
mod kept;
#[cfg(target_arch = "x86_64")]
mod long;
#[cfg(target_arch = "x86_64")]
mod meaning;
#[cfg(target_arch = "x86_64")]
mod noise;
#[cfg(target_arch = "x86_64")]
mod session;
#[cfg(target_arch = "x86_64")]
mod snapshot;
#[cfg(target_arch = "x86_64")]
mod suite;
#[cfg(target_arch = "x86_64")]
mod symbols;
#[cfg(target_arch = "x86_64")]
mod vocabulary;
#[cfg(target_arch = "x86_64")]
mod words;

#[cfg(target_arch = "x86_64")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "--long") {
        long::main(&words[1..]);
    }
    suite::main();
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!(
        "suite dialect_differential: haproxy is stopped by an instruction of x86_64; this is {}",
        std::env::consts::ARCH
    );
    println!("dialect_differential: 0 passed, 0 failed, 1 skipped");
}
