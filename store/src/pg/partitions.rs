//! Monthly partitions, made before they are needed.

use jiff::Timestamp;
use tokio_postgres::{GenericClient, Transaction};

use crate::error::StoreError;

/// Makes the partitions of every partitioned table from the month of `now` to `months` ahead. Returns how many.
pub async fn ensure_ahead(
    client: &impl GenericClient,
    now: Timestamp,
    months: i32,
) -> Result<i32, StoreError> {
    let row = client
        .query_one("SELECT ensure_partitions_ahead($1, $2)", &[&now, &months])
        .await?;
    Ok(row.get(0))
}

/// Makes the partitions of one table for every month that touches `[first, last]`. Returns how many.
pub async fn ensure(
    transaction: &Transaction<'_>,
    table: &str,
    first: Timestamp,
    last: Timestamp,
) -> Result<i32, StoreError> {
    let row = transaction
        .query_one(
            "SELECT ensure_month_partitions($1::text::regclass, $2, $3)",
            &[&table, &first, &last],
        )
        .await?;
    Ok(row.get(0))
}
