//! Attempts to pay an order.

use jiff::Timestamp;

use crate::ids::PaymentId;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The money was taken.
    Captured,
    /// It was not, for the provider's reason, such as `card_declined`.
    Failed(String),
}

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The id.
    pub id: PaymentId,
    /// When the provider answered.
    pub occurred_at: Timestamp,
    /// Who moves the money.
    pub provider: String,
    /// What was asked for, in minor units of the order's currency.
    pub amount_minor: i64,
    /// How it ended.
    pub outcome: PaymentOutcome,
}

impl PaymentOutcome {
    /// The outcome's name in the database.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Failed(_) => "failed",
        }
    }
}
