//! The history of prices: what the variants of a product cost from when on.

use jiff::Timestamp;

use crate::ids::{ProductId, VariantId};
use crate::money::Money;
use crate::product::Product;

/// From `changed_at` on these variants of the product cost that. The newest price of a variant is the one on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceChange {
    /// The product.
    pub product_id: ProductId,
    /// When the prices began.
    pub changed_at: Timestamp,
    /// The variants whose price changed.
    pub prices: Vec<VariantPrice>,
}

/// What a variant costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariantPrice {
    /// The variant.
    pub variant_id: VariantId,
    /// Tax included.
    pub price: Money,
}

impl PriceChange {
    /// The prices that a product has now and did not have before; `None` when there are none. They begin with the
    /// product's last change.
    pub fn between(before: Option<&Product>, product: &Product) -> Option<Self> {
        let known = |id| {
            let variants = before.into_iter().flat_map(|before| &before.variants);
            variants.filter(|variant| variant.id == id).find_map(|variant| variant.price)
        };
        let priced = product.variants.iter().filter_map(|variant| {
            let (variant_id, price) = (variant.id, variant.price?);
            (known(variant_id) != Some(price)).then_some(VariantPrice { variant_id, price })
        });
        let prices: Vec<_> = priced.collect();
        (!prices.is_empty()).then_some(Self {
            product_id: product.id,
            changed_at: product.updated_at,
            prices,
        })
    }
}
