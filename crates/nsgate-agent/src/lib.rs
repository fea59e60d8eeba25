//! From a gate to Nova: looks up the instance, signs its id, carries the request.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::too_many_lines))]

pub mod binding;
pub mod directory;
mod sys;
