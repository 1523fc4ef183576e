//! Accounts by day.

use polars::prelude::*;

use super::derived::{DATE, IS_SALE};
use super::{dated, full_join, sorted};
use crate::lake::{column, event};

/// Accounts that were made, that did anything, and that bought, by day. `lines` and `events` are of [`super::lines`]
/// and [`super::funnel::events`], `users` as the lake has them.
pub fn users(users: LazyFrame, events: &LazyFrame, lines: &LazyFrame, zone: &TimeZone) -> LazyFrame {
    let by_day = |rows: LazyFrame, count: Expr| rows.group_by([col(DATE)]).agg([count.cast(DataType::Int64)]);
    let registered = by_day(dated(users, column::REGISTERED_AT, zone), len().alias("registered"));
    let seen = events.clone().filter(col(event::USER_ID).is_not_null());
    let active = by_day(seen, col(event::USER_ID).n_unique().alias("active"));
    let bought = lines.clone().filter(col(IS_SALE).and(col(column::CUSTOMER).is_not_null()));
    let buyers = by_day(bought, col(column::CUSTOMER).n_unique().alias("buyers"));
    let sums = ["registered", "active"].map(|name| (name, DataType::Int64));
    let both = full_join(registered, active, &[DATE], &sums);
    let sums = ["registered", "active", "buyers"].map(|name| (name, DataType::Int64));
    sorted(full_join(both, buyers, &[DATE], &sums), &[DATE])
}
