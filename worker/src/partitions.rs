//! Keeps monthly partitions ahead of the clock, so that no write ever meets a missing one.

use jiff::Timestamp;
use store::error::StoreError;
use store::pg::partitions::ensure_ahead;
use store::pg::pool::PgPools;

/// Makes what is missing from the month of `now` on. Returns how many partitions were made.
pub async fn ensure(pools: &PgPools, now: Timestamp) -> Result<usize, StoreError> {
    let made = ensure_ahead(&**pools.write().await?, now).await?;
    Ok(usize::try_from(made).unwrap_or(0))
}
