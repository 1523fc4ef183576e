//! A row of the daily sales report.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What one day of one channel and currency sold. Amounts are exact decimals in major units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailySales {
    /// Calendar day in the channel's time zone.
    pub date: Date,
    /// ISO 4217 code.
    pub currency: String,
    /// Sale documents with at least one sale line.
    pub orders: i64,
    /// Credit documents.
    pub cancelled_orders: i64,
    /// Distinct known customers over sale lines.
    pub customers: i64,
    /// Pieces over sale lines.
    pub units: i64,
    /// Sum of the sale lines.
    pub gross_revenue: Decimal,
    /// Sum of the credit lines: negative.
    pub refunds: Decimal,
    /// `gross_revenue + refunds`.
    pub net_revenue: Decimal,
    /// Sum over every line, adjustments too.
    pub raw_sum: Decimal,
    /// Average order value: gross over orders, half up to 2 digits; 0 without orders.
    pub aov: Decimal,
    /// `cancelled_orders / (orders + cancelled_orders)`, half up to 6 digits; 0 without either.
    pub cancellation_rate: Decimal,
}
