//! Promotions: so many percent off an order between two times.

use jiff::Timestamp;

use crate::money::Money;

/// A promotion with a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// What the customer enters: capital letters, digits and hyphens.
    pub code: String,
    /// What the merchant calls it.
    pub name: String,
    /// Percent off the goods, 1 to 100.
    pub percent_off: u8,
    /// Least value of the goods, as shown to the customer.
    pub minimum: Money,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when, not included.
    pub ends_at: Timestamp,
}
