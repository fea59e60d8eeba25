//! Many networks in one worker: the worker's process, and the keeper of each network.

mod courier;
mod crew;
pub(crate) mod hangs;
mod keeper;
mod settings;
pub(crate) mod unreached;
mod worker;

pub use courier::run_courier;
pub use keeper::run_keeper;
pub use worker::run_worker;
