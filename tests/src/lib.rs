//! The laboratory: network namespaces, guests, agents and gates for the end-to-end suites, the demo and the benchmark.
//!
//! Everything happens inside a [`world`]: private mount, PID, network, IPC and UTS namespaces that the kernel takes down
//! with the last process in them, so that a test that crashes leaves no process, no namespace and no file behind.
//! Works as root, and as an ordinary user where the kernel allows user namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod agent;
pub mod asking;
pub mod book;
pub mod c;
pub mod certificates;
pub mod cgroup;
pub mod choice;
pub mod config;
pub mod cut;
pub mod doctor;
pub mod engine;
#[cfg(target_arch = "x86_64")]
pub mod escape;
pub mod forging;
pub mod gate;
pub mod guest;
pub mod harness;
pub mod host;
pub mod http;
#[cfg(target_arch = "x86_64")]
pub mod inject;
pub mod journald;
pub mod json;
pub mod lab;
pub mod load;
pub mod machine;
pub mod manager;
pub mod network;
pub mod neutron;
#[path = "../../crates/nsgate-agent/tests/support/nova.rs"]
pub mod nova;
pub mod openmetrics;
pub mod ovn;
pub mod pool;
#[cfg(target_arch = "x86_64")]
pub mod probes;
pub mod procfs;
pub mod program;
mod sealed;
pub mod second_hop;
pub mod sidecar;
pub mod slots;
pub mod sys;
pub mod syslog;
pub mod table;
pub mod terminal;
pub mod tls_front;
pub mod vectors;
pub mod world;

pub use agent::{Answer, RecordingAgent};
pub use asking::Asking;
pub use config::{Config, Kind, Rate};
pub use engine::Engine;
pub use gate::{Gate, Started};
pub use guest::Guest;
pub use http::Response;
pub use lab::Lab;
pub use load::Load;
pub use machine::Machine;
pub use network::{Namespace, Network};
pub use program::Program;
pub use syslog::SyslogReader;
