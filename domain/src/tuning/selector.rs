//! Which products an action is about.

use serde::{Deserialize, Serialize};

use super::condition::is_within;
use crate::field_error::FieldError;
use crate::ids::ProductId;
use crate::product::Product;

/// Most products that are named one by one.
pub const PRODUCT_COUNT_MAX: usize = 100;
/// Longest brand, name or value, in characters.
const TEXT_LENGTH_MAX: usize = 200;

/// A part of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Selector {
    /// Named ones.
    Products {
        /// Which.
        product_ids: Vec<ProductId>,
    },
    /// Of a category and all below it.
    Category {
        /// Its path.
        category: String,
    },
    /// Of a brand, in any case.
    Brand {
        /// Its name.
        brand: String,
    },
    /// With an attribute or an option of a variant, in any case.
    Attribute {
        /// Such as `colour`.
        name: String,
        /// Such as `Navy Blue`.
        value: String,
    },
}

impl Selector {
    pub(super) fn check(&self, pointer: &str, errors: &mut Vec<FieldError>) {
        let mut text = |name: &str, text: &str, most: usize| {
            super::check_text(errors, format!("{pointer}/{name}"), text, most);
        };
        match self {
            Self::Products { product_ids } => {
                if product_ids.is_empty() || product_ids.len() > PRODUCT_COUNT_MAX {
                    let detail = format!("1 to {PRODUCT_COUNT_MAX} products");
                    errors.push(FieldError::new(format!("{pointer}/product_ids"), "invalid", detail));
                }
            }
            Self::Category { category } => text("category", category, 300),
            Self::Brand { brand } => text("brand", brand, TEXT_LENGTH_MAX),
            Self::Attribute { name, value } => {
                text("name", name, TEXT_LENGTH_MAX);
                text("value", value, TEXT_LENGTH_MAX);
            }
        }
    }

    /// Whether a product is among them.
    pub fn selects(&self, product: &Product) -> bool {
        match self {
            Self::Products { .. } => self.names(product.id),
            Self::Category { category } => {
                product.category.as_deref().is_some_and(|own| is_within(own, category))
            }
            Self::Brand { brand } => {
                product.brand.as_deref().is_some_and(|own| own.to_lowercase() == brand.to_lowercase())
            }
            Self::Attribute { name, value } => product.has_attribute(name, value),
        }
    }

    /// Whether both surely name a product in common.
    pub(super) fn surely_meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Products { product_ids: own }, Self::Products { product_ids: other }) => {
                own.iter().any(|id| other.contains(id))
            }
            (one, next) => one == next,
        }
    }

    /// Whether a product is named.
    pub(super) fn names(&self, product_id: ProductId) -> bool {
        matches!(self, Self::Products { product_ids } if product_ids.contains(&product_id))
    }
}
