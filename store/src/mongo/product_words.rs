//! Products on sale by words of their titles and brands: a plainer search than that of the search engine, for when that
//! is away.

use std::time::Duration;

use bson::doc;
use domain::product::{Product, ProductStatus};

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::products::{collection, read, within_category};

/// Longest time that the server searches.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Products that have any of the words, those with most of them first; at most `limit`.
pub async fn find(
    mongo: &Mongo,
    words: &[String],
    category: Option<&str>,
    limit: i64,
) -> Result<Vec<Product>, StoreError> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    // Words are letters and digits only: nothing in them asks for a phrase or leaves something out.
    let mut query = doc! {"$text": {"$search": words.join(" ")}, "status": ProductStatus::Active.name()};
    if let Some(category) = category {
        query.insert("$or", within_category(category));
    }
    let products = collection(mongo);
    let found = products.find(query).sort(doc! {"score": {"$meta": "textScore"}, "_id": 1});
    read(found.limit(limit).max_time(TIMEOUT).await?).await
}
