use proptest::prelude::*;

use super::*;
use crate::money::Currency;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn draft() -> ProductDraft {
    serde_json::from_value(serde_json::json!({
        "title": "Blue Shirt",
        "category": "apparel/shirts",
        "variants": [{"sku": "S-1", "price": {"amount_minor": 1999, "currency": "GBP"}}, {"sku": "S-2"}]
    }))
    .expect("a draft")
}

fn product() -> Product {
    let id = ProductId::new(at(1), [7; 10]);
    draft().into_product(id, at(1), |position| variant_id(position, 1)).expect("holds")
}

fn variant_id(position: usize, seed: u8) -> VariantId {
    VariantId::new(at(1), [seed + u8::try_from(position).expect("small"); 10])
}

#[test]
fn a_draft_becomes_a_product() {
    let product = product();
    assert_eq!(product.version, 1);
    assert!(product.slug.starts_with("blue-shirt-"));
    assert_eq!(product.variants[0].price.map(|price| price.currency), Some(Currency::GBP));
    assert!(!product.is_available(&product.variants[0]), "a draft cannot be bought");
}

#[test]
fn every_wrong_field_is_named() {
    let wrong = ProductDraft {
        title: " ".into(),
        category: Some("a//b".into()),
        slug: Some("Not A Slug".into()),
        attributes: [("Bad Name".to_owned(), "x".to_owned())].into(),
        variants: vec![
            VariantDraft { sku: "A".into(), options: BTreeMap::new(), price: None },
            VariantDraft { sku: "A".into(), options: BTreeMap::new(), price: None },
        ],
        ..draft()
    };
    let errors =
        wrong.into_product(ProductId::new(at(1), [0; 10]), at(1), |position| variant_id(position, 0));
    let pointers: Vec<_> = errors.expect_err("wrong").into_iter().map(|error| error.pointer).collect();
    assert_eq!(pointers, ["/title", "/slug", "/category", "/attributes/Bad Name", "/variants/1/sku"]);
}

#[test]
fn a_patch_keeps_ids_by_sku_and_counts_one_version() {
    let before = product();
    let patch: ProductPatch = serde_json::from_value(serde_json::json!({
        "brand": "Acme",
        "variants": [{"sku": "S-2"}, {"sku": "S-3"}]
    }))
    .expect("a patch");
    let after =
        patch.apply(&before, at(2), |position| variant_id(position, 50)).expect("holds").expect("changed");
    assert_eq!(after.version, 2);
    assert_eq!(after.variants[0].id, before.variants[1].id);
    assert_eq!(after.brand.as_deref(), Some("Acme"));
}

#[test]
fn null_empties_and_nothing_changes_nothing() {
    let before = Product { brand: Some("Acme".into()), ..product() };
    let empty: ProductPatch = serde_json::from_str("{}").expect("a patch");
    assert_eq!(empty.apply(&before, at(2), |position| variant_id(position, 9)), Ok(None));
    let null: ProductPatch = serde_json::from_str(r#"{"brand": null}"#).expect("a patch");
    let after =
        null.apply(&before, at(2), |position| variant_id(position, 9)).expect("holds").expect("changed");
    assert_eq!(after.brand, None);
    assert!(serde_json::from_str::<ProductPatch>(r#"{"version": 9}"#).is_err());
}

#[test]
fn attributes_merge_and_null_removes_one() {
    let before = Product {
        attributes: [("colour", "blue"), ("fit", "slim")]
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..product()
    };
    let patch: ProductPatch =
        serde_json::from_str(r#"{"attributes": {"colour": null, "sleeve": "long", "season": null}}"#)
            .expect("a patch");
    let after =
        patch.apply(&before, at(2), |position| variant_id(position, 9)).expect("holds").expect("changed");
    let expected = [("fit", "slim"), ("sleeve", "long")].map(|(name, value)| (name.into(), value.into()));
    assert_eq!(after.attributes, expected.into());
}

#[test]
fn null_is_refused_where_there_must_be_a_value() {
    for field in ["slug", "title", "description", "attributes", "images", "variants", "status"] {
        let patch = serde_json::from_value::<ProductPatch>(serde_json::json!({field: null}));
        assert!(patch.is_err(), "{field}");
    }
}

fn any_patch() -> impl Strategy<Value = ProductPatch> {
    let text = || proptest::option::of("[a-z]{1,3}");
    let attributes = proptest::collection::btree_map("[a-c]", text(), 0..4);
    (
        text(),
        proptest::option::of(text()),
        proptest::option::of(attributes),
        proptest::option::of(proptest::collection::btree_set("S-[1-4]", 1..4)),
    )
        .prop_map(|(title, brand, attributes, skus)| {
            let variant = |sku| VariantDraft { sku, options: BTreeMap::new(), price: None };
            let variants = skus.map(|skus| skus.into_iter().map(variant).collect());
            ProductPatch { title, brand, attributes, variants, ..ProductPatch::default() }
        })
}

proptest! {
    #[test]
    fn merging_twice_is_merging_once(first in any_patch(), second in any_patch()) {
        let apply = |patch: &ProductPatch, product: &Product| {
            patch.clone().apply(product, at(2), |position| variant_id(position, 9)).expect("holds")
        };
        let before = product();
        let before = apply(&first, &before).unwrap_or(before);
        let once = apply(&second, &before).unwrap_or(before);
        prop_assert_eq!(apply(&second, &once), None);
    }

    /// The standard's own words: the patch is merged into the JSON of the target.
    #[test]
    fn a_change_is_the_merge_of_the_standard(patch in any_patch()) {
        let before = product();
        let after = patch.clone().apply(&before, at(2), |position| variant_id(position, 9));
        let after = after.expect("holds").unwrap_or_else(|| before.clone());
        let mut expected = serde_json::json!({
            "title": before.title, "brand": before.brand, "attributes": before.attributes,
        });
        let mut sent = serde_json::Map::new();
        if let Some(title) = &patch.title {
            sent.insert("title".into(), serde_json::json!(title));
        }
        if let Some(brand) = &patch.brand {
            sent.insert("brand".into(), serde_json::json!(brand));
        }
        if let Some(attributes) = &patch.attributes {
            sent.insert("attributes".into(), serde_json::json!(attributes));
        }
        merge(&mut expected, &sent.into());
        // A member that the merge removed is an empty one of ours.
        let expected_brand = expected.get("brand").cloned().unwrap_or_default();
        prop_assert_eq!(serde_json::json!(after.brand), expected_brand);
        prop_assert_eq!(serde_json::json!(after.title), expected["title"].clone());
        prop_assert_eq!(serde_json::json!(after.attributes), expected["attributes"].clone());
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = serde_json::json!({});
    }
    let target = target.as_object_mut().expect("an object");
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(serde_json::Value::Null), value);
        }
    }
}
