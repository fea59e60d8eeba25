//! What is told of each request, and to whom.

use super::speaker::Speaker;
use crate::{
    directory::{NoOccupant, Occupant},
    nova::NovaFailure,
};
use http::{Method, Request};
use nsgate_config::Identity;
use nsgate_forwarder::PathClass;
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Hears of requests. Called on the serving thread: must not wait.
pub trait HopObserver: Send + Sync + 'static {
    /// Nova's answer has begun, the request was refused, or its gate has gone.
    fn request(&self, record: &HopRecord);

    /// So many doors are open now.
    fn doors(&self, _open: usize) {}

    /// So many connections that carry requests are open now.
    fn connections(&self, _open: usize) {}
}

/// Ignores everything.
impl HopObserver for () {
    fn request(&self, _: &HopRecord) {}
}

/// Why a request has no answer of Nova's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopReason {
    /// It is not a gate's: no network, no address, or more than one.
    BadRequest,
    /// Its connection is bound to no network, and plain ones are not served.
    Unbound,
    /// Its connection is bound to another network than it names.
    ForeignNetwork,
    /// No port has the address.
    NoPort,
    /// Several ports have the address.
    SeveralPorts,
    /// The port names no instance.
    NoInstance,
    /// The directory cannot be asked.
    DirectoryAway,
    /// No host of Nova's took it.
    NovaAway,
    /// Nova has not answered in time.
    NovaSilent,
    /// Nova answered what is not HTTP, or nothing.
    NovaMalformed,
    /// Its instance had too many requests under way.
    Crowded,
    /// Its own body ended early.
    CutBody,
    /// The gate has closed the connection before there was an answer.
    GateLeft,
}

impl HopReason {
    /// Each reason. A reason keeps its place: new ones go last.
    pub const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::Unbound,
        Self::ForeignNetwork,
        Self::NoPort,
        Self::SeveralPorts,
        Self::NoInstance,
        Self::DirectoryAway,
        Self::NovaAway,
        Self::NovaSilent,
        Self::NovaMalformed,
        Self::Crowded,
        Self::CutBody,
        Self::GateLeft,
    ];

    /// As logs and metrics write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Unbound => "unbound",
            Self::ForeignNetwork => "foreign-network",
            Self::NoPort => "no-port",
            Self::SeveralPorts => "several-ports",
            Self::NoInstance => "no-instance",
            Self::DirectoryAway => "directory-away",
            Self::NovaAway => "nova-away",
            Self::NovaSilent => "nova-silent",
            Self::NovaMalformed => "nova-malformed",
            Self::Crowded => "crowded",
            Self::CutBody => "cut-body",
            Self::GateLeft => "gate-left",
        }
    }

    /// Whether it lies behind the agent, with the directory or with Nova, and not with the request.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::DirectoryAway
                | Self::NovaAway
                | Self::NovaSilent
                | Self::NovaMalformed
                | Self::Crowded
                | Self::GateLeft
        )
    }
}

impl From<&NoOccupant> for HopReason {
    fn from(why: &NoOccupant) -> Self {
        match why {
            NoOccupant::NoPort => Self::NoPort,
            NoOccupant::SeveralPorts(_) => Self::SeveralPorts,
            NoOccupant::NoInstance(_) => Self::NoInstance,
            NoOccupant::Away(_) => Self::DirectoryAway,
        }
    }
}

impl From<&NovaFailure> for HopReason {
    fn from(why: &NovaFailure) -> Self {
        match why {
            NovaFailure::Unreachable(_) => Self::NovaAway,
            NovaFailure::Silent(_) => Self::NovaSilent,
            NovaFailure::Crowded => Self::Crowded,
            NovaFailure::Garbage(_) => Self::NovaMalformed,
            NovaFailure::Cut(_) => Self::CutBody,
        }
    }
}

/// One request, by the time when its answer begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HopRecord {
    /// Whether its connection is bound to a network.
    pub bound: bool,
    /// The network or router that it is for, if it names one.
    pub place: Option<Identity>,
    /// The guest, if it names one.
    pub source: Option<IpAddr>,
    /// The method, if it is a usual one; else `other`.
    pub method: &'static str,
    /// What was asked for.
    pub class: PathClass,
    /// The instance, where the directory knows it.
    pub occupant: Option<Occupant>,
    /// The answer's status; 0 if there was none.
    pub status: u16,
    /// Why the answer is not Nova's.
    pub reason: Option<HopReason>,
    /// How long the directory took; `None` if it was not asked, or had not answered.
    pub look_up_time: Option<Duration>,
    /// From Nova's turn to the head of its answer; `None` if there was none.
    pub nova_time: Option<Duration>,
    /// From the request's head to the answer's.
    pub total_time: Duration,
}

/// The methods that a record names.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH];
const METHOD_NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// A record that is being written. The observer has it when this is dropped.
pub(super) struct OpenRecord {
    pub(super) record: HopRecord,
    begun: Instant,
    observer: Arc<dyn HopObserver>,
}

impl OpenRecord {
    pub(super) fn begin<B>(request: &Request<B>, speaker: Speaker, observer: &Arc<dyn HopObserver>) -> Self {
        let named = METHODS.iter().position(|method| method == request.method());
        let place = match speaker {
            Speaker::Bound(identity) => Some(identity),
            Speaker::Plain => None,
        };
        let record = HopRecord {
            bound: place.is_some(),
            place,
            source: None,
            method: named.and_then(|index| METHOD_NAMES.get(index).copied()).unwrap_or("other"),
            class: PathClass::of(request.uri().path().as_bytes()),
            occupant: None,
            status: 0,
            // Until something else is known.
            reason: Some(HopReason::GateLeft),
            look_up_time: None,
            nova_time: None,
            total_time: Duration::ZERO,
        };
        Self { record, begun: Instant::now(), observer: observer.clone() }
    }

    /// How long it is under way.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The status that the gate is sent, and why it is not Nova's.
    pub(super) fn answered(&mut self, status: u16, reason: Option<HopReason>) {
        (self.record.status, self.record.reason) = (status, reason);
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        self.record.total_time = self.begun.elapsed();
        self.observer.request(&self.record);
    }
}
