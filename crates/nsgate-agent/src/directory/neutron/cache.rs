//! Answers of the last seconds, and one question at a time for each address.
//!
//! One rule says which answer serves whom: an answer whose question was sent no longer before somebody asks than it is kept. A
//! question that is under way is an answer in the making, so whom it serves waits for it, and whom it does not serve waits for the
//! one after it, together with all who came meanwhile. A failure serves those who waited for it, and nobody else.

use crate::directory::{Caller, NoOccupant, Occupant, Question};
use nsgate_config::Uuid;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct RecentAnswers {
    known: Mutex<HashMap<AnswerKey, Arc<AnswerSlot>>>,
    kept_for: Duration,
    refusals_kept_for: Duration,
    most: usize,
}

/// Whether a question was sent for who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Asked,
    Spared,
}

/// Whether it is a router, which one, and the address.
type AnswerKey = (bool, Uuid, Caller);

#[derive(Debug, Default)]
struct AnswerSlot {
    /// Held by the one whose question is under way.
    asks: tokio::sync::Mutex<()>,
    last: Mutex<Option<RecentAnswer>>,
}

#[derive(Clone, Debug)]
struct RecentAnswer {
    sent: Instant,
    ended: Instant,
    answer: Result<Occupant, NoOccupant>,
}

impl RecentAnswers {
    pub(super) fn new(kept_for: Duration, refusals_kept_for: Duration, most: usize) -> Self {
        Self { known: Mutex::default(), kept_for, refusals_kept_for, most }
    }

    /// The answer, from `ask` if none serves. `ask` says when it sent its question.
    pub(super) async fn answer<F>(
        &self,
        question: &Question,
        ask: impl FnOnce() -> F,
    ) -> (Result<Occupant, NoOccupant>, Answered)
    where
        F: Future<Output = (Instant, Result<Occupant, NoOccupant>)>,
    {
        let came = Instant::now();
        let slot = self.slot(question, came);
        if let Some(answer) = self.serves(&slot, came) {
            return (answer, Answered::Spared);
        }
        let _asks = slot.asks.lock().await;
        if let Some(answer) = self.serves(&slot, came) {
            return (answer, Answered::Spared);
        }
        let (sent, answer) = ask().await;
        *lock(&slot.last) = Some(RecentAnswer { sent, ended: Instant::now(), answer: answer.clone() });
        (answer, Answered::Asked)
    }

    fn serves(&self, slot: &AnswerSlot, came: Instant) -> Option<Result<Occupant, NoOccupant>> {
        let last = lock(&slot.last);
        last.as_ref().filter(|last| self.is_fresh(last, came)).map(|last| last.answer.clone())
    }

    fn is_fresh(&self, last: &RecentAnswer, came: Instant) -> bool {
        match &last.answer {
            Ok(_) => came.saturating_duration_since(last.sent) <= self.kept_for,
            Err(NoOccupant::Away(_)) => last.ended > came,
            Err(_) => came.saturating_duration_since(last.sent) <= self.refusals_kept_for,
        }
    }

    /// The place of an address's answer. When all places are taken, those go that are old; then all that nobody waits at.
    fn slot(&self, question: &Question, now: Instant) -> Arc<AnswerSlot> {
        let router = matches!(question.place, nsgate_config::Identity::Router(_));
        let key = (router, question.place.uuid(), question.caller);
        let mut known = lock(&self.known);
        if let Some(slot) = known.get(&key) {
            return Arc::clone(slot);
        }
        if known.len() >= self.most {
            let waited_at = |slot: &Arc<AnswerSlot>| Arc::strong_count(slot) > 1;
            known.retain(|_, slot| {
                waited_at(slot) || lock(&slot.last).as_ref().is_some_and(|last| self.is_fresh(last, now))
            });
            if known.len() >= self.most {
                known.retain(|_, slot| waited_at(slot));
            }
        }
        let slot = Arc::new(AnswerSlot::default());
        if known.len() < self.most {
            known.insert(key, Arc::clone(&slot));
        }
        slot
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.known).len()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Answered, RecentAnswers};
    use crate::directory::{Caller, NoOccupant, Occupant, Question};
    use nsgate_config::Identity;
    use std::{
        cell::Cell,
        net::{IpAddr, Ipv4Addr},
        time::Duration,
    };
    use tokio::time::{Instant, advance, sleep};

    fn question(place: fn(nsgate_config::Uuid) -> Identity, address: u32) -> Question {
        let caller = Caller::of(IpAddr::V4(Ipv4Addr::from(address)));
        Question { place: place("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().unwrap()), caller }
    }

    /// Neutron, which takes a tenth of a second, and whose answer is the number of the question.
    struct Numbered {
        recent: RecentAnswers,
        asked: Cell<u32>,
        away: Cell<bool>,
    }

    impl Numbered {
        fn new(kept_for: u64) -> Self {
            let recent = RecentAnswers::new(Duration::from_millis(kept_for), Duration::from_millis(kept_for / 4), 3);
            Self { recent, asked: Cell::new(0), away: Cell::new(false) }
        }

        async fn who(&self, address: u32) -> Result<String, NoOccupant> {
            let ask = || async {
                let sent = Instant::now();
                self.asked.set(self.asked.get() + 1);
                let number = self.asked.get().to_string();
                sleep(Duration::from_millis(100)).await;
                let answer = match (self.away.get(), address) {
                    (true, _) => Err(NoOccupant::Away("away".to_owned())),
                    (_, 0) => Err(NoOccupant::NoPort),
                    _ => Ok(Occupant::new(&number, "project").unwrap()),
                };
                (sent, answer)
            };
            let (answer, _) = self.recent.answer(&question(Identity::Network, address), ask).await;
            answer.map(|occupant| occupant.instance().to_owned())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_serves_for_its_time_from_when_its_question_was_sent() {
        let neutron = Numbered::new(2000);
        for (pause, number) in [(0, "1"), (1000, "1"), (899, "1"), (2, "2")] {
            advance(Duration::from_millis(pause)).await;
            assert_eq!(neutron.who(1).await.as_deref(), Ok(number), "after {pause} ms more");
        }
        assert_eq!(neutron.who(0).await, Err(NoOccupant::NoPort));
        advance(Duration::from_millis(300)).await;
        assert_eq!((neutron.who(0).await, neutron.asked.get()), (Err(NoOccupant::NoPort), 3));
        advance(Duration::from_millis(200)).await;
        assert_eq!((neutron.who(0).await, neutron.asked.get()), (Err(NoOccupant::NoPort), 4), "less than an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_for_one_address_at_once_cost_one_question() {
        let neutron = Numbered::new(2000);
        let both = tokio::join!(neutron.who(1), neutron.who(1), neutron.who(2), neutron.who(1));
        assert_eq!(both, (Ok("1".to_owned()), Ok("1".to_owned()), Ok("2".to_owned()), Ok("1".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn with_nothing_kept_a_question_serves_nobody_who_came_after_it_was_sent() {
        let neutron = Numbered::new(0);
        let late = async |pause| {
            sleep(Duration::from_millis(pause)).await;
            neutron.who(1).await.unwrap()
        };
        let (first, second, third) = tokio::join!(late(0), late(50), late(60));
        assert_eq!([first.as_str(), second.as_str(), third.as_str()], ["1", "2", "2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_serves_who_waited_for_it_and_nobody_else() {
        let neutron = Numbered::new(2000);
        neutron.away.set(true);
        let (first, second) = tokio::join!(neutron.who(1), neutron.who(1));
        assert!(first.is_err() && second.is_err() && neutron.asked.get() == 1);
        neutron.away.set(false);
        assert_eq!(neutron.who(1).await.as_deref(), Ok("2"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_whose_guest_has_gone_is_asked_by_the_next() {
        let neutron = Numbered::new(2000);
        let gone = tokio::time::timeout(Duration::from_millis(50), neutron.who(1));
        let (gone, next) = tokio::join!(gone, neutron.who(1));
        assert!(gone.is_err());
        assert_eq!(next.as_deref(), Ok("2"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_answers_are_kept_than_the_bound() {
        let neutron = Numbered::new(2000);
        for address in 1..20 {
            neutron.who(address).await.unwrap();
            assert!(neutron.recent.len() <= 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_router_and_a_network_of_one_name_are_two() {
        let recent = RecentAnswers::new(Duration::from_secs(2), Duration::from_secs(1), 3);
        let ask = || async { (Instant::now(), Ok(Occupant::new("one", "project").unwrap())) };
        assert_eq!(recent.answer(&question(Identity::Network, 1), ask).await.1, Answered::Asked);
        assert_eq!(recent.answer(&question(Identity::OvnNetwork, 1), ask).await.1, Answered::Spared);
        assert_eq!(recent.answer(&question(Identity::Router, 1), ask).await.1, Answered::Asked);
    }
}
