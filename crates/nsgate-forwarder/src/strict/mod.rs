//! What a guest's bytes must look like before anybody else reads them.
//!
//! Promises that what is passed on has one meaning: a head whose end, length and host no two parsers can disagree on,
//! and a body that ends where the next head begins. Everything else is refused with the status that says why. What means
//! nothing here (an offer to upgrade, a chunk extension, a trailer) is read and not passed on.

mod chunked;
mod head;
mod line;
mod octets;

pub(crate) use chunked::Chunked;
#[cfg(test)]
pub(crate) use head::parse_head;
pub(crate) use head::{Framing, Head, end_of_head, parse_fields};
pub(crate) use line::RequestLine;
