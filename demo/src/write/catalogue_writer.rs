//! Categories, products with their pictures and the history of their prices, and reviews: into MongoDB and beside the
//! other objects.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use domain::event::{Cause, Event};
use domain::ids::EventId;
use domain::money::{Currency, Money};
use domain::price_change::{PriceChange, VariantPrice};
use domain::product::Product;
use domain::review::Review;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use store::error::StoreError;
use store::mongo::products::{self, NewProduct};
use store::mongo::{categories, reviews};
use store::objects::Objects;
use uuid::Uuid;

use super::{SeedError, Shop};
use crate::shop::{Catalogue, DemoProduct, PriceStep};

/// Documents of one call, and products of one transaction with their events.
const DOCUMENTS: usize = 1_000;
const PRODUCTS: usize = 250;
/// Calls at once.
const CALLS: usize = 2;
/// Pictures that are written at once.
const PICTURES: usize = 8;

/// What does not wait for the reviews.
pub(super) async fn write_before(
    shop: &Shop<'_>,
    catalogue: &Catalogue,
    objects: &Objects,
) -> Result<(), SeedError> {
    let writing = shop.progress.begin("categories");
    categories::insert_missing(shop.mongo, &catalogue.categories).await?;
    writing.end(catalogue.categories.len());
    write_pictures(shop, catalogue, objects).await
}

async fn write_pictures(shop: &Shop<'_>, catalogue: &Catalogue, objects: &Objects) -> Result<(), SeedError> {
    let writing = shop.progress.begin("pictures");
    let pictures = catalogue.products.iter().flat_map(|product| &product.pictures);
    let by_key: BTreeMap<_, _> = pictures.map(|picture| (&picture.key, &picture.content)).collect();
    let puts = by_key.iter().map(|(key, content)| {
        let content = Bytes::copy_from_slice(content.as_bytes());
        async move { objects.put(key, content).await.map(drop) }
    });
    stream::iter(puts).buffer_unordered(PICTURES).try_collect::<()>().await?;
    writing.end(by_key.len());
    Ok(())
}

/// Its prices, oldest first: those of all variants change at once.
fn price_changes(product: &DemoProduct) -> Vec<PriceChange> {
    let change = |step: &PriceStep| {
        let price = Money { amount_minor: step.price_minor, currency: Currency::GBP };
        let variants = product.product.variants.iter();
        let prices = variants.map(|variant| VariantPrice { variant_id: variant.id, price }).collect();
        PriceChange { product_id: product.product.id, changed_at: step.at, prices }
    };
    product.prices.iter().map(change).collect()
}

/// The reviews; then products as these leave them, with the event that each of them is there: who hears it finds the
/// reviews.
pub(super) async fn write_after(
    shop: &Shop<'_>,
    catalogue: &Catalogue,
    written: &[Review],
) -> Result<(), SeedError> {
    let writing = shop.progress.begin("reviews");
    let batches = stream::iter(written.chunks(DOCUMENTS).map(Ok::<_, StoreError>));
    let insert = async |batch| reviews::insert_missing(shop.mongo, batch).await.map(drop);
    batches.try_for_each_concurrent(CALLS, insert).await?;
    writing.end(written.len());
    let writing = shop.progress.begin("products, prices and events");
    let batches = stream::iter(catalogue.products.chunks(PRODUCTS).map(Ok::<_, StoreError>));
    batches.try_for_each_concurrent(CALLS, async |batch| write_products(shop, batch).await).await?;
    writing.end(catalogue.products.len());
    Ok(())
}

/// Adds those of the products that are not there.
async fn write_products(shop: &Shop<'_>, batch: &[DemoProduct]) -> Result<(), StoreError> {
    let ids: Vec<_> = batch.iter().map(|product| product.product.id).collect();
    let known: HashSet<_> =
        products::find_many(shop.mongo, &ids).await?.iter().map(|product| product.id).collect();
    let missing = batch.iter().filter(|product| !known.contains(&product.product.id)).map(|missing| {
        let product = missing.product.clone();
        NewProduct { event: event(&product, shop.cause()), product, prices: price_changes(missing) }
    });
    let new: Vec<_> = missing.collect();
    products::insert_many(shop.mongo, &new).await
}

fn event(product: &Product, cause: Cause) -> Event {
    let id = EventId(Uuid::now_v7());
    Event::product_changed(id, Timestamp::now(), product.id, product.version, cause)
}
