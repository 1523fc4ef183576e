//! What differs between a stored product and what a file makes of it, field by field.

use std::collections::{BTreeMap, BTreeSet};

use domain::money::Money;
use domain::product::{Product, Variant};
use serde::Serialize;

use crate::row_report::cut;

/// Longest text of a value, in characters.
const VALUE_LENGTH_MAX: usize = 200;
/// Longest name of a field, in characters.
const FIELD_LENGTH_MAX: usize = 500;

/// A field with its old and its new value; `null` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Such as `title`, `attributes.colour` or `variants[SKU].price`.
    pub field: String,
    /// What is stored, cut at 200 characters.
    pub old: Option<String>,
    /// What the file makes of it.
    pub new: Option<String>,
}

/// Every field that an import can change.
pub fn between(old: &Product, new: &Product) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    changes.note("title", Some(&old.title), Some(&new.title));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    changes.note("description", some(&old.description).as_ref(), some(&new.description).as_ref());
    changes.note("brand", old.brand.as_ref(), new.brand.as_ref());
    changes.note("category", old.category.as_ref(), new.category.as_ref());
    changes.note_map("attributes", &old.attributes, &new.attributes);
    let known = |product: &'_ Product, sku: &str| -> Option<Variant> {
        product.variants.iter().find(|variant| variant.sku == sku).cloned()
    };
    for variant in &new.variants {
        let place = format!("variants[{}]", variant.sku);
        let before = known(old, &variant.sku);
        if before.is_none() {
            changes.note(&place, None, Some(&variant.sku));
        }
        let (price, options) = before.map(|known| (known.price, known.options)).unwrap_or_default();
        let told = |price: Option<Money>| price.map(told_price);
        changes.note(&format!("{place}.price"), told(price).as_ref(), told(variant.price).as_ref());
        changes.note_map(&format!("{place}.options"), &options, &variant.options);
    }
    changes.0
}

fn told_price(price: Money) -> String {
    format!("{} {}", price.amount_minor, price.currency.code())
}

struct Changes(Vec<Change>);

impl Changes {
    fn note(&mut self, field: &str, old: Option<&String>, new: Option<&String>) {
        if old != new {
            let value = |text: &String| cut(text, VALUE_LENGTH_MAX);
            let field = cut(field, FIELD_LENGTH_MAX);
            self.0.push(Change { field, old: old.map(value), new: new.map(value) });
        }
    }

    fn note_map(&mut self, field: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            self.note(&format!("{field}.{name}"), old.get(name), new.get(name));
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value =
            |text: &Option<String>| text.as_ref().map_or("nothing".to_owned(), |text| format!("{text:?}"));
        write!(formatter, "{}: {} -> {}", self.field, value(&self.old), value(&self.new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_one_line() {
        let change = Change { field: "title".into(), old: Some("old".into()), new: Some("new".into()) };
        assert_eq!(change.to_string(), "title: \"old\" -> \"new\"");
        let added = Change { field: "brand".into(), old: None, new: Some("Acme".into()) };
        assert_eq!(added.to_string(), "brand: nothing -> \"Acme\"");
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let maps = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let mut changes = Changes(Vec::new());
        changes.note_map("a", &maps(&[("same", "1"), ("gone", "2")]), &maps(&[("same", "1"), ("new", "3")]));
        changes.note("t", Some(&"x".repeat(500)), None);
        let told: Vec<_> = changes.0.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(told, ["a.gone", "a.new", "t"]);
        assert_eq!(changes.0[2].old.as_ref().map(String::len), Some(VALUE_LENGTH_MAX));
    }
}
