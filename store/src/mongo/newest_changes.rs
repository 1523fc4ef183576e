//! The newest changes of products as their events tell them, sent or not: what a search has to know soon.

use bson::{DateTime, Document, doc};
use domain::event::event_type;
use domain::ids::ProductId;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::Collection;
use mongodb::options::Hint;
use serde::Deserialize;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::{date, inconsistent, timestamp};

/// Most changes of each kind.
const CHANGE_COUNT_MAX: i64 = 20;

/// A product at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductChange {
    /// The product.
    pub product_id: ProductId,
    /// Its version after the change.
    pub version: i64,
    /// When it was changed.
    pub created_at: Timestamp,
}

#[derive(Debug, Deserialize)]
struct ChangeDocument {
    aggregate_id: String,
    aggregate_version: i64,
    created_at: DateTime,
}

/// The 20 changes that were sent last, those sent before `since` left out, and the 20 that have waited longest to be
/// sent.
pub async fn read(mongo: &Mongo, since: Timestamp) -> Result<Vec<ProductChange>, StoreError> {
    // The type is in it for the index, which holds sent events only.
    let sent = doc! {
        "sent_at": {"$type": "date", "$gte": date(since)}, "event_type": event_type::PRODUCT_CHANGED
    };
    let mut changes = find(mongo, sent, doc! {"sent_at": -1}, None).await?;
    let unsent = doc! {"sent_at": null, "event_type": event_type::PRODUCT_CHANGED};
    let oldest = Hint::Name("unsent_oldest".to_owned());
    changes.extend(find(mongo, unsent, doc! {"created_at": 1}, Some(oldest)).await?);
    Ok(changes)
}

async fn find(
    mongo: &Mongo,
    filter: Document,
    order: Document,
    hint: Option<Hint>,
) -> Result<Vec<ProductChange>, StoreError> {
    let outbox: Collection<ChangeDocument> = mongo.database.collection("outbox");
    let fields = doc! {"aggregate_id": 1, "aggregate_version": 1, "created_at": 1};
    let found = outbox.find(filter).projection(fields).sort(order).limit(CHANGE_COUNT_MAX);
    let found = match hint {
        Some(hint) => found.hint(hint),
        None => found,
    };
    let documents: Vec<ChangeDocument> = found.await?.try_collect().await?;
    documents.into_iter().map(ProductChange::try_from).collect()
}

impl TryFrom<ChangeDocument> for ProductChange {
    type Error = StoreError;

    fn try_from(document: ChangeDocument) -> Result<Self, StoreError> {
        let id = &document.aggregate_id;
        Ok(Self {
            product_id: id.parse().map_err(|_| inconsistent("product id", id))?,
            version: document.aggregate_version,
            created_at: timestamp(document.created_at)?,
        })
    }
}
