//! Categories: the tree whose paths products carry.

use bson::{Document, doc};
use domain::category::{AttributeDefinition, Category};
use domain::ids::CategoryId;
use futures_util::TryStreamExt;
use mongodb::Collection;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::mongo::bulk;
use crate::mongo::connection::Mongo;
use crate::mongo::product_document::inconsistent;

const COLLECTION: &str = "categories";
/// Most categories whose names the search knows.
pub const KNOWN_COUNT_MAX: i64 = 10_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CategoryDocument {
    #[serde(rename = "_id")]
    id: String,
    path: String,
    name: String,
    parent_id: Option<String>,
    position: i32,
    attributes: Vec<AttributeDocument>,
    version: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AttributeDocument {
    name: String,
    values: Vec<String>,
}

/// The category of a path.
pub async fn find_by_path(mongo: &Mongo, path: &str) -> Result<Option<Category>, StoreError> {
    collection(mongo).find_one(doc! {"path": path}).await?.map(Category::try_from).transpose()
}

/// Categories by path, so that each comes after the one above it: all of them, or those below the one with the path
/// `below`.
pub async fn list(mongo: &Mongo, below: Option<&str>, limit: i64) -> Result<Vec<Category>, StoreError> {
    // `0` follows `/`: the half-open range holds what is below the path.
    let filter = below.map_or_else(
        Document::new,
        |path| doc! {"path": {"$gte": format!("{path}/"), "$lt": format!("{path}0")}},
    );
    let cursor = collection(mongo).find(filter).sort(doc! {"path": 1}).limit(limit).await?;
    let documents: Vec<_> = cursor.try_collect().await?;
    documents.into_iter().map(Category::try_from).collect()
}

/// Adds those that are not there. Returns how many were new.
pub async fn insert_missing(mongo: &Mongo, categories: &[Category]) -> Result<usize, StoreError> {
    let documents: Vec<_> = categories.iter().map(CategoryDocument::from).collect();
    bulk::insert_missing(&collection(mongo), &documents).await
}

impl From<&Category> for CategoryDocument {
    fn from(category: &Category) -> Self {
        let attribute = |attribute: &AttributeDefinition| AttributeDocument {
            name: attribute.name.clone(),
            values: attribute.values.clone(),
        };
        Self {
            id: category.id.to_string(),
            path: category.path.clone(),
            name: category.name.clone(),
            parent_id: category.parent_id.map(|parent| parent.to_string()),
            position: i32::try_from(category.position).unwrap_or(i32::MAX),
            attributes: category.attributes.iter().map(attribute).collect(),
            version: category.version,
        }
    }
}

impl TryFrom<CategoryDocument> for Category {
    type Error = StoreError;

    fn try_from(document: CategoryDocument) -> Result<Self, StoreError> {
        let id = |text: &str| text.parse::<CategoryId>().map_err(|_| inconsistent("category id", text));
        let attribute = |attribute: AttributeDocument| AttributeDefinition {
            name: attribute.name,
            values: attribute.values,
        };
        Ok(Self {
            id: id(&document.id)?,
            parent_id: document.parent_id.as_deref().map(id).transpose()?,
            position: u32::try_from(document.position)
                .map_err(|_| inconsistent("position", &document.position.to_string()))?,
            path: document.path,
            name: document.name,
            attributes: document.attributes.into_iter().map(attribute).collect(),
            version: document.version,
        })
    }
}

fn collection(mongo: &Mongo) -> Collection<CategoryDocument> {
    mongo.database.collection(COLLECTION)
}
