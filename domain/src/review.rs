//! Reviews of products.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::ids::{OrderId, ProductId, ReviewId, UserId};

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewStatus {
    /// Waits for a moderator.
    Pending,
    /// Shown and counted.
    Approved,
    /// Not shown.
    Rejected,
}

impl ReviewStatus {
    /// The status' name in the store and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Approved, Self::Rejected].into_iter().find(|status| status.name() == name)
    }
}

/// What one customer says of one product. MongoDB owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The id; its millisecond is `created_at`.
    pub id: ReviewId,
    /// Of which product.
    pub product_id: ProductId,
    /// By whom: one review per product and account.
    pub user_id: UserId,
    /// The paid order that has the product: with one the purchase is verified.
    pub order_id: Option<OrderId>,
    /// 1 to 5.
    pub rating: u8,
    /// A few words.
    pub title: String,
    /// Plain text.
    pub text: String,
    /// Where it stands.
    pub status: ReviewStatus,
    /// How many found it helpful.
    pub helpful_votes: u32,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Best rating; the worst is 1.
pub const RATING_MAX: u8 = 5;

/// A rating that is not 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no rating from 1 to 5")]
pub struct InvalidRating(pub u8);

/// How often each rating was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RatingCounts([u32; RATING_MAX as usize]);

impl RatingCounts {
    /// Counts a rating so many times more.
    pub fn add(&mut self, rating: u8, count: u32) -> Result<(), InvalidRating> {
        let place = rating.checked_sub(1).and_then(|place| self.0.get_mut(usize::from(place)));
        let known = place.ok_or(InvalidRating(rating))?;
        *known = known.saturating_add(count);
        Ok(())
    }

    /// Each rating with its count, the best first.
    pub fn best_first(&self) -> impl Iterator<Item = (u8, u32)> {
        (1..=RATING_MAX).zip(self.0).rev()
    }

    /// Number of ratings.
    pub fn total(&self) -> u64 {
        self.0.into_iter().map(u64::from).sum()
    }

    /// Mean, half up to 2 digits; `None` without ratings.
    pub fn mean(&self) -> Option<Decimal> {
        let total = i64::try_from(self.total()).ok().filter(|total| *total > 0)?;
        let sum: i64 = self.best_first().map(|(rating, count)| i64::from(rating) * i64::from(count)).sum();
        Some(Decimal::new((200 * sum + total) / (2 * total), 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ratings: &[(u8, u32)]) -> RatingCounts {
        let mut counts = RatingCounts::default();
        for (rating, count) in ratings {
            counts.add(*rating, *count).expect("a rating");
        }
        counts
    }

    #[test]
    fn a_mean_is_rounded_half_up() {
        let mean = |ratings: &[(u8, u32)]| counts(ratings).mean().map(|mean| mean.to_string());
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[(5, 1)]).as_deref(), Some("5.00"));
        assert_eq!(mean(&[(5, 1), (4, 2)]).as_deref(), Some("4.33"));
        assert_eq!(mean(&[(1, 7), (2, 1)]).as_deref(), Some("1.13"));
        assert_eq!(mean(&[(5, u32::MAX)]).as_deref(), Some("5.00"));
    }

    #[test]
    fn ratings_are_counted_by_themselves() {
        let counts = counts(&[(5, 2), (1, 1), (5, 1)]);
        assert_eq!(counts.best_first().collect::<Vec<_>>(), [(5, 3), (4, 0), (3, 0), (2, 0), (1, 1)]);
        assert_eq!(counts.total(), 4);
        for rating in [0, 6, 255] {
            assert_eq!(RatingCounts::default().add(rating, 1), Err(InvalidRating(rating)));
        }
    }
}
