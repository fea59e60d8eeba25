//! What a gate is answered in Nova's place: a status, a sentence for the guest, and a line in the log with the cause.

use super::record::HopReason;
use crate::{
    directory::{NoOccupant, Question},
    nova::NovaFailure,
};
use http::StatusCode;
use nsgate_config::Identity;
use nsgate_forwarder::Seldom;

/// An answer that is not Nova's.
#[derive(Debug)]
pub(super) struct GateRefusal {
    status: StatusCode,
    reason: HopReason,
    said: String,
}

impl GateRefusal {
    fn new(status: StatusCode, reason: HopReason, said: impl Into<String>) -> Self {
        Self { status, reason, said: said.into() }
    }

    /// The request is not a gate's.
    pub(super) fn bad(said: &'static str) -> Self {
        static SELDOM: Seldom = Seldom::new();
        SELDOM.say(|more| tracing::warn!("a gate's request is answered 400: {said}{more}"));
        Self::new(StatusCode::BAD_REQUEST, HopReason::BadRequest, said)
    }

    /// The connection names networks, which this agent does not believe.
    pub(super) fn plain() -> Self {
        static SELDOM: Seldom = Seldom::new();
        SELDOM.say(|more| {
            tracing::warn!(
                "a request over a connection that is bound to no network is answered 403; haproxy and older gates need \
                 `plain = true`{more}"
            );
        });
        Self::new(
            StatusCode::FORBIDDEN,
            HopReason::Unbound,
            "this agent serves connections that are bound to a network; `plain = true` lets others be served",
        )
    }

    /// A bound connection names another network.
    pub(super) fn foreign(bound: Identity, said: Identity) -> Self {
        static SELDOM: Seldom = Seldom::new();
        let [bound, said] = [bound, said].map(|one| format!("{} {}", one.header(), one.uuid()));
        SELDOM.say(|more| {
            tracing::warn!(
                "a connection that is bound to {bound} asks for {said}: its gate is not what root started, or sends another \
                 network's requests{more}"
            );
        });
        Self::new(StatusCode::FORBIDDEN, HopReason::ForeignNetwork, "the connection is bound to another network")
    }

    /// No instance can be named.
    pub(super) fn unknown(question: &Question, why: &NoOccupant) -> Self {
        static SELDOM: Seldom = Seldom::new();
        let Question { place, caller } = question;
        let place = format!("{} {}", place.header(), place.uuid());
        SELDOM.say(|more| match why {
            NoOccupant::NoPort | NoOccupant::NoInstance(_) => tracing::warn!("{place}, {caller}: {why}{more}"),
            NoOccupant::SeveralPorts(_) | NoOccupant::Away(_) => tracing::error!("{place}, {caller}: {why}{more}"),
        });
        let reason = why.into();
        match why {
            NoOccupant::Away(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                reason,
                "the directory of instances is away; try again later",
            ),
            NoOccupant::NoPort | NoOccupant::SeveralPorts(_) | NoOccupant::NoInstance(_) => {
                Self::new(StatusCode::NOT_FOUND, reason, format!("no instance for {caller} in {place}: {why}"))
            }
        }
    }

    /// Nova gave no answer.
    pub(super) fn nova(question: &Question, failure: &NovaFailure) -> Self {
        static SELDOM: Seldom = Seldom::new();
        let Question { place, caller } = question;
        SELDOM.say(|more| tracing::error!("{} {}, {caller}: {failure}{more}", place.header(), place.uuid()));
        let reason = failure.into();
        match failure {
            NovaFailure::Unreachable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                reason,
                "Nova's metadata service cannot be reached; try again later",
            ),
            NovaFailure::Crowded => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                reason,
                "the instance has too many requests under way; try again later",
            ),
            NovaFailure::Silent(_) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, reason, "Nova's metadata service does not answer in time")
            }
            NovaFailure::Garbage(_) => Self::new(
                StatusCode::BAD_GATEWAY,
                reason,
                "Nova's metadata service answers what is not HTTP, or nothing",
            ),
            NovaFailure::Cut(_) => Self::new(StatusCode::BAD_REQUEST, reason, "the request ended early"),
        }
    }

    pub(super) fn reason(&self) -> HopReason {
        self.reason
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// For the guest, with the end of its line.
    pub(super) fn into_body(self) -> String {
        let mut said = self.said;
        said.push('\n');
        said
    }
}
