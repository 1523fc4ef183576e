//! One visit: what is done in which order, and at last when.

use domain::behaviour::{BehaviourEvent, BehaviourKind};
use domain::ids::{EventId, SessionId, UserId, uuid_v7_time};
use domain::money::{Currency, Money};
use jiff::Timestamp;
use rand::Rng;
use rand::RngExt;
use uuid::Uuid;

use crate::assortment::Item;
use crate::calendar::at_millisecond;
use crate::random::id;

/// Time between two things that somebody does, in milliseconds: assumed.
const PACE_MS: (i64, i64) = (3_000, 75_000);

/// A visit whose times are not known yet.
#[derive(Debug)]
pub struct Session {
    user_id: Option<UserId>,
    /// For the prices.
    about: Timestamp,
    events: Vec<BehaviourEvent>,
}

impl Session {
    /// An empty visit at about that time.
    pub fn new(user_id: Option<UserId>, about: Timestamp) -> Self {
        Self { user_id, about, events: Vec::with_capacity(4) }
    }

    /// Adds something done.
    pub fn add(&mut self, kind: BehaviourKind) -> &mut BehaviourEvent {
        let (id, session) = (EventId(Uuid::nil()), SessionId(Uuid::nil()));
        self.events.push(BehaviourEvent::new(id, self.about, session, kind));
        self.events.last_mut().expect("just added")
    }

    /// Adds a search and what it found.
    pub fn search(&mut self, text: &str, results: u32, waited_ms: u32) {
        let event = self.add(BehaviourKind::Search);
        event.query = Some(text.to_owned());
        event.results = Some(results);
        event.waited_ms = Some(waited_ms);
    }

    /// Adds a view of a product, or the click that leads to it.
    pub fn look_at(&mut self, kind: BehaviourKind, item: &Item<'_>) -> &mut BehaviourEvent {
        let price = Money { amount_minor: item.price_at(self.about), currency: Currency::GBP };
        let event = self.add(kind);
        event.product_id = Some(item.product.product.id);
        event.amount = Some(price);
        event
    }

    /// Adds a change of the cart.
    pub fn change_cart(&mut self, kind: BehaviourKind, item: &Item<'_>, variant: usize, quantity: u32) {
        let event = self.look_at(kind, item);
        event.variant_id = Some(item.variant(variant).id);
        event.quantity = Some(quantity);
    }

    /// Ends the visit at that moment, not before the day begins: somebody in a hurry at midnight.
    pub fn end_at(
        self,
        last: Timestamp,
        day_begins: Timestamp,
        stream: &mut impl Rng,
        into: &mut Vec<BehaviourEvent>,
    ) {
        let last = last.as_millisecond();
        let room = last - day_begins.as_millisecond();
        let gaps = self.gaps(room, stream);
        let first = last - gaps.iter().sum::<i64>();
        self.set_times(first, &gaps, stream, into);
    }

    /// Begins the visit at that moment, and ends it before the day does.
    pub fn begin_at(
        self,
        first: Timestamp,
        day_ends: Timestamp,
        stream: &mut impl Rng,
        into: &mut Vec<BehaviourEvent>,
    ) {
        let first = first.as_millisecond();
        let gaps = self.gaps(day_ends.as_millisecond() - 1 - first, stream);
        self.set_times(first, &gaps, stream, into);
    }

    fn gaps(&self, room: i64, stream: &mut impl Rng) -> Vec<i64> {
        let count = self.events.len().saturating_sub(1);
        let mut gaps: Vec<_> = (0..count).map(|_| stream.random_range(PACE_MS.0..PACE_MS.1)).collect();
        let sum: i64 = gaps.iter().sum();
        if sum > room {
            for gap in &mut gaps {
                *gap = *gap * room.max(0) / sum;
            }
        }
        gaps
    }

    fn set_times(mut self, first: i64, gaps: &[i64], stream: &mut impl Rng, into: &mut Vec<BehaviourEvent>) {
        let session_id = SessionId(id(at_millisecond(first), stream));
        let registered_at = self.user_id.and_then(|user_id| uuid_v7_time(user_id.0));
        let mut at = first;
        let gaps = std::iter::once(&0).chain(gaps);
        for (event, gap) in self.events.iter_mut().zip(gaps) {
            at += gap;
            event.occurred_at = at_millisecond(at);
            event.id = EventId(id(event.occurred_at, stream));
            event.session_id = session_id;
            // Before the registration there is no account to be signed in to.
            event.user_id =
                self.user_id.filter(|_| registered_at.is_some_and(|since| since <= event.occurred_at));
        }
        into.append(&mut self.events);
    }
}
