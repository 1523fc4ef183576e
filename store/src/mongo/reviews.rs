//! Reviews of products.

use std::collections::HashMap;

use bson::{DateTime, Document, doc};
use domain::ids::{OrderId, ProductId, ReviewId, UserId};
use domain::review::{RatingCounts, Review, ReviewStatus};
use futures_util::TryStreamExt;
use mongodb::Collection;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::bulk;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::{date, inconsistent, timestamp};
use crate::mongo::products;

const COLLECTION: &str = "reviews";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ReviewDocument {
    #[serde(rename = "_id")]
    id: String,
    product_id: String,
    user_id: String,
    order_id: Option<String>,
    rating: i32,
    title: String,
    text: String,
    status: String,
    helpful_votes: i32,
    created_at: DateTime,
}

#[derive(Debug, Deserialize)]
struct CountDocument {
    #[serde(rename = "_id")]
    rating: i32,
    count: i64,
}

#[derive(Debug, Deserialize)]
struct TextsDocument {
    #[serde(rename = "_id")]
    product_id: String,
    texts: Vec<String>,
}

/// Approved reviews of a product before a place in the list, newest first.
pub async fn list_approved(
    mongo: &Mongo,
    product_id: ProductId,
    before: Option<ReviewId>,
    limit: i64,
) -> Result<Vec<Review>, StoreError> {
    let mut filter = approved(product_id);
    if let Some(before) = before {
        filter.insert("_id", doc! {"$lt": before.to_string()});
    }
    // The ids begin with their time.
    let cursor = collection(mongo).find(filter).sort(doc! {"_id": -1}).limit(limit).await?;
    let documents: Vec<_> = cursor.try_collect().await?;
    documents.into_iter().map(Review::try_from).collect()
}

/// How many approved reviews gave a product each rating.
pub async fn count_approved(mongo: &Mongo, product_id: ProductId) -> Result<RatingCounts, StoreError> {
    let by_rating = doc! {"$group": {"_id": "$rating", "count": {"$sum": 1_i64}}};
    let stages = vec![doc! {"$match": approved(product_id)}, by_rating];
    let cursor = collection(mongo).aggregate(stages).with_type::<CountDocument>().await?;
    let documents: Vec<_> = cursor.try_collect().await?;
    let mut counts = RatingCounts::default();
    for CountDocument { rating, count } in documents {
        let place = u8::try_from(rating).ok().zip(u32::try_from(count).ok());
        let (rating, count) = place.ok_or_else(|| inconsistent("rating", &rating.to_string()))?;
        counts.add(rating, count).map_err(|_| inconsistent("rating", &rating.to_string()))?;
    }
    Ok(counts)
}

/// The first `length` characters of what the newest approved reviews of products say, of at most `most` reviews of each
/// product; nothing of those without.
pub async fn newest_texts(
    mongo: &Mongo,
    products: &[ProductId],
    most: i32,
    length: i32,
) -> Result<HashMap<ProductId, Vec<String>>, StoreError> {
    if products.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<_> = products.iter().map(ProductId::to_string).collect();
    let text = doc! {"$substrCP": [{"$concat": ["$title", ". ", "$text"]}, 0, length]};
    // For each product the newest of its index: one may have many thousands.
    let newest = doc! {"$lookup": {
        "from": COLLECTION,
        "localField": "_id",
        "foreignField": "product_id",
        "pipeline": [
            {"$match": {"status": ReviewStatus::Approved.name()}},
            {"$sort": {"_id": -1}},
            {"$limit": most},
            {"$project": {"_id": 0, "text": text}},
        ],
        "as": "reviews",
    }};
    let stages = vec![
        doc! {"$match": {"_id": {"$in": ids}}},
        doc! {"$project": {"_id": 1}},
        newest,
        doc! {"$match": {"reviews": {"$ne": []}}},
        doc! {"$project": {"texts": "$reviews.text"}},
    ];
    let cursor = products::collection(mongo).aggregate(stages).with_type::<TextsDocument>().await?;
    let documents: Vec<_> = cursor.try_collect().await?;
    let read = |TextsDocument { product_id, texts }| match product_id.parse() {
        Ok(id) => Ok((id, texts)),
        Err(_) => Err(inconsistent("product id", &product_id)),
    };
    documents.into_iter().map(read).collect()
}

fn approved(product_id: ProductId) -> Document {
    doc! {"product_id": product_id.to_string(), "status": ReviewStatus::Approved.name()}
}

/// Adds those that are not there. Returns how many were new.
pub async fn insert_missing(mongo: &Mongo, reviews: &[Review]) -> Result<usize, StoreError> {
    let documents: Vec<_> = reviews.iter().map(ReviewDocument::from).collect();
    bulk::insert_missing(&collection(mongo), &documents).await
}

impl From<&Review> for ReviewDocument {
    fn from(review: &Review) -> Self {
        Self {
            id: review.id.to_string(),
            product_id: review.product_id.to_string(),
            user_id: review.user_id.to_string(),
            order_id: review.order_id.map(|order| order.to_string()),
            rating: review.rating.into(),
            title: review.title.clone(),
            text: review.text.clone(),
            status: review.status.name().to_owned(),
            helpful_votes: i32::try_from(review.helpful_votes).unwrap_or(i32::MAX),
            created_at: date(review.created_at),
        }
    }
}

impl TryFrom<ReviewDocument> for Review {
    type Error = StoreError;

    fn try_from(document: ReviewDocument) -> Result<Self, StoreError> {
        let id: ReviewId = document.id.parse().map_err(|_| inconsistent("review id", &document.id))?;
        let product_id: ProductId =
            document.product_id.parse().map_err(|_| inconsistent("product id", &document.product_id))?;
        let user_id: UserId =
            document.user_id.parse().map_err(|_| inconsistent("user id", &document.user_id))?;
        let order_id = document
            .order_id
            .map(|text| text.parse::<OrderId>().map_err(|_| inconsistent("order id", &text)));
        let number = |value: i32| u32::try_from(value).map_err(|_| inconsistent("count", &value.to_string()));
        Ok(Self {
            id,
            product_id,
            user_id,
            order_id: order_id.transpose()?,
            rating: u8::try_from(document.rating)
                .map_err(|_| inconsistent("rating", &document.rating.to_string()))?,
            title: document.title,
            text: document.text,
            status: ReviewStatus::from_name(&document.status)
                .ok_or_else(|| inconsistent("review status", &document.status))?,
            helpful_votes: number(document.helpful_votes)?,
            created_at: timestamp(document.created_at)?,
        })
    }
}

fn collection(mongo: &Mongo) -> Collection<ReviewDocument> {
    mongo.database.collection(COLLECTION)
}
