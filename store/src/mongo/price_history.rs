//! The history of prices: a document for each change of a product's prices.

use std::collections::HashMap;

use bson::{DateTime, doc};
use domain::price_change::PriceChange;
use futures_util::TryStreamExt;
use jiff::{Timestamp, ToSpan};
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::{date, timestamp};

pub(super) const COLLECTION: &str = "price_changes";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PriceChangeDocument {
    /// Product and millisecond: one change at a time.
    #[serde(rename = "_id")]
    id: String,
    product_id: String,
    changed_at: DateTime,
    prices: Vec<VariantPriceDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct VariantPriceDocument {
    variant_id: String,
    amount_minor: i64,
    currency: String,
}

/// Adds changes of products that have no others, in the transaction that adds the products.
pub(super) async fn insert<'a>(
    mongo: &Mongo,
    session: &mut ClientSession,
    changes: impl Iterator<Item = &'a PriceChange>,
) -> Result<(), StoreError> {
    let documents: Vec<_> = changes.map(PriceChangeDocument::from).collect();
    if !documents.is_empty() {
        collection(mongo).insert_many(documents).session(session).await?;
    }
    Ok(())
}

/// Adds changes after those that their products have, in the transaction that changes the products. Two changes in one
/// millisecond, or by a clock that was set back, still follow each other.
pub(super) async fn append(
    mongo: &Mongo,
    session: &mut ClientSession,
    mut changes: Vec<PriceChange>,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let newest = newest(mongo, session, &changes).await?;
    for change in &mut changes {
        if let Some(before) = newest.get(&change.product_id.to_string()) {
            change.changed_at = change.changed_at.max(*before + 1.millisecond());
        }
    }
    insert(mongo, session, changes.iter()).await
}

/// When each of the products last changed its prices.
async fn newest(
    mongo: &Mongo,
    session: &mut ClientSession,
    changes: &[PriceChange],
) -> Result<HashMap<String, Timestamp>, StoreError> {
    #[derive(Deserialize)]
    struct Newest {
        #[serde(rename = "_id")]
        product_id: String,
        changed_at: DateTime,
    }
    let ids: Vec<_> = changes.iter().map(|change| change.product_id.to_string()).collect();
    let stages = [
        doc! {"$match": {"product_id": {"$in": ids}}},
        doc! {"$group": {"_id": "$product_id", "changed_at": {"$max": "$changed_at"}}},
    ];
    let mut cursor = collection(mongo).aggregate(stages).with_type::<Newest>().session(&mut *session).await?;
    let found: Vec<_> = cursor.stream(session).try_collect().await?;
    found.into_iter().map(|newest| Ok((newest.product_id, timestamp(newest.changed_at)?))).collect()
}

impl From<&PriceChange> for PriceChangeDocument {
    fn from(change: &PriceChange) -> Self {
        let prices = change.prices.iter().map(|price| VariantPriceDocument {
            variant_id: price.variant_id.to_string(),
            amount_minor: price.price.amount_minor,
            currency: price.price.currency.code().to_owned(),
        });
        Self {
            id: format!("{}/{}", change.product_id, change.changed_at.as_millisecond()),
            product_id: change.product_id.to_string(),
            changed_at: date(change.changed_at),
            prices: prices.collect(),
        }
    }
}

fn collection(mongo: &Mongo) -> Collection<PriceChangeDocument> {
    mongo.database.collection(COLLECTION)
}
