//! The columns of UCI Online Retail, found by name.

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

/// The places of the needed columns, in their order, and of the currency's.
pub(super) fn find(header: &[String]) -> Result<([usize; NEEDED.len()], Option<usize>), HeaderMismatch> {
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
    Ok((NEEDED.map(|name| position(name).expect("none is missing")), position(CURRENCY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_by_name() {
        let found = find(&header(
            "Country,InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Currency",
        ));
        assert_eq!(found, Ok(([1, 2, 3, 4, 5, 6, 7, 0], Some(8))));
    }

    #[test]
    fn another_header_is_told_apart() {
        let mismatch = find(&header("InvoiceNo,InvoiceNo,Colour,Quantity")).expect_err("other columns");
        assert_eq!(mismatch.unexpected, ["InvoiceNo", "Colour"]);
        assert!(mismatch.missing.contains(&"StockCode"));
    }
}
