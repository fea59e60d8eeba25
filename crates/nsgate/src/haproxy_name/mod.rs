//! The program that answers to the name `haproxy`.
//!
//! Promises to do what Neutron's agents and their wrappers ask of haproxy (`neutron/agent/metadata/driver_base.py`), and to
//! refuse everything else with a message.

mod args;
mod program;

pub use args::{Args, HaproxyCommand, parse};
pub use program::main;
