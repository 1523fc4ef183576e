//! Products as clients see them, and the shapes in which they are asked for.

use std::collections::BTreeMap;

use cache::kept_product::Rendering;
use domain::money::Money;
use domain::product::Product;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::etag;

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub struct MoneyJson {
    /// Minor units: 1999 of GBP is 19.99 pounds.
    #[schema(example = 1999)]
    pub amount_minor: i64,
    /// ISO 4217 code.
    #[schema(example = "GBP", min_length = 3, max_length = 3)]
    pub currency: String,
}

impl From<Money> for MoneyJson {
    fn from(money: Money) -> Self {
        Self { amount_minor: money.amount_minor, currency: money.currency.code().to_owned() }
    }
}

/// A picture.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Image)]
pub struct ImageJson {
    /// Where it is.
    pub url: String,
    /// What it shows.
    pub alt: String,
}

/// Whether a product is on sale.
#[derive(Debug, ToSchema)]
#[schema(as = ProductStatus, rename_all = "snake_case")]
pub enum ProductStatusName {
    /// Being prepared.
    Draft,
    /// Shown and found.
    Active,
    /// No longer shown.
    Archived,
}

/// What is bought.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Variant)]
pub struct VariantJson {
    /// Id.
    pub id: Uuid,
    /// Stock keeping unit.
    pub sku: String,
    /// Such as `size: M`.
    pub options: BTreeMap<String, String>,
    /// `null`: it cannot be bought.
    #[schema(required = true)]
    pub price: Option<MoneyJson>,
    /// Whether it can be bought now.
    pub available: bool,
}

/// What reviewers say.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rating)]
pub struct RatingJson {
    /// Mean of 1 to 5, as decimal text; `null` without reviews.
    #[schema(required = true)]
    pub average: Option<String>,
    /// Number of reviews.
    pub count: u32,
}

/// What a product and a search hit have in common.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductSummary)]
pub struct ProductSummaryJson {
    /// Id.
    pub id: Uuid,
    /// The id in the catalogue that an import read it from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Readable part of its address.
    pub slug: String,
    /// Name.
    pub title: String,
    /// Who makes it.
    #[schema(required = true)]
    pub brand: Option<String>,
    /// Path of slugs from the root.
    #[schema(required = true, example = "apparel/topwear/shirts")]
    pub category: Option<String>,
    /// Such as `colour: Navy Blue`.
    pub attributes: BTreeMap<String, String>,
    /// Pictures, the first is the main one.
    pub images: Vec<ImageJson>,
    /// What can be bought.
    pub variants: Vec<VariantJson>,
    /// What reviewers say.
    pub rating: RatingJson,
    /// Only active products are public.
    #[schema(value_type = ProductStatusName)]
    pub status: String,
    /// Counts every change, from 1.
    pub version: i64,
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Product)]
pub struct ProductJson {
    /// All but the long text.
    #[serde(flatten)]
    pub summary: ProductSummaryJson,
    /// Plain text.
    pub description: String,
}

impl From<&Product> for ProductJson {
    fn from(product: &Product) -> Self {
        Self { summary: product.into(), description: product.description.clone() }
    }
}

impl From<&Product> for ProductSummaryJson {
    fn from(product: &Product) -> Self {
        let image =
            |image: &domain::product::Image| ImageJson { url: image.url.clone(), alt: image.alt.clone() };
        let variant = |variant: &domain::product::Variant| VariantJson {
            id: variant.id.0,
            sku: variant.sku.clone(),
            options: variant.options.clone(),
            price: variant.price.map(MoneyJson::from),
            available: product.is_available(variant),
        };
        Self {
            id: product.id.0,
            external_id: product.external_id.clone(),
            slug: product.slug.clone(),
            title: product.title.clone(),
            brand: product.brand.clone(),
            category: product.category.clone(),
            attributes: product.attributes.clone(),
            images: product.images.iter().map(image).collect(),
            variants: product.variants.iter().map(variant).collect(),
            rating: RatingJson {
                average: product.rating.average.map(|average| average.to_string()),
                count: product.rating.count,
            },
            status: product.status.name().to_owned(),
            version: product.version,
        }
    }
}

/// What is sent of a product: made once of each version.
pub fn rendering(product: &Product) -> Rendering {
    Rendering {
        body: to_bytes(product).into(),
        etag: etag::of_product(product.id, product.version).into(),
        surrogate_key: format!("product-{}", product.id).into(),
    }
}

/// The bytes of a product's body.
pub fn to_bytes(product: &Product) -> Vec<u8> {
    serde_json::to_vec(&ProductJson::from(product)).expect("plain data becomes JSON")
}
