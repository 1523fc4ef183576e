use std::collections::{BTreeMap, BTreeSet};

use domain::category::Category;
use domain::product::ProductStatus;
use sha2::{Digest, Sha256};

use super::*;

fn size(products: u32, seed: u64) -> Size {
    let size = Size::of_orders(100_000, seed, "2026-11-21T09:00:00Z".parse().unwrap());
    Size { products, ..size }
}

fn digest(catalogue: &Catalogue) -> Vec<u8> {
    Sha256::digest(format!("{catalogue:?}")).to_vec()
}

#[test]
fn two_runs_are_equal_and_seeds_differ() {
    let digest = |seed| digest(&make(&size(300, seed)));
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn one_more_product_leaves_the_others_alone() {
    let skus = |products| {
        let made = make(&size(products, 1)).products.into_iter();
        made.map(|made| (made.product.variants[0].sku.clone(), made.product)).collect::<BTreeMap<_, _>>()
    };
    let (fewer, more) = (skus(100), skus(101));
    assert!(fewer.iter().all(|(sku, product)| more.get(sku) == Some(product)));
}

#[test]
fn the_full_catalogue_is_that_of_a_shop() {
    let size = size(10_000, 7);
    let catalogue = make(&size);
    let products = &catalogue.products;
    assert_eq!(products.len(), 10_000);
    assert!(products.is_sorted_by(|first, second| first.product.id < second.product.id));
    let mut slugs = BTreeSet::new();
    let mut skus = BTreeSet::new();
    let mut variant_ids = BTreeSet::new();
    let categories: BTreeMap<_, _> = catalogue.categories.iter().map(|it| (it.path.as_str(), it)).collect();
    for made in products {
        assert!(slugs.insert(&made.product.slug), "{}", made.product.slug);
        for variant in &made.product.variants {
            assert!(skus.insert(&variant.sku), "{}", variant.sku);
            assert!(variant_ids.insert(variant.id));
        }
        product_is_consistent(&size, made, categories[made.product.category.as_deref().unwrap()]);
    }
    assert!((57_000..=63_000).contains(&skus.len()), "{} variants", skus.len());
    let with = |status| products.iter().filter(|made| made.product.status == status).count();
    assert!(with(ProductStatus::Active) > 8_500, "{}", with(ProductStatus::Active));
    assert!(with(ProductStatus::Draft) > 100 && with(ProductStatus::Archived) > 400);
    let opening = products.iter().filter(|made| made.launched_at() < size.start()).count();
    assert!((3_500..5_500).contains(&opening), "{opening} products before the history");
    let neighbours =
        products.windows(2).filter(|pair| pair[0].product.description == pair[1].product.description);
    assert_eq!(neighbours.count(), 0);
    let texts: BTreeSet<_> = products.iter().map(|made| &made.product.description).collect();
    assert!(texts.len() > 9_500, "{} descriptions", texts.len());
}

fn product_is_consistent(size: &Size, made: &DemoProduct, category: &Category) {
    let DemoProduct { product, traits, prices, pictures, .. } = made;
    let defined = |name: &str, value: &String| {
        category.attributes.iter().any(|attribute| attribute.name == name && attribute.values.contains(value))
    };
    for (name, value) in &product.attributes {
        assert!(defined(name, value), "{}: {name}={value}", category.path);
    }
    for variant in &product.variants {
        assert!(variant.options.iter().all(|(name, value)| defined(name, value)), "{variant:?}");
        assert_eq!(variant.price.unwrap().amount_minor, prices.last().unwrap().price_minor);
    }
    let sentences = product.description.matches(". ").count() + 1;
    assert!((2..=5).contains(&sentences), "{}", product.description);
    assert!(
        !product.description.contains("  ") && product.description.ends_with('.'),
        "{}",
        product.description
    );
    assert!(prices.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert_eq!((made.launched_at(), product.version), (product.created_at, 1));
    assert_eq!(
        domain::ids::uuid_v7_time(product.id.0).unwrap().as_millisecond(),
        product.created_at.as_millisecond()
    );
    assert!(product.updated_at >= product.created_at && product.updated_at <= size.end);
    assert!(made.popularity > 0.0 && (2.8..=4.76).contains(&made.quality));
    let urls: Vec<_> = pictures.iter().map(|picture| format!("/media/{}", picture.key)).collect();
    assert_eq!(product.images.iter().map(|image| image.url.clone()).collect::<Vec<_>>(), urls);
    assert_eq!(pictures.len(), traits.colours.len());
    assert_eq!(product.status == ProductStatus::Active, made.retired_at.is_none());
    assert_eq!(made.price_at(size.end).is_some(), product.status == ProductStatus::Active);
    if product.status == ProductStatus::Draft {
        assert_eq!(made.price_at(product.created_at), None, "a draft was never sold");
    } else {
        assert_eq!(made.price_at(product.created_at), Some(prices[0].price_minor));
    }
}

#[test]
fn popularity_falls_as_that_of_zipf() {
    let mut popularities: Vec<_> =
        make(&size(2_000, 3)).products.iter().map(|made| made.popularity).collect();
    popularities.sort_unstable_by(|first, second| second.total_cmp(first));
    let slope = (popularities[999] / popularities[9]).ln() / (1_000.0_f64 / 10.0).ln();
    assert!((slope + POPULARITY_EXPONENT).abs() < 0.01, "{slope}");
}
