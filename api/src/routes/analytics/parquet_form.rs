//! A report as Apache Parquet: days as dates, amounts as decimals of 38 digits.

use bytes::Bytes;
use lake::report_file::{self, Values};
use store::pg::reports::{Cell, Column, Kind, Report};

/// Digits after the point of amounts: prices have no more.
const AMOUNT_SCALE: u32 = 6;

/// The rows, whatever they are: an empty report has its columns.
pub fn parquet_bytes(report: &Report, rows: Vec<Vec<Cell>>) -> Result<Bytes, report_file::ReportFileError> {
    let mut columns: Vec<_> = report.columns().map(|column| (column.name, empty(column))).collect();
    for row in rows {
        for ((_, values), cell) in columns.iter_mut().zip(row) {
            add(values, cell);
        }
    }
    report_file::to_parquet(&columns).map(Bytes::from)
}

fn empty(column: &Column) -> Values {
    match column.kind {
        Kind::Date => Values::Dates(Vec::new()),
        Kind::Text => Values::Texts(Vec::new()),
        Kind::Count => Values::Counts(Vec::new()),
        Kind::Amount => Values::Decimals { scale: AMOUNT_SCALE, units: Vec::new() },
        Kind::Ratio(scale) => Values::Decimals { scale, units: Vec::new() },
    }
}

fn add(values: &mut Values, cell: Cell) {
    match (values, cell) {
        (Values::Dates(dates), Cell::Date(date)) => dates.push(date),
        (Values::Texts(texts), Cell::Text(text)) => texts.push(text),
        (Values::Counts(counts), Cell::Count(count)) => counts.push(count),
        (Values::Decimals { scale, units }, Cell::Number(mut number)) => {
            number.rescale(*scale);
            units.push(number.mantissa());
        }
        (values, cell) => unreachable!("{cell:?} among {values:?}"),
    }
}
