//! The history of prices.

use bson::DateTime;
use domain::price_change::PriceChange;
use mongodb::Collection;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::bulk;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::date;

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
