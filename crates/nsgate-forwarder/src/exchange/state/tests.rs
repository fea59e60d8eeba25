//! Every state with every event.

use super::{AfterAnswer, ExchangeEvent, ExchangeState, Transition};
use crate::refusal::Refusal;

/// What each event leads to in each state: a state; after the `/`, that the clock (`c`) restarts, that the reader is woken
/// (`w`), that the request is complete (`d`). `=` is the same state. `-` is an event that changes nothing. `x` is an event
/// that never comes; [`NEVER`] says why.
const TABLE: &str = "
              Begin   QueueHead  TakeTurn  ReadHead    Receive  Refuse   AwaitEnd  Take     Forward  Wait      Connect  Respond   Fail        End       Write  Block     Flush    Leave    Linger
  Fresh       Head/c  x          x         x           x        x        x         x        x        x         x        x         x           x         x      x         -        Closing  x
  Head        x       HeadQueued x         HeadRead/c  x        Refused  x         x        x        x         x        x         x           x         x      x         -        Closing  x
  HeadQueued  x       x          Head      x           x        x        x         x        x        x         x        x         x           x         x      x         -        Closing  x
  HeadRead    x       x          x         x           =/c      Refused  -         Content  x        x         x        x         x           x         x      x         -        Closing  x
  Content     x       x          x         x           =/c      Refused  -         x        Agent/c  x         x        Answer/c  Incomplete  -         -      -         -        Closing  x
  Queued      x       x          x         x           x        x        -         x        x        -         Agent    Answer/c  x           -         -      -         -        Closing  x
  Agent       x       x          x         x           x        x        -         x        x        Queued/w  -        Answer/c  x           -         -      -         -        Closing  x
  Answer      x       x          x         x           -        -        -         x        x        x         x        x         x           Ended/w   =/c    -         Rest     Closing  x
  Rest        x       x          x         x           -        -        -         x        x        x         x        x         x           Ended/cw  -      Answer/c  -        Closing  x
  Ended       x       x          x         x           -        -        Awaited   x        x        x         x        x         x           x         =/c    -         Idle/d   Closing  x
  Awaited     x       x          x         x           -        -        -         x        x        x         x        x         x           x         =/c    -         Idle/wd  Closing  x
  Idle        Head/c  x          x         x           x        x        x         x        x        x         x        x         x           x         x      x         -        Closing  x
  Unread      x       x          x         x           -        -        x         x        x        x         x        x         x           x         x      x         -        Closing  x
  Incomplete  x       x          x         x           x        x        x         x        x        x         x        x         x           -         x      x         -        Closing  x
  Refused     x       x          x         x           x        x        x         -        x        x         x        Answer/c  -           -         -      -         -        Closing  x
  Closing     x       x          x         x           x        x        x         x        x        x         x        x         x           -         -      x         x        x        =/c
";

/// Why an event never comes in the states that have an `x` for it.
#[rustfmt::skip]
const NEVER: [(&str, &str); 19] = [
    ("Begin", "the reader looks for a head in Fresh, Head, HeadQueued and Idle only, and has begun in two of them"),
    ("QueueHead", "the reader asks for a turn with a part of a head, once"),
    ("TakeTurn", "only a reader that waits for its turn takes one"),
    ("ReadHead", "the reader reads a head that it has begun with; waiting for its turn it has nothing new to look at"),
    ("Receive", "the reader reads content only where some is missing: the service forwards a request that has all of it"),
    ("Refuse", "the reader refuses what it reads, and after a refusal it reads nothing"),
    ("AwaitEnd", "the reader looks ahead only while a response precedes the next head"),
    ("Take", "the service begins with a request once, after its head; a refusal of its content may have come before"),
    ("Forward", "the service forwards a request once, after its content"),
    ("Wait", "the service waits for the agent after it has forwarded the request"),
    ("Connect", "the service connects after it has forwarded the request"),
    ("Respond", "the service responds once, after it has begun with the request"),
    ("Fail", "the service fails where content is missing, instead of responding"),
    ("End", "a response ends once, after the service has begun with the request; without a response that changes nothing"),
    ("Write", "the library writes an interim response while content comes, a response, and the connection a refusal"),
    ("Block", "the library writes an interim response while content comes, and a response"),
    ("Flush", "the library, which flushes at any time, is gone when the connection closes"),
    ("Leave", "a connection ends once"),
    ("Linger", "the connection gives a guest time after it has ended"),
];

const REFUSAL: Refusal = Refusal::CUT_HEAD;
const AFTER: [AfterAnswer; 3] = [AfterAnswer::Open, AfterAnswer::Close, AfterAnswer::Unread];

fn state(name: &str, after: AfterAnswer) -> ExchangeState {
    match name {
        "Fresh" => ExchangeState::Fresh,
        "Head" => ExchangeState::Head,
        "HeadQueued" => ExchangeState::HeadQueued,
        "HeadRead" => ExchangeState::HeadRead,
        "Content" => ExchangeState::Content,
        "Queued" => ExchangeState::Queued,
        "Agent" => ExchangeState::Agent,
        "Answer" => ExchangeState::Answer(after),
        "Rest" => ExchangeState::Rest(after),
        "Ended" => ExchangeState::Ended { after, reader_waits: false },
        "Awaited" => ExchangeState::Ended { after, reader_waits: true },
        "Idle" => ExchangeState::Idle,
        "Unread" => ExchangeState::Unread,
        "Incomplete" => ExchangeState::Incomplete,
        "Refused" => ExchangeState::Refused(REFUSAL),
        "Closing" => ExchangeState::Closing,
        other => panic!("{other}: no state"),
    }
}

fn event(name: &str, after: AfterAnswer) -> ExchangeEvent {
    match name {
        "Begin" => ExchangeEvent::Begin,
        "QueueHead" => ExchangeEvent::QueueHead,
        "TakeTurn" => ExchangeEvent::TakeTurn,
        "ReadHead" => ExchangeEvent::ReadHead,
        "Receive" => ExchangeEvent::Receive,
        "Refuse" => ExchangeEvent::Refuse(REFUSAL),
        "AwaitEnd" => ExchangeEvent::AwaitEnd,
        "Take" => ExchangeEvent::Take,
        "Forward" => ExchangeEvent::Forward,
        "Wait" => ExchangeEvent::Wait,
        "Connect" => ExchangeEvent::Connect,
        "Respond" => ExchangeEvent::Respond(after),
        "Fail" => ExchangeEvent::Fail,
        "End" => ExchangeEvent::End,
        "Write" => ExchangeEvent::Write,
        "Block" => ExchangeEvent::Block,
        "Flush" => ExchangeEvent::Flush,
        "Leave" => ExchangeEvent::Leave,
        "Linger" => ExchangeEvent::Linger,
        other => panic!("{other}: no event"),
    }
}

/// What a cell of the table says.
fn transition(cell: &str, from: ExchangeState, after: AfterAnswer) -> Transition {
    let (name, effects) = cell.split_once('/').unwrap_or((cell, ""));
    let ended = matches!(from, ExchangeState::Ended { .. });
    let to = match name {
        "-" | "x" | "=" => from,
        "Idle" if ended && after == AfterAnswer::Unread => ExchangeState::Unread,
        name => state(name, after),
    };
    Transition {
        state: to,
        restarts_clock: effects.contains('c'),
        wakes_reader: effects.contains('w'),
        completes: effects.contains('d'),
    }
}

/// The cells: a state, an event, and what the table says of them.
fn cells() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut rows = TABLE.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let events = rows.next().unwrap();
    rows.flat_map(|row| {
        assert_eq!(row.len(), events.len() + 1, "{row:?}");
        events.iter().zip(row[1..].to_vec()).map(|(event, cell)| (row[0], *event, cell)).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_event_leads_where_the_table_says_from_every_state() {
    assert_eq!(cells().len(), 16 * 19, "the table is whole");
    for (from, on, cell) in cells() {
        for after in AFTER {
            let from = state(from, after);
            assert_eq!(from.step(event(on, after)), transition(cell, from, after), "{from:?} on {on}");
        }
    }
}

#[test]
fn an_event_that_never_comes_has_a_reason() {
    for (from, on, cell) in cells() {
        assert!(cell != "x" || NEVER.iter().any(|(event, _)| *event == on), "{on} in {from}");
    }
}

#[test]
fn every_state_is_reached_and_every_state_can_be_left() {
    let reached =
        |name: &str| cells().iter().any(|(from, _, cell)| *from != name && cell.split('/').next() == Some(name));
    let names: Vec<_> = cells().iter().map(|(from, _, _)| *from).collect();
    for name in names {
        // `Unread` stands for `Idle` behind a response whose request was not read.
        assert!(name == "Fresh" || name == "Unread" || reached(name), "{name} is not reached");
        assert!(
            name == "Closing"
                || state(name, AfterAnswer::Open).step(ExchangeEvent::Leave).state == ExchangeState::Closing
        );
    }
}

#[test]
fn what_is_written_after_the_last_byte_of_the_last_response_may_leave_with_the_end() {
    for after in AFTER {
        let last = |name| state(name, after).is_last_write();
        assert_eq!(last("Ended"), after == AfterAnswer::Close);
        assert_eq!(last("Awaited"), after == AfterAnswer::Close);
        assert!(!last("Answer") && !last("Rest") && !last("Idle"));
    }
}
