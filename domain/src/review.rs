//! Reviews of products.

use jiff::Timestamp;

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
