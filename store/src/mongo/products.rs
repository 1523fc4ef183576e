//! Products. A write inserts its events into the outbox, and the prices that are new into their history, in the same
//! transaction.

use std::collections::HashMap;

use bson::{Document, doc};
use domain::event::{Event, EventData, ProductDeleted};
use domain::ids::{ProductId, VariantId};
use domain::price_change::PriceChange;
use domain::product::{Product, ProductStatus, Variant};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Collection;
use serde::Deserialize;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::deleted_products::{self, Ended};
use crate::mongo::outbox;
use crate::mongo::price_history;
use crate::mongo::product_document::ProductDocument;
use crate::mongo::transaction;

const COLLECTION: &str = "products";
/// Rolls a transaction back in which not every product could be replaced.
const NOT_ALL: &str = "not all";
/// Most products that one call reads or writes.
pub const BATCH_MAX: usize = 1_000;

/// Which products a list holds; `None` leaves a field open.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    /// Only this status.
    pub status: Option<ProductStatus>,
    /// Only this category and those below it.
    pub category: Option<String>,
}

/// A product that is to be added.
#[derive(Debug, Clone)]
pub struct NewProduct {
    /// The product.
    pub product: Product,
    /// That it is there.
    pub event: Event,
    /// What it has cost until now; the newest prices are those of its variants.
    pub prices: Vec<PriceChange>,
}

impl NewProduct {
    /// A product whose prices begin now.
    pub fn new(product: Product, event: Event) -> Self {
        let prices = PriceChange::between(None, &product).into_iter().collect();
        Self { product, event, prices }
    }

    /// The product as it comes back: its versions go on after the one at which it was deleted, its prices begin now.
    /// A SKU that it had is the variant that it was, with that one's stock; any other SKU is a new variant.
    fn after(&self, ended: &Ended) -> Self {
        let (version, of) = (ended.version + 1, self.product.id);
        let Event { id, time, cause, .. } = &self.event;
        let event = Event::product_changed(*id, *time, of, version, cause.clone());
        let variants = self.product.variants.iter().map(|variant| {
            let known = ended.variants.get(&variant.sku).copied();
            let id = known.unwrap_or_else(|| VariantId::of_sku(of, &variant.sku));
            Variant { id, ..variant.clone() }
        });
        Self::new(Product { version, variants: variants.collect(), ..self.product.clone() }, event)
    }
}

/// Version n + 1 of a product, to be put in the place of its version n.
#[derive(Debug, Clone)]
pub struct Replacement<'a> {
    /// Version n, as it was read.
    pub before: &'a Product,
    /// Version n + 1.
    pub product: Product,
    /// That it changed.
    pub event: Event,
}

/// What an insert found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// The product is new.
    New,
    /// A product with this id was deleted: it is back as it was given, but one version after its deletion, and with
    /// the variants that had its SKUs then.
    Returned(Box<Product>),
    /// A product with this id was there, and still is as it was.
    Existing(Box<Product>),
}

/// One product by id.
pub async fn find(mongo: &Mongo, id: ProductId) -> Result<Option<Product>, StoreError> {
    find_one(mongo, doc! {"_id": id.to_string()}).await
}

/// One product by slug.
pub async fn find_by_slug(mongo: &Mongo, slug: &str) -> Result<Option<Product>, StoreError> {
    find_one(mongo, doc! {"slug": slug}).await
}

/// Those of the products that exist, in no order. At most [`BATCH_MAX`] ids.
pub async fn find_many(mongo: &Mongo, ids: &[ProductId]) -> Result<Vec<Product>, StoreError> {
    debug_assert!(ids.len() <= BATCH_MAX, "{} ids", ids.len());
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    read(collection(mongo).find(doc! {"_id": {"$in": ids}}).await?).await
}

/// Products after one, by id.
pub async fn list(
    mongo: &Mongo,
    filter: &ProductFilter,
    after: Option<ProductId>,
    limit: i64,
) -> Result<Vec<Product>, StoreError> {
    let mut query = Document::new();
    if let Some(status) = filter.status {
        query.insert("status", status.name());
    }
    if let Some(category) = &filter.category {
        query.insert("$or", within_category(category));
    }
    if let Some(after) = after {
        query.insert("_id", doc! {"$gt": after.to_string()});
    }
    read(collection(mongo).find(query).sort(doc! {"_id": 1}).limit(limit).await?).await
}

/// Every product after one, by id, whatever its status.
pub async fn scan(mongo: &Mongo, after: Option<ProductId>, limit: i64) -> Result<Vec<Product>, StoreError> {
    list(mongo, &ProductFilter::default(), after, limit).await
}

/// Ids of the products after one, by id, also of those that cannot be read. What is no id of ours is left out.
pub async fn scan_ids(
    mongo: &Mongo,
    after: Option<ProductId>,
    limit: usize,
) -> Result<Vec<ProductId>, StoreError> {
    #[derive(Deserialize)]
    struct Id {
        #[serde(rename = "_id")]
        id: String,
    }
    // Only texts are greater than a text.
    let query = doc! {"_id": {"$gt": after.map_or_else(String::new, |after| after.to_string())}};
    let products = mongo.database.collection::<Id>(COLLECTION);
    let size = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = products.find(query).projection(doc! {"_id": 1}).sort(doc! {"_id": 1}).batch_size(size);
    let mut cursor = found.await?;
    let mut ids = Vec::new();
    while ids.len() < limit
        && let Some(Id { id: text }) = cursor.try_next().await?
    {
        ids.extend(text.parse().ok().filter(|id: &ProductId| id.to_string() == text));
    }
    Ok(ids)
}

/// A time as a product comes back with it: MongoDB keeps milliseconds.
pub fn stored_time(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).expect("a time has its millisecond")
}

/// Adds a product with its event. The id makes a repeat harmless.
pub async fn insert(mongo: &Mongo, product: &Product, event: &Event) -> Result<Inserted, StoreError> {
    let new = NewProduct::new(product.clone(), event.clone());
    match insert_all(mongo, std::slice::from_ref(&new)).await {
        Ok(deleted) => Ok(deleted
            .get(&product.id)
            .map_or(Inserted::New, |ended| Inserted::Returned(Box::new(new.after(ended).product)))),
        Err(StoreError::Conflict { constraint }) if constraint == "_id_" => find(mongo, product.id)
            .await?
            .map(|existing| Inserted::Existing(Box::new(existing)))
            .ok_or(StoreError::Conflict { constraint }),
        Err(error) => Err(error),
    }
}

/// Adds many products with their events, all or none. At most [`BATCH_MAX`]. One that was deleted comes back one
/// version after its deletion and with the variants that had its SKUs, whatever version and ids it is given with.
pub async fn insert_many(mongo: &Mongo, new: &[NewProduct]) -> Result<(), StoreError> {
    insert_all(mongo, new).await.map(drop)
}

/// Gives what those that come back were when they were deleted.
async fn insert_all(mongo: &Mongo, new: &[NewProduct]) -> Result<HashMap<ProductId, Ended>, StoreError> {
    debug_assert!(new.len() <= BATCH_MAX, "{} products", new.len());
    if new.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = new.iter().map(|new| new.product.id).collect();
    transaction::run(mongo, "insert_products", async |session| {
        let deleted = deleted_products::find(mongo, session, &ids).await?;
        let (mut first, mut returned) = (Vec::new(), Vec::new());
        for new in new {
            match deleted.get(&new.product.id) {
                None => first.push(new),
                Some(ended) => returned.push(new.after(ended)),
            }
        }
        let prices: Vec<_> = first.iter().flat_map(|new| &new.prices).collect();
        let later_prices: Vec<_> = returned.iter().flat_map(|new| new.prices.clone()).collect();
        let all: Vec<_> = first.iter().copied().chain(&returned).collect();
        let documents: Vec<_> = all.iter().map(|new| ProductDocument::from(&new.product)).collect();
        let events: Vec<_> = all.iter().map(|new| &new.event).collect();
        collection(mongo).insert_many(&documents).session(&mut *session).await?;
        price_history::insert(mongo, session, prices.into_iter()).await?;
        price_history::append(mongo, session, later_prices).await?;
        outbox::append(mongo, session, events.into_iter()).await?;
        Ok(deleted)
    })
    .await
}

/// Puts a product in the place of its version before. `false`: the stored version is another one. Prices that changed
/// get an event of their own.
pub async fn replace(
    mongo: &Mongo,
    before: &Product,
    product: &Product,
    event: &Event,
) -> Result<bool, StoreError> {
    let document = ProductDocument::from(product);
    let filter = doc! {"_id": before.id.to_string(), "version": before.version};
    let prices = PriceChange::between(Some(before), product);
    let price_event = prices.as_ref().map(|prices| prices.event(event));
    transaction::run(mongo, "replace_product", async |session| {
        let result = collection(mongo).replace_one(filter.clone(), &document).session(&mut *session).await?;
        if result.matched_count == 0 {
            return Ok(false);
        }
        price_history::append(mongo, session, prices.iter().cloned().collect()).await?;
        outbox::append(mongo, session, std::iter::once(event).chain(&price_event)).await?;
        Ok(true)
    })
    .await
}

/// Takes a product out of the catalogue: its slug and SKUs are free again. `event` is stored with the version after the
/// last one that the product ever had. `false`: the stored version is another one.
pub async fn delete(mongo: &Mongo, before: &Product, event: &Event) -> Result<bool, StoreError> {
    let filter = doc! {"_id": before.id.to_string(), "version": before.version};
    transaction::run(mongo, "delete_product", async |session| {
        let result = collection(mongo).delete_one(filter.clone()).session(&mut *session).await?;
        if result.deleted_count == 0 {
            return Ok(false);
        }
        let version = deleted_products::insert(mongo, session, before, event.time).await?;
        let data = EventData::ProductDeleted(ProductDeleted { product_id: before.id, version });
        let event = Event::new(event.id, event.time, data, version, event.cause.clone());
        outbox::append(mongo, session, std::iter::once(&event)).await?;
        Ok(true)
    })
    .await
}

/// Puts many products in the places of their versions before, all or none: `false` when one of them cannot be, because
/// its stored version is another one or a unique key refuses it. At most [`BATCH_MAX`].
pub async fn replace_many(mongo: &Mongo, replacements: &[Replacement<'_>]) -> Result<bool, StoreError> {
    debug_assert!(replacements.len() <= BATCH_MAX, "{} products", replacements.len());
    let commands = replace_commands(replacements)?;
    let (mut prices, mut events) = (Vec::new(), Vec::new());
    for Replacement { before, product, event } in replacements {
        events.push(event.clone());
        if let Some(change) = PriceChange::between(Some(*before), product) {
            events.push(change.event(event));
            prices.push(change);
        }
    }
    let replaced = transaction::run(mongo, "replace_products", async |session| {
        for (command, expected) in &commands {
            let answer = mongo.database.run_command(command.clone()).session(&mut *session).await?;
            if answer.get_i32("n").ok() != Some(*expected) {
                return Err(StoreError::Conflict { constraint: NOT_ALL.to_owned() });
            }
        }
        price_history::append(mongo, session, prices.clone()).await?;
        outbox::append(mongo, session, events.iter()).await
    })
    .await;
    match replaced {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict { constraint }) if constraint == NOT_ALL => Ok(false),
        Err(error) => Err(error),
    }
}

/// `update` commands below the size that the server takes, each with the number of products in it.
fn replace_commands(replacements: &[Replacement<'_>]) -> Result<Vec<(Document, i32)>, StoreError> {
    const BYTES_MAX: usize = 8 * 1024 * 1024;
    let mut commands = Vec::new();
    let (mut updates, mut bytes) = (Vec::new(), 0);
    let mut close = |updates: &mut Vec<Document>| {
        let count = i32::try_from(updates.len()).expect("a batch is small");
        commands.push((doc! {"update": COLLECTION, "updates": std::mem::take(updates)}, count));
    };
    for Replacement { before, product, .. } in replacements {
        let document = bson::serialize_to_document(&ProductDocument::from(product))
            .map_err(|error| StoreError::Driver(error.into()))?;
        let filter = doc! {"_id": before.id.to_string(), "version": before.version};
        let length = document.to_vec().map_err(|error| StoreError::Driver(error.into()))?.len();
        if bytes + length > BYTES_MAX && !updates.is_empty() {
            close(&mut updates);
            bytes = 0;
        }
        bytes += length;
        updates.push(doc! {"q": filter, "u": document});
    }
    if !updates.is_empty() {
        close(&mut updates);
    }
    Ok(commands)
}

/// Products of other ids that have one of these SKUs already: each SKU with its product. At most [`BATCH_MAX`] SKUs
/// are asked for at once.
pub async fn find_skus(mongo: &Mongo, skus: &[&str]) -> Result<Vec<(String, ProductId)>, StoreError> {
    let mut found = Vec::new();
    for some in skus.chunks(BATCH_MAX) {
        let products = read(collection(mongo).find(doc! {"variants.sku": {"$in": some}}).await?).await?;
        for product in products {
            let id = product.id;
            found.extend(product.variants.into_iter().map(|variant| (variant.sku, id)));
        }
    }
    Ok(found)
}

/// The code of a variant; `None` when no product has the variant.
pub async fn sku_of_variant(mongo: &Mongo, variant_id: VariantId) -> Result<Option<String>, StoreError> {
    let product = find_one(mongo, doc! {"variants.id": variant_id.to_string()}).await?;
    let mut variants = product.into_iter().flat_map(|product| product.variants);
    Ok(variants.find(|variant| variant.id == variant_id).map(|variant| variant.sku))
}

async fn find_one(mongo: &Mongo, filter: Document) -> Result<Option<Product>, StoreError> {
    collection(mongo).find_one(filter).await?.map(Product::try_from).transpose()
}

/// Those of a category, and those below it.
pub(super) fn within_category(category: &str) -> Vec<Document> {
    // `0` follows `/`: the half-open range holds what is below, and uses the index.
    let below = doc! {"category": {"$gte": format!("{category}/"), "$lt": format!("{category}0")}};
    vec![doc! {"category": category}, below]
}

pub(super) async fn read(cursor: mongodb::Cursor<ProductDocument>) -> Result<Vec<Product>, StoreError> {
    let documents: Vec<_> = cursor.try_collect().await?;
    documents.into_iter().map(Product::try_from).collect()
}

pub(super) fn collection(mongo: &Mongo) -> Collection<ProductDocument> {
    mongo.database.collection(COLLECTION)
}
