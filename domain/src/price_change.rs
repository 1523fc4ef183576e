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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::money::Currency;
    use crate::product::{ProductStatus, Rating, Variant};

    fn product(prices: &[(u128, Option<i64>)]) -> Product {
        let variant = |(id, price): &(u128, Option<i64>)| Variant {
            id: VariantId(uuid::Uuid::from_u128(*id)),
            sku: id.to_string(),
            options: BTreeMap::new(),
            price: price.map(|amount_minor| Money { amount_minor, currency: Currency::GBP }),
        };
        Product {
            id: ProductId(uuid::Uuid::nil()),
            source: None,
            external_id: None,
            slug: "shirt".to_owned(),
            title: "Shirt".to_owned(),
            description: String::new(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            images: Vec::new(),
            variants: prices.iter().map(variant).collect(),
            rating: Rating { average: None, count: 0 },
            status: ProductStatus::Active,
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn changed(before: Option<&[(u128, Option<i64>)]>, after: &[(u128, Option<i64>)]) -> Vec<(u128, i64)> {
        let before = before.map(product);
        let change = PriceChange::between(before.as_ref(), &product(after));
        let prices = change.map(|change| change.prices).unwrap_or_default();
        prices.iter().map(|price| (price.variant_id.0.as_u128(), price.price.amount_minor)).collect()
    }

    #[test]
    fn only_what_is_another_price_is_a_change() {
        let before: &[_] = &[(1, Some(100)), (2, Some(200)), (3, None)];
        assert_eq!(changed(None, before), [(1, 100), (2, 200)]);
        assert_eq!(changed(Some(before), before), []);
        assert_eq!(changed(Some(before), &[(1, Some(100)), (2, Some(150)), (3, None)]), [(2, 150)]);
        assert_eq!(changed(Some(before), &[(2, Some(200)), (4, Some(50))]), [(4, 50)], "a new variant");
        assert_eq!(
            changed(Some(before), &[(1, None), (3, Some(10))]),
            [(3, 10)],
            "none taken away, one given"
        );
    }
}
