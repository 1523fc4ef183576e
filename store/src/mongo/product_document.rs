//! A product as MongoDB keeps it: ids as text, times as dates, counters as 64-bit integers.

use std::collections::BTreeMap;

use bson::DateTime;
use domain::ids::{ProductId, VariantId};
use domain::money::{Currency, Money};
use domain::product::{Image, Product, ProductStatus, Rating, Variant};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ProductDocument {
    #[serde(rename = "_id")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    external_id: Option<String>,
    slug: String,
    title: String,
    description: String,
    brand: Option<String>,
    category: Option<String>,
    attributes: BTreeMap<String, String>,
    images: Vec<Image>,
    variants: Vec<VariantDocument>,
    rating: RatingDocument,
    status: ProductStatus,
    version: i64,
    created_at: DateTime,
    updated_at: DateTime,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct VariantDocument {
    id: String,
    sku: String,
    options: BTreeMap<String, String>,
    price: Option<PriceDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PriceDocument {
    amount_minor: i64,
    currency: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RatingDocument {
    average: Option<Decimal>,
    count: i64,
}

impl From<&Product> for ProductDocument {
    fn from(product: &Product) -> Self {
        Self {
            id: product.id.to_string(),
            source: product.source.clone(),
            external_id: product.external_id.clone(),
            slug: product.slug.clone(),
            title: product.title.clone(),
            description: product.description.clone(),
            brand: product.brand.clone(),
            category: product.category.clone(),
            attributes: product.attributes.clone(),
            images: product.images.clone(),
            variants: product.variants.iter().map(VariantDocument::from).collect(),
            rating: RatingDocument { average: product.rating.average, count: product.rating.count.into() },
            status: product.status,
            version: product.version,
            created_at: date(product.created_at),
            updated_at: date(product.updated_at),
        }
    }
}

impl From<&Variant> for VariantDocument {
    fn from(variant: &Variant) -> Self {
        let price = variant.price.map(|price| PriceDocument {
            amount_minor: price.amount_minor,
            currency: price.currency.code().to_owned(),
        });
        Self { id: variant.id.to_string(), sku: variant.sku.clone(), options: variant.options.clone(), price }
    }
}

impl TryFrom<ProductDocument> for Product {
    type Error = StoreError;

    fn try_from(document: ProductDocument) -> Result<Self, StoreError> {
        let id: ProductId = document.id.parse().map_err(|_| inconsistent("product id", &document.id))?;
        let count = document.rating.count;
        Ok(Self {
            id,
            source: document.source,
            external_id: document.external_id,
            slug: document.slug,
            title: document.title,
            description: document.description,
            brand: document.brand,
            category: document.category,
            attributes: document.attributes,
            images: document.images,
            variants: document.variants.into_iter().map(Variant::try_from).collect::<Result<_, _>>()?,
            rating: Rating {
                average: document.rating.average,
                count: u32::try_from(count).map_err(|_| inconsistent("review count", &count.to_string()))?,
            },
            status: document.status,
            version: document.version,
            created_at: timestamp(document.created_at)?,
            updated_at: timestamp(document.updated_at)?,
        })
    }
}

impl TryFrom<VariantDocument> for Variant {
    type Error = StoreError;

    fn try_from(document: VariantDocument) -> Result<Self, StoreError> {
        let id: VariantId = document.id.parse().map_err(|_| inconsistent("variant id", &document.id))?;
        let price = document.price.map(|price| {
            let currency = Currency::from_code(&price.currency)
                .ok_or_else(|| inconsistent("currency", &price.currency))?;
            Ok::<_, StoreError>(Money { amount_minor: price.amount_minor, currency })
        });
        Ok(Self { id, sku: document.sku, options: document.options, price: price.transpose()? })
    }
}

/// Milliseconds, which is all a BSON date holds.
pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millisecond())
}

pub(super) fn timestamp(date: DateTime) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(date.timestamp_millis())
        .map_err(|error| StoreError::Inconsistent(error.to_string()))
}

pub(super) fn inconsistent(what: &str, value: &str) -> StoreError {
    StoreError::Inconsistent(format!("{value:?} is no {what}"))
}
