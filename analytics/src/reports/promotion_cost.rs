//! What promotions cost, beside the orders of the same days without one.

use domain::order::OrderKind;
use polars::prelude::*;

use super::derived::{DATE, IS_SALE};
use super::{sorted, sum_if};
use crate::lake::column;

const CODE: &str = column::PROMOTION_CODE;
const FIRST: &str = "first_date";
const LAST: &str = "last_date";

/// Orders by day, currency and code, those without one too: what [`promotion_cost`] needs of a month.
pub fn promotion_days(documents: &LazyFrame, lines: &LazyFrame) -> LazyFrame {
    let order = [col(column::ORDER_ID)];
    let sold = lines.clone().filter(col(IS_SALE)).group_by(order.clone()).agg([
        sum_if(col(column::AMOUNT_MICROS), lit(true), "gross_revenue"),
        sum_if(col(column::DISCOUNT_MICROS), lit(true), "discounts"),
    ]);
    documents
        .clone()
        .filter(col(column::KIND).eq(lit(OrderKind::Sale.name())))
        .select([column::ORDER_ID, DATE, column::CURRENCY, CODE].map(col))
        .join(sold, order.clone(), order, JoinArgs::new(JoinType::Left))
        .group_by([DATE, column::CURRENCY, CODE].map(col))
        .agg([
            len().cast(DataType::Int64).alias("orders"),
            col("discounts").sum(),
            col("gross_revenue").sum(),
        ])
}

/// Each code beside what was ordered without any, from its first day to its last. `days` are of [`promotion_days`].
pub fn promotion_cost(days: &LazyFrame) -> LazyFrame {
    let keys = [CODE, column::CURRENCY];
    let costs = days.clone().filter(col(CODE).is_not_null()).group_by(keys.map(col)).agg([
        col(DATE).min().alias(FIRST),
        col(DATE).max().alias(LAST),
        col("orders").sum(),
        col("discounts").sum(),
        col("gross_revenue").sum(),
    ]);
    let without = days.clone().filter(col(CODE).is_null()).select([
        col(DATE),
        col(column::CURRENCY),
        col("orders").alias("baseline_orders"),
        col("gross_revenue").alias("baseline_gross_revenue"),
    ]);
    let is_within = || col(DATE).gt_eq(col(FIRST)).and(col(DATE).lt_eq(col(LAST)));
    let within = |name: &str, zero: Expr| when(is_within()).then(col(name)).otherwise(zero).sum();
    let zero = || lit(0i64);
    let counted = costs
        .join(without, [col(column::CURRENCY)], [col(column::CURRENCY)], JoinArgs::new(JoinType::Left))
        .group_by([CODE, column::CURRENCY, FIRST, LAST].map(col))
        .agg([
            col("orders").first(),
            within("baseline_orders", zero()).alias("baseline_orders"),
            col("discounts").first(),
            col("gross_revenue").first(),
            within("baseline_gross_revenue", zero().cast(DataType::Int128)).alias("baseline_gross_revenue"),
        ]);
    sorted(counted, &keys)
}
