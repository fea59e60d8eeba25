//! What a process still holds, by the kernel's own account.
//!
//! Works on any process, a daemon of yours or a shell. What it may hold its caller says ([`Expected`]). Promises to read `/proc`
//! and nothing else, never to take the process's word, and to say that something is unreadable rather than to guess it. Root reads everything; an
//! ordinary user reads what the kernel shows of other users' processes, which is little.

mod descriptors;
mod expected;
mod holdings;
pub mod kinds;
mod listening;
mod name;
mod namespaces;
mod root;
mod row;
mod shared_page;
mod sockets;
mod survey;
mod table;
mod threads;
mod verdict;
mod windows;

pub use crate::mounts::Mount;
pub use descriptors::Open;
pub use expected::{Expected, Facts, has_child_of_same_program, open_in, run_the_same};
pub use holdings::{Holdings, Kernel, kernel};
pub use listening::listening_lines;
pub use name::name_of_root;
pub use namespaces::Namespace;
pub use row::VerdictRow;
pub use shared_page::shared_page;
pub use survey::{Survey, called, process};
pub use threads::Thread;
pub use windows::{SeenWindow, WindowState};
