//! Which column of a catalogue file becomes which field of a product: a TOML file beside the data, or one that ships.
//!
//! A column is named by its header, in a CSV file also by its position from 1 as `@3`, in an NDJSON file by its dotted
//! path. Several columns are joined; blanks are left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use domain::slug::slugify;
use serde::Deserialize;

use super::bound_map::BoundMap;
use super::price_map::PriceMap;
use super::variant_map::{BoundVariants, VariantMap};
use crate::input::Column;

/// The maps that ship, by name. [`DEFAULT_MAP`] has our own fields.
pub(super) const SHIPPED: [(&str, &str); 4] = [
    (DEFAULT_MAP, include_str!("../../maps/entrepot.toml")),
    ("fashion-styles", include_str!("../../maps/fashion-styles.toml")),
    ("judged-search", include_str!("../../maps/judged-search.toml")),
    ("products-ndjson", include_str!("../../maps/products-ndjson.toml")),
];
/// The map whose columns are our own fields.
pub const DEFAULT_MAP: &str = "entrepot";
/// Longest name of a catalogue.
const SOURCE_LENGTH_MAX: usize = 60;

/// The map as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnMap {
    /// Name of the catalogue: a product is known by it and its external id.
    pub source: String,
    /// Whether a CSV file may lack columns that the map names; their fields stay as they are.
    #[serde(default)]
    may_lack_columns: bool,
    /// The product's id in the catalogue.
    external_id: String,
    /// Joined by a comma, as it was before the comma split it.
    title: Vec<String>,
    /// Text.
    #[serde(default)]
    description: Option<String>,
    /// Who makes it.
    #[serde(default)]
    brand: Option<String>,
    /// From the root down.
    #[serde(default)]
    category: Vec<String>,
    /// What parts the levels within one of these columns.
    #[serde(default)]
    category_separator: Option<String>,
    /// Attribute name to column.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    /// Column of a JSON object of attributes.
    #[serde(default)]
    attributes_from: Option<String>,
    /// SKU of the only variant; without it: source and id.
    #[serde(default)]
    sku: Option<String>,
    /// Price of the only variant; without one the product is found but cannot be bought.
    #[serde(default)]
    price: Option<PriceMap>,
    /// Several variants.
    #[serde(default)]
    variants: Option<VariantMap>,
}

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ColumnMapError {
    /// The file cannot be read.
    #[error("cannot read the column map {0}")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is no map.
    #[error("the column map {0} is wrong: {1}")]
    Malformed(String, String),
    /// No map of this name ships.
    #[error("there is no map {0:?}; there are {1}")]
    UnknownName(String, String),
    /// A column is not in the file.
    #[error("the file has no column {0:?}; it has {1}")]
    UnknownColumn(String, String),
    /// A position in a file that has none.
    #[error("{0:?}: only a CSV file has columns by position")]
    Position(String),
}

impl ColumnMap {
    /// Reads a map from a file.
    pub fn read(path: &Path) -> Result<Self, ColumnMapError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ColumnMapError::Unreadable(path.to_owned(), error))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// A map that ships.
    pub fn shipped(name: &str) -> Result<Self, ColumnMapError> {
        let found = SHIPPED.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| {
            ColumnMapError::UnknownName(name.to_owned(), SHIPPED.map(|(known, _)| known).join(", "))
        })?;
        Self::parse(name, text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, ColumnMapError> {
        let malformed = |reason: String| ColumnMapError::Malformed(name.to_owned(), reason);
        let map: Self = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if map.source.is_empty() || slugify(&map.source) != map.source || map.source.len() > SOURCE_LENGTH_MAX
        {
            return Err(malformed("source must be a slug of at most 60 characters".to_owned()));
        }
        let prices = [map.price.as_ref(), map.variants.as_ref().and_then(|variants| variants.price.as_ref())];
        if let Some(fault) = prices.into_iter().flatten().find_map(PriceMap::fault) {
            return Err(malformed(fault.to_owned()));
        }
        Ok(map)
    }

    /// What is asked of an NDJSON file.
    pub fn paths(&self) -> Result<Vec<Column>, ColumnMapError> {
        let plain = [Some(&self.external_id), self.description.as_ref(), self.brand.as_ref()];
        let price = self.price.iter().flat_map(|price| [Some(&price.column), price.currency_column.as_ref()]);
        let plain = plain.into_iter().chain(price).chain([self.sku.as_ref()]).flatten();
        let plain = plain.chain(&self.title).chain(&self.category).chain(self.attributes.values());
        let nested = [self.attributes_from.as_ref(), self.variants.as_ref().map(|variants| &variants.list)];
        let columns =
            plain.map(|name| (name, false)).chain(nested.into_iter().flatten().map(|name| (name, true)));
        columns
            .map(|(name, is_nested)| match name.starts_with('@') {
                true => Err(ColumnMapError::Position(name.clone())),
                false => Ok(Column { name: name.clone(), is_nested }),
            })
            .collect()
    }

    /// Finds the columns in a header.
    pub fn bind(&self, header: &[String]) -> Result<BoundMap, ColumnMapError> {
        let known = |column: &String| position(header, column);
        let find = |column: &String| match known(column) {
            Some(place) => Ok(Some(place)),
            None if self.may_lack_columns => Ok(None),
            None => Err(ColumnMapError::UnknownColumn(column.clone(), header.join(", "))),
        };
        let needed = |column: &String| {
            known(column).ok_or_else(|| ColumnMapError::UnknownColumn(column.clone(), header.join(", ")))
        };
        let find_all = |columns: &[String]| -> Result<Vec<_>, ColumnMapError> {
            Ok(columns.iter().map(find).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        };
        let find_in = |column: &Option<String>| -> Result<Option<usize>, ColumnMapError> {
            Ok(column.as_ref().map(find).transpose()?.flatten())
        };
        let external_id = needed(&self.external_id)?;
        let title = self.title.iter().map(needed).collect::<Result<_, _>>()?;
        let attributes = self.attributes.iter().map(|(name, column)| Ok((name.clone(), find(column)?)));
        let attributes = attributes.collect::<Result<Vec<_>, ColumnMapError>>()?;
        let list = self.variants.as_ref().map(|variants| find(&variants.list)).transpose()?.flatten();
        let variants = self.variants.as_ref().map(|variants| BoundVariants::new(variants, list));
        let price = self.price.as_ref().map(|price| price.bind(find)).transpose()?;
        Ok(BoundMap {
            source: self.source.clone(),
            external_id,
            title,
            description: find_in(&self.description)?,
            brand: find_in(&self.brand)?,
            category: find_all(&self.category)?,
            category_separator: self.category_separator.clone(),
            attributes: attributes.into_iter().filter_map(|(name, place)| Some((name, place?))).collect(),
            attributes_from: find_in(&self.attributes_from)?,
            sku: find_in(&self.sku)?,
            price: price.filter(|price| price.is_there()),
            variants: variants.filter(|variants| variants.list.is_some()),
        })
    }
}

fn position(header: &[String], column: &str) -> Option<usize> {
    let by_number = column
        .strip_prefix('@')
        .and_then(|number| number.parse::<usize>().ok())
        .filter(|number| (1..=header.len()).contains(number))
        .map(|number| number - 1);
    by_number.or_else(|| header.iter().position(|name| name.trim() == column))
}

/// A field without the space around it; `None` when nothing is left.
pub(super) fn text(row: &[String], column: Option<usize>) -> Option<&str> {
    row.get(column?).map(|text| text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_map_is_a_map() {
        for (name, _) in SHIPPED {
            ColumnMap::shipped(name).expect(name);
        }
        let error = ColumnMap::shipped("nowhere").expect_err("unknown").to_string();
        assert!(error.contains("fashion-styles"), "{error}");
    }

    #[test]
    fn a_wrong_map_says_what_is_wrong() {
        let map = "source = \"a\"\nexternal_id = \"id\"\ntitle = [\"t\"]\n";
        let fault = |text: String| ColumnMap::parse("m", &text).expect_err("wrong").to_string();
        assert!(fault(map.replace("\"a\"", "\"A b\"")).contains("slug"));
        assert!(fault(format!("{map}colour = \"c\"\n")).contains("colour"));
        assert!(fault(format!("{map}price = {{ column = \"p\" }}\n")).contains("currency"));
        let by_position = ColumnMap::parse("m", &map.replace("\"t\"", "\"@2\"")).expect("a map");
        assert!(by_position.paths().expect_err("no header").to_string().contains("@2"));
    }

    #[test]
    fn only_a_map_that_says_so_may_lack_columns() {
        let header = ["external_id".to_owned(), "title".to_owned()];
        assert!(ColumnMap::shipped(DEFAULT_MAP).expect("ships").bind(&header).is_ok());
        assert!(ColumnMap::shipped(DEFAULT_MAP).expect("ships").bind(&header[..1]).is_err());
        let header = ["product_id".to_owned(), "title".to_owned()];
        let lacking = ColumnMap::shipped("judged-search").expect("ships").bind(&header);
        assert!(lacking.expect_err("no description").to_string().contains("description"));
    }
}
