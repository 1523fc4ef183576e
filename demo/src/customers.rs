//! Customers: when they registered, where they live, what they like, how often they come back. No name, no address.

use domain::ids::{UserId, uuid_v7_time};
use jiff::{Timestamp, ToSpan};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::calendar::Calendar;
use crate::chance;
use crate::country::{COUNTRIES, Country};
use crate::random::{id, stream};
use crate::shop::Size;

/// Share of customers that are older than the history: assumed.
const EARLIER: f64 = 0.25;
/// Share of customers that register and never order: assumed.
const NEVER_ORDERS: f64 = 0.08;
/// Share of those who order once in the history and come back. Published means over shops, guests among them, are
/// 20 to 30 %; here every buyer has an account and there are five orders to an account, so more come back.
const RETURNS: f64 = 0.40;
/// Share of the earlier customers that still come.
const EARLIER_RETURNS: f64 = 0.5;
/// Deviation of the logarithm of how often somebody comes: a heavy tail, as the mixed rates of Schmittlein, Morrison
/// and Colombo's "Counting your customers" (1987) have; the figure is assumed.
const FREQUENCY_DEVIATION: f64 = 0.9;
/// Nobody comes so many times as often as the mean: a shopper, not a trader.
const FREQUENCY_MAX: f64 = 6.0;
/// Mean time until somebody stays away for good, the other half of that model, in days: assumed.
const LIFETIME_DAYS: f64 = 600.0;
/// Earlier customers registered within so many days before the history.
const EARLIER_DAYS: f64 = 900.0;
/// How often a customer who stays away is passed over for another.
const TRIES: u32 = 8;

/// What somebody likes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taste {
    /// Place in `assortment::DEPARTMENTS`.
    pub department: u8,
    /// The favourite garment: a place on the scale of all that the department sells, from 0 to 1.
    pub garment: f32,
    /// 0 buys what is cheap, 1 in the middle, 2 dear.
    pub tier: u8,
    /// Body size: a place among the sizes of a garment, from 0 to 1.
    pub fit: f32,
    /// Sends back against the mean.
    pub returns: f32,
}

/// A customer with an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// The id; its millisecond is the registration.
    pub id: UserId,
    /// Where the parcels go.
    pub country: &'static Country,
    /// What they like.
    pub taste: Taste,
    /// From when on they come no more.
    lapses_at: Timestamp,
    /// How often they come back, against others.
    frequency: f64,
}

impl Customer {
    /// When the account was made.
    pub fn registered_at(&self) -> Timestamp {
        uuid_v7_time(self.id.0).expect("ids of customers are UUIDs of version 7")
    }
}

/// All customers.
#[derive(Debug)]
pub struct Customers {
    /// By registration.
    all: Vec<Customer>,
    /// Sum of the frequencies up to each customer.
    frequencies: Vec<f64>,
    /// Orders that are somebody's first, by the order's index, with the place of the customer.
    firsts: Vec<(u32, u32)>,
}

/// Makes the customers. Most register minutes before their first order, so the orders' times decide.
pub fn make(size: &Size) -> Customers {
    let share = |of: f64| (f64::from(size.customers) * of) as u32;
    let earlier = share(EARLIER).max(1).min(size.customers);
    // Two orders to each new buyer at least, so that no two of them have the same first order.
    let buyers =
        (size.customers - earlier - share(NEVER_ORDERS).min(size.customers - earlier)).min(size.orders / 2);
    let calendar = Calendar::new(size);
    let mut all: Vec<(Customer, Option<u32>)> = (0..size.customers)
        .map(|index| {
            let mut stream = stream(size.seed, "customer", u64::from(index));
            if index < earlier {
                (earlier_customer(size, &mut stream), None)
            } else if index < earlier + buyers {
                let (customer, order) = buyer(size, &calendar, index - earlier, buyers, &mut stream);
                (customer, Some(order))
            } else {
                let at = calendar.moment(stream.random());
                (customer(at, 0.0, &mut stream), None)
            }
        })
        .collect();
    all.sort_unstable_by_key(|(customer, _)| customer.id);
    let mut firsts: Vec<_> =
        (0..).zip(&all).filter_map(|(place, (_, order))| order.map(|order| (order, place))).collect();
    firsts.sort_unstable();
    let all: Vec<_> = all.into_iter().map(|(customer, _)| customer).collect();
    let mut sum = 0.0;
    let frequencies = all.iter().map(|customer| {
        sum += customer.frequency;
        sum
    });
    Customers { frequencies: frequencies.collect(), all, firsts }
}

fn earlier_customer(size: &Size, stream: &mut SmallRng) -> Customer {
    let seconds = (stream.random::<f64>() * EARLIER_DAYS * 86_400.0) as i64;
    let at = size.start() - (seconds + 60).seconds();
    let frequency = if stream.random_bool(EARLIER_RETURNS) { frequency(stream) } else { 0.01 };
    let mut customer = customer(at, frequency, stream);
    // Who is here at the start has not stayed away before it.
    customer.lapses_at = size.start() + lifetime(stream);
    customer
}

fn buyer(
    size: &Size,
    calendar: &Calendar,
    index: u32,
    buyers: u32,
    stream: &mut SmallRng,
) -> (Customer, u32) {
    // Less than half a share off its place: two neighbours never meet in one order.
    let place = (f64::from(index) + 0.5 * stream.random::<f64>()) / f64::from(buyers);
    let order = ((place * f64::from(size.orders)) as u32).min(size.orders - 1);
    let seconds = if stream.random_bool(0.8) {
        stream.random_range(60..1_800)
    } else {
        stream.random_range(3_600..14 * 86_400)
    };
    let frequency = if stream.random_bool(RETURNS) { frequency(stream) } else { 0.0 };
    (customer(calendar.order_at(order) - seconds.seconds(), frequency, stream), order)
}

fn customer(registered_at: Timestamp, frequency: f64, stream: &mut SmallRng) -> Customer {
    let department = chance::choose(&[(0, 0.56), (1, 0.29), (2, 0.15)], stream);
    Customer {
        id: UserId(id(registered_at, stream)),
        country: chance::choose(&COUNTRIES, stream),
        taste: Taste {
            department,
            garment: stream.random(),
            tier: chance::choose(&[(0, 0.4), (1, 0.4), (2, 0.2)], stream),
            fit: (0.5 + 0.2 * chance::normal(stream)).clamp(0.0, 0.999) as f32,
            // A quarter of the customers sends back much more than the others: assumed, the mean is 1.
            returns: chance::choose(&[(0.7, 0.75), (1.9, 0.25)], stream),
        },
        lapses_at: registered_at + lifetime(stream),
        frequency,
    }
}

fn frequency(stream: &mut impl Rng) -> f64 {
    chance::factor(FREQUENCY_DEVIATION, stream).min(FREQUENCY_MAX)
}

fn lifetime(stream: &mut impl Rng) -> jiff::Span {
    let days = -LIFETIME_DAYS * (1.0 - stream.random::<f64>()).ln();
    ((days * 24.0) as i64).hours()
}

impl Customers {
    /// The customers by registration.
    pub fn all(&self) -> &[Customer] {
        &self.all
    }

    /// How many had registered before that moment: they are the first so many.
    pub fn known_before(&self, at: Timestamp) -> usize {
        self.all.partition_point(|customer| customer.registered_at() < at)
    }

    /// Somebody who comes back, among the first `known`.
    pub fn returning(&self, known: usize, at: Timestamp, stream: &mut impl Rng) -> &Customer {
        let sum = self.frequencies[known - 1];
        let mut found = &self.all[0];
        for _ in 0..TRIES {
            let place = stream.random::<f64>() * sum;
            let place = self.frequencies[..known].partition_point(|before| *before <= place);
            found = &self.all[place.min(known - 1)];
            if found.lapses_at > at {
                break;
            }
        }
        found
    }
}

/// Who places the orders, one after the other.
#[derive(Debug)]
pub struct Buyers<'a> {
    customers: &'a Customers,
    known: usize,
    first: usize,
}

impl<'a> Buyers<'a> {
    /// From the first order on.
    pub fn new(customers: &'a Customers) -> Self {
        Self { customers, known: 0, first: 0 }
    }

    /// Who places the order of that index, and whether it is their first. Indexes and times only ever go up.
    pub fn next(&mut self, order: u32, at: Timestamp, stream: &mut impl Rng) -> (&'a Customer, bool) {
        let all = self.customers.all();
        while self.known < all.len() && all[self.known].registered_at() < at {
            self.known += 1;
        }
        if let Some((_, place)) = self.customers.firsts.get(self.first).filter(|(index, _)| *index == order) {
            self.first += 1;
            return (&all[*place as usize], true);
        }
        (self.customers.returning(self.known, at, stream), false)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn size(orders: u32) -> Size {
        Size::of_orders(orders, 7, "2026-11-21T17:30:00Z".parse().expect("a time"))
    }

    #[test]
    fn customers_are_registered_before_they_order() {
        for orders in [10, 1_000, 20_000] {
            let size = size(orders);
            let (calendar, customers) = (Calendar::new(&size), make(&size));
            assert_eq!(customers.all().len() as u32, size.customers);
            assert!(customers.all().is_sorted_by_key(|customer| customer.id));
            let mut buyers = Buyers::new(&customers);
            let mut firsts = 0;
            for index in 0..size.orders {
                let at = calendar.order_at(index);
                let mut stream = stream(7, "order", u64::from(index));
                let (customer, is_first) = buyers.next(index, at, &mut stream);
                assert!(customer.registered_at() < at);
                firsts += usize::from(is_first);
            }
            assert_eq!(firsts, customers.firsts.len(), "each buyer has one first order");
            assert!(customers.all().iter().all(|customer| customer.registered_at() < size.end));
        }
    }

    #[test]
    fn some_come_back_and_few_very_often() {
        let size = size(50_000);
        let (calendar, customers) = (Calendar::new(&size), make(&size));
        let mut buyers = Buyers::new(&customers);
        let mut counts = HashMap::<_, u32>::new();
        for index in 0..size.orders {
            let mut stream = stream(7, "order", u64::from(index));
            let (customer, _) = buyers.next(index, calendar.order_at(index), &mut stream);
            *counts.entry(customer.id).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable();
        let repeat = counts.iter().filter(|count| **count > 1).count() as f64 / counts.len() as f64;
        assert!((0.35..0.60).contains(&repeat), "{repeat}");
        let best: u32 = counts[counts.len() * 9 / 10..].iter().sum();
        assert!(f64::from(best) > 0.3 * 50_000.0 && f64::from(best) < 0.8 * 50_000.0, "{best}");
        assert!(counts.last().is_some_and(|most| (20..500).contains(most)), "{counts:?}");
        let home = customers.all().iter().filter(|customer| customer.country.code == "GB").count();
        assert!((home as f64 / customers.all().len() as f64 - 0.85).abs() < 0.02);
    }
}
