//! Where an exchange of one request and one response stands (RFC 9112, section 9), as a state machine.
//!
//! [`ExchangeState::step`] is all of it. It knows no socket, no clock and no lock: [`Exchange`](super::Exchange) keeps the
//! state, and does what a [`Transition`] asks for. Four layers send events: the reader and the writer of
//! [`GuestIo`](crate::guest_io::GuestIo), the service, and the connection.
//!
//! ```text
//!        first byte           head read         service begins         content read
//!  Fresh ──────────▶ Head ───────────────▶ HeadRead ────────▶ Content ─────────────▶ Agent ─────────┐
//!                    ▲ │ ▲                    │ bad            │ │ │              wait │ ▲ connected │
//!                    │ │ │ turn      bad      │ content    bad │ │ │                   ▼ │           │
//!                    │ ▼ │          ┌─────────┤        content │ │ │ cut             Queued          │
//!                    │ Head-        │         ▼                │ │ ▼                   │             │
//!                    │ Queued     Head ─▶  Refused ◀───────────┘ │ Incomplete          │             │
//!                    │                        │ the service       │                     │             │
//!                    │                        │ answers early     │ answers early       │ refuses     │ answers
//!                    │                        └───────────────────┴───┬─────────────────┴─────────────┘
//!                    │                                                ▼   all written
//!                    │                                             Answer ────────────▶ Rest
//!                    │                                                │   ◀────────────  │
//!                    │                                                │   guest is slow  │
//!                    │                                                │ last byte        │ last byte
//!                    │ next request                                   ▼                  │
//!                   Idle ◀──────────────── all written ───────────── Ended ◀─────────────┘
//!                                                                     │ all written, and
//!                                          Unread ◀───────────────────┘ content not read
//!
//!  any state ── the connection ends ──▶ Closing
//! ```
//!
//! An event that is not drawn changes nothing. The table in the tests has every state and every event.

use crate::refusal::Refusal;

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeState {
    /// The first byte of the first request.
    Fresh,
    /// The rest of a head.
    Head,
    /// A turn to read the rest of a head.
    HeadQueued,
    /// The service, which has not begun with the request. Content may be missing.
    HeadRead,
    /// The rest of the content. The service works on the request.
    Content,
    /// A turn at the agent, or a connection to it. The agent has not heard of the request.
    Queued,
    /// The agent.
    Agent,
    /// The guest, which is to take what there is of the response. More of it is to come.
    Answer(AfterAnswer),
    /// The agent, which is to go on with the response. The guest has taken all that there is.
    Rest(AfterAnswer),
    /// The guest, which is to take the end of the response.
    Ended {
        after: AfterAnswer,
        /// The reader waits for the response to be written.
        reader_waits: bool,
    },
    /// The first byte of the next request.
    Idle,
    /// The end of the connection: the response is written, and content of its request is not read any more.
    Unread,
    /// The end of the connection: the content was cut off, and the request gets no response.
    Incomplete,
    /// The end of the connection, behind which the guest is told this.
    Refused(Refusal),
    /// The guest, which is to read what it was told before the connection is closed.
    Closing,
}

/// What follows a response on its connection (RFC 9112, section 9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterAnswer {
    /// The next request, unless the HTTP library closes the connection.
    Open,
    /// The end of the connection, and the response is there whole: both may leave in one packet.
    Close,
    /// The end of the connection: the request's content is not read any more.
    Unread,
}

/// What a layer tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeEvent {
    /// Reader: the first byte of a request came.
    Begin,
    /// Reader: a head did not come in one piece, and has no turn.
    QueueHead,
    /// Reader: it has its turn.
    TakeTurn,
    /// Reader: a head is complete and good.
    ReadHead,
    /// Reader: more of the content came.
    Receive,
    /// Reader: a head or content is bad, or was cut off. Nothing more is read.
    Refuse(Refusal),
    /// Reader: it has nothing to do before the response is written.
    AwaitEnd,
    /// Service: it begins with the request.
    Take,
    /// Service: the content is there whole, and the request is good.
    Forward,
    /// Service: the request waits for a turn or for a connection to the agent.
    Wait,
    /// Service: the agent is connected.
    Connect,
    /// Service: the response begins.
    Respond(AfterAnswer),
    /// Service: the content was cut off.
    Fail,
    /// Service: the last byte of the response was handed over, or will never be.
    End,
    /// Writer: the guest took some bytes.
    Write,
    /// Writer: there are bytes which the guest does not take.
    Block,
    /// Writer: all that was handed over is written.
    Flush,
    /// Connection: it ends.
    Leave,
    /// Connection: the guest is given time to read what it was told.
    Linger,
}

/// A state, and what is to be done when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) state: ExchangeState,
    /// The time of the wait begins anew.
    pub(crate) restarts_clock: bool,
    /// The connection's task is woken: its reader has something to look at.
    pub(crate) wakes_reader: bool,
    /// The request is over, and its record is written.
    pub(crate) completes: bool,
}

impl From<ExchangeState> for Transition {
    fn from(state: ExchangeState) -> Self {
        Self { state, restarts_clock: false, wakes_reader: false, completes: false }
    }
}

impl Transition {
    fn restarting_clock(self) -> Self {
        Self { restarts_clock: true, ..self }
    }

    fn waking_reader(self) -> Self {
        Self { wakes_reader: true, ..self }
    }

    fn completing(self, wakes_reader: bool) -> Self {
        Self { completes: true, wakes_reader, ..self }
    }
}

impl ExchangeState {
    /// What follows from an event. The caller names the event, so that the compiler leaves a branch or two of this.
    #[inline(always)]
    pub(crate) fn step(self, event: ExchangeEvent) -> Transition {
        use ExchangeEvent as On;
        let stays = Transition::from(self);
        match (event, self) {
            (On::Begin, Self::Fresh | Self::Idle) => Transition::from(Self::Head).restarting_clock(),
            (On::QueueHead, Self::Head) => Self::HeadQueued.into(),
            (On::TakeTurn, Self::HeadQueued) => Self::Head.into(),
            (On::ReadHead, Self::Head) => Transition::from(Self::HeadRead).restarting_clock(),
            (On::Receive, Self::HeadRead | Self::Content) => stays.restarting_clock(),
            (On::Refuse(refusal), Self::Head | Self::HeadRead | Self::Content) => Self::Refused(refusal).into(),
            (On::AwaitEnd, Self::Ended { after, .. }) => Self::Ended { after, reader_waits: true }.into(),

            (On::Take, Self::HeadRead) => Self::Content.into(),
            (On::Forward, Self::Content) => Transition::from(Self::Agent).restarting_clock(),
            (On::Wait, Self::Agent) => Transition::from(Self::Queued).waking_reader(),
            (On::Connect, Self::Queued) => Self::Agent.into(),
            (On::Respond(after), Self::Content | Self::Agent | Self::Queued | Self::Refused(_)) => {
                Transition::from(Self::Answer(after)).restarting_clock()
            }
            (On::Fail, Self::Content) => Self::Incomplete.into(),
            (On::End, Self::Answer(after)) => Transition::from(Self::ended(after)).waking_reader(),
            (On::End, Self::Rest(after)) => Transition::from(Self::ended(after)).restarting_clock().waking_reader(),

            (On::Write, Self::Answer(_) | Self::Ended { .. }) => stays.restarting_clock(),
            (On::Block, Self::Rest(after)) => Transition::from(Self::Answer(after)).restarting_clock(),
            (On::Flush, Self::Answer(after)) => Self::Rest(after).into(),
            (On::Flush, Self::Ended { after: AfterAnswer::Unread, reader_waits }) => {
                Transition::from(Self::Unread).completing(reader_waits)
            }
            (On::Flush, Self::Ended { reader_waits, .. }) => Transition::from(Self::Idle).completing(reader_waits),

            (On::Leave, _) => Self::Closing.into(),
            (On::Linger, Self::Closing) => stays.restarting_clock(),
            _ => stays,
        }
    }

    fn ended(after: AfterAnswer) -> Self {
        Self::Ended { after, reader_waits: false }
    }

    /// Whether a part of a response may be with the guest, or is missed by it: an orderly end would be misunderstood.
    pub(crate) fn is_within_answer(self) -> bool {
        matches!(self, Self::Answer(_) | Self::Rest(_) | Self::Ended { .. } | Self::Incomplete)
    }

    /// Whether a part of a request has come, and the guest has more to send.
    pub(crate) fn awaits_request(self) -> bool {
        matches!(self, Self::Head | Self::HeadQueued | Self::HeadRead | Self::Content)
    }

    /// Whether a head was read whose response has not ended.
    pub(crate) fn is_in_flight(self) -> bool {
        matches!(self, Self::HeadRead) || self.is_under_way()
    }

    /// Whether the service works on a request whose response has not ended.
    pub(crate) fn is_under_way(self) -> bool {
        matches!(self, Self::Content | Self::Queued | Self::Agent | Self::Answer(_) | Self::Rest(_))
    }

    /// Whether the response under way comes before the next request may be read.
    pub(crate) fn precedes_next_head(self) -> bool {
        self.is_in_flight() || matches!(self, Self::Ended { .. })
    }

    /// Whether everything that is written now is the end of the connection.
    pub(crate) fn is_last_write(self) -> bool {
        matches!(self, Self::Ended { after: AfterAnswer::Close, .. })
    }

    /// Whether the guest may still send content that is not read any more.
    pub(crate) fn leaves_content(self) -> bool {
        match self {
            Self::Answer(after) | Self::Rest(after) | Self::Ended { after, .. } => after == AfterAnswer::Unread,
            Self::Unread => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
