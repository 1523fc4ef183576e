//! Reviews by those who bought: kept as orders go by, written at the end.
//!
//! Each pair of product and customer has a lot of its own, and the pairs with the lowest lots are kept: as many as
//! there are to be reviews, whatever the number of orders. So memory is bounded, the order of the orders does not
//! matter, and nobody reviews a product twice.

use std::collections::BTreeMap;

use domain::ids::{OrderId, ProductId, ReviewId, UserId};
use domain::order::OrderStatus;
use domain::product::Rating;
use domain::review::{RatingCounts, Review, ReviewStatus};
use domain::shop_order::{ShopOrder, ShopOrderLine};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use crate::random;
use crate::shop::{Catalogue, DemoProduct, Size};
use stars::stars;

mod stars;
mod text;

const DAY_SECONDS: f64 = 86_400.0;
/// Nobody reviews before the parcel can be there, nor after so long: assumed.
const DELAY_DAYS_MIN: f64 = 3.0;
const DELAY_DAYS_MAX: f64 = 120.0;
/// Mean of the days between the two: assumed.
const DELAY_DAYS_MEAN: f64 = 14.0;
/// Share of reviews without a proof of purchase: assumed.
const UNVERIFIED_SHARE: f64 = 0.03;
/// Share that a moderator refused: assumed.
const REJECTED_SHARE: f64 = 0.015;
/// In the last days before the end a review may still wait for a moderator: assumed.
const MODERATION_DAYS: f64 = 7.0;
const PENDING_SHARE: f64 = 0.35;
/// Share of reviews that nobody ever voted for, and the tail of the others: assumed, heavy as votes are.
const VOTELESS_SHARE: f64 = 0.65;
const VOTES_TAIL: f64 = 1.1;
const VOTES_MAX: f64 = 400.0;

/// What is kept of a purchase that may be reviewed.
#[derive(Debug)]
struct Purchase {
    order_id: OrderId,
    /// Place among the product's variants.
    variant: u16,
    /// Why it went back, if it did.
    returned: Option<Complaint>,
}

/// What was wrong with a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complaint {
    TooSmall,
    TooLarge,
    Other,
}

/// The lot of a pair, the product's place in the catalogue, the customer.
type Pair = (u64, u32, UserId);

/// The maker of reviews.
#[derive(Debug)]
pub struct Reviews<'a> {
    size: &'a Size,
    catalogue: &'a Catalogue,
    /// The ids of the products, side by side: every line of every order asks for a place.
    ids: Vec<ProductId>,
    kept: BTreeMap<Pair, Purchase>,
}

impl<'a> Reviews<'a> {
    /// A maker of at most `size.reviews` reviews.
    pub fn new(size: &'a Size, catalogue: &'a Catalogue) -> Self {
        let ids = catalogue.products.iter().map(|made| made.product.id).collect();
        Self { size, catalogue, ids, kept: BTreeMap::new() }
    }

    /// Takes notice of an order. What was not paid is not reviewed.
    pub fn observe(&mut self, order: &ShopOrder) {
        if !matches!(order.status, OrderStatus::Paid | OrderStatus::Completed) {
            return;
        }
        for (index, line) in order.lines.iter().enumerate() {
            self.observe_line(order, index + 1, line);
        }
    }

    fn observe_line(&mut self, order: &ShopOrder, line_number: usize, line: &ShopOrderLine) {
        let Ok(place) = self.ids.binary_search(&line.product_id) else { return };
        let place = u32::try_from(place).expect("a catalogue is smaller");
        let lot = self.stream(place, order.user_id).next_u64();
        let pair = (lot, place, order.user_id);
        let is_full = self.kept.len() >= self.size.reviews as usize;
        if is_full && self.kept.last_key_value().is_none_or(|(last, _)| pair > *last) {
            return;
        }
        if self.written_at(order.created_at(), lot) >= self.size.end {
            return;
        }
        let variants = &self.catalogue.products[place as usize].product.variants;
        let variant = variants.iter().position(|variant| variant.id == line.variant_id).unwrap_or(0);
        let returned = complaint(order, line_number);
        let variant = u16::try_from(variant).expect("a few hundred variants");
        let purchase = Purchase { order_id: order.id, variant, returned };
        let known = self.kept.entry(pair).or_insert(Purchase { returned, ..purchase });
        // Of several purchases of the same product the first one is spoken of.
        if order.id < known.order_id {
            *known = Purchase { order_id: order.id, variant, returned };
        }
        if self.kept.len() > self.size.reviews as usize {
            self.kept.pop_last();
        }
    }

    fn stream(&self, place: u32, user_id: UserId) -> SmallRng {
        let user = user_id.0.as_u64_pair();
        let index =
            (user.0 ^ user.1.rotate_left(17)).wrapping_add((u64::from(place) << 40) | u64::from(place));
        random::stream(self.size.seed, "review", index)
    }

    /// The moment is the lot's own, so that it is known before the review is written.
    fn written_at(&self, bought_at: Timestamp, lot: u64) -> Timestamp {
        let mut stream = random::stream(self.size.seed, "review-time", lot);
        let share: f64 = stream.random();
        let days = (DELAY_DAYS_MIN - DELAY_DAYS_MEAN * (1.0 - share).ln()).min(DELAY_DAYS_MAX);
        bought_at + SignedDuration::from_millis((days * DAY_SECONDS * 1_000.0) as i64)
    }

    /// The reviews in the order of their ids.
    pub fn finish(self) -> Vec<Review> {
        let written = self.kept.iter().map(|(pair, purchase)| self.write(*pair, purchase));
        let mut reviews: Vec<_> = written.collect();
        reviews.sort_unstable_by_key(|review| review.id);
        reviews
    }

    fn write(&self, (lot, place, user_id): Pair, purchase: &Purchase) -> Review {
        let made = &self.catalogue.products[place as usize];
        let bought_at = purchase.order_id.created_at().expect("order ids are UUIDs of version 7");
        let created_at = self.written_at(bought_at, lot);
        let mut stream = random::stream(self.size.seed, "review-text", lot);
        let rating = stars(made.quality, purchase.returned.is_some(), &mut stream);
        let fit = text::Fit::of(made, purchase.returned, &mut stream);
        let (title, text) = text::words(made, purchase.variant.into(), rating, fit, &mut stream);
        let is_verified = !stream.random_bool(UNVERIFIED_SHARE);
        let age_days = self.size.end.duration_since(created_at).as_secs_f64() / DAY_SECONDS;
        let status = status(age_days, &mut stream);
        let votes = votes(age_days, &mut stream);
        Review {
            id: ReviewId(random::id(created_at, &mut stream)),
            product_id: made.product.id,
            user_id,
            order_id: is_verified.then_some(purchase.order_id),
            rating,
            title,
            text,
            status,
            helpful_votes: if status == ReviewStatus::Approved { votes } else { 0 },
            created_at,
        }
    }
}

fn complaint(order: &ShopOrder, line_number: usize) -> Option<Complaint> {
    let went_back = |refund: &&domain::refund::Refund| {
        refund.lines.iter().any(|line| usize::try_from(line.line_number) == Ok(line_number))
    };
    let refund = order.refunds.iter().find(went_back)?;
    Some(match refund.reason.as_str() {
        "too_small" => Complaint::TooSmall,
        "too_large" => Complaint::TooLarge,
        _ => Complaint::Other,
    })
}

fn status(age_days: f64, stream: &mut impl Rng) -> ReviewStatus {
    if age_days < MODERATION_DAYS && stream.random_bool(PENDING_SHARE) {
        ReviewStatus::Pending
    } else if stream.random_bool(REJECTED_SHARE) {
        ReviewStatus::Rejected
    } else {
        ReviewStatus::Approved
    }
}

/// Votes grow with age: a review of yesterday has none yet.
fn votes(age_days: f64, stream: &mut impl Rng) -> u32 {
    if stream.random_bool(VOTELESS_SHARE) {
        return 0;
    }
    let share: f64 = 1.0 - stream.random::<f64>();
    let seen = (age_days / 90.0).min(1.0);
    (share.powf(-1.0 / VOTES_TAIL) * seen).min(VOTES_MAX) as u32
}

/// Sets the rating of every product: the mean of its approved reviews, half up to two digits, and their number.
pub fn rate(catalogue: &mut Catalogue, reviews: &[Review]) {
    let mut counts = vec![RatingCounts::default(); catalogue.products.len()];
    for review in reviews.iter().filter(|review| review.status == ReviewStatus::Approved) {
        let id = review.product_id;
        if let Ok(place) = catalogue.products.binary_search_by_key(&id, |made| made.product.id) {
            counts[place].add(review.rating, 1).expect("stars are 1 to 5");
        }
    }
    for (DemoProduct { product, .. }, counts) in catalogue.products.iter_mut().zip(counts) {
        let count = u32::try_from(counts.total()).unwrap_or(u32::MAX);
        product.rating = Rating { average: counts.mean(), count };
    }
}

#[cfg(test)]
mod tests;
