//! How an order is paid, or given up.

use domain::ids::PaymentId;
use domain::payment::{Payment, PaymentOutcome};
use jiff::{Timestamp, ToSpan};
use rand::{Rng, RngExt};

use crate::calendar::at_millisecond;
use crate::chance;
use crate::random::id;

/// Providers with their share, invented as their names are.
const PROVIDERS: [(&str, f64); 3] = [("cardway", 0.62), ("northpay", 0.30), ("banklink", 0.08)];
/// Why payments fail. Insufficient funds lead in published figures; the shares are assumed.
const FAILURES: [(&str, f64); 4] = [
    ("insufficient_funds", 0.44),
    ("card_declined", 0.30),
    ("authentication_failed", 0.18),
    ("provider_timeout", 0.08),
];
/// Share of the first attempts that fail: published rates go from 5 % to 15 %, the low end is that of a shop whose
/// customers have accounts.
const FAILS: f64 = 0.05;
/// Share of the later attempts that fail: assumed.
const FAILS_AGAIN: f64 = 0.15;
/// Share of the failures after which somebody tries again: assumed, about three of ten give up in surveys.
const TRIES_AGAIN: f64 = 0.75;
/// Share of the next attempts that go to the same provider: assumed.
const SAME_PROVIDER: f64 = 0.6;
/// Share of the orders that nobody tries to pay: assumed.
const NEVER_TRIES: f64 = 0.009;
/// Attempts to pay an order.
const ATTEMPTS_MAX: usize = 4;
/// An unpaid order is given up after so long.
pub const PAYMENT_MINUTES: i64 = 30;

/// How it ended, by the end of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Paid at that time.
    Captured(Timestamp),
    /// Given up at that time.
    GivenUp(Timestamp),
    /// Neither yet.
    Open,
}

/// The attempts to pay an order that was placed at that time, and how they ended; nothing is later than the end.
pub fn settle(
    placed_at: Timestamp,
    end: Timestamp,
    amount_minor: i64,
    stream: &mut impl Rng,
) -> (Vec<Payment>, Settlement) {
    let mut payments = Vec::new();
    let mut at = later(placed_at, stream.random_range(10_000..180_000));
    let mut provider = chance::choose(&PROVIDERS, stream);
    let mut tries = !stream.random_bool(NEVER_TRIES);
    while tries && payments.len() < ATTEMPTS_MAX {
        if at >= end {
            return (payments, Settlement::Open);
        }
        let has_failed = stream.random_bool(if payments.is_empty() { FAILS } else { FAILS_AGAIN });
        let outcome = if has_failed {
            PaymentOutcome::Failed(chance::choose(&FAILURES, stream).to_owned())
        } else {
            PaymentOutcome::Captured
        };
        let id = PaymentId(id(at, stream));
        payments.push(Payment { id, occurred_at: at, provider: provider.to_owned(), amount_minor, outcome });
        if !has_failed {
            return (payments, Settlement::Captured(at));
        }
        at = later(at, stream.random_range(20_000..300_000));
        if !stream.random_bool(SAME_PROVIDER) {
            provider = chance::choose(&PROVIDERS, stream);
        }
        tries = stream.random_bool(TRIES_AGAIN);
    }
    let given_up_at = placed_at + PAYMENT_MINUTES.minutes();
    (payments, if given_up_at < end { Settlement::GivenUp(given_up_at) } else { Settlement::Open })
}

fn later(at: Timestamp, milliseconds: i64) -> Timestamp {
    at_millisecond(at.as_millisecond() + milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn an_order_is_paid_once_or_given_up() {
        let placed_at: Timestamp = "2026-01-05T12:00:00Z".parse().expect("a time");
        let end = placed_at + 10.hours();
        let (mut attempts, mut failed, mut given_up) = (0, 0, 0);
        for index in 0..20_000 {
            let (payments, settlement) = settle(placed_at, end, 500, &mut stream(1, "order", index));
            attempts += payments.len();
            let captured =
                payments.iter().filter(|payment| payment.outcome == PaymentOutcome::Captured).count();
            failed += payments.len() - captured;
            match settlement {
                Settlement::Captured(at) => {
                    assert_eq!(captured, 1);
                    assert_eq!(payments.last().map(|payment| payment.occurred_at), Some(at));
                }
                Settlement::GivenUp(at) => {
                    assert_eq!(captured, 0);
                    assert_eq!(at, placed_at + PAYMENT_MINUTES.minutes());
                    given_up += 1;
                }
                Settlement::Open => panic!("hours are enough"),
            }
            assert!(payments.is_sorted_by_key(|payment| payment.occurred_at));
        }
        let failures = failed as f64 / attempts as f64;
        assert!((0.045..0.065).contains(&failures), "{failures}");
        assert!((300..600).contains(&given_up), "{given_up} of 20,000");
    }

    #[test]
    fn what_is_later_than_the_end_has_not_happened() {
        let placed_at: Timestamp = "2026-01-05T12:00:00Z".parse().expect("a time");
        for seconds in [1, 60, 120, 1_000] {
            let end = placed_at + seconds.seconds();
            for index in 0..200 {
                let (payments, settlement) = settle(placed_at, end, 500, &mut stream(1, "order", index));
                assert!(payments.iter().all(|payment| payment.occurred_at < end));
                assert!(!matches!(settlement, Settlement::GivenUp(_)));
            }
        }
    }
}
