//! The agent's bytes, read as an answer and nothing around it.

use super::{
    pieces::{Pieces, ScriptedIo},
    run::{Stuck, run},
};
use crate::agent::{self, AgentBody, Delimited};
use std::{future::poll_fn, time::Duration};

/// What was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderstoodAnswer {
    /// The status.
    pub status: u16,
    /// The headers for the guest, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The length that was announced, if one was.
    pub announced: Option<u64>,
    /// The body as far as it came.
    pub body: Vec<u8>,
    /// Whether the body came to the end that was announced.
    pub complete: bool,
}

/// Reads an answer. `head_only` says that the request was a HEAD.
///
/// # Errors
/// The status of the refusal.
pub fn read_answer(pieces: &Pieces, head_only: bool) -> Result<UnderstoodAnswer, u16> {
    let mut stream = ScriptedIo::new(pieces.clone());
    let outcome = run(async {
        let mut buffer = bytes::BytesMut::new();
        let answer = agent::read_answer(&mut stream, &mut buffer, head_only).await.map_err(|refusal| refusal.status)?;
        let announced = match answer.body {
            Delimited::Empty => Some(0),
            Delimited::Length(length) => Some(length),
            Delimited::Chunked | Delimited::Close => None,
        };
        let mut coming = AgentBody::new(&mut stream, buffer.into(), answer.body, Duration::from_secs(1));
        let (mut body, mut complete) = (Vec::new(), true);
        while let Some(piece) = poll_fn(|cx| coming.poll_piece(cx)).await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        let headers =
            answer.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        Ok(UnderstoodAnswer { status: answer.status.as_u16(), headers, announced, body, complete })
    });
    match outcome {
        Ok(understood) => understood,
        Err(Stuck) => Err(0),
    }
}
