//! What was sold: by day or month, and by what of it.

use domain::product::category_lineage;
use polars::prelude::*;

use super::derived::{DATE, DOCUMENT, IS_CREDIT, IS_SALE, MONTH, PRODUCT};
use super::{count_if, full_join, in_micros, minor_unit, sorted, sum_if, with_month};
use crate::lake::column;

/// Lines of a document; a period without any is not shown for its lines.
const LINES: &str = "lines";
const MINOR_UNIT: &str = "minor_unit";
/// Whether a part of a document is shown.
const IS_SHOWN: &str = "is_shown";
const SUMS: [&str; 6] = ["units", "gross_revenue", "discounts", "refunds", "raw_sum", "rounded_net"];

/// What each document comes to on each day. A document is of one currency, customer and country. `lines` are those of
/// [`super::lines`].
pub fn by_document(lines: &LazyFrame) -> LazyFrame {
    let sale = || col(IS_SALE);
    lines.clone().with_column(minor_unit().alias(MINOR_UNIT)).group_by([DOCUMENT, DATE].map(col)).agg([
        col(column::CURRENCY).first(),
        col(column::CUSTOMER).first(),
        col(column::COUNTRY).first(),
        sale().any(true),
        col(IS_CREDIT).any(true),
        len().cast(DataType::Int64).alias(LINES),
        sum_if(col(column::QUANTITY), sale(), "units"),
        sum_if(col(column::AMOUNT_MICROS), sale(), "gross_revenue"),
        sum_if(col(column::DISCOUNT_MICROS), sale(), "discounts"),
        sum_if(col(column::AMOUNT_MICROS), col(IS_CREDIT), "refunds"),
        sum_if(col(column::AMOUNT_MICROS), lit(true), "raw_sum"),
        sum_if(rounded(), sale().or(col(IS_CREDIT)), "rounded_net"),
    ])
}

/// Documents of [`by_document`] by month: one that has lines on two days of it is one.
fn by_month(by_document: &LazyFrame) -> LazyFrame {
    let mut whole = vec![
        col(column::CURRENCY).first(),
        col(column::CUSTOMER).first(),
        col(IS_SALE).any(true),
        col(IS_CREDIT).any(true),
        col(LINES).sum(),
    ];
    whole.extend(SUMS.map(|name| col(name).sum()));
    with_month(by_document.clone()).group_by([DOCUMENT, MONTH].map(col)).agg(whole)
}

/// Sales by `period` (a day or a month) and currency. `by_document` is of [`by_document`], `documents` of
/// [`super::documents`], `firsts` of [`super::customers::first_sales`] with the same periods.
pub fn periods(
    by_document: &LazyFrame,
    documents: &LazyFrame,
    firsts: &LazyFrame,
    period: &str,
) -> LazyFrame {
    let keys = [period, column::CURRENCY];
    let (per_document, documents) = if period == MONTH {
        (by_month(by_document), with_month(documents.clone()))
    } else {
        (by_document.clone(), documents.clone())
    };
    let customer = when(col(IS_SALE)).then(col(column::CUSTOMER)).otherwise(lit(NULL));
    let mut sums = vec![
        count_if(col(IS_SALE), "orders"),
        count_if(col(IS_CREDIT), "cancelled_orders"),
        col(column::CUSTOMER).drop_nulls().n_unique().cast(DataType::Int64).alias("customers"),
        col(LINES).sum(),
    ];
    sums.extend(SUMS.map(|name| col(name).sum()));
    let of_lines =
        per_document.with_column(customer.alias(column::CUSTOMER)).group_by(keys.map(col)).agg(sums);
    let of_documents = documents.group_by(keys.map(col)).agg([
        sum_if(col(column::TAX_MINOR), lit(true), "tax"),
        sum_if(col(column::SHIPPING_MINOR), lit(true), "shipping"),
    ]);
    let of_documents = of_documents.with_columns(in_micros(["tax", "shipping"]));
    let new =
        firsts.clone().group_by(keys.map(col)).agg([len().cast(DataType::Int64).alias("new_customers")]);

    let count = |name| (name, DataType::Int64);
    let amount = |name| (name, DataType::Int128);
    let filled: Vec<_> = ["orders", "cancelled_orders", "customers", LINES]
        .map(count)
        .into_iter()
        .chain(SUMS.map(amount))
        .chain(["tax", "shipping"].map(amount))
        .collect();
    let both = full_join(of_lines, of_documents, &keys, &filled);
    let is_shown = col(LINES).gt(lit(0i64)).or(col("tax").neq(lit(0i64))).or(col("shipping").neq(lit(0i64)));
    let with_new = both
        .filter(is_shown)
        .join(new, keys.map(col), keys.map(col), JoinArgs::new(JoinType::Left))
        .with_column(col("new_customers").fill_null(lit(0i64)));
    let shown = [
        period,
        column::CURRENCY,
        "orders",
        "cancelled_orders",
        "customers",
        "new_customers",
        "units",
        "gross_revenue",
        "discounts",
        "refunds",
        "tax",
        "shipping",
        "raw_sum",
        "rounded_net",
    ];
    sorted(with_new, &keys).select(shown.map(col))
}

/// A line's amount, rounded half away from zero to the minor unit.
fn rounded() -> Expr {
    let amount = || col(column::AMOUNT_MICROS);
    // Division of integers goes down, so only what is not negative is divided.
    let half = || col(MINOR_UNIT) / lit(2i64);
    let up = (half() + amount()) / col(MINOR_UNIT);
    let down = lit(0i64) - (half() - amount()) / col(MINOR_UNIT);
    when(amount().gt_eq(lit(0i64))).then(up).otherwise(down) * col(MINOR_UNIT)
}

/// Sales by day, currency and what a line is of; a line without one is of the empty one.
fn parts(lines: &LazyFrame, part: &str) -> LazyFrame {
    let lines = lines.clone().with_column(col(part).fill_null(lit("")));
    let per_document = lines.group_by([DATE, part, DOCUMENT].map(col)).agg([
        col(column::CURRENCY).first(),
        col(IS_SALE).any(true),
        is_shown().any(true),
        sum_if(col(column::QUANTITY), col(IS_SALE), "units"),
        sum_if(col(column::AMOUNT_MICROS), col(IS_SALE), "gross_revenue"),
        sum_if(col(column::AMOUNT_MICROS), col(IS_CREDIT), "refunds"),
    ]);
    summed(per_document, part)
}

/// Whether a part of a document is one of sales or refunds.
fn is_shown() -> Expr {
    col(IS_SALE).or(col(IS_CREDIT)).alias(IS_SHOWN)
}

fn summed(per_document: LazyFrame, part: &str) -> LazyFrame {
    let keys = [DATE, column::CURRENCY, part];
    let summed = per_document.filter(col(IS_SHOWN)).group_by(keys.map(col)).agg([
        count_if(col(IS_SALE), "orders"),
        col("units").sum(),
        col("gross_revenue").sum(),
        col("refunds").sum(),
    ]);
    sorted(summed, &keys)
        .select([DATE, column::CURRENCY, part, "orders", "units", "gross_revenue", "refunds"].map(col))
}

/// Sales by day, currency and product.
pub fn products(lines: &LazyFrame) -> LazyFrame {
    parts(lines, PRODUCT)
}

/// Sales by day, currency and country. `by_document` is of [`by_document`].
pub fn countries(by_document: &LazyFrame) -> LazyFrame {
    let known = by_document.clone().with_column(col(column::COUNTRY).fill_null(lit("")));
    summed(known.with_column(is_shown()), column::COUNTRY)
}

/// Sales by day, currency and category, those above it too. `ancestry` is of [`ancestry`].
pub fn categories(lines: &LazyFrame, ancestry: &LazyFrame) -> LazyFrame {
    let product = col(column::PRODUCT_ID);
    parts(&lines.clone().left_join(ancestry.clone(), product.clone(), product), column::CATEGORY)
}

/// For each product of the catalogue its category and those above it: a row each.
pub fn ancestry(products: &DataFrame) -> PolarsResult<DataFrame> {
    let ids = products.column(column::PRODUCT_ID)?.str()?;
    let categories = products.column(column::CATEGORY)?.str()?;
    let (mut of, mut paths) = (Vec::new(), Vec::new());
    for (id, path) in ids.iter().zip(categories.iter()) {
        let (Some(id), Some(path)) = (id, path) else { continue };
        for ancestor in category_lineage(path) {
            of.push(id);
            paths.push(ancestor);
        }
    }
    let columns =
        vec![Column::new(column::PRODUCT_ID.into(), &of), Column::new(column::CATEGORY.into(), paths)];
    DataFrame::new(of.len(), columns)
}

#[cfg(test)]
mod tests;
