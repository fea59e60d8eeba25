//! Every state with every event, and every way that a keeper can take.

mod walk;

use super::{HandoverStage, KeeperState, WorkerLife};
use crate::pool::keeper::event::{HandoverFailure, KeeperAction, KeeperDelay, KeeperEvent};
use nsgate_config::Fallback;

/// What each event leads to in each state, for a keeper that serves by itself whenever no worker does: a state and, after the
/// `/`, the actions ([`ACTIONS`]). `=` is the same state. `-` is an event that changes nothing. `x` is an event that never comes:
/// the walk shows that.
const TABLE: [&str; 3] = [
    "
                    Time               Oversleep          RefuserLeaves      RefuserCloses     Guest          Open   Break    Drain
  Starting          x                  x                  x                  x                 x              x      x        x
  Unserved.Pause    Unserved.Answer/oa Unserved.Answer/oa x                  x                 x              x      x        x
  Unserved.Answer   x                  x                  x                  x                 x              x      x        x
  Unserved.Refused  Unserved.Answer/oa Unserved.Answer/oa Unserved.Answer/oa Unserved.Pause    x              x      x        x
  Lent.Heard        Lent.Watched       Lent.Watched       x                  x                 x              x      x        x
  Lent.Watched      x                  x                  x                  x                 Lent.Asked/gl  x      x        x
  Lent.Asked        Alone.Pause/ksP    =/l                x                  x                 x              x      x        x
  Lent.Mute         x                  x                  x                  x                 x              x      x        x
  Leaving.Pause     Leaving.Answer/oa  Leaving.Answer/oa  x                  x                 x              x      x        x
  Leaving.Answer    x                  x                  x                  x                 x              x      x        x
  Leaving.Refused   Leaving.Answer/oa  Leaving.Answer/oa  Leaving.Answer/oa  Leaving.Pause     x              x      x        x
  Finishing         x                  x                  x                  x                 x              x      x        x
  Alone.Pause       Alone.Answer/oA    Alone.Answer/oA    x                  x                 x              =/y    Ended.1  x
  Alone.Answer      x                  x                  x                  x                 x              x      x        x
  Alone.Refused     Alone.Answer/oA    Alone.Answer/oA    Alone.Pause/P      Alone.Pause       x              x      x        x
  Draining          x                  x                  x                  x                 x              x      x        Ended.0
  Retiring          Lent.Watched       Lent.Watched       x                  x                 x              x      x        Lent.Watched
  Retiring.Mute     Lent.Mute          Lent.Mute          x                  x                 x              x      x        Lent.Mute
  Ended.0           x                  x                  x                  x                 x              x      x        x
  Ended.1           x                  x                  x                  x                 x              x      x        x
  Ended.75          x                  x                  x                  x                 x              x      x        x
",
    "
                    Settle            SettleMute         Early             Late              RefusedEarly      RefusedLate        Unfit
  Starting          Lent.Watched/ty   Lent.Mute/ty       Alone.Pause/sP    Alone.Pause/sP    Alone.Pause/sP    Alone.Pause/sP     Alone.Pause/sP
  Unserved.Pause    x                 x                  x                 x                 x                 x                  x
  Unserved.Answer   Lent.Watched/t    Lent.Mute/t        Unserved.Pause/p  Alone.Pause/sP    Unserved.Pause/p  Alone.Pause/sP     x
  Unserved.Refused  x                 x                  x                 x                 x                 x                  x
  Lent.Heard        x                 x                  x                 x                 x                 x                  x
  Lent.Watched      x                 x                  x                 x                 x                 x                  x
  Lent.Asked        x                 x                  x                 x                 x                 x                  x
  Lent.Mute         x                 x                  x                 x                 x                 x                  x
  Leaving.Pause     x                 x                  x                 x                 x                 x                  x
  Leaving.Answer    Lent.Watched/t    Lent.Mute/t        Leaving.Pause/p   Leaving.Pause/p   Leaving.Pause/p   Leaving.Refused/r  x
  Leaving.Refused   x                 x                  x                 x                 x                 x                  x
  Finishing         x                 x                  x                 x                 x                 x                  x
  Alone.Pause       x                 x                  x                 x                 x                 x                  x
  Alone.Answer      Retiring/tSDe     Retiring.Mute/tSDe Alone.Pause/P     Alone.Pause/P     Alone.Refused/Rr  Alone.Refused/Rr   Alone.Pause/r
  Alone.Refused     x                 x                  x                 x                 x                 x                  x
  Draining          x                 x                  x                 x                 x                 x                  x
  Retiring          x                 x                  x                 x                 x                 x                  x
  Retiring.Mute     x                 x                  x                 x                 x                 x                  x
  Ended.0           x                 x                  x                 x                 x                 x                  x
  Ended.1           x                 x                  x                 x                 x                 x                  x
  Ended.75          x                 x                  x                 x                 x                 x                  x
",
    "
                    Pong          Leave               Gone                EndNetwork  Finish        Succeed       Terminate     DoorCloses
  Starting          x             x                   x                   x           Ended.0/c     Ended.0/c     Ended.0       Ended.75/v
  Unserved.Pause    x             x                   x                   x           Ended.0/c     Ended.0/c     Ended.0       Ended.75/v
  Unserved.Answer   x             x                   x                   x           Ended.0/c     Ended.0/c     Ended.0       Ended.75/v
  Unserved.Refused  x             x                   x                   x           Ended.0/c     Ended.0/c     Ended.0       Ended.75/v
  Lent.Heard        =/l           Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Lent.Watched      Lent.Heard/l  Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Lent.Asked        Lent.Heard/l  Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Lent.Mute         -             Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Leaving.Pause     -             Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Leaving.Answer    -             =/boa               Unserved.Answer/xb  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Leaving.Refused   -             Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Finishing         -             -                   Ended.0             Ended.0     -             -             Ended.0       Ended.75/v
  Alone.Pause       x             x                   x                   x           Draining/cd   Draining/cD   Ended.0       Ended.75/v
  Alone.Answer      x             x                   x                   x           Draining/cd   Draining/cD   Ended.0       Ended.75/v
  Alone.Refused     x             x                   x                   x           Draining/cd   Draining/cD   Ended.0       Ended.75/v
  Draining          x             x                   x                   x           -             -             Ended.0       Ended.75/v
  Retiring          -             Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Retiring.Mute     -             Leaving.Answer/boa  Unserved.Pause/xbp  Ended.0     Finishing/cf  Finishing/cf  Ended.0       Ended.75/v
  Ended.0           x             x                   x                   x           -             -             -             -
  Ended.1           x             x                   x                   x           -             -             -             -
  Ended.75          x             x                   x                   x           -             -             -             -
",
];

/// The cells that are others for a keeper that serves by itself only once a worker has served.
const LATER: [(&str, &str, &str); 5] = [
    ("Starting", "Early", "Ended.1/n"),
    ("Starting", "Late", "Ended.1/n"),
    ("Starting", "RefusedEarly", "Ended.1/n"),
    ("Starting", "RefusedLate", "Ended.1/n"),
    ("Starting", "Unfit", "Ended.1/n"),
];

/// The cells that are others, beside these, for a keeper that never serves by itself.
const NEVER: [(&str, &str, &str); 3] = [
    ("Unserved.Answer", "Late", "Unserved.Pause/up"),
    ("Unserved.Answer", "RefusedLate", "Unserved.Refused/ur"),
    ("Lent.Asked", "Time", "Unserved.Answer/kuboa"),
];

const ACTIONS: [(char, KeeperAction); 24] = [
    ('o', KeeperAction::Offer),
    ('p', KeeperAction::Wait(KeeperDelay::Pause)),
    ('P', KeeperAction::Wait(KeeperDelay::AlonePause)),
    ('a', KeeperAction::Wait(KeeperDelay::Answer)),
    ('A', KeeperAction::Wait(KeeperDelay::AloneAnswer)),
    ('r', KeeperAction::Wait(KeeperDelay::Refused)),
    ('l', KeeperAction::Wait(KeeperDelay::Life)),
    ('e', KeeperAction::Wait(KeeperDelay::Retiring)),
    ('b', KeeperAction::BeginPatience),
    ('t', KeeperAction::Take),
    ('k', KeeperAction::TakeBack),
    ('x', KeeperAction::Lose),
    ('g', KeeperAction::Ping),
    ('f', KeeperAction::FinishWorker),
    ('y', KeeperAction::Ready),
    ('n', KeeperAction::FailStart),
    ('v', KeeperAction::SayUnbound),
    ('s', KeeperAction::SayAlone),
    ('u', KeeperAction::SayUnserved),
    ('R', KeeperAction::SayRefused),
    ('S', KeeperAction::SayServed),
    ('c', KeeperAction::CloseListeners),
    ('d', KeeperAction::DrainOwn),
    ('D', KeeperAction::RetireOwn),
];

const FALLBACKS: [Fallback; 3] = [Fallback::Always, Fallback::Later, Fallback::Never];

const EVENTS: [(&str, KeeperEvent); 23] = [
    ("Time", KeeperEvent::Time),
    ("Oversleep", KeeperEvent::Oversleep),
    ("RefuserLeaves", KeeperEvent::RefuserLeaves),
    ("RefuserCloses", KeeperEvent::RefuserCloses),
    ("Guest", KeeperEvent::Guest),
    ("Open", KeeperEvent::Open),
    ("Break", KeeperEvent::Break),
    ("Drain", KeeperEvent::Drain),
    ("Settle", KeeperEvent::Settle { answers: true }),
    ("SettleMute", KeeperEvent::Settle { answers: false }),
    ("Early", KeeperEvent::Fail(HandoverFailure::Early)),
    ("Late", KeeperEvent::Fail(HandoverFailure::Late)),
    ("RefusedEarly", KeeperEvent::Fail(HandoverFailure::RefusedEarly)),
    ("RefusedLate", KeeperEvent::Fail(HandoverFailure::RefusedLate)),
    ("Unfit", KeeperEvent::Fail(HandoverFailure::Unfit)),
    ("Pong", KeeperEvent::Pong),
    ("Leave", KeeperEvent::Leave),
    ("Gone", KeeperEvent::Gone),
    ("EndNetwork", KeeperEvent::EndNetwork),
    ("Finish", KeeperEvent::Finish),
    ("Succeed", KeeperEvent::Succeed),
    ("Terminate", KeeperEvent::Terminate),
    ("DoorCloses", KeeperEvent::DoorCloses),
];

fn event(name: &str) -> KeeperEvent {
    EVENTS.iter().find(|(other, _)| *other == name).unwrap_or_else(|| panic!("{name}: no event")).1
}

fn stage(name: &str) -> HandoverStage {
    match name {
        "Pause" => HandoverStage::Pause,
        "Answer" => HandoverStage::Answer,
        "Refused" => HandoverStage::Refused,
        other => panic!("{other}: no stage"),
    }
}

fn state(name: &str) -> KeeperState {
    match name.split_once('.').unwrap_or((name, "")) {
        ("Starting", _) => KeeperState::Starting,
        ("Unserved", detail) => KeeperState::Unserved(stage(detail)),
        ("Leaving", detail) => KeeperState::Leaving(stage(detail)),
        ("Alone", detail) => KeeperState::Alone(stage(detail)),
        ("Lent", "Heard") => KeeperState::Lent(WorkerLife::Heard),
        ("Lent", "Watched") => KeeperState::Lent(WorkerLife::Watched),
        ("Lent", "Asked") => KeeperState::Lent(WorkerLife::Asked),
        ("Lent", "Mute") => KeeperState::Lent(WorkerLife::Mute),
        ("Finishing", _) => KeeperState::Finishing,
        ("Draining", _) => KeeperState::Draining,
        ("Retiring", detail) => KeeperState::Retiring { answers: detail != "Mute" },
        ("Ended", status) => KeeperState::Ended(status.parse().unwrap()),
        (other, _) => panic!("{other}: no state"),
    }
}

/// What a cell of the table says.
fn transition(cell: &str, from: KeeperState) -> (KeeperState, Vec<KeeperAction>) {
    let (name, actions) = cell.split_once('/').unwrap_or((cell, ""));
    let to = if matches!(name, "-" | "x" | "=") { from } else { state(name) };
    let action = |letter| ACTIONS.iter().find(|(other, _)| *other == letter).expect("an action").1;
    (to, actions.chars().map(action).collect())
}

/// The cells for a keeper of this kind: a state, an event, and what the table says of them.
fn cells(fallback: Fallback) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut all = Vec::new();
    for table in TABLE {
        let mut rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let events = rows.next().unwrap();
        for row in rows {
            assert_eq!(row.len(), events.len() + 1, "{row:?}");
            all.extend(events.iter().zip(&row[1..]).map(|(event, cell)| (row[0], *event, *cell)));
        }
    }
    let later = (fallback != Fallback::Always).then_some(LATER).into_iter().flatten();
    let never = (fallback == Fallback::Never).then_some(NEVER).into_iter().flatten();
    for (from, on, cell) in later.chain(never) {
        all.iter_mut().find(|(state, event, _)| (*state, *event) == (from, on)).unwrap().2 = cell;
    }
    all
}

#[test]
fn every_event_leads_where_the_table_says_from_every_state() {
    for fallback in FALLBACKS {
        assert_eq!(cells(fallback).len(), 21 * EVENTS.len(), "the table is whole");
        for (from, on, cell) in cells(fallback) {
            let was = state(from);
            let next = was.step(event(on), fallback);
            assert_eq!((next.state, next.actions.to_vec()), transition(cell, was), "{from} on {on}, {fallback:?}");
        }
    }
}
