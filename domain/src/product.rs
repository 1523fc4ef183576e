//! Products of the catalogue.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::ids::{ProductId, VariantId};
use crate::money::Money;

/// Whether a product is on sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductStatus {
    /// Being prepared: only staff sees it.
    Draft,
    /// Shown and found.
    Active,
    /// No longer shown.
    Archived,
}

impl ProductStatus {
    /// The status' name in stores and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

/// A picture of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Where it is.
    pub url: String,
    /// What it shows, for those who cannot see it.
    pub alt: String,
}

/// What is bought: one size and colour of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// The id.
    pub id: VariantId,
    /// Stock keeping unit, unique in the catalogue.
    pub sku: String,
    /// Such as `size: M`.
    pub options: BTreeMap<String, String>,
    /// Net of nothing: what is shown. Without a price a variant is found but cannot be bought.
    pub price: Option<Money>,
}

/// What reviewers say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// Mean of the ratings, 1 to 5; `None` without reviews.
    pub average: Option<Decimal>,
    /// Number of reviews.
    pub count: u32,
}

/// A product with its variants. MongoDB owns it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The id.
    pub id: ProductId,
    /// The catalogue that an import read it from.
    pub source: Option<String>,
    /// Its id there.
    pub external_id: Option<String>,
    /// The readable part of its address, unique.
    pub slug: String,
    /// Its name.
    pub title: String,
    /// Plain text; empty when there is none.
    pub description: String,
    /// Who makes it.
    pub brand: Option<String>,
    /// Path of slugs from the root, such as `apparel/topwear/shirts`.
    pub category: Option<String>,
    /// Such as `colour: Navy Blue`.
    pub attributes: BTreeMap<String, String>,
    /// Pictures, the first is the main one.
    pub images: Vec<Image>,
    /// What can be bought; at least one.
    pub variants: Vec<Variant>,
    /// What reviewers say.
    pub rating: Rating,
    /// Whether it is on sale.
    pub status: ProductStatus,
    /// Counts every change, from 1.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Product {
    /// Whether a variant can be bought now: the product is on sale and the variant has a price.
    pub fn is_available(&self, variant: &Variant) -> bool {
        self.status == ProductStatus::Active && variant.price.is_some()
    }

    /// Whether the product, or one of its variants, has the attribute, in any case of the value.
    pub fn has_attribute(&self, name: &str, value: &str) -> bool {
        let options = self.variants.iter().map(|variant| &variant.options);
        let mut maps = options.chain([&self.attributes]);
        maps.any(|map| map.get(name).is_some_and(|own| own.to_lowercase() == value.to_lowercase()))
    }
}

/// The category and every category above it: `a/b/c` gives `a`, `a/b`, `a/b/c`.
pub fn category_lineage(category: &str) -> impl Iterator<Item = &str> {
    category
        .match_indices('/')
        .map(|(position, _)| &category[..position])
        .chain(std::iter::once(category))
        .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_names_its_ancestors() {
        assert_eq!(category_lineage("a/b/c").collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        assert_eq!(category_lineage("").count(), 0);
    }
}
