//! The agent's side: a connection, one write, and an answer that is read with patience.
//!
//! Neutron's agents are not polite servers: their queue is five long, they write bare line feeds, leave out the blank
//! line after an empty body, and close without a byte on their own errors. What can be understood is passed on.

mod answer;
mod body;
mod chunks;
mod connect;

pub(crate) use answer::{AgentAnswer, Delimited, read_answer};
pub(crate) use body::AgentBody;
pub(crate) use connect::{Connected, Turnstile};
