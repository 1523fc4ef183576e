//! What a person or a file asks a product to be, and the rules that it must pass.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::field_error::FieldError;
use crate::ids::{ProductId, VariantId};
use crate::money::Money;
use crate::product::{Image, Product, ProductStatus, Rating, Variant};
use crate::slug::{is_slug, slugify};

/// Longest title, in characters.
pub const TITLE_LENGTH_MAX: usize = 300;
/// Longest description, in characters.
pub const DESCRIPTION_LENGTH_MAX: usize = 20_000;
/// Longest short text (brand, SKU, option, attribute), in characters.
pub const TEXT_LENGTH_MAX: usize = 200;
/// Longest category path, in bytes, and most levels in it.
pub const CATEGORY_LENGTH_MAX: usize = 300;
/// Most levels of a category path.
pub const CATEGORY_DEPTH_MAX: usize = 8;
/// Most variants of a product.
pub const VARIANT_COUNT_MAX: usize = 400;
/// Most images of a product.
pub const IMAGE_COUNT_MAX: usize = 50;
/// Most attributes of a product, or options of a variant.
pub const ATTRIBUTE_COUNT_MAX: usize = 50;
/// Highest price, in minor units.
pub const PRICE_MINOR_MAX: i64 = 100_000_000_000;

/// A variant as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantDraft {
    /// Stock keeping unit; a change keeps the id of the variant with the same SKU.
    pub sku: String,
    /// Such as `size: M`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Without a price it cannot be bought.
    #[serde(default)]
    pub price: Option<Money>,
}

/// A product as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductDraft {
    /// Made from the title when missing.
    #[serde(default)]
    pub slug: Option<String>,
    /// Its name.
    pub title: String,
    /// Plain text.
    #[serde(default)]
    pub description: String,
    /// Who makes it.
    #[serde(default)]
    pub brand: Option<String>,
    /// Path of slugs.
    #[serde(default)]
    pub category: Option<String>,
    /// Such as `colour: Navy Blue`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Pictures.
    #[serde(default)]
    pub images: Vec<Image>,
    /// At least one.
    pub variants: Vec<VariantDraft>,
    /// Draft when missing.
    #[serde(default)]
    pub status: Option<ProductStatus>,
}

/// A change of a product as a JSON merge patch (RFC 7396): a missing field stays as it is, `null` empties brand
/// or category and removes an attribute; where there must be a value `null` is refused. Lists are replaced whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    /// New address.
    #[serde(default, deserialize_with = "present")]
    pub slug: Option<String>,
    /// New name.
    #[serde(default, deserialize_with = "present")]
    pub title: Option<String>,
    /// New text.
    #[serde(default, deserialize_with = "present")]
    pub description: Option<String>,
    /// New brand, or `null`.
    #[serde(default, deserialize_with = "present")]
    pub brand: Option<Option<String>>,
    /// New category, or `null`.
    #[serde(default, deserialize_with = "present")]
    pub category: Option<Option<String>>,
    /// New values by name; `null` removes one, those not named stay.
    #[serde(default, deserialize_with = "present")]
    pub attributes: Option<BTreeMap<String, Option<String>>>,
    /// All pictures anew.
    #[serde(default, deserialize_with = "present")]
    pub images: Option<Vec<Image>>,
    /// All variants anew; those with a known SKU keep their id.
    #[serde(default, deserialize_with = "present")]
    pub variants: Option<Vec<VariantDraft>>,
    /// New status.
    #[serde(default, deserialize_with = "present")]
    pub status: Option<ProductStatus>,
}

/// A field that is there is read as what it is, so `null` is refused unless the field itself may be empty.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ProductDraft {
    /// A new product, version 1, or every field that is wrong. `variant_id` makes an id for a variant's position.
    pub fn into_product(
        self,
        id: ProductId,
        at: Timestamp,
        mut variant_id: impl FnMut(usize) -> VariantId,
    ) -> Result<Product, Vec<FieldError>> {
        let variants = self.variants.into_iter().enumerate().map(|(position, draft)| Variant {
            id: variant_id(position),
            sku: draft.sku,
            options: draft.options,
            price: draft.price,
        });
        let slug = self.slug.unwrap_or_else(|| slug_or_id(&self.title, id));
        let product = Product {
            id,
            source: None,
            external_id: None,
            slug,
            title: self.title,
            description: self.description,
            brand: self.brand,
            category: self.category,
            attributes: self.attributes,
            images: self.images,
            variants: variants.collect(),
            rating: Rating { average: None, count: 0 },
            status: self.status.unwrap_or(ProductStatus::Draft),
            version: 1,
            created_at: at,
            updated_at: at,
        };
        checked(product)
    }
}

impl ProductPatch {
    /// The product after the change, one version later; `None` when nothing changes.
    pub fn apply(
        self,
        product: &Product,
        at: Timestamp,
        mut variant_id: impl FnMut(usize) -> VariantId,
    ) -> Result<Option<Product>, Vec<FieldError>> {
        let mut changed = product.clone();
        replace(&mut changed.slug, self.slug);
        replace(&mut changed.title, self.title);
        replace(&mut changed.description, self.description);
        replace(&mut changed.brand, self.brand);
        replace(&mut changed.category, self.category);
        for (name, value) in self.attributes.into_iter().flatten() {
            match value {
                Some(value) => drop(changed.attributes.insert(name, value)),
                None => drop(changed.attributes.remove(&name)),
            }
        }
        replace(&mut changed.images, self.images);
        replace(&mut changed.status, self.status);
        if let Some(drafts) = self.variants {
            let known = |sku: &str| product.variants.iter().find(|variant| variant.sku == sku);
            let anew = drafts.into_iter().enumerate().map(|(position, draft)| Variant {
                id: known(&draft.sku).map_or_else(|| variant_id(position), |variant| variant.id),
                sku: draft.sku,
                options: draft.options,
                price: draft.price,
            });
            changed.variants = anew.collect();
        }
        if changed == *product {
            return Ok(None);
        }
        changed.version += 1;
        changed.updated_at = at;
        checked(changed).map(Some)
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// A title's slug with the end of the id, so that equal titles differ.
fn slug_or_id(title: &str, id: ProductId) -> String {
    let id = id.0.simple().to_string();
    let tail = &id[id.len() - 12..];
    let mut slug = slugify(title);
    slug.truncate(crate::slug::LENGTH_MAX - tail.len() - 1);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { tail.to_owned() } else { format!("{slug}-{tail}") }
}

fn checked(product: Product) -> Result<Product, Vec<FieldError>> {
    let mut errors = Errors(Vec::new());
    errors.text("/title", &product.title, TITLE_LENGTH_MAX);
    errors.length("/description", &product.description, DESCRIPTION_LENGTH_MAX);
    if !is_slug(&product.slug) {
        errors.add("/slug", "invalid", "lower-case letters, digits and single hyphens, at most 120");
    }
    if let Some(brand) = &product.brand {
        errors.text("/brand", brand, TEXT_LENGTH_MAX);
    }
    if let Some(category) = &product.category {
        errors.category(category);
    }
    errors.map("/attributes", &product.attributes);
    errors.count("/images", product.images.len(), 0, IMAGE_COUNT_MAX);
    for (position, image) in product.images.iter().enumerate() {
        errors.text(&format!("/images/{position}/url"), &image.url, 2_000);
        errors.length(&format!("/images/{position}/alt"), &image.alt, TEXT_LENGTH_MAX);
    }
    errors.count("/variants", product.variants.len(), 1, VARIANT_COUNT_MAX);
    errors.variants(&product.variants);
    if errors.0.is_empty() { Ok(product) } else { Err(errors.0) }
}

struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, pointer: &str, code: &'static str, detail: impl Into<String>) {
        self.0.push(FieldError::new(pointer, code, detail));
    }

    fn text(&mut self, pointer: &str, text: &str, length_max: usize) {
        if text.trim().is_empty() {
            self.add(pointer, "required", "must not be empty");
        }
        self.length(pointer, text, length_max);
    }

    fn length(&mut self, pointer: &str, text: &str, length_max: usize) {
        if text.chars().count() > length_max {
            self.add(pointer, "too_long", format!("at most {length_max} characters"));
        }
        if text.contains('\0') {
            self.add(pointer, "invalid", "must not hold a NUL character");
        }
    }

    fn count(&mut self, pointer: &str, count: usize, count_min: usize, count_max: usize) {
        if count < count_min {
            self.add(pointer, "too_few", format!("at least {count_min}"));
        }
        if count > count_max {
            self.add(pointer, "too_many", format!("at most {count_max}"));
        }
    }

    fn category(&mut self, category: &str) {
        let levels: Vec<_> = category.split('/').collect();
        let well_formed = levels.iter().all(|level| is_slug(level)) && levels.len() <= CATEGORY_DEPTH_MAX;
        if !well_formed || category.len() > CATEGORY_LENGTH_MAX {
            self.add("/category", "invalid", "slugs joined by `/`, at most 8 levels and 300 characters");
        }
    }

    fn map(&mut self, pointer: &str, map: &BTreeMap<String, String>) {
        self.count(pointer, map.len(), 0, ATTRIBUTE_COUNT_MAX);
        for (name, value) in map {
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            if !is_attribute_name(name) {
                let detail = "a name is lower-case letters, digits and `_`, at most 60";
                self.add(&pointer, "invalid_name", detail);
            }
            self.text(&pointer, value, TEXT_LENGTH_MAX);
        }
    }

    fn variants(&mut self, variants: &[Variant]) {
        let mut skus = HashSet::new();
        let mut currencies = HashSet::new();
        for (position, variant) in variants.iter().enumerate() {
            let pointer = format!("/variants/{position}");
            self.text(&format!("{pointer}/sku"), &variant.sku, TEXT_LENGTH_MAX);
            if !skus.insert(variant.sku.as_str()) {
                self.add(&format!("{pointer}/sku"), "duplicate", "this SKU is there twice");
            }
            self.map(&format!("{pointer}/options"), &variant.options);
            let Some(price) = variant.price else { continue };
            if !(0..=PRICE_MINOR_MAX).contains(&price.amount_minor) {
                let detail = format!("between 0 and {PRICE_MINOR_MAX}");
                self.add(&format!("{pointer}/price/amount_minor"), "out_of_range", detail);
            }
            currencies.insert(price.currency);
        }
        if currencies.len() > 1 {
            self.add("/variants", "mixed_currencies", "every price of a product has the same currency");
        }
    }
}

/// Attribute and option names become field names of the index, so they are plain.
fn is_attribute_name(name: &str) -> bool {
    (1..=60).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests;
