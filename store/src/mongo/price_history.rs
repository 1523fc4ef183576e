//! The history of prices.

use std::collections::HashMap;

use bson::{DateTime, doc};
use domain::price_change::PriceChange;
use domain::product::Product;
use futures_util::TryStreamExt;
use jiff::{Timestamp, ToSpan};
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::bulk;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::{date, timestamp};

pub(super) const COLLECTION: &str = "price_history";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PriceDocument {
    /// Variant and millisecond: one price begins at a time.
    #[serde(rename = "_id")]
    id: String,
    product_id: String,
    variant_id: String,
    amount_minor: i64,
    currency: String,
    changed_at: DateTime,
}

/// Adds those that are not there. Returns how many were new.
pub async fn insert_missing(mongo: &Mongo, changes: &[PriceChange]) -> Result<usize, StoreError> {
    let documents: Vec<_> = changes.iter().map(PriceDocument::from).collect();
    bulk::insert_missing(&collection(mongo), &documents).await
}

/// Adds the prices of products that are not the newest of their variants' history, in the transaction that writes the
/// products.
pub(super) async fn append(
    mongo: &Mongo,
    session: &mut ClientSession,
    products: &[&Product],
) -> Result<(), StoreError> {
    let newest = newest(mongo, session, products).await?;
    let mut changes = Vec::new();
    for product in products {
        for variant in &product.variants {
            let Some(price) = variant.price else { continue };
            let before = newest.get(&variant.id.to_string());
            let is_newest = before.is_some_and(|before| {
                before.amount_minor == price.amount_minor && before.currency == price.currency.code()
            });
            if is_newest {
                continue;
            }
            let before = before.map(|before| timestamp(before.changed_at)).transpose()?;
            let changed_at = later(product.updated_at, before);
            let (product_id, variant_id) = (product.id, variant.id);
            let change = PriceChange { product_id, variant_id, price, changed_at };
            changes.push(PriceDocument::from(&change));
        }
    }
    if !changes.is_empty() {
        collection(mongo).insert_many(changes).session(session).await?;
    }
    Ok(())
}

/// Two changes in one millisecond, or by a clock that was set back, still follow each other.
fn later(at: Timestamp, before: Option<Timestamp>) -> Timestamp {
    before.map_or(at, |before| at.max(before + 1.millisecond()))
}

/// The newest price of each variant that has any.
async fn newest(
    mongo: &Mongo,
    session: &mut ClientSession,
    products: &[&Product],
) -> Result<HashMap<String, PriceDocument>, StoreError> {
    let ids: Vec<_> = products.iter().map(|product| product.id.to_string()).collect();
    let stages = [
        doc! {"$match": {"product_id": {"$in": ids}}},
        doc! {"$sort": {"changed_at": 1}},
        doc! {"$group": {"_id": "$variant_id", "newest": {"$last": "$$ROOT"}}},
        doc! {"$replaceRoot": {"newRoot": "$newest"}},
    ];
    let mut cursor =
        collection(mongo).aggregate(stages).with_type::<PriceDocument>().session(&mut *session).await?;
    let documents: Vec<_> = cursor.stream(session).try_collect().await?;
    Ok(documents.into_iter().map(|document| (document.variant_id.clone(), document)).collect())
}

impl From<&PriceChange> for PriceDocument {
    fn from(change: &PriceChange) -> Self {
        Self {
            id: format!("{}/{}", change.variant_id, change.changed_at.as_millisecond()),
            product_id: change.product_id.to_string(),
            variant_id: change.variant_id.to_string(),
            amount_minor: change.price.amount_minor,
            currency: change.price.currency.code().to_owned(),
            changed_at: date(change.changed_at),
        }
    }
}

fn collection(mongo: &Mongo) -> Collection<PriceDocument> {
    mongo.database.collection(COLLECTION)
}
