//! Monthly partitions, made before they are needed.

use jiff::Timestamp;
use tokio_postgres::GenericClient;

use crate::error::StoreError;

/// Makes the partitions of every partitioned table from the month of `now` to three months ahead. Returns how many.
pub async fn ensure_ahead(client: &impl GenericClient, now: Timestamp) -> Result<i32, StoreError> {
    let row = client.query_one("SELECT ensure_partitions_ahead($1)", &[&now]).await?;
    Ok(row.get(0))
}
