//! A report as CSV (RFC 4180) with a header line, safe to open in a spreadsheet.

use bytes::Bytes;
use store::pg::reports::{Cell, Report};

/// The header line is there also when there is no row.
pub fn csv_bytes(report: &Report, rows: Vec<Vec<Cell>>) -> Result<Bytes, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(report.columns().map(|column| column.name))?;
    for row in rows {
        writer.write_record(row.into_iter().map(text))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(bytes.into())
}

fn text(cell: Cell) -> String {
    match cell {
        Cell::Date(date) => date.to_string(),
        Cell::Text(text) => plain_text(text),
        Cell::Count(count) => count.to_string(),
        Cell::Number(number) => number.to_string(),
    }
}

/// A text that a spreadsheet does not take for a formula. Amounts are numbers and stay as they are.
fn plain_text(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use store::pg::reports;

    use super::*;

    #[test]
    fn a_text_is_no_formula_and_an_amount_is_a_number() {
        let report = reports::find("product-sales").expect("a report");
        let row = vec![
            Cell::Date(jiff::civil::date(2010, 12, 1)),
            Cell::Text("GBP".into()),
            Cell::Text("=1+1".into()),
            Cell::Count(1),
            Cell::Count(-2),
            Cell::Number("5.00".parse().expect("a number")),
            Cell::Number("-6.50".parse().expect("a number")),
            Cell::Number("-1.50".parse().expect("a number")),
        ];
        let bytes = csv_bytes(report, vec![row]).expect("a text");
        let expected = "date,currency,product,orders,units,gross_revenue,refunds,net_revenue\n\
                        2010-12-01,GBP,'=1+1,1,-2,5.00,-6.50,-1.50\n";
        assert_eq!(bytes, expected.as_bytes());
    }

    #[test]
    fn the_header_line_is_always_there() {
        let report = reports::find("users").expect("a report");
        assert_eq!(csv_bytes(report, Vec::new()).expect("a text"), "date,registered,active,buyers\n");
    }
}
