//! The history of prices: what a variant cost from when on.

use jiff::Timestamp;

use crate::ids::{ProductId, VariantId};
use crate::money::Money;

/// From `changed_at` on the variant cost `price`. The newest one is the price on the variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChange {
    /// The product.
    pub product_id: ProductId,
    /// The variant.
    pub variant_id: VariantId,
    /// The new price, tax included.
    pub price: Money,
    /// When it began.
    pub changed_at: Timestamp,
}
