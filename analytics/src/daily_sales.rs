//! Daily sales: a pure function from lines to rows. The definitions are in `METRICS.md`.

use domain::daily_sales::DailySales;
use domain::order::{OrderKind, OrderStatus};
use jiff::ToSpan;
use jiff::civil::Date;
use polars::prelude::*;
use rust_decimal::Decimal;

use crate::extract::MICROS_SCALE;
use crate::lake::column;

/// Digits of the average order value.
const AOV_SCALE: u32 = 2;
/// Digits of rates.
const RATE_SCALE: u32 = 6;
/// Sums are taken of high and low parts, so that no sum of 64-bit numbers wraps unseen.
const LOW_PART: i64 = 1 << 32;

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// What a channel counts by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// IANA name of the zone whose calendar days are counted.
    pub time_zone: String,
    /// Least digits after the point of an amount.
    pub price_scale: u32,
}

/// Why a report cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// polars refuses: such as an unknown time zone, or a file of another shape.
    #[error("the report cannot be computed")]
    Frame(#[from] PolarsError),
    /// A number does not fit its type.
    #[error("{0} of {1} does not fit")]
    Overflow(&'static str, Date),
}

/// One row per day and currency, by day and then currency. Blocks the thread while it computes.
pub fn daily_sales(lines: LazyFrame, basis: &Basis) -> Result<Vec<DailySales>, ReportError> {
    let zone = TimeZone::opt_try_new(Some(basis.time_zone.as_str()))?;
    let zone = zone.ok_or_else(|| polars_err!(ComputeError: "no time zone"))?;
    let counts = col(column::STATUS)
        .eq(lit(OrderStatus::Paid.name()))
        .or(col(column::STATUS).eq(lit(OrderStatus::Completed.name())));
    let is_sale = col(column::KIND)
        .eq(lit(OrderKind::Sale.name()))
        .and(col(column::QUANTITY).gt(lit(0i64)))
        .and(col(column::UNIT_PRICE_MICROS).gt(lit(0i64)));
    let is_credit = col(column::KIND).eq(lit(OrderKind::Credit.name()));
    let document = col(column::REFUND_ID).fill_null(col(column::ORDER_ID));
    let documents = |of: &Expr| document.clone().filter(of.clone()).n_unique().cast(DataType::Int64);
    let customers = col(column::CUSTOMER).filter(is_sale.clone()).drop_nulls().n_unique();
    let every_line = lit(true);

    let mut aggregates = vec![
        documents(&is_sale).alias("orders"),
        documents(&is_credit).alias("cancelled_orders"),
        customers.cast(DataType::Int64).alias("customers"),
    ];
    aggregates.extend(sum_parts(column::QUANTITY, &is_sale, "units"));
    aggregates.extend(sum_parts(column::AMOUNT_MICROS, &is_sale, "gross"));
    aggregates.extend(sum_parts(column::AMOUNT_MICROS, &is_credit, "refunds"));
    aggregates.extend(sum_parts(column::AMOUNT_MICROS, &every_line, "raw"));
    let frame = lines
        .filter(counts)
        .with_column(col(column::OCCURRED_AT).dt().convert_time_zone(zone).dt().date().alias("date"))
        .group_by([col("date"), col(column::CURRENCY)])
        .agg(aggregates)
        .sort(["date", column::CURRENCY], SortMultipleOptions::default())
        .collect()?;
    (0..frame.height()).map(|place| row(&frame, place, basis)).collect()
}

/// High and low part of a sum of fewer than 2^31 rows. Division truncates, so both have the value's sign.
fn sum_parts(of: &str, filter: &Expr, name: &str) -> [Expr; 2] {
    let value = col(of).filter(filter.clone());
    let high = value.clone() / lit(LOW_PART);
    let low = value - high.clone() * lit(LOW_PART);
    [high.sum().alias(format!("{name}_high")), low.sum().alias(format!("{name}_low"))]
}

fn row(frame: &DataFrame, place: usize, basis: &Basis) -> Result<DailySales, ReportError> {
    let days = frame.column("date")?.cast(&DataType::Int32)?.i32()?.get(place).unwrap_or_default();
    let date = EPOCH.saturating_add(days.days());
    let number =
        |name: &str| -> PolarsResult<i64> { Ok(frame.column(name)?.i64()?.get(place).unwrap_or_default()) };
    let sum = |name: &str| -> PolarsResult<i128> {
        let (high, low) = (number(&format!("{name}_high"))?, number(&format!("{name}_low"))?);
        Ok(i128::from(high) * i128::from(LOW_PART) + i128::from(low))
    };
    let amount = |name, micros| {
        let decimal = decimal(micros, MICROS_SCALE, basis.price_scale);
        decimal.ok_or(ReportError::Overflow(name, date))
    };
    let (gross, refunds, raw) = (sum("gross")?, sum("refunds")?, sum("raw")?);
    let (orders, cancelled_orders) = (number("orders")?, number("cancelled_orders")?);
    let currency = frame.column(column::CURRENCY)?.str()?.get(place).unwrap_or_default();
    let aov = ratio(gross, i128::from(orders) * 10i128.pow(MICROS_SCALE), AOV_SCALE);
    let documents = i128::from(orders) + i128::from(cancelled_orders);
    let cancellation_rate = ratio(i128::from(cancelled_orders), documents, RATE_SCALE);
    Ok(DailySales {
        date,
        currency: currency.to_owned(),
        orders,
        cancelled_orders,
        customers: number("customers")?,
        units: i64::try_from(sum("units")?).map_err(|_| ReportError::Overflow("units", date))?,
        gross_revenue: amount("gross_revenue", gross)?,
        refunds: amount("refunds", refunds)?,
        net_revenue: amount("net_revenue", gross + refunds)?,
        raw_sum: amount("raw_sum", raw)?,
        aov: aov.ok_or(ReportError::Overflow("aov", date))?,
        cancellation_rate: cancellation_rate.ok_or(ReportError::Overflow("cancellation_rate", date))?,
    })
}

/// The exact decimal of `units` of 10^-`scale`, with as few digits as hold it, but at least `least_scale`.
fn decimal(mut units: i128, mut scale: u32, least_scale: u32) -> Option<Decimal> {
    while scale > least_scale && units % 10 == 0 {
        units /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(units, scale).ok()
}

/// `numerator / denominator` of numbers that are not negative, half up; 0 when the denominator is 0.
fn ratio(numerator: i128, denominator: i128, scale: u32) -> Option<Decimal> {
    if denominator == 0 {
        return Decimal::try_from_i128_with_scale(0, scale).ok();
    }
    let twice = numerator.checked_mul(2 * 10i128.pow(scale))?.checked_add(denominator)?;
    Decimal::try_from_i128_with_scale(twice / (2 * denominator), scale).ok()
}

#[cfg(test)]
mod tests;
