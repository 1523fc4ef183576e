//! Products and orders for tests.

use domain::event::{Cause, Event, EventData, ProductDeleted};
use domain::ids::{EventId, ProductId, VariantId};
use domain::product::Product;
use domain::product_draft::ProductDraft;
use jiff::Timestamp;
use rand::random;

/// A product on sale with one variant, as a person would ask for it.
pub fn draft(title: &str) -> ProductDraft {
    serde_json::from_value(serde_json::json!({
        "title": title,
        "description": "Woven from long fibres.",
        "brand": "Acme",
        "category": "apparel/shirts",
        "attributes": {"colour": "blue"},
        "variants": [{
            "sku": format!("SKU-{}", uuid::Uuid::new_v4().simple()),
            "price": {"amount_minor": 1999, "currency": "GBP"}
        }],
        "status": "active"
    }))
    .expect("a draft")
}

/// A product with ids of its own, version 1.
pub fn product(title: &str) -> Product {
    let now = Timestamp::now();
    draft(title)
        .into_product(ProductId::new(now, random()), now, |_| VariantId::new(now, random()))
        .expect("a product that holds")
}

/// The event of a product's present version.
pub fn changed(product: &Product) -> Event {
    let now = Timestamp::now();
    let cause = Cause { actor: "test".to_owned(), ..Cause::default() };
    Event::product_changed(EventId::new(now, random()), now, product.id, product.version, cause)
}

/// The event of a product's end.
pub fn deleted(product: &Product) -> Event {
    let (now, version) = (Timestamp::now(), product.version + 1);
    let cause = Cause { actor: "test".to_owned(), ..Cause::default() };
    let data = EventData::ProductDeleted(ProductDeleted { product_id: product.id, version });
    Event::new(EventId::new(now, random()), now, data, version, cause)
}
