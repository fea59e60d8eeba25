//! From a gate to Nova: looks up the instance, signs its id, carries the request.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

pub mod binding;
pub mod directory;
#[cfg(feature = "server")]
pub mod gates;
#[cfg(feature = "server")]
mod http_io;
#[cfg(feature = "server")]
pub mod nova;
#[cfg(feature = "server")]
pub mod ovsdb;
#[cfg(feature = "server")]
mod shares;
#[cfg(feature = "server")]
pub mod signature;
#[cfg(feature = "server")]
pub mod signer;
mod sys;
#[cfg(feature = "server")]
pub mod tls;
#[cfg(feature = "server")]
pub mod transport;
