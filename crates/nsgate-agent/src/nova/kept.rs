//! One connection to Nova, which may carry one request after another.

use super::{NovaFailure, outgoing::Outgoing};
use crate::{http_io::HttpIo, tls::refusal, transport::Transport};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use std::io;
use tokio::task::AbortHandle;

/// A connection. To drop it closes it, in the middle of an answer too.
#[derive(Debug)]
pub(super) struct NovaConnection {
    sender: SendRequest<Outgoing>,
    task: AbortHandle,
}

/// Why a request has no answer, by what is known of it at Nova.
#[derive(Debug)]
pub(super) enum SendFault {
    /// Nova has not seen it: here is its body.
    NotSent(String, Outgoing),
    /// Nova may have seen it, and closed the connection without a word.
    Unanswered(NovaFailure),
    /// It is over.
    Failed(NovaFailure),
}

impl Drop for NovaConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NovaConnection {
    pub(super) async fn new(transport: Transport) -> io::Result<Self> {
        let (sender, connection) = handshake(HttpIo::new(transport)).await.map_err(io::Error::other)?;
        // Its errors are those of the request that it carries.
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, task })
    }

    /// Nova has closed it, as far as is known.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends `request`, and waits for the answer's head.
    pub(super) async fn send(mut self, request: Request<Outgoing>) -> Result<(Response<Incoming>, Self), SendFault> {
        if let Err(error) = self.sender.ready().await {
            return Err(SendFault::NotSent(in_words(&error), request.into_body()));
        }
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok((response, self)),
            Err(mut error) => Err(match error.take_message() {
                Some(request) => SendFault::NotSent(in_words(error.error()), request.into_body()),
                None => judge(error.error()),
            }),
        }
    }
}

fn judge(error: &hyper::Error) -> SendFault {
    let reason = in_words(error);
    if error.is_parse() {
        SendFault::Failed(NovaFailure::Garbage(reason))
    } else if error.is_user() || error.is_body_write_aborted() {
        SendFault::Failed(NovaFailure::Cut(reason))
    } else if let Some(refusal) = refusal(error) {
        SendFault::Unanswered(NovaFailure::Unreachable(refusal))
    } else {
        SendFault::Unanswered(NovaFailure::Garbage(reason))
    }
}

/// An error with its cause, which hyper's own words leave out.
fn in_words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
