//! Whether PostgreSQL answers.

use crate::error::StoreError;
use crate::pg::pool::PgPools;

/// Asks the primary through the write pool.
pub async fn ping_write(pools: &PgPools) -> Result<(), StoreError> {
    let row = pools.write().await?.query_one("SELECT NOT pg_is_in_recovery()", &[]).await?;
    if row.get(0) { Ok(()) } else { Err(StoreError::unavailable("the write pool reaches a standby")) }
}

/// Asks a standby through the read pool.
pub async fn ping_read(pools: &PgPools) -> Result<(), StoreError> {
    pools.read().await?.query_one("SELECT 1", &[]).await?;
    Ok(())
}
