//! Variants in a column whose text is a JSON list of objects: one variant for each.

use std::collections::BTreeMap;

use domain::field_error::FieldError;
use domain::product_draft::{VARIANT_COUNT_MAX, VariantDraft};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::column_map::text;
use super::price_map::{BoundPrice, PriceMap};
use crate::input::{Column, read_object};

/// Where variants are, as written in a map; the columns are paths within one of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantMap {
    /// Column of the list.
    pub list: String,
    sku: String,
    #[serde(default)]
    pub(super) price: Option<PriceMap>,
    /// Option name to path.
    #[serde(default)]
    options: BTreeMap<String, String>,
    /// Path of an object of options.
    #[serde(default)]
    options_from: Option<String>,
}

/// A variant's paths, in the order of its row.
#[derive(Debug, Clone)]
pub(super) struct BoundVariants {
    pub(super) list: Option<usize>,
    paths: Vec<Column>,
    sku: Option<usize>,
    pub(super) price: Option<BoundPrice>,
    options: Vec<(String, Option<usize>)>,
    options_from: Option<usize>,
}

impl BoundVariants {
    pub(super) fn new(map: &VariantMap, list: Option<usize>) -> Self {
        let mut paths = vec![Column { name: map.sku.clone(), is_nested: false }];
        let mut add = |name: &String, is_nested| {
            paths.push(Column { name: name.clone(), is_nested });
            Some(paths.len() - 1)
        };
        let options = map.options.iter().map(|(name, path)| (name.clone(), add(path, false))).collect();
        let options_from = map.options_from.as_ref().and_then(|path| add(path, true));
        if let Some(price) = &map.price {
            add(&price.column, false);
            price.currency_column.iter().for_each(|path| _ = add(path, false));
        }
        let find = |name: &String| Ok::<_, std::convert::Infallible>(position(&paths, name));
        let price = map.price.as_ref().map(|price| price.bind(find));
        let price = price.transpose().unwrap_or_else(|never| match never {});
        Self { list, sku: Some(0), price, options, options_from, paths }
    }

    /// Whether a file that names these says which options a variant has.
    pub(super) fn has_options(&self) -> bool {
        !self.options.is_empty() || self.options_from.is_some()
    }

    /// The variants of a row; empty when it has no list.
    pub(super) fn read(&self, row: &[String]) -> Result<Vec<VariantDraft>, FieldError> {
        let Some(list) = text(row, self.list) else {
            return Ok(Vec::new());
        };
        let invalid = |detail: String| FieldError::new("/variants", "invalid", detail);
        let items: Vec<&RawValue> =
            serde_json::from_str(list).map_err(|_| invalid("no JSON list of objects".to_owned()))?;
        if items.len() > VARIANT_COUNT_MAX {
            return Err(FieldError::new("/variants", "too_many", format!("at most {VARIANT_COUNT_MAX}")));
        }
        let mut fields = Vec::new();
        let variant = |(place, item): (usize, &&RawValue)| {
            read_object(item.get(), &self.paths, &mut fields).map_err(|fault| {
                FieldError::new(format!("/variants/{place}"), "invalid", fault.to_string())
            })?;
            let mut options = match text(&fields, self.options_from) {
                Some(object) => texts(object, &format!("/variants/{place}/options"))?,
                None => BTreeMap::new(),
            };
            for (name, path) in &self.options {
                options.extend(text(&fields, *path).map(|value| (name.clone(), value.to_owned())));
            }
            let price = self.price.as_ref();
            let price = price.map(|price| price.read(&fields, &format!("/variants/{place}/price")));
            Ok(VariantDraft {
                sku: text(&fields, self.sku).unwrap_or_default().to_owned(),
                options,
                price: price.transpose()?.flatten(),
            })
        };
        items.iter().enumerate().map(variant).collect()
    }
}

fn position(columns: &[Column], name: &str) -> Option<usize> {
    columns.iter().position(|column| column.name == name)
}

/// An object of names and texts.
pub(super) fn texts(object: &str, pointer: &str) -> Result<BTreeMap<String, String>, FieldError> {
    serde_json::from_str(object)
        .map_err(|_| FieldError::new(pointer, "invalid", "no JSON object of names and texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_a_variant() {
        let map: VariantMap = toml::from_str(
            "list = \"variants\"\nsku = \"code\"\nprice = { column = \"price.value\", currency = \"EUR\" }\n\
             options_from = \"options\"\n[options]\nsize = \"size\"\n",
        )
        .expect("a map");
        let bound = BoundVariants::new(&map, Some(0));
        let read = |text: &str| bound.read(&[text.to_owned()]);
        let list = r#"[{"code": "A-1", "size": "M", "price": {"value": 12.50}},
                       {"code": "A-2", "options": {"colour": "red"}}]"#;
        let variants = read(list).expect("variants");
        assert_eq!(variants[0].price.map(|price| price.amount_minor), Some(1250));
        assert_eq!(variants[0].options["size"], "M");
        assert_eq!((variants[1].sku.as_str(), variants[1].price), ("A-2", None));
        assert_eq!(variants[1].options["colour"], "red");
        assert_eq!(read("").expect("none"), []);
        for wrong in ["{}", "[1]", "[{\"code\": {}}]", "[{\"code\": \"A\", \"price\": {\"value\": \"x\"}}]"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read(&format!("[{}]", vec!["{}"; 401].join(","))).expect_err("many").code, "too_many");
    }
}
