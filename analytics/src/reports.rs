//! The reports: pure functions from frames of the lake to frames of exact integers. The definitions are in
//! `METRICS.md`.
//!
//! Amounts are whole millionths of the major unit in 128 bits: no sum of 64-bit numbers wraps there.

use std::collections::BTreeMap;

use domain::order::{OrderKind, OrderStatus};
use jiff::ToSpan;
use jiff::civil::Date;
use polars::prelude::*;

use crate::extract::minor_unit_micros;
use crate::lake::column;

pub mod bought_together;
pub mod customers;
pub mod funnel;
pub mod hourly_orders;
pub mod inventory_turnover;
pub mod payment_success;
pub mod product_conversion;
pub mod promotion_cost;
pub mod sales;
pub mod users;

/// Names of the columns that follow from those of the lake.
pub mod derived {
    /// Calendar day in the time zone.
    pub const DATE: &str = "date";
    /// Its month's first day.
    pub const MONTH: &str = "month";
    /// The refund, or else the order, that a line belongs to.
    pub const DOCUMENT: &str = "document";
    /// The product's id, or the code where there is none.
    pub const PRODUCT: &str = "product";
    /// Whether a line is a sale line.
    pub const IS_SALE: &str = "is_sale";
    /// Whether a line is a credit line.
    pub const IS_CREDIT: &str = "is_credit";
}

/// Why a report cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// polars refuses: such as an unknown time zone, or a file of another shape.
    #[error("the report cannot be computed")]
    Frame(#[from] PolarsError),
    /// No zone of that name.
    #[error("{0:?} is no time zone that is known here")]
    UnknownZone(String),
    /// A number does not fit its type.
    #[error("{column} of {report} does not fit")]
    Overflow {
        /// The report.
        report: &'static str,
        /// Its column.
        column: &'static str,
    },
}

/// Computes rows with the engine that streams: pieces at a time, on every core. Blocks.
pub fn collect(rows: LazyFrame) -> PolarsResult<DataFrame> {
    rows.collect_with_engine(Engine::Streaming).map(|computed| computed.unwrap_single())
}

/// A UUID's bytes as a number, which is grouped and joined faster.
pub fn id(name: &str) -> Expr {
    col(name).binary().reinterpret(DataType::Int128, false).alias(name)
}

/// The zone of that IANA name.
pub fn time_zone(name: &str) -> Result<TimeZone, ReportError> {
    let zone = TimeZone::opt_try_new(Some(name)).ok().flatten();
    zone.ok_or_else(|| ReportError::UnknownZone(name.to_owned()))
}

/// Rows with the day of a time.
pub fn dated(rows: LazyFrame, time: &str, zone: &TimeZone) -> LazyFrame {
    rows.with_column(col(time).dt().convert_time_zone(zone.clone()).dt().date().alias(derived::DATE))
}

/// Rows with the month of their day.
fn with_month(rows: LazyFrame) -> LazyFrame {
    rows.with_column(col(derived::DATE).dt().truncate(lit("1mo")).alias(derived::MONTH))
}

/// Rows of those days, both ends included.
pub fn between(rows: LazyFrame, (from, to): (Date, Date)) -> LazyFrame {
    rows.filter(col(derived::DATE).gt_eq(day(from)).and(col(derived::DATE).lt_eq(day(to))))
}

/// A day as polars writes it.
pub fn day(date: Date) -> Expr {
    lit(days_since_epoch(date)).cast(DataType::Date)
}

/// Millionths in a hundredth: the minor unit of most currencies.
const CENT: i64 = 10_000;
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// The day that is so many days after the first of 1970: how polars counts them.
pub fn date_of(days_since_epoch: i32) -> Date {
    EPOCH.saturating_add(days_since_epoch.days())
}

/// Days since 1970.
pub fn days_since_epoch(date: Date) -> i32 {
    let hours = date.duration_since(EPOCH).as_hours();
    i32::try_from(hours / 24).unwrap_or(i32::MAX)
}

/// Whether a document is one that sales are counted of.
fn is_counted() -> Expr {
    let is = |status: OrderStatus| col(column::STATUS).eq(lit(status.name()));
    is(OrderStatus::Paid).or(is(OrderStatus::Completed))
}

/// Counted lines, with what they are and their day.
pub fn lines(lines: LazyFrame, zone: &TimeZone) -> LazyFrame {
    dated(counted_lines(lines), column::OCCURRED_AT, zone)
}

/// Counted lines, with what they are in every time zone.
pub fn counted_lines(lines: LazyFrame) -> LazyFrame {
    let is_sale = col(column::KIND)
        .eq(lit(OrderKind::Sale.name()))
        .and(col(column::QUANTITY).gt(lit(0i64)))
        .and(col(column::UNIT_PRICE_MICROS).gt(lit(0i64)));
    let is_credit = col(column::KIND).eq(lit(OrderKind::Credit.name()));
    lines.filter(is_counted()).with_columns([
        id(column::REFUND_ID).fill_null(id(column::ORDER_ID)).alias(derived::DOCUMENT),
        id(column::ORDER_ID),
        col(column::PRODUCT_ID).fill_null(col(column::SKU)).alias(derived::PRODUCT),
        is_sale.alias(derived::IS_SALE),
        is_credit.alias(derived::IS_CREDIT),
    ])
}

/// Counted documents of kind `sale` and `credit`.
pub fn documents(documents: LazyFrame, zone: &TimeZone) -> LazyFrame {
    let is = |kind: OrderKind| col(column::KIND).eq(lit(kind.name()));
    let wanted = documents.filter(is_counted().and(is(OrderKind::Sale).or(is(OrderKind::Credit))));
    dated(wanted, column::OCCURRED_AT, zone).with_column(id(column::ORDER_ID))
}

/// How many millionths of the major unit a minor one of the row's currency is.
fn minor_unit() -> Expr {
    let mut others: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for code in domain::money::currencies().map(|currency| currency.code()) {
        if let Some(unit) = minor_unit_micros(code).filter(|unit| *unit != CENT) {
            others.entry(unit).or_default().push(code);
        }
    }
    others.into_iter().fold(lit(CENT), |rest, (unit, codes)| {
        let codes = lit(Series::new("codes".into(), codes)).implode(true);
        when(col(column::CURRENCY).is_in(codes, false)).then(lit(unit)).otherwise(rest)
    })
}

/// Sums of minor units as millionths of the major one.
fn in_micros<const N: usize>(sums: [&str; N]) -> [Expr; N] {
    sums.map(|name| col(name).cast(DataType::Int128) * minor_unit())
}

/// The sum of a column over the rows for which a condition holds.
fn sum_if(value: Expr, condition: Expr, name: &str) -> Expr {
    when(condition).then(value).otherwise(lit(0i64)).cast(DataType::Int128).sum().alias(name)
}

/// How many rows a condition holds for.
fn count_if(condition: Expr, name: &str) -> Expr {
    condition.cast(DataType::Int64).sum().alias(name)
}

/// Both sides, whichever has a row, by these keys; what one side lacks is 0.
fn full_join(left: LazyFrame, right: LazyFrame, keys: &[&str], sums: &[(&str, DataType)]) -> LazyFrame {
    let on: Vec<_> = keys.iter().map(|key| col(*key)).collect();
    let args = JoinArgs::new(JoinType::Full).with_coalesce(JoinCoalesce::CoalesceColumns);
    let filled = sums.iter().map(|(name, dtype)| col(*name).fill_null(lit(0i64).cast(dtype.clone())));
    left.join(right, on.clone(), on, args).with_columns(filled.collect::<Vec<_>>())
}

/// By these columns, smallest first.
fn sorted(rows: LazyFrame, keys: &[&str]) -> LazyFrame {
    rows.sort(keys.iter().copied(), SortMultipleOptions::default())
}
