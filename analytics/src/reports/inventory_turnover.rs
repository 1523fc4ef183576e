//! How fast stock is sold.

use jiff::ToSpan;
use jiff::civil::Date;
use polars::prelude::*;

use super::derived::DATE;
use super::{dated, day, days_since_epoch, sorted};
use crate::lake::column;

/// Days that are looked at.
const WINDOW_DAYS: i64 = 28;

/// How much came and went, by product code.
pub fn stock(movements: LazyFrame) -> LazyFrame {
    movements.group_by([col(column::SKU)]).agg([col(column::DELTA).sum()])
}

/// The first of the days that end with `until`.
pub fn first_day(until: Date) -> Date {
    until.saturating_sub((WINDOW_DAYS - 1).days())
}

/// Sold and on hand by product code, over the days that end with `until`. `before` is of [`stock`] and of movements of
/// earlier days, `movements` are the others.
pub fn inventory_turnover(
    before: LazyFrame,
    movements: LazyFrame,
    zone: &TimeZone,
    until: Date,
) -> PolarsResult<LazyFrame> {
    let from = first_day(until);
    let in_window = || col(DATE).gt_eq(day(from));
    let is_sale = || {
        ["sale", "return"].iter().fold(lit(false), |any, cause| any.or(col(column::CAUSE).eq(lit(*cause))))
    };
    let delta = || col(column::DELTA);
    // What came on a day of the window was not there on the days before it.
    let day_of_window =
        || col(DATE).cast(DataType::Int32).cast(DataType::Int64) - lit(i64::from(days_since_epoch(from)));
    let if_so = |value: Expr, condition: Expr| when(condition).then(value).otherwise(lit(0i64));
    let none = |name: &str| lit(0i64).cast(DataType::Int64).alias(name);
    let before =
        before.select([col(column::SKU), none("units_sold"), delta().alias("on_hand"), none("missed")]);
    let movements = dated(movements, column::OCCURRED_AT, zone).filter(col(DATE).lt_eq(day(until))).select([
        col(column::SKU),
        if_so(lit(0i64) - delta(), in_window().and(is_sale())).alias("units_sold"),
        delta().alias("on_hand"),
        if_so(delta() * day_of_window(), in_window()).alias("missed"),
    ]);
    let counted = concat([before, movements], UnionArgs::default())?
        .group_by([col(column::SKU)])
        .agg(["units_sold", "on_hand", "missed"].map(|name| col(name).sum()))
        .with_column((col("on_hand") * lit(WINDOW_DAYS) - col("missed")).alias("on_hand_days"));
    let shown = [column::SKU, "units_sold", "on_hand", "on_hand_days"].map(col);
    Ok(sorted(counted, &[column::SKU]).select(shown))
}
