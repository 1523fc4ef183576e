//! Categories of the catalogue: a tree, whose paths products carry.

use crate::ids::CategoryId;

/// What products of a category say about themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// Such as `colour`.
    pub name: String,
    /// The values that there are, in the order of a filter; empty: any text.
    pub values: Vec<String>,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// The id.
    pub id: CategoryId,
    /// Path of slugs from the root, such as `women/dresses`: what a product's `category` holds.
    pub path: String,
    /// Its name.
    pub name: String,
    /// The category above it.
    pub parent_id: Option<CategoryId>,
    /// Place among its siblings, from 0.
    pub position: u32,
    /// Attributes of its products.
    pub attributes: Vec<AttributeDefinition>,
    /// Counts every change, from 1.
    pub version: i64,
}
