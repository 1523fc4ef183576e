//! Which products there are.

use std::collections::HashSet;

use bson::doc;
use domain::ids::ProductId;
use futures_util::TryStreamExt;
use serde::Deserialize;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;

/// Most ids of one call to the server.
const BATCH_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
struct IdOnly {
    #[serde(rename = "_id")]
    id: String,
}

/// Those of the products that the catalogue has, whatever their status.
pub async fn existing(mongo: &Mongo, ids: &[ProductId]) -> Result<HashSet<ProductId>, StoreError> {
    let products = mongo.database.collection::<IdOnly>("products");
    let mut existing = HashSet::with_capacity(ids.len());
    for some in ids.chunks(BATCH_MAX) {
        let some: Vec<_> = some.iter().map(ToString::to_string).collect();
        let found = products.find(doc! {"_id": {"$in": some}}).projection(doc! {"_id": 1});
        let found: Vec<IdOnly> = found.await?.try_collect().await?;
        existing.extend(found.iter().filter_map(|product| product.id.parse::<ProductId>().ok()));
    }
    Ok(existing)
}
