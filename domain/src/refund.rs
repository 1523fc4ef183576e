//! Refunds: money given back for lines of an order.

use jiff::Timestamp;

use crate::ids::{PaymentId, RefundId};

/// What is given back of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundLine {
    /// The order's line.
    pub line_number: i32,
    /// Pieces, from 1.
    pub quantity: i64,
    /// Net of tax, after the line's discount, in minor units.
    pub net_minor: i64,
    /// Tax on it.
    pub tax_minor: i64,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The id.
    pub id: RefundId,
    /// When the money went back.
    pub occurred_at: Timestamp,
    /// The captured payment that it comes from.
    pub payment_id: PaymentId,
    /// Such as `too_small`.
    pub reason: String,
    /// What it gives back; at least one line.
    pub lines: Vec<RefundLine>,
}

impl Refund {
    /// What goes back to the customer, in minor units.
    pub fn amount_minor(&self) -> i64 {
        self.lines.iter().map(|line| line.net_minor + line.tax_minor).sum()
    }
}
