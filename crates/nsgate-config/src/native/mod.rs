//! nsgate's own configuration: TOML, and the flags of `nsgate run`, which have the same names.
//!
//! Promises that an unknown key is refused, that the message about a value out of range names the range, and that [`parse`]
//! reads the output of [`render`] back to the same values.

mod agent;
mod agent_directory;
mod agent_nova;
mod audit;
mod draft;
mod flags;
mod gate;
mod guards;
mod limits;
mod log;
mod pool;
mod process;
mod site;
mod time;
mod tls;
mod toml_text;
mod validator;

pub use agent::{DraftAgent, DraftGates, render as render_agent};
pub use agent_directory::DraftDirectory;
pub use agent_nova::DraftNova;
pub use draft::{
    Draft, DraftAccount, DraftAudit, DraftExpiring, DraftGuards, DraftHeader, DraftLimits, DraftLog, DraftRate,
    DraftTime, DraftTimeouts, DraftTrace,
};
pub use flags::{all_on_command_line, on_command_line};
pub use gate::render;
pub use guards::render as render_guards;
pub use pool::{DraftPool, render as render_pool};
pub use site::Site;

use crate::{Diagnostics, Parsed};

/// Reads a configuration in TOML; `file` is its name in messages.
///
/// # Errors
/// Everything that is wrong with the values, or the first thing that is wrong with the syntax.
pub fn parse(file: &str, text: &str) -> Result<Parsed, Diagnostics> {
    Draft::read(file, text)?.finish(file, text)
}
