//! `cargo xtask differential --minutes N`: changed configurations of Neutron's, given to nsgate's parser and to haproxy, until
//! the time is over; what they mean must be the same.
//!
//! It is the test command's suite without its end; see `tests/tests/dialect_differential`.

use std::ffi::OsString;

use crate::command::{cargo, plain};
use crate::tools;

/// Words after `differential` are the suite's.
pub(crate) fn run(arguments: &[OsString]) -> Result<(), String> {
    tools::IP.ensure()?;
    tools::HAPROXY.ensure()?;
    let usual = ["--minutes".to_owned(), "1".to_owned()];
    let asked = arguments.iter().any(|word| word == "--minutes");
    let suite = ["test", "--quiet", "--locked", "--package", "nsgate-tests", "--test", "dialect_differential", "--"];
    let mut command = cargo(&suite);
    command.arg("--long").args(if asked { &[] } else { &usual[..] }).args(arguments);
    if plain(command)? { Ok(()) } else { Err("the two differ, or could not be asked; see above".to_owned()) }
}
