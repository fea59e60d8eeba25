//! What a guest's bytes must look like before anybody else reads them.
//!
//! Promises that what is passed on has one meaning: a head whose end, length and host no two parsers can disagree on,
//! and a body that ends where the next head begins. Everything else is refused with the status that says why.

mod chunked;
mod head;

pub(crate) use chunked::Chunked;
pub(crate) use head::{Framing, Head, end_of_head, judge};
