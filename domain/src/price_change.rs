//! The history of prices: what the variants of a product cost from when on.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::event::{Event, EventData, PriceChanged, PricedVariant};
use crate::ids::{EventId, ProductId, VariantId, uuid_v7_time};
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

    /// The event that tells of the prices, beside the one that tells of the product's change: of the same moment,
    /// version and cause, with an id that is made from its id.
    pub fn event(&self, of_product: &Event) -> Event {
        let digest = Sha256::new().chain_update(of_product.id.0).chain_update("price").finalize();
        let at = uuid_v7_time(of_product.id.0).unwrap_or(of_product.time);
        let id = EventId::new(at, std::array::from_fn(|place| digest[place]));
        let prices = self.prices.iter().map(|priced| PricedVariant {
            variant_id: priced.variant_id,
            amount_minor: priced.price.amount_minor,
            currency: priced.price.currency.code().to_owned(),
        });
        let version = of_product.aggregate.version;
        let data = PriceChanged { product_id: self.product_id, version, prices: prices.collect() };
        Event::new(id, of_product.time, EventData::PriceChanged(data), version, of_product.cause.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::Cause;
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

    #[test]
    fn the_event_goes_with_that_of_the_product() {
        let at = Timestamp::from_second(1_700_000_000).expect("in range");
        let cause = Cause { actor: "role:admin".into(), request_id: Some("r".into()), traceparent: None };
        let product = Product { version: 7, ..product(&[(1, Some(150))]) };
        let of_product = Event::product_changed(EventId::new(at, [1; 10]), at, product.id, 7, cause);
        let change = PriceChange::between(None, &product).expect("a price");
        let event = change.event(&of_product);
        assert_eq!((event.time, &event.cause), (at, &of_product.cause));
        assert_eq!((event.aggregate.kind, event.aggregate.version), ("price", 7));
        assert_ne!(event.id, of_product.id);
        assert_eq!(uuid_v7_time(event.id.0), Some(at));
        assert_eq!(change.event(&of_product), event, "the same each time");
        let EventData::PriceChanged(data) = &event.data else { panic!("{event:?}") };
        assert_eq!((data.product_id, data.version, data.prices.len()), (product.id, 7, 1));
        assert_eq!((data.prices[0].amount_minor, data.prices[0].currency.as_str()), (150, "GBP"));
    }
}
