//! Whether what the lake holds of a month can be true. What cannot be is not published.

use std::fmt;

use polars::prelude::*;

use crate::lake::column;
use crate::reports::ReportError;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In a few words.
    pub what: &'static str,
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
    let document = [column::ORDER_ID, column::REFUND_ID];
    let of_lines = lines.clone().group_by(document.map(col)).agg([
        len().alias("lines"),
        col(column::LINE_NUMBER).n_unique().alias("numbers"),
        missing(&[column::KIND, column::STATUS, column::CURRENCY, column::OCCURRED_AT, column::QUANTITY]),
    ]);
    let of_documents = documents.clone().group_by(document.map(col)).agg([
        len().alias("documents"),
        missing(&[column::KIND, column::STATUS, column::CURRENCY, column::OCCURRED_AT]).alias("missing_too"),
    ]);
    let args = JoinArgs { nulls_equal: true, ..JoinArgs::new(JoinType::Full) };
    let args = args.with_coalesce(JoinCoalesce::CoalesceColumns);
    let none = |name: &str| col(name).fill_null(lit(0u32));
    let sums = [
        (none("missing") + none("missing_too")).sum().alias("values that are missing"),
        none("lines").neq(none("numbers")).sum().alias("documents with a line twice"),
        none("documents").gt(lit(1u32)).sum().alias("documents that are there twice"),
    ];
    let found =
        of_lines.join(of_documents, document.map(col), document.map(col), args).select(sums).collect()?;
    let what = ["values that are missing", "documents with a line twice", "documents that are there twice"];
    for what in what {
        let count = found.column(what)?.cast(&DataType::UInt64)?;
        let count = count.u64()?.get(0).unwrap_or_default();
        if count > 0 {
            return Ok(Some(Finding { what, count }));
        }
    }
    Ok(None)
}

/// Lines without their document, in the whole history: an imported one may have them on other days.
pub fn check_references(lines: &LazyFrame, documents: &LazyFrame) -> Result<Option<Finding>, ReportError> {
    let document = [column::ORDER_ID, column::REFUND_ID];
    let args = JoinArgs { nulls_equal: true, ..JoinArgs::new(JoinType::Anti) };
    let ids = |rows: &LazyFrame| rows.clone().select(document.map(col));
    let orphans = ids(lines).join(ids(documents), document.map(col), document.map(col), args);
    let count = orphans.select([len().cast(DataType::UInt64).alias("orphans")]).collect()?;
    let count = count.column("orphans")?.u64()?.get(0).unwrap_or_default();
    Ok((count > 0).then_some(Finding { what: "lines without their document", count }))
}

fn missing(columns: &[&str]) -> Expr {
    let count = |name: &&str| col(*name).null_count();
    columns.iter().map(count).reduce(|sum, next| sum + next).unwrap_or(lit(0u32)).alias("missing")
}
