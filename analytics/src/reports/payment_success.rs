//! How often payments succeeded.

use polars::prelude::*;

use super::derived::DATE;
use super::{MINOR_UNIT, count_if, dated, sorted, with_minor_unit};
use crate::lake::column;

const CAPTURED: &str = "captured";

/// Attempts to pay, with their days.
pub fn payments(payments: LazyFrame, zone: &TimeZone) -> LazyFrame {
    dated(with_minor_unit(payments), column::OCCURRED_AT, zone)
}

/// Attempts by day, currency and provider.
pub fn payment_success(payments: &LazyFrame) -> LazyFrame {
    let keys = [DATE, column::CURRENCY, column::PROVIDER];
    let is_captured = || col(column::STATUS).eq(lit(CAPTURED));
    let amount = col(column::AMOUNT_MINOR).cast(DataType::Int128) * col(MINOR_UNIT);
    let counted = payments.clone().group_by(keys.map(col)).agg([
        len().cast(DataType::Int64).alias("attempts"),
        count_if(is_captured(), CAPTURED),
        amount.filter(is_captured()).sum().alias("captured_amount"),
    ]);
    sorted(counted, &keys)
}
