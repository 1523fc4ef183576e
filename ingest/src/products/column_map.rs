//! Which column of a catalogue file becomes which field of a product: a TOML file beside the data.
//!
//! A column is named by its header, or by its position from 1 as `@3`. Several columns are joined; blanks are left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::field_error::FieldError;
use domain::money::{Currency, Money};
use domain::product::{Product, ProductStatus};
use domain::product_draft::{ProductDraft, VariantDraft};
use domain::slug::slugify;
use rust_decimal::Decimal;
use serde::Deserialize;

/// The map as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMap {
    /// Name of the catalogue: a product is known by it and its external id.
    pub source: String,
    /// The product's id in the catalogue.
    pub external_id: String,
    /// Joined by a comma, as it was before the comma split it.
    pub title: Vec<String>,
    /// Text.
    #[serde(default)]
    description: Option<String>,
    /// Who makes it.
    #[serde(default)]
    brand: Option<String>,
    /// From the root down.
    #[serde(default)]
    category: Vec<String>,
    /// Decimal price in major units; without one the product is found but cannot be bought.
    #[serde(default)]
    price: Option<PriceMap>,
    /// Attribute name to column.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// Where a price is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceMap {
    column: String,
    currency: Currency,
}

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ColumnMapError {
    /// The file cannot be read.
    #[error("cannot read the column map {0}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is no map.
    #[error("the column map {0} is wrong: {1}")]
    Malformed(PathBuf, String),
    /// A column is not in the file.
    #[error("the file has no column {0:?}; it has {1}")]
    UnknownColumn(String, String),
}

impl ColumnMap {
    /// Reads a map.
    pub fn read(path: &Path) -> Result<Self, ColumnMapError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ColumnMapError::Unreadable(path.to_owned(), error))?;
        let malformed = |reason: String| ColumnMapError::Malformed(path.to_owned(), reason);
        let map: Self = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if map.source.is_empty() || slugify(&map.source) != map.source || map.source.len() > 60 {
            return Err(malformed("source must be a slug of at most 60 characters".to_owned()));
        }
        Ok(map)
    }

    /// Finds the columns in a header.
    pub fn bind(&self, header: &[String]) -> Result<BoundMap, ColumnMapError> {
        let find = |column: &String| position(header, column);
        let find_all = |columns: &[String]| columns.iter().map(find).collect::<Result<Vec<_>, _>>();
        let attributes = self.attributes.iter().map(|(name, column)| Ok((name.clone(), find(column)?)));
        Ok(BoundMap {
            source: self.source.clone(),
            external_id: find(&self.external_id)?,
            title: find_all(&self.title)?,
            description: self.description.as_ref().map(find).transpose()?,
            brand: self.brand.as_ref().map(find).transpose()?,
            category: find_all(&self.category)?,
            price: self.price.as_ref().map(|price| Ok((find(&price.column)?, price.currency))).transpose()?,
            attributes: attributes.collect::<Result<_, ColumnMapError>>()?,
        })
    }
}

fn position(header: &[String], column: &String) -> Result<usize, ColumnMapError> {
    let by_number = column
        .strip_prefix('@')
        .and_then(|number| number.parse::<usize>().ok())
        .filter(|number| (1..=header.len()).contains(number))
        .map(|number| number - 1);
    by_number
        .or_else(|| header.iter().position(|name| name.trim() == column))
        .ok_or_else(|| ColumnMapError::UnknownColumn(column.clone(), header.join(", ")))
}

/// A map with the positions of its columns.
#[derive(Debug, Clone)]
pub struct BoundMap {
    /// Name of the catalogue.
    pub source: String,
    external_id: usize,
    title: Vec<usize>,
    description: Option<usize>,
    brand: Option<usize>,
    category: Vec<usize>,
    price: Option<(usize, Currency)>,
    attributes: Vec<(String, usize)>,
}

impl BoundMap {
    /// The row's id in its catalogue and the product that it asks for.
    pub fn draft(&self, row: &[String]) -> Result<(String, ProductDraft), FieldError> {
        let external_id = text(row, self.external_id).filter(|id| id.len() <= 200).ok_or_else(|| {
            FieldError::new("/external_id", "required", "the id is empty or longer than 200")
        })?;
        let title: Vec<_> = self.title.iter().filter_map(|&column| text(row, column)).collect();
        let category: Vec<_> =
            self.category.iter().filter_map(|&column| text(row, column)).map(slugify).collect();
        let attributes = self
            .attributes
            .iter()
            .filter_map(|(name, column)| Some((name.clone(), text(row, *column)?.to_owned())));
        let draft = ProductDraft {
            slug: None,
            title: title.join(", "),
            description: self.description.and_then(|column| text(row, column)).unwrap_or_default().to_owned(),
            brand: self.brand.and_then(|column| text(row, column)).map(str::to_owned),
            category: (!category.is_empty()).then(|| category.join("/")),
            attributes: attributes.collect(),
            images: Vec::new(),
            variants: vec![VariantDraft {
                sku: format!("{}-{external_id}", self.source),
                options: BTreeMap::new(),
                price: self.price(row)?,
            }],
            status: Some(ProductStatus::Active),
        };
        Ok((external_id.to_owned(), draft))
    }

    /// The stored product with what the file says: fields that the map does not name stay as they are, and so do
    /// status, slug, pictures and variants that people have made. `None` when the file says nothing new.
    pub fn merge(&self, before: &Product, file: &Product) -> Option<Product> {
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
        for (name, _) in &self.attributes {
            match file.attributes.get(name) {
                Some(value) => merged.attributes.insert(name.clone(), value.clone()),
                None => merged.attributes.remove(name),
            };
        }
        if self.price.is_some() {
            for variant in &file.variants {
                let known = merged.variants.iter_mut().find(|known| known.sku == variant.sku);
                known.into_iter().for_each(|known| known.price = variant.price);
            }
        }
        (merged != *before).then(|| Product {
            version: before.version + 1,
            updated_at: file.updated_at,
            ..merged
        })
    }

    fn price(&self, row: &[String]) -> Result<Option<Money>, FieldError> {
        let Some((column, currency)) = self.price else {
            return Ok(None);
        };
        let Some(written) = text(row, column) else {
            return Ok(None);
        };
        let wrong = || FieldError::new("/variants/0/price", "invalid", format!("{written:?} is no price"));
        let exact = Decimal::from_str_exact(written).map_err(|_| wrong())?;
        let money = Money::from_exact(exact, currency).map_err(|_| wrong())?;
        let digits = domain::money::exponent(currency);
        if exact.normalize().scale() > digits {
            let detail = format!("{written:?} has more than {digits} digits after the point");
            return Err(FieldError::new("/variants/0/price", "invalid", detail));
        }
        Ok(Some(money))
    }
}

fn text(row: &[String], column: usize) -> Option<&str> {
    row.get(column).map(|text| text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
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
}
