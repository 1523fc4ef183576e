//! Whether what the lake holds of a month can be true. What cannot be is not published.

use std::fmt;

use polars::prelude::*;

use crate::lake::column;
use crate::reports::{ReportError, collect, id};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In a few words.
    pub what: String,
    /// How often.
    pub count: u64,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.count, self.what)
    }
}

/// The first thing that is wrong with lines and documents, both as the lake has them: values that are missing, or
/// rows that are there twice.
pub fn check(lines: &LazyFrame, documents: &LazyFrame) -> Result<Option<Finding>, ReportError> {
    let document = [column::ORDER_ID, column::REFUND_ID].map(id);
    let never_null = [column::KIND, column::STATUS, column::CURRENCY, column::OCCURRED_AT];
    let of_lines = lines
        .clone()
        .group_by(document.clone())
        .agg([len().alias("lines"), col(column::LINE_NUMBER).n_unique().alias("numbers")]);
    let of_documents = documents.clone().group_by(document).agg([len().alias("documents")]);
    let checks = [
        missing(lines, &[never_null.as_slice(), &[column::QUANTITY]].concat()),
        missing(documents, &never_null),
        of_lines.select([col("lines").neq(col("numbers")).alias("documents with a line twice")]),
        of_documents.select([col("documents").gt(lit(1u32)).alias("documents that are there twice")]),
    ];
    for check in checks {
        if let Some(finding) = finding(check)? {
            return Ok(Some(finding));
        }
    }
    Ok(None)
}

/// What the sum of a column of counts or conditions tells.
fn finding(check: LazyFrame) -> Result<Option<Finding>, ReportError> {
    let sum = collect(check.select([all().as_expr().cast(DataType::UInt64).sum()]))?;
    let Some(column) = sum.columns().first() else { return Ok(None) };
    let count = column.u64()?.get(0).unwrap_or_default();
    Ok((count > 0).then(|| Finding { what: column.name().to_string(), count }))
}

/// Lines without their document, in the whole history: an imported one may have them on other days.
pub fn check_references(lines: &LazyFrame, documents: &LazyFrame) -> Result<Option<Finding>, ReportError> {
    let document = [column::ORDER_ID, column::REFUND_ID];
    let args = JoinArgs { nulls_equal: true, ..JoinArgs::new(JoinType::Anti) };
    let ids = |rows: &LazyFrame| rows.clone().select(document.map(id));
    let orphans = ids(lines).join(ids(documents), document.map(col), document.map(col), args);
    let count = collect(orphans.select([len().cast(DataType::UInt64).alias("orphans")]))?;
    let count = count.column("orphans")?.u64()?.get(0).unwrap_or_default();
    Ok((count > 0).then_some(Finding { what: "lines without their document".to_owned(), count }))
}

fn missing(rows: &LazyFrame, columns: &[&str]) -> LazyFrame {
    let counts = columns.iter().map(|name| col(*name).null_count());
    let count = counts.reduce(|sum, next| sum + next).unwrap_or(lit(0u32));
    rows.clone().select([count.alias("values that are missing")])
}
