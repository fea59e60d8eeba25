//! The inner parts of the forwarder, driven from memory: what the fuzz targets in `tests/fuzz` need.
//!
//! Promises that it is the product's own code that runs. There is no second reader here and no second parser: bytes
//! come from memory in the pieces asked for, everything else is what serves a guest.

mod answer;
mod connection;
mod guards;
mod pieces;
mod rates;
mod run;

pub use answer::{UnderstoodAnswer, read_answer};
pub use connection::{ServedConnection, serve};
pub use guards::{Guard, is_good, token};
pub use pieces::Pieces;
pub use rates::{MOST, Rates};

use crate::{refusal::Refusal, strict::Chunked};
use nsgate_config::Limits;

/// What the strict reader makes of a chunked body that comes in `pieces`: how many bytes belong to it, what it passes on
/// of them, and whether the body has ended; or the status of the refusal.
///
/// # Errors
/// The status.
pub fn chunked(pieces: &Pieces, bound: u64, limits: &Limits) -> Result<(usize, Vec<u8>, bool), u16> {
    let mut chunked = Chunked::new(bound, limits);
    let (mut taken, mut passed) = (0usize, Vec::new());
    for piece in pieces.iter() {
        let mut piece = piece.to_vec();
        let (here, left) = chunked.take(&mut piece).map_err(status)?;
        passed.extend_from_slice(piece.get(..left).unwrap_or_default());
        taken = taken.saturating_add(here);
        if here < piece.len() {
            break;
        }
    }
    Ok((taken, passed, chunked.ended()))
}

fn status(refusal: Refusal) -> u16 {
    refusal.status
}
