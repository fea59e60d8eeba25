//! The processes of nsgate: what each is for, its policy of system calls (`policy/*.toml`), what is asked of its confinement, and
//! how it is recognised from outside.

#[cfg(test)]
mod digests;
mod expected;
mod policy;
mod recognise;
mod role;
#[cfg(test)]
mod tests;

pub(crate) use expected::CONFIGURATION;
pub use expected::{expected, gates};
pub use role::Role;
