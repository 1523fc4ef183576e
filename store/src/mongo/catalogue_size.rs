//! How many products there are.

use bson::Document;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;

/// About how many, of every status: what the server keeps count of, asked for at no cost.
pub async fn estimate(mongo: &Mongo) -> Result<u64, StoreError> {
    Ok(mongo.database.collection::<Document>("products").estimated_document_count().await?)
}
