//! The columns of UCI Online Retail, found by name.

use domain::imported_order::RawLine;

const NEEDED: [&str; 8] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
];
const CURRENCY: &str = "Currency";

/// A header that is not the format's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the columns of online-retail: missing {missing:?}, unknown or repeated {unexpected:?}")]
pub struct HeaderMismatch {
    /// Columns that the format needs.
    pub missing: Vec<&'static str>,
    /// Columns that it does not know, or has once only.
    pub unexpected: Vec<String>,
}

/// Where each column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    needed: [usize; NEEDED.len()],
    currency: Option<usize>,
}

impl Columns {
    pub(super) fn find(header: &[String]) -> Result<Self, HeaderMismatch> {
        let position = |name: &str| header.iter().position(|column| column == name);
        let missing: Vec<_> = NEEDED.into_iter().filter(|name| position(name).is_none()).collect();
        let unexpected: Vec<_> = header
            .iter()
            .enumerate()
            .filter(|(place, column)| {
                let is_known = *column == CURRENCY || NEEDED.contains(&column.as_str());
                !is_known || position(column) != Some(*place)
            })
            .map(|(_, column)| column.clone())
            .collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(HeaderMismatch { missing, unexpected });
        }
        let needed = NEEDED.map(|name| position(name).expect("none is missing"));
        Ok(Self { needed, currency: position(CURRENCY) })
    }

    /// The row's texts; it has as many fields as the header.
    pub(super) fn raw_line<'a>(&self, fields: &'a [String]) -> RawLine<'a> {
        let [number, sku, description, quantity, occurred_at, unit_price, customer, country] =
            self.needed.map(|place| fields[place].as_str());
        let currency = self.currency.map_or("", |place| fields[place].as_str());
        RawLine { number, sku, description, quantity, occurred_at, unit_price, customer, country, currency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_by_name() {
        let columns = Columns::find(&header(
            "Country,InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Currency",
        ))
        .expect("all there");
        let fields = header("UK,1,85123A,LANTERN,6,2010-12-01 08:26:00,2.55,17850.0,GBP");
        let line = columns.raw_line(&fields);
        assert_eq!((line.number, line.country, line.currency), ("1", "UK", "GBP"));
    }

    #[test]
    fn another_header_is_told_apart() {
        let mismatch =
            Columns::find(&header("InvoiceNo,InvoiceNo,Colour,Quantity")).expect_err("other columns");
        assert_eq!(mismatch.unexpected, ["InvoiceNo", "Colour"]);
        assert!(mismatch.missing.contains(&"StockCode"));
    }
}
