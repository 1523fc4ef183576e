//! What customers send back, and the money that they get for it.

use domain::ids::{PaymentId, RefundId};
use domain::refund::{Refund, RefundLine, line_refund};
use domain::shop_order::{ShopOrder, ShopOrderLine};
use jiff::{Timestamp, ToSpan};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::assortment::Assortment;
use crate::calendar::at_millisecond;
use crate::chance;
use crate::country::Country;
use crate::customers::Customer;
use crate::orders::Pick;
use crate::random::id;

const DAY_MS: i64 = 86_400_000;
/// A second size comes back so much more often.
const BRACKETED: f64 = 1.3;
/// The most likely piece still stays at times.
const CHANCE_MAX: f64 = 0.95;
/// Share of the pieces that go back in a second parcel: assumed.
const SECOND_PARCEL: f64 = 0.12;
/// The money goes back within so many days after delivery: the customer has 28.
const DAYS: (i64, i64) = (3, 28);
/// Why pieces come back. Size and fit are about half of it in surveys of online fashion; the rest is assumed.
const REASONS: [(&str, f64); 5] = [
    ("too_small", 0.31),
    ("too_large", 0.22),
    ("changed_mind", 0.25),
    ("not_as_described", 0.14),
    ("faulty", 0.08),
];
/// Why one of two sizes comes back.
const SIZE_REASONS: [(&str, f64); 2] = [("too_small", 0.55), ("too_large", 0.45)];

/// When a parcel that was paid at that time arrives: by day.
pub fn delivered_at(paid_at: Timestamp, country: &Country, stream: &mut impl Rng) -> Timestamp {
    let days = stream.random_range(country.delivery_days.0..=country.delivery_days.1);
    let hour_ms = stream.random_range(8 * 3_600_000_i64..19 * 3_600_000);
    let midnight = paid_at.as_millisecond() / DAY_MS * DAY_MS;
    at_millisecond(midnight + days * DAY_MS + hour_ms)
}

/// The refunds of a delivered order, oldest first; none is later than the end.
pub fn refund(
    assortment: &Assortment<'_>,
    order: &ShopOrder,
    payment_id: PaymentId,
    basket: &[Pick],
    customer: &Customer,
    times: (Timestamp, Timestamp),
    stream: &mut SmallRng,
) -> Vec<Refund> {
    let (delivered_at, end) = times;
    let mut parcels: [Vec<(usize, i64)>; 2] = [Vec::new(), Vec::new()];
    for (place, pick) in basket.iter().enumerate() {
        let permille = assortment.items()[pick.item as usize].product.return_permille;
        let of_order = f64::from(customer.taste.returns) * if pick.is_bracketed { BRACKETED } else { 1.0 };
        let chance = (f64::from(permille) / 1000.0 * of_order).min(CHANCE_MAX);
        for _ in 0..pick.quantity {
            if stream.random_bool(chance) {
                let parcel = &mut parcels[usize::from(stream.random_bool(SECOND_PARCEL))];
                match parcel.last_mut().filter(|(other, _)| *other == place) {
                    Some((_, pieces)) => *pieces += 1,
                    None => parcel.push((place, 1)),
                }
            }
        }
    }
    if parcels.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    // Most do not wait for the last day.
    let early = [(); 2].map(|()| stream.random::<f64>().powi(2));
    let mut minutes = early.map(|early| ((DAYS.0 as f64 + (DAYS.1 - DAYS.0) as f64 * early) * 1440.0) as i64);
    minutes.sort_unstable();
    let mut given_back = vec![0; basket.len()];
    let mut refunds = Vec::new();
    for (parcel, minutes) in parcels.iter().zip(minutes) {
        let at = delivered_at + minutes.minutes();
        if parcel.is_empty() || at >= end {
            continue;
        }
        let lines: Vec<_> =
            parcel.iter().filter_map(|back| give_back(&order.lines, &mut given_back, *back)).collect();
        let is_bracketed = parcel.iter().any(|(place, _)| basket[*place].is_bracketed);
        let reason = if is_bracketed {
            chance::choose(&SIZE_REASONS, stream)
        } else {
            chance::choose(&REASONS, stream)
        };
        let id = RefundId(id(at, stream));
        let refund = Refund { id, occurred_at: at, payment_id, reason: reason.to_owned(), lines };
        if refund.amount_minor() > 0 {
            refunds.push(refund);
        }
    }
    refunds
}

fn give_back(lines: &[ShopOrderLine], given_back: &mut [i64], back: (usize, i64)) -> Option<RefundLine> {
    let (place, pieces) = back;
    let line = line_refund(place as i32 + 1, &lines[place], given_back[place], pieces)?;
    given_back[place] += pieces;
    Some(line)
}
