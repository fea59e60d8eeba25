//! What a guest is told when the gate refuses a request.

use crate::{Reason, termination::Termination};
use std::{num::NonZeroU32, time::Duration};

/// An answer of the gate's own: an error, by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// For machines.
    pub(crate) reason: Reason,
    /// Seconds after which it is worth while to ask again.
    pub(crate) retry_after: Option<NonZeroU32>,
    /// For the log.
    pub(crate) termination: Termination,
}

impl Refusal {
    pub(crate) const FORBIDDEN: Self = Self::new(403, Reason::Statistics, Termination::DENIED);
    pub(crate) const TIMEOUT: Self = Self::new(408, Reason::SlowHead, Termination::SLOW_REQUEST);
    pub(crate) const BODY_TIMEOUT: Self = Self::new(408, Reason::SlowBody, Termination::SLOW_BODY);
    pub(crate) const BODY_TOO_LARGE: Self = Self::new(413, Reason::BodyTooLarge, Termination::REFUSED);
    pub(crate) const DISPLACED: Self = Self::new(408, Reason::Displaced, Termination::SLOW_REQUEST);
    pub(crate) const TARGET_TOO_LONG: Self = Self::new(414, Reason::TargetTooLong, Termination::REFUSED);
    pub(crate) const EXPECTATION: Self = Self::new(417, Reason::Expectation, Termination::REFUSED);
    pub(crate) const HEAD_TOO_LARGE: Self = Self::new(431, Reason::HeadTooLarge, Termination::REFUSED);
    pub(crate) const TOO_MANY_HEADERS: Self = Self::new(431, Reason::TooManyHeaders, Termination::REFUSED);
    pub(crate) const CUT_HEAD: Self = Self::new(400, Reason::CutHead, Termination::CUT_REQUEST);
    pub(crate) const GATEWAY_TIMEOUT: Self = Self::new(504, Reason::AgentSilent, Termination::SLOW_AGENT);

    const fn new(status: u16, reason: Reason, termination: Termination) -> Self {
        Self { status, reason, retry_after: None, termination }
    }

    /// A guard does not let it pass.
    pub(crate) const fn guard(status: u16, reason: Reason) -> Self {
        Self::new(status, reason, Termination::DENIED)
    }

    /// A request that cannot be read in one way only.
    pub(crate) const fn bad_request(reason: Reason) -> Self {
        Self::new(400, reason, Termination::REFUSED)
    }

    /// An answer of the agent's that is none.
    pub(crate) const fn bad_gateway(reason: Reason) -> Self {
        Self::new(502, reason, Termination::BAD_ANSWER)
    }

    /// The request as the agent would get it is longer than what the agent reads.
    pub(crate) const fn does_not_fit(status: u16) -> Self {
        Self::new(status, Reason::DoesNotFit, Termination::REFUSED)
    }

    /// Asked too often; the time is rounded up.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Self { retry_after: NonZeroU32::new(seconds.max(1)), ..Self::new(429, Reason::Rate, Termination::DENIED) }
    }

    /// The agent is not there, or has no room.
    pub(crate) fn unavailable(reason: Reason) -> Self {
        Self { retry_after: NonZeroU32::new(5), ..Self::new(503, reason, Termination::NO_AGENT) }
    }

    pub(crate) fn phrase(&self) -> &'static str {
        match self.status {
            400 => "Bad request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Time-out",
            413 => "Payload Too Large",
            414 => "URI Too Long",
            417 => "Expectation Failed",
            421 => "Misdirected Request",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Gateway Time-out",
        }
    }

    pub(crate) fn body(&self) -> String {
        let explanation = self.advice().unwrap_or(match self.status {
            403 => "Request forbidden by administrative rules.",
            404 => "Nothing is here.",
            400 => "Your browser sent an invalid request.",
            408 => "Your request was not completed in time.",
            413 => "The request's body is too large.",
            414 => "The request's address is too long.",
            417 => "The expectation cannot be met.",
            429 => "You have sent too many requests in a given amount of time.",
            431 => "The request's headers are too large.",
            502 => "The server returned an invalid or incomplete response.",
            503 => "No server is available to handle this request.",
            _ => "The server didn't respond in time.",
        });
        page(self.status, self.phrase(), explanation)
    }

    /// What a guest that a guard refuses can do about it.
    fn advice(&self) -> Option<&'static str> {
        Some(match self.reason {
            Reason::Forwarded => "Ask directly, without a proxy: no X-Forwarded-For, Forwarded or X-Real-IP.",
            Reason::ForeignHost => "Ask by the address of the metadata service: this Host is not served here.",
            Reason::MissingHeader => "A header that this metadata service demands is missing.",
            Reason::MissingToken => {
                "Ask for a token first: PUT /latest/api/token with X-aws-ec2-metadata-token-ttl-seconds, and send it in \
                 X-aws-ec2-metadata-token."
            }
            Reason::WrongToken => "This token is not good, or not any more: ask for another one.",
            Reason::TokenLife => "Say in X-aws-ec2-metadata-token-ttl-seconds, once, for how long: 1 to 21600.",
            Reason::NoTokenKey => "No tokens can be given out here.",
            Reason::ForbiddenMethod => "This method is not allowed here.",
            Reason::AmbiguousPath => "Write the path plainly: no %, ;, \\ or ..",
            Reason::ForbiddenPath if self.status == 403 => "This path is not served here.",
            Reason::ExpiredPath => "This path is answered for a while after the first request only.",
            _ => return None,
        })
    }

    /// The whole answer, for a connection that the HTTP library has left; to a HEAD without its body.
    pub(crate) fn raw(&self, head_only: bool) -> Vec<u8> {
        let body = self.body();
        let length = body.len();
        let body = if head_only { String::new() } else { body };
        let retry = self.retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
        format!(
            "HTTP/1.1 {} {}\r\ncontent-length: {length}\r\ncache-control: no-cache\r\ncontent-type: text/html\r\n{retry}\
             connection: close\r\n\r\n{body}",
            self.status,
            self.phrase(),
        )
        .into_bytes()
    }
}

/// A page as haproxy writes it.
pub(crate) fn page(status: u16, phrase: &str, explanation: &str) -> String {
    format!("<html><body><h1>{status} {phrase}</h1>\n{explanation}\n</body></html>\n")
}
