//! What MongoDB says of a batch of products, to be compared with what else it says and with PostgreSQL. Each call
//! reads what belongs to at most [`products::BATCH_MAX`](crate::mongo::products::BATCH_MAX) products or reviews.

use std::collections::HashMap;
use std::time::Duration;

use bson::{DateTime, Document, doc};
use domain::ids::{OrderId, ProductId, ReviewId, UserId, VariantId};
use domain::review::{RatingCounts, ReviewStatus};
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::mongo::connection::Mongo;
use crate::mongo::deleted_products;
use crate::mongo::product_document::inconsistent;

/// Ids that are shown of what is wrong.
const SAMPLE_MAX: i64 = 5;

/// The events of an aggregate that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventVersions {
    /// The oldest one's version.
    pub first: i64,
    /// The newest one's.
    pub last: i64,
    /// How many there are.
    pub count: i64,
}

/// A review with an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedReview {
    /// The id.
    pub id: ReviewId,
    /// Of what.
    pub product_id: ProductId,
    /// By whom.
    pub user_id: UserId,
    /// The order that is to have the product.
    pub order_id: OrderId,
}

/// How many approved reviews gave each of the products which rating; those without any are missing.
pub async fn rating_counts(
    mongo: &Mongo,
    products: &[ProductId],
) -> Result<HashMap<ProductId, RatingCounts>, StoreError> {
    #[derive(Deserialize)]
    struct Key {
        product: String,
        rating: i32,
    }
    let matched = doc! {"product_id": {"$in": texts(products)}, "status": ReviewStatus::Approved.name()};
    let key = doc! {"product": "$product_id", "rating": "$rating"};
    let stages = vec![doc! {"$match": matched}, doc! {"$group": {"_id": key, "count": {"$sum": 1_i64}}}];
    let mut counts = HashMap::<_, RatingCounts>::new();
    for Grouped { key, count } in aggregate::<Grouped<Key>>(mongo, "reviews", stages).await? {
        let wrong = || inconsistent("rating", &key.rating.to_string());
        let (rating, count) =
            u8::try_from(key.rating).ok().zip(u32::try_from(count).ok()).ok_or_else(wrong)?;
        counts.entry(id(&key.product)?).or_default().add(rating, count).map_err(|_| wrong())?;
    }
    Ok(counts)
}

/// The newest price of each of the products' variants that have a history, in minor units.
pub async fn newest_prices(
    mongo: &Mongo,
    products: &[ProductId],
) -> Result<HashMap<VariantId, i64>, StoreError> {
    #[derive(Deserialize)]
    struct Newest {
        #[serde(rename = "_id")]
        variant: String,
        price: i64,
    }
    let stages = vec![
        doc! {"$match": {"product_id": {"$in": texts(products)}}},
        doc! {"$sort": {"product_id": 1, "changed_at": -1}},
        doc! {"$unwind": "$prices"},
        doc! {"$group": {"_id": "$prices.variant_id", "price": {"$first": "$prices.amount_minor"}}},
    ];
    let newest = aggregate::<Newest>(mongo, super::price_history::COLLECTION, stages).await?;
    newest.into_iter().map(|Newest { variant, price }| Ok((id_of(&variant)?, price))).collect()
}

/// The kept events of each of the products; those without any are missing.
pub async fn event_versions(
    mongo: &Mongo,
    products: &[ProductId],
) -> Result<HashMap<ProductId, EventVersions>, StoreError> {
    #[derive(Deserialize)]
    struct Versions {
        #[serde(rename = "_id")]
        aggregate: String,
        first: i64,
        last: i64,
        count: i64,
    }
    let version = "$aggregate_version";
    let group = doc! {
        "_id": "$aggregate_id", "first": {"$min": version}, "last": {"$max": version}, "count": {"$sum": 1_i64}
    };
    let matched = doc! {"aggregate_kind": "product", "aggregate_id": {"$in": texts(products)}};
    let found =
        aggregate::<Versions>(mongo, "outbox", vec![doc! {"$match": matched}, doc! {"$group": group}])
            .await?;
    found
        .into_iter()
        .map(|Versions { aggregate, first, last, count }| {
            Ok((id(&aggregate)?, EventVersions { first, last, count }))
        })
        .collect()
}

/// How many events there are, how many of them are unsent for longer than that, and ids of a few of these.
pub async fn late_events(
    mongo: &Mongo,
    unsent_after: Duration,
) -> Result<(u64, u64, Vec<String>), StoreError> {
    let outbox = mongo.database.collection::<Document>("outbox");
    let limit =
        DateTime::now().timestamp_millis() - i64::try_from(unsent_after.as_millis()).unwrap_or(i64::MAX);
    let late = doc! {"sent_at": null, "created_at": {"$lt": DateTime::from_millis(limit)}};
    let all = outbox.estimated_document_count().await?;
    let count = outbox.count_documents(late.clone()).await?;
    let found: Vec<_> = outbox.find(late).limit(SAMPLE_MAX).await?.try_collect().await?;
    Ok((all, count, found.iter().filter_map(|event| event.get_str("_id").ok().map(str::to_owned)).collect()))
}

/// Product and variant of each code, also those that were deleted; a code that is used again has several, and a product
/// that is back may have one twice.
pub async fn variants_by_sku(
    mongo: &Mongo,
    skus: &[&str],
) -> Result<HashMap<String, Vec<(ProductId, VariantId)>>, StoreError> {
    #[derive(Deserialize)]
    struct Variant {
        #[serde(rename = "_id")]
        product: String,
        id: String,
        sku: String,
    }
    let stages = || {
        vec![
            doc! {"$match": {"variants.sku": {"$in": skus}}},
            doc! {"$unwind": "$variants"},
            doc! {"$match": {"variants.sku": {"$in": skus}}},
            doc! {"$project": {"id": "$variants.id", "sku": "$variants.sku"}},
        ]
    };
    let mut found = aggregate::<Variant>(mongo, "products", stages()).await?;
    found.extend(aggregate::<Variant>(mongo, deleted_products::COLLECTION, stages()).await?);
    let mut variants = HashMap::<_, Vec<_>>::new();
    for Variant { product, id: variant, sku } in found {
        variants.entry(sku).or_default().push((id(&product)?, id_of(&variant)?));
    }
    Ok(variants)
}

/// Those of the products that were deleted, in no order; some of them may be back.
pub async fn deleted(mongo: &Mongo, products: &[ProductId]) -> Result<Vec<ProductId>, StoreError> {
    #[derive(Deserialize)]
    struct Deleted {
        #[serde(rename = "_id")]
        id: String,
    }
    let matched = doc! {"$match": {"_id": {"$in": texts(products)}}};
    let found = aggregate::<Deleted>(mongo, deleted_products::COLLECTION, vec![matched]).await?;
    found.iter().map(|deleted| id(&deleted.id)).collect()
}

/// Reviews with an order after one, by id.
pub async fn verified_reviews(
    mongo: &Mongo,
    after: Option<ReviewId>,
    limit: i64,
) -> Result<Vec<VerifiedReview>, StoreError> {
    #[derive(Deserialize)]
    struct Verified {
        #[serde(rename = "_id")]
        id: String,
        product_id: String,
        user_id: String,
        order_id: String,
    }
    let mut filter = doc! {"order_id": {"$ne": null}};
    if let Some(after) = after {
        filter.insert("_id", doc! {"$gt": after.to_string()});
    }
    let reviews = mongo.database.collection::<Verified>("reviews");
    let found: Vec<_> = reviews.find(filter).sort(doc! {"_id": 1}).limit(limit).await?.try_collect().await?;
    let verified = found.into_iter().map(|review| {
        Ok(VerifiedReview {
            id: id_of(&review.id)?,
            product_id: id(&review.product_id)?,
            user_id: id_of(&review.user_id)?,
            order_id: id_of(&review.order_id)?,
        })
    });
    verified.collect()
}

#[derive(Deserialize)]
struct Grouped<K> {
    #[serde(rename = "_id")]
    key: K,
    count: i64,
}

async fn aggregate<T: DeserializeOwned>(
    mongo: &Mongo,
    collection: &str,
    stages: Vec<Document>,
) -> Result<Vec<T>, StoreError> {
    let documents: Vec<Document> = mongo
        .database
        .collection::<Document>(collection)
        .aggregate(stages)
        .allow_disk_use(true)
        .await?
        .try_collect()
        .await?;
    let read = |document| {
        bson::deserialize_from_document(document).map_err(|error| StoreError::Driver(error.into()))
    };
    documents.into_iter().map(read).collect()
}

fn texts(products: &[ProductId]) -> Vec<String> {
    products.iter().map(ToString::to_string).collect()
}

fn id(text: &str) -> Result<ProductId, StoreError> {
    id_of(text)
}

fn id_of<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| inconsistent("id", text))
}
