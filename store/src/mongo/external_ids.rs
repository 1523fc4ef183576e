//! Products by the ids that the systems which they came from gave them.

use bson::{Bson, doc};
use domain::ids::ProductId;
use futures_util::TryStreamExt;
use serde::Deserialize;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;

const COLLECTION: &str = "products";
/// Most ids of one call to the server.
const BATCH_MAX: usize = 1_000;

/// A product and what it is called elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExternalId {
    /// Its own id, as text.
    #[serde(rename = "_id")]
    id: String,
    /// Where it came from.
    pub source: String,
    /// Its id there.
    pub external_id: String,
}

impl ExternalId {
    /// Its own id; `None` when it is none of ours.
    pub fn product_id(&self) -> Option<ProductId> {
        self.id.parse().ok()
    }
}

/// The sources that products came from, by name.
pub async fn sources(mongo: &Mongo) -> Result<Vec<String>, StoreError> {
    let products = mongo.database.collection::<ExternalId>(COLLECTION);
    let found = products.distinct("source", doc! {"external_id": {"$type": "string"}}).await?;
    let name = |source: Bson| if let Bson::String(name) = source { Some(name) } else { None };
    Ok(found.into_iter().filter_map(name).collect())
}

/// The products of a source with these ids there, in no order.
pub async fn find(mongo: &Mongo, source: &str, external_ids: &[&str]) -> Result<Vec<ExternalId>, StoreError> {
    let products = mongo.database.collection::<ExternalId>(COLLECTION);
    let mut found = Vec::new();
    for some in external_ids.chunks(BATCH_MAX) {
        let query = doc! {"source": source, "external_id": {"$in": some}};
        let fields = doc! {"source": 1, "external_id": 1};
        let batch: Vec<_> = products.find(query).projection(fields).await?.try_collect().await?;
        found.extend(batch);
    }
    Ok(found)
}
