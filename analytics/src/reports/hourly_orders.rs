//! Orders by the hour.

use domain::order::OrderKind;
use polars::prelude::*;

use super::derived::DATE;
use super::sorted;
use crate::lake::column;

const HOUR: &str = "hour";
const MINUTE: &str = "minute";

/// Orders by day and hour. `documents` are of [`super::documents`].
pub fn hourly_orders(documents: &LazyFrame, zone: &TimeZone) -> LazyFrame {
    let local = || col(column::OCCURRED_AT).dt().convert_time_zone(zone.clone()).dt();
    let counted = documents
        .clone()
        .filter(col(column::KIND).eq(lit(OrderKind::Sale.name())))
        .with_columns([
            local().hour().cast(DataType::Int64).alias(HOUR),
            // On the clock of the world: an hour that comes twice has 120 minutes.
            (col(column::OCCURRED_AT).cast(DataType::Int64) / lit(60_000_000i64)).alias(MINUTE),
        ])
        .group_by([DATE, HOUR, MINUTE].map(col))
        .agg([len().cast(DataType::Int64).alias("orders")])
        .group_by([DATE, HOUR].map(col))
        .agg([col("orders").sum(), col("orders").max().alias("busiest_minute_orders")]);
    sorted(counted, &[DATE, HOUR])
}
