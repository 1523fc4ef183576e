//! The documented shapes of a new product and of a change. `domain` reads them; the test below keeps the two
//! equal.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::product_json::{ImageJson, MoneyJson, ProductStatusName};

/// A variant as asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewVariant)]
#[serde(deny_unknown_fields)]
pub struct NewVariantJson {
    /// Stock keeping unit, unique in the catalogue.
    #[schema(max_length = 200)]
    pub sku: String,
    /// Such as `size: M`.
    #[schema(required = false)]
    pub options: BTreeMap<String, String>,
    /// Without one it cannot be bought.
    pub price: Option<MoneyJson>,
}

/// A new product.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewProduct)]
#[serde(deny_unknown_fields)]
pub struct NewProductJson {
    /// Made from the title when missing.
    #[schema(max_length = 120)]
    pub slug: Option<String>,
    /// Name.
    #[schema(max_length = 300)]
    pub title: String,
    /// Plain text.
    #[schema(required = false, max_length = 20000)]
    pub description: String,
    /// Who makes it.
    #[schema(max_length = 200)]
    pub brand: Option<String>,
    /// Path of slugs from the root.
    #[schema(max_length = 300)]
    pub category: Option<String>,
    /// Such as `colour: Navy Blue`.
    #[schema(required = false)]
    pub attributes: BTreeMap<String, String>,
    /// Pictures.
    #[schema(required = false, max_items = 50)]
    pub images: Vec<ImageJson>,
    /// What can be bought.
    #[schema(min_items = 1, max_items = 400)]
    pub variants: Vec<NewVariantJson>,
    /// Draft when missing.
    #[schema(value_type = Option<ProductStatusName>)]
    pub status: Option<String>,
}

/// A change of a product (RFC 7396): what is missing stays, `null` empties brand or category and removes an
/// attribute. `null` anywhere else is refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductChange)]
#[serde(deny_unknown_fields)]
pub struct ProductChangeJson {
    /// New address.
    #[schema(required = false, max_length = 120)]
    pub slug: String,
    /// New name.
    #[schema(required = false, max_length = 300)]
    pub title: String,
    /// New text.
    #[schema(required = false, max_length = 20000)]
    pub description: String,
    /// New brand; `null`: none.
    #[schema(max_length = 200)]
    pub brand: Option<String>,
    /// New category; `null`: none.
    #[schema(max_length = 300)]
    pub category: Option<String>,
    /// New values by name; `null` removes one, those not named stay.
    #[schema(required = false)]
    pub attributes: BTreeMap<String, Option<String>>,
    /// All pictures anew.
    #[schema(required = false, max_items = 50)]
    pub images: Vec<ImageJson>,
    /// All variants anew; one with a known SKU keeps its id.
    #[schema(required = false, min_items = 1, max_items = 400)]
    pub variants: Vec<NewVariantJson>,
    /// New status.
    #[schema(required = false, value_type = ProductStatusName)]
    pub status: String,
}

#[cfg(test)]
mod tests {
    use domain::product_draft::{ProductDraft, ProductPatch};
    use serde_json::{Value, json};

    use super::*;

    fn names(value: &Value) -> Vec<&String> {
        let mut names: Vec<_> = value.as_object().expect("an object").keys().collect();
        names.sort();
        names
    }

    #[test]
    fn the_documented_fields_are_those_that_are_read() {
        let body = json!({"title": "T", "variants": [{"sku": "S"}]});
        let draft: ProductDraft = serde_json::from_value(body).expect("a draft");
        let documented = NewProductJson {
            slug: None,
            title: String::new(),
            description: String::new(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            images: Vec::new(),
            variants: vec![NewVariantJson { sku: String::new(), options: BTreeMap::new(), price: None }],
            status: None,
        };
        let (read, documented) = (json!(draft), json!(documented));
        assert_eq!(names(&documented), names(&read));
        assert_eq!(names(&documented["variants"][0]), names(&read["variants"][0]));
    }

    #[test]
    fn the_documented_changes_are_those_that_are_read() {
        let documented = ProductChangeJson {
            slug: String::new(),
            title: String::new(),
            description: String::new(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            images: Vec::new(),
            variants: Vec::new(),
            status: String::new(),
        };
        assert_eq!(names(&json!(documented)), names(&json!(ProductPatch::default())));
    }
}
