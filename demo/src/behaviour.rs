//! What shoppers do on the site: the sessions that lead to the orders, and the many more that lead to none.
//!
//! A day's events follow from its orders alone, so days can be made in any order and on any thread.
//!
//! Of ten carts seven become no order (Baymard Institute's mean over fifty studies is 70 %). In real shops of clothes
//! two to four sessions of a hundred end with an order; thirty events to an order, as the full shop has, are too few
//! for that: here about eight of a hundred do.

use std::collections::HashMap;

use domain::behaviour::{BehaviourEvent, BehaviourKind};
use domain::ids::ProductId;
use domain::judgment::Judgment;
use domain::money::Money;
use domain::order::OrderStatus;
use domain::shop_order::ShopOrder;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::assortment::{Assortment, Demand, Item};
use crate::calendar::{Calendar, midnight};
use crate::chance;
use crate::customers::{Customers, Taste};
use crate::random::stream;
use crate::shop::Size;

mod searches;
mod session;

use searches::Searches;
use session::Session;

/// Carts without an order, to an order: seven of ten carts.
const ABANDONED_CARTS: f64 = 7.0 / 3.0;
/// Share of the sessions without a purchase that are signed in: assumed.
const SIGNED_IN: f64 = 0.25;
/// Share of the visits without a cart that see one page. They come to somewhat more than half of all visits, as
/// published bounce rates of 40 to 60 % have it.
const BOUNCES: f64 = 0.80;
/// Mean number of products in a cart without an order, and looked at in a visit without a cart: assumed.
const CART_MEAN: f64 = 1.2;
const LOOKS_MEAN: f64 = 2.0;
/// Share of the products that are found by a search; the others are found in a category: assumed.
const SEARCHED: f64 = 0.28;

/// The behaviour of a shop.
#[derive(Debug)]
pub struct Behaviour<'a> {
    size: Size,
    assortment: &'a Assortment<'a>,
    customers: &'a Customers,
    calendar: Calendar,
    searches: Searches,
    places: HashMap<ProductId, u32>,
}

/// A day while its sessions are made.
struct Today {
    from: Timestamp,
    until: Timestamp,
    demand: Demand,
    known: usize,
    events: Vec<BehaviourEvent>,
}

impl<'a> Behaviour<'a> {
    /// The behaviour of the customers of a shop; what they search for is in the judgments.
    pub fn new(
        size: &Size,
        assortment: &'a Assortment<'a>,
        customers: &'a Customers,
        judgments: &[Judgment],
    ) -> Self {
        let places: HashMap<_, _> =
            (0..).zip(assortment.items()).map(|(place, item)| (item.product.product.id, place)).collect();
        let searches = Searches::new(assortment, judgments, &places);
        Self { size: *size, assortment, customers, calendar: Calendar::new(size), searches, places }
    }

    /// The events of a day by time and id; `orders` are all orders that were placed on it. A session is of one day.
    pub fn of_day(&self, date: Date, orders: &[ShopOrder]) -> Vec<BehaviourEvent> {
        if self.size.events == 0 {
            return Vec::new();
        }
        let from = midnight(date).max(self.size.start());
        let until = (midnight(date) + 24.hours()).min(self.size.end);
        let (first, last) = (self.calendar.share_before(from), self.calendar.share_before(until));
        let expected = ((last - first) * f64::from(self.size.events)) as usize;
        let mut today = Today {
            from,
            until,
            demand: self.assortment.demand(date, self.size.start()),
            known: self.customers.known_before(from),
            events: Vec::with_capacity(expected + expected / 8),
        };
        for order in orders {
            self.lead_to(order, &mut today);
        }
        let mut stream = stream(self.size.seed, "visits", from.as_millisecond().unsigned_abs());
        let carts = (orders.len() as f64 * ABANDONED_CARTS) as usize;
        let mut sessions = 0;
        while today.events.len() < expected {
            let at = self.calendar.moment(first + (last - first) * stream.random::<f64>());
            self.visit(at, sessions < carts, &mut today, &mut stream);
            sessions += 1;
        }
        today.events.sort_unstable_by_key(|event| (event.occurred_at, event.id));
        today.events
    }

    /// The session that leads to an order.
    fn lead_to(&self, order: &ShopOrder, today: &mut Today) {
        let placed_at = order.created_at();
        let mut stream = stream(self.size.seed, "session", order.id.0.as_u64_pair().1);
        let mut session = Session::new(Some(order.user_id), placed_at);
        let taste = self.taste(&mut stream);
        let mut seen = None;
        for line in &order.lines {
            let Some(place) = self.places.get(&line.product_id).copied() else { continue };
            if seen != Some(place) {
                if stream.random_bool(0.2) {
                    self.look_around(&taste, &mut session, today, &mut stream);
                }
                self.find(place, &mut session, &mut stream);
            }
            seen = Some(place);
            let mut variants = self.item(place).product.product.variants.iter();
            let variant = variants.position(|variant| variant.id == line.variant_id).unwrap_or(0);
            let quantity = u32::try_from(line.quantity).unwrap_or(1);
            session.change_cart(BehaviourKind::CartAdd, self.item(place), variant, quantity);
        }
        if stream.random_bool(0.12)
            && let Some(other) = self.assortment.choose(&today.demand, &taste, seen, &mut stream)
        {
            self.find(other, &mut session, &mut stream);
            session.change_cart(BehaviourKind::CartAdd, self.item(other), 0, 1);
            session.change_cart(BehaviourKind::CartRemove, self.item(other), 0, 1);
        }
        session.add(BehaviourKind::Checkout);
        if matches!(order.status, OrderStatus::Paid | OrderStatus::Completed) {
            let event = session.add(BehaviourKind::Purchase);
            event.amount = Some(Money { amount_minor: order.total_minor(), currency: order.currency });
            event.order_id = Some(order.id);
        }
        session.end_at(placed_at, today.from, &mut stream, &mut today.events);
    }

    /// A session that leads to no order.
    fn visit(&self, at: Timestamp, has_cart: bool, today: &mut Today, stream: &mut SmallRng) {
        let customer = (today.known > 0 && stream.random_bool(SIGNED_IN))
            .then(|| self.customers.returning(today.known, at, stream));
        let taste = customer.map_or_else(|| self.taste(stream), |customer| customer.taste);
        let mut session = Session::new(customer.map(|customer| customer.id), at);
        if has_cart {
            self.fill_cart(&taste, &mut session, today, stream);
        } else if stream.random_bool(BOUNCES) {
            self.bounce(&taste, &mut session, today, stream);
        } else {
            for _ in 0..chance::geometric(LOOKS_MEAN, 12, stream) {
                self.look_around(&taste, &mut session, today, stream);
            }
        }
        session.begin_at(at, today.until, stream, &mut today.events);
    }

    fn fill_cart(&self, taste: &Taste, session: &mut Session, today: &Today, stream: &mut SmallRng) {
        let mut last = None;
        for _ in 0..chance::geometric(CART_MEAN, 8, stream) {
            let Some(place) = self.assortment.choose(&today.demand, taste, last, stream) else { return };
            self.find(place, session, stream);
            let variant = self.assortment.variant_for(place, taste, stream);
            session.change_cart(BehaviourKind::CartAdd, self.item(place), variant, 1);
            if stream.random_bool(0.15) {
                session.change_cart(BehaviourKind::CartRemove, self.item(place), variant, 1);
            }
            last = Some(place);
        }
        if stream.random_bool(0.3) {
            session.add(BehaviourKind::Checkout);
        }
    }

    /// One page: a product that an advertisement leads to, or a search without a click.
    fn bounce(&self, taste: &Taste, session: &mut Session, today: &Today, stream: &mut SmallRng) {
        let Some(place) = self.assortment.choose(&today.demand, taste, None, stream) else { return };
        if stream.random_bool(0.2) {
            match searches::missing_words(self.item(place), stream) {
                Some(text) => session.search(text, 0, searches::wait_ms(stream)),
                None => {
                    let words = self.searches.words(place, self.item(place), stream);
                    session.search(&words.text, words.results, searches::wait_ms(stream));
                }
            }
        } else {
            session.look_at(BehaviourKind::View, self.item(place));
        }
    }

    fn look_around(&self, taste: &Taste, session: &mut Session, today: &Today, stream: &mut SmallRng) {
        if let Some(place) = self.assortment.choose(&today.demand, taste, None, stream) {
            self.find(place, session, stream);
        }
    }

    /// Leads to a product and looks at it.
    fn find(&self, place: u32, session: &mut Session, stream: &mut SmallRng) {
        let item = self.item(place);
        if stream.random_bool(SEARCHED) {
            // Words that find nothing are followed by others.
            if let Some(text) = searches::missing_words(item, stream) {
                session.search(text, 0, searches::wait_ms(stream));
            }
            let words = self.searches.words(place, item, stream);
            session.search(&words.text, words.results, searches::wait_ms(stream));
            let click = session.look_at(BehaviourKind::Click, item);
            click.query = Some(words.text);
            click.position = Some(searches::position(words.is_exact, stream));
        }
        session.look_at(BehaviourKind::View, item);
    }

    fn item(&self, place: u32) -> &Item<'a> {
        &self.assortment.items()[place as usize]
    }

    /// Somebody who is not known.
    fn taste(&self, stream: &mut impl Rng) -> Taste {
        let all = self.customers.all();
        all.get(stream.random_range(0..all.len().max(1)))
            .map_or(Taste { department: 0, garment: 0.5, tier: 1, fit: 0.5, returns: 1.0 }, |customer| {
                customer.taste
            })
    }
}

#[cfg(test)]
mod tests;
