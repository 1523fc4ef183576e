//! How often payments succeeded.

use polars::prelude::*;

use super::derived::DATE;
use super::{count_if, dated, in_micros, sorted, sum_if};
use crate::lake::column;

const CAPTURED: &str = "captured";

/// Attempts to pay, with their days.
pub fn payments(payments: LazyFrame, zone: &TimeZone) -> LazyFrame {
    dated(payments, column::OCCURRED_AT, zone)
}

/// Attempts by day, currency and provider.
pub fn payment_success(payments: &LazyFrame) -> LazyFrame {
    let keys = [DATE, column::CURRENCY, column::PROVIDER];
    let is_captured = || col(column::STATUS).eq(lit(CAPTURED));
    let counted = payments.clone().group_by(keys.map(col)).agg([
        len().cast(DataType::Int64).alias("attempts"),
        count_if(is_captured(), CAPTURED),
        sum_if(col(column::AMOUNT_MINOR), is_captured(), "captured_amount"),
    ]);
    sorted(counted, &keys).with_columns(in_micros(["captured_amount"]))
}
