//! The guest's side of a vector: all bytes at once, then the bytes that come back, until one side closes.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use crate::guest::Guest;
use crate::lab::timed_out;

/// How long the guest waits for more before it says that it will send no more.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it waits after that.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// What a guest was told on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The final statuses, in order.
    pub statuses: Vec<u16>,
    /// How the connection ended.
    pub end: End,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The program closed it without being asked.
    Closed,
    /// The program closed it when the guest had closed its half, after all it had to say.
    ClosedWhenAsked,
    /// The program said more after the guest had closed its half, and then closed.
    AnsweredWhenAsked,
    /// The program did not close it.
    Open,
}

/// Sends `bytes` on a new connection and reads to the end.
pub(super) fn send(guest: &Guest, bytes: &[u8]) -> Answered {
    let mut stream = guest.connect().expect("a connection to the program under test");
    // A program that refuses early may have closed before the last byte; what it said is read all the same.
    let _ = stream.write_all(bytes);
    let (mut said, mut part) = (Vec::new(), [0; 16 * 1024]);
    let mut half_closed_at = None;
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let end = loop {
        match stream.read(&mut part) {
            Ok(0) => break end_of(half_closed_at, said.len()),
            Ok(count) => said.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if timed_out(&error) && half_closed_at.is_none() => {
                half_closed_at = Some(said.len());
                let _ = stream.shutdown(Shutdown::Write);
                stream.set_read_timeout(Some(LAST_PATIENCE)).expect("a timeout");
            }
            Err(error) if timed_out(&error) => break End::Open,
            Err(_) => break end_of(half_closed_at, said.len()),
        }
    };
    Answered { statuses: statuses(&said), end }
}

fn end_of(half_closed_at: Option<usize>, said: usize) -> End {
    match half_closed_at {
        None => End::Closed,
        Some(before) if before == said => End::ClosedWhenAsked,
        Some(_) => End::AnsweredWhenAsked,
    }
}

/// The statuses in a row of answers. No body in this laboratory contains a status line.
fn statuses(said: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(said);
    let codes = text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok());
    codes.filter(|status| *status >= 200).collect()
}
