//! Which column of an order history becomes what: a TOML file beside the data. Currency and the way times are written
//! are part of it: nothing is guessed.

use std::path::Path;

use domain::imported_order::{KindRule, LineRules, RawLine, TimeRule};
use domain::money::Currency;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::online_retail;
use crate::input::Column;

/// The map as written. Each name is a header of a CSV file or a dotted path into an NDJSON object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderMap {
    number: String,
    sku: String,
    quantity: String,
    price: String,
    time: String,
    /// `rfc3339`, or strftime directives such as `%d/%m/%Y %H:%M`.
    time_format: String,
    /// IANA name; needed when the times have no offset.
    #[serde(default)]
    time_zone: Option<String>,
    currency: Currency,
    /// Column of an ISO 4217 code; rows of another currency are refused.
    #[serde(default)]
    currency_column: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    country: Option<String>,
    /// Column of `sale`, `credit` or `adjustment`; without it every document is a sale.
    #[serde(default)]
    kind: Option<String>,
}

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OrderMapError {
    /// The file cannot be read.
    #[error("cannot read the column map {0}")]
    Unreadable(std::path::PathBuf, #[source] std::io::Error),
    /// The file is no map.
    #[error("the column map {0} is wrong: {1}")]
    Malformed(String, String),
    /// A column is not in the file.
    #[error("the file has no column {0:?}; it has {1}")]
    UnknownColumn(String, String),
}

impl OrderMap {
    /// Reads a map.
    pub fn read(path: &Path) -> Result<Self, OrderMapError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| OrderMapError::Unreadable(path.to_owned(), error))?;
        Self::parse(&path.display().to_string(), &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, OrderMapError> {
        let malformed = |reason: String| OrderMapError::Malformed(name.to_owned(), reason);
        let map: Self = toml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        map.time_rule().map_err(malformed)?;
        Ok(map)
    }

    /// What its rows mean.
    pub fn rules(&self) -> LineRules {
        let time = self.time_rule().expect("checked when it was read");
        LineRules { currency: self.currency, time, kind: KindRule::Written }
    }

    fn time_rule(&self) -> Result<TimeRule, String> {
        let pattern = self.time_format.clone();
        let has_offset = pattern == "rfc3339"
            || ["%z", "%:z", "%Q", "%:Q", "%s"].iter().any(|part| pattern.contains(part));
        match (&self.time_zone, has_offset) {
            (None, false) => Err("time_zone is needed: time_format has no offset".to_owned()),
            (Some(_), true) => Err("time_zone and an offset in time_format: one of both".to_owned()),
            (None, true) if pattern == "rfc3339" => Ok(TimeRule::Rfc3339),
            (None, true) => Ok(TimeRule::Pattern { pattern, zone: None }),
            (Some(zone), false) if zone == "UTC" && pattern == "%Y-%m-%d %H:%M:%S" => Ok(TimeRule::Plain),
            (Some(zone), false) => {
                let zone = TimeZone::get(zone).map_err(|_| format!("{zone:?} is no time zone"))?;
                Ok(TimeRule::Pattern { pattern, zone: Some(zone) })
            }
        }
    }

    /// What is asked of an NDJSON file.
    pub fn paths(&self) -> Vec<Column> {
        let optional = [&self.description, &self.customer, &self.country, &self.currency_column, &self.kind];
        let needed = [&self.number, &self.sku, &self.quantity, &self.price, &self.time];
        let names = needed.into_iter().chain(optional.into_iter().flatten());
        names.map(|name| Column { name: name.clone(), is_nested: false }).collect()
    }

    /// Finds the columns in a header.
    pub(super) fn bind(&self, header: &[String]) -> Result<Columns, OrderMapError> {
        let find = |name: &String| {
            let place = header.iter().position(|column| column.trim() == name);
            place.ok_or_else(|| OrderMapError::UnknownColumn(name.clone(), header.join(", ")))
        };
        let find_in = |name: &Option<String>| name.as_ref().map(find).transpose();
        Ok(Columns {
            number: find(&self.number)?,
            sku: find(&self.sku)?,
            quantity: find(&self.quantity)?,
            unit_price: find(&self.price)?,
            occurred_at: find(&self.time)?,
            description: find_in(&self.description)?,
            customer: find_in(&self.customer)?,
            country: find_in(&self.country)?,
            currency: find_in(&self.currency_column)?,
            kind: find_in(&self.kind)?,
        })
    }
}

/// Where each column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    number: usize,
    sku: usize,
    quantity: usize,
    unit_price: usize,
    occurred_at: usize,
    description: Option<usize>,
    customer: Option<usize>,
    country: Option<usize>,
    currency: Option<usize>,
    kind: Option<usize>,
}

impl Columns {
    /// Those of UCI Online Retail.
    pub(super) fn online_retail(header: &[String]) -> Result<Self, online_retail::HeaderMismatch> {
        let ([number, sku, description, quantity, occurred_at, unit_price, customer, country], currency) =
            online_retail::find(header)?;
        let (description, customer, country) = (Some(description), Some(customer), Some(country));
        Ok(Self {
            number,
            sku,
            quantity,
            unit_price,
            occurred_at,
            description,
            customer,
            country,
            currency,
            kind: None,
        })
    }

    /// The row's texts; it has as many fields as the header.
    pub(super) fn raw_line<'a>(&self, fields: &'a [String]) -> RawLine<'a> {
        let text = |place: usize| fields[place].as_str();
        let text_or_empty = |place: Option<usize>| place.map_or("", text);
        RawLine {
            number: text(self.number),
            sku: text(self.sku),
            description: text_or_empty(self.description),
            quantity: text(self.quantity),
            occurred_at: text(self.occurred_at),
            unit_price: text(self.unit_price),
            customer: text_or_empty(self.customer),
            country: text_or_empty(self.country),
            currency: text_or_empty(self.currency),
            kind: text_or_empty(self.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "number = \"no\"\nsku = \"item.sku\"\nquantity = \"pieces\"\nprice = \"price\"\n\
                       time = \"at\"\ncurrency = \"EUR\"\n";

    #[test]
    fn the_examples_are_maps() {
        for (name, text) in [
            ("orders-csv", include_str!("../../maps/orders-csv.toml")),
            ("orders-ndjson", include_str!("../../maps/orders-ndjson.toml")),
        ] {
            OrderMap::parse(name, text).expect(name);
        }
    }

    #[test]
    fn a_time_has_either_a_zone_or_an_offset() {
        let rule = |rest: &str| OrderMap::parse("m", &format!("{MAP}{rest}")).map(|map| map.rules().time);
        assert_eq!(rule("time_format = \"rfc3339\"").expect("a map"), TimeRule::Rfc3339);
        let plain = rule("time_format = \"%Y-%m-%d %H:%M:%S\"\ntime_zone = \"UTC\"").expect("a map");
        assert_eq!(plain, TimeRule::Plain);
        for wrong in [
            "time_format = \"%d/%m/%Y\"",
            "time_format = \"rfc3339\"\ntime_zone = \"UTC\"",
            "time_format = \"%d/%m/%Y\"\ntime_zone = \"Mars/Base\"",
        ] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn columns_are_found_by_name() {
        let map = OrderMap::parse("m", &format!("{MAP}time_format = \"rfc3339\"")).expect("a map");
        let header: Vec<_> = map.paths().into_iter().map(|column| column.name).collect();
        let fields = ["1", "A", "2", "9.90", "2021-01-01T00:00:00Z"].map(str::to_owned);
        let columns = map.bind(&header).expect("all there");
        let line = columns.raw_line(&fields);
        assert_eq!((line.number, line.sku, line.unit_price, line.kind), ("1", "A", "9.90", ""));
        assert!(map.bind(&header[1..]).expect_err("no number").to_string().contains("\"no\""));
    }
}
