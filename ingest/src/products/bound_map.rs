//! A column map with the places of its columns: a row becomes a draft, and a stored product takes what the file says.

use domain::field_error::FieldError;
use domain::ids::VariantId;
use domain::product::{Product, ProductStatus, Variant};
use domain::product_draft::{ProductDraft, VARIANT_COUNT_MAX, VariantDraft};
use domain::slug::slugify;

use super::column_map::text;
use super::price_map::BoundPrice;
use super::variant_map::{BoundVariants, texts};

/// Longest id of a product in its catalogue, in bytes.
const EXTERNAL_ID_LENGTH_MAX: usize = 200;

/// A map with the places of its columns; a field without a place is none that the file knows.
#[derive(Debug, Clone)]
pub struct BoundMap {
    /// Name of the catalogue.
    pub source: String,
    pub(super) external_id: usize,
    pub(super) title: Vec<usize>,
    pub(super) description: Option<usize>,
    pub(super) brand: Option<usize>,
    pub(super) category: Vec<usize>,
    pub(super) category_separator: Option<String>,
    pub(super) attributes: Vec<(String, usize)>,
    pub(super) attributes_from: Option<usize>,
    pub(super) sku: Option<usize>,
    pub(super) price: Option<BoundPrice>,
    pub(super) variants: Option<BoundVariants>,
}

impl BoundMap {
    /// The row's id in its catalogue and the product that it asks for.
    pub fn draft(&self, row: &[String]) -> Result<(String, ProductDraft), FieldError> {
        let external_id =
            text(row, Some(self.external_id)).filter(|id| id.len() <= EXTERNAL_ID_LENGTH_MAX).ok_or_else(
                || FieldError::new("/external_id", "required", "the id is empty or longer than 200"),
            )?;
        if external_id.contains('\0') {
            return Err(FieldError::new("/external_id", "invalid", "the id holds a NUL"));
        }
        let title: Vec<_> = self.title.iter().filter_map(|&column| text(row, Some(column))).collect();
        let mut attributes = match text(row, self.attributes_from) {
            Some(object) => texts(object, "/attributes")?,
            None => Default::default(),
        };
        for (name, column) in &self.attributes {
            attributes.extend(text(row, Some(*column)).map(|value| (name.clone(), value.to_owned())));
        }
        let draft = ProductDraft {
            slug: None,
            title: title.join(", "),
            description: text(row, self.description).unwrap_or_default().to_owned(),
            brand: text(row, self.brand).map(str::to_owned),
            category: self.category(row),
            attributes,
            images: Vec::new(),
            variants: self.variants(row, external_id)?,
            status: Some(ProductStatus::Active),
        };
        Ok((external_id.to_owned(), draft))
    }

    fn category(&self, row: &[String]) -> Option<String> {
        let columns = self.category.iter().filter_map(|&column| text(row, Some(column)));
        let levels: Vec<_> = match &self.category_separator {
            Some(separator) => columns
                .flat_map(|path| path.split(separator.as_str()))
                .map(slugify)
                .filter(|level| !level.is_empty())
                .collect(),
            None => columns.map(slugify).collect(),
        };
        (!levels.is_empty()).then(|| levels.join("/"))
    }

    fn variants(&self, row: &[String], external_id: &str) -> Result<Vec<VariantDraft>, FieldError> {
        let several = self.variants.as_ref().map(|variants| variants.read(row)).transpose()?;
        if let Some(several) = several.filter(|several| !several.is_empty()) {
            return Ok(several);
        }
        let sku = text(row, self.sku);
        let price = self.price.as_ref().map(|price| price.read(row, "/variants/0/price")).transpose()?;
        Ok(vec![VariantDraft {
            sku: sku.map_or_else(|| self.made_up_sku(external_id), str::to_owned),
            options: Default::default(),
            price: price.flatten(),
        }])
    }

    /// Of a row that names none.
    fn made_up_sku(&self, external_id: &str) -> String {
        format!("{}-{external_id}", self.source)
    }

    /// The stored product with what the file says: fields that the map does not name stay as they are, and so do
    /// status, slug, pictures and variants that people have made. `None` when the file says nothing new.
    pub fn merge(&self, before: &Product, file: &Product) -> Result<Option<Product>, FieldError> {
        let mut merged = before.clone();
        merged.title.clone_from(&file.title);
        if self.description.is_some() {
            merged.description.clone_from(&file.description);
        }
        if self.brand.is_some() {
            merged.brand.clone_from(&file.brand);
        }
        if !self.category.is_empty() {
            merged.category.clone_from(&file.category);
        }
        if self.attributes_from.is_some() {
            merged.attributes.clone_from(&file.attributes);
        }
        for (name, _) in &self.attributes {
            match file.attributes.get(name) {
                Some(value) => merged.attributes.insert(name.clone(), value.clone()),
                None => merged.attributes.remove(name),
            };
        }
        self.merge_variants(&mut merged, file)?;
        Ok((merged != *before).then(|| Product {
            version: before.version + 1,
            // A person may have changed it after the import began.
            updated_at: file.updated_at.max(before.updated_at),
            ..merged
        }))
    }

    /// A variant with a known SKU takes price and options of the file, another one is added, none is removed.
    fn merge_variants(&self, merged: &mut Product, file: &Product) -> Result<(), FieldError> {
        let has_price =
            self.price.is_some() || self.variants.as_ref().is_some_and(|variants| variants.price.is_some());
        let has_options = self.variants.as_ref().is_some_and(BoundVariants::has_options);
        let made_up = file.external_id.as_deref().map(|id| self.made_up_sku(id));
        for variant in &file.variants {
            // The row names no variant, and the product has some.
            let is_of_no_variant = made_up.as_ref() == Some(&variant.sku) && !merged.variants.is_empty();
            match merged.variants.iter_mut().find(|known| known.sku == variant.sku) {
                Some(known) => {
                    if has_price {
                        known.price = variant.price;
                    }
                    if has_options {
                        known.options.clone_from(&variant.options);
                    }
                }
                None if is_of_no_variant => {}
                None => {
                    let id = VariantId::of_sku(merged.id, &variant.sku);
                    if merged.variants.iter().any(|known| known.id == id) {
                        let detail = "the variant that had this SKU has another one now";
                        return Err(FieldError::new("/variants", "taken", detail));
                    }
                    merged.variants.push(Variant { id, ..variant.clone() });
                }
            }
        }
        if merged.variants.len() > VARIANT_COUNT_MAX {
            let detail = format!("with those that are there more than {VARIANT_COUNT_MAX}");
            return Err(FieldError::new("/variants", "too_many", detail));
        }
        let mut prices = merged.variants.iter().filter_map(|variant| variant.price);
        let first = prices.next().map(|price| price.currency);
        if prices.any(|price| Some(price.currency) != first) {
            let detail = "with the variants that are there, prices have several currencies";
            return Err(FieldError::new("/variants", "mixed_currencies", detail));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::column_map::{ColumnMap, ColumnMapError};
    use super::*;

    fn strings(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    fn bound(header: &[&str]) -> Result<BoundMap, ColumnMapError> {
        let map: ColumnMap = toml::from_str(
            "source = \"shop-a\"\nexternal_id = \"id\"\ntitle = [\"name\", \"@4\"]\ncategory = [\"kind\"]\n\
             price = { column = \"price\", currency = \"GBP\" }\n[attributes]\ncolour = \"kind\"\n",
        )
        .expect("a map");
        map.bind(&strings(header))
    }

    #[test]
    fn a_row_becomes_a_draft() {
        let map = bound(&["id", "name", "kind", "", "price"]).expect("bound");
        let row = strings(&["7", "Shirt", "Top Wear", " blue", "19.99"]);
        let (id, draft) = map.draft(&row).expect("a draft");
        assert_eq!(id, "7");
        assert_eq!(draft.title, "Shirt, blue");
        assert_eq!(draft.category.as_deref(), Some("top-wear"));
        assert_eq!(draft.variants[0].price.map(|price| price.amount_minor), Some(1999));
        assert_eq!(draft.attributes["colour"], "Top Wear");
    }

    #[test]
    fn wrong_prices_ids_and_columns_are_named() {
        let map = bound(&["id", "name", "kind", "", "price"]).expect("bound");
        let draft = |cells: [&str; 5]| map.draft(&strings(&cells)).expect_err("wrong");
        assert_eq!(draft(["7", "S", "", "", "1.999"]).pointer, "/variants/0/price");
        assert_eq!(draft(["7", "S", "", "", "free"]).code, "invalid");
        assert_eq!(draft([" ", "S", "", "", ""]).pointer, "/external_id");
        let error = bound(&["id", "name"]).expect_err("no column").to_string();
        assert!(error.contains("\"@4\""), "{error}");
    }

    #[test]
    fn our_own_fields_are_a_map() {
        let map = ColumnMap::shipped("entrepot").expect("ships");
        let header = ["external_id", "title", "category", "price", "currency", "sku"];
        let map = map.bind(&strings(&header)).expect("bound");
        let (id, draft) =
            map.draft(&strings(&["9", "Cup", "Home/Tea Time", "2.50", "EUR", "CUP-9"])).expect("a draft");
        assert_eq!((id.as_str(), draft.category.as_deref()), ("9", Some("home/tea-time")));
        assert_eq!((draft.variants.len(), draft.variants[0].sku.as_str()), (1, "CUP-9"));
    }
}
