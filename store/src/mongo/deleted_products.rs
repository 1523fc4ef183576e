//! What is kept of products that were deleted: the version at which each ended last, so that one that comes back goes
//! on from there, and the variants that it had, which orders and stock still name. It is kept for ever, also beside a
//! product that is back. They are no products, so no read of products sees them.

use std::collections::HashMap;

use bson::{DateTime, doc};
use domain::ids::{ProductId, VariantId};
use domain::product::Product;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::{date, inconsistent};

pub(super) const COLLECTION: &str = "deleted_products";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct DeletedDocument {
    #[serde(rename = "_id")]
    id: String,
    version: i64,
    deleted_at: DateTime,
    /// Of every deletion; those of the last one stand last.
    variants: Vec<DeletedVariant>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DeletedVariant {
    id: String,
    sku: String,
}

/// What a product was when it was deleted last.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// The version of its deletion.
    pub(super) version: i64,
    /// Its variants by SKU.
    pub(super) variants: HashMap<String, VariantId>,
}

/// Keeps what has to be known of a product, in the transaction that deletes it, beside what is known of its deletions
/// before. Gives the version of this deletion.
pub(super) async fn insert(
    mongo: &Mongo,
    session: &mut ClientSession,
    before: &Product,
    at: Timestamp,
) -> Result<i64, StoreError> {
    let id = before.id.to_string();
    let last = collection(mongo).find_one(doc! {"_id": &id}).session(&mut *session).await?;
    let version = last.as_ref().map_or(before.version, |last| last.version.max(before.version)) + 1;
    let present: Vec<_> = before
        .variants
        .iter()
        .map(|variant| DeletedVariant { id: variant.id.to_string(), sku: variant.sku.clone() })
        .collect();
    let mut variants = last.map(|last| last.variants).unwrap_or_default();
    variants.retain(|variant| !present.contains(variant));
    variants.extend(present);
    let document = DeletedDocument { id, version, deleted_at: date(at), variants };
    let filter = doc! {"_id": &document.id};
    collection(mongo).replace_one(filter, &document).upsert(true).session(session).await?;
    Ok(version)
}

/// Those of the products that were deleted, in the transaction that brings them back.
pub(super) async fn find(
    mongo: &Mongo,
    session: &mut ClientSession,
    ids: &[ProductId],
) -> Result<HashMap<ProductId, Ended>, StoreError> {
    let asked: Vec<_> = ids.iter().map(ToString::to_string).collect();
    let mut cursor = collection(mongo).find(doc! {"_id": {"$in": asked}}).session(&mut *session).await?;
    let found: Vec<_> = cursor.stream(&mut *session).try_collect().await?;
    found.into_iter().map(DeletedDocument::ended).collect()
}

impl DeletedDocument {
    /// The last of those that had a SKU has it.
    fn ended(self) -> Result<(ProductId, Ended), StoreError> {
        let id: ProductId = self.id.parse().map_err(|_| inconsistent("product id", &self.id))?;
        let variants = self.variants.into_iter().map(|DeletedVariant { id, sku }| {
            let id: VariantId = id.parse().map_err(|_| inconsistent("variant id", &id))?;
            Ok::<_, StoreError>((sku, id))
        });
        Ok((id, Ended { version: self.version, variants: variants.collect::<Result<_, _>>()? }))
    }
}

fn collection(mongo: &Mongo) -> Collection<DeletedDocument> {
    mongo.database.collection(COLLECTION)
}
