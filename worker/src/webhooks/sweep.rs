//! What is done by and by, in small transactions: what nobody is to get any more is dropped, and what waits is counted.

use std::time::Duration;

use jiff::Timestamp;
use store::error::StoreError;
use store::pg::pool::PgPools;
use store::pg::transaction;
use store::pg::webhooks::sweep as store_sweep;

/// Between two rounds.
pub const PERIOD: Duration = Duration::from_secs(10);
/// Between two counts of what waits: each reads all of it.
pub const COUNT_PERIOD: Duration = Duration::from_secs(60);
/// Most deliveries that wait for one endpoint; with more it is disabled.
const WAITING_MAX: i64 = 1_000_000;
/// Lanes of one transaction, and rows that it purges.
const BATCH_MAX: i64 = 500;
/// Deliveries that one transaction drops.
const DROPPED_MAX: i64 = 2_000;
/// Transactions of one round; the next one goes on.
const BATCHES_MAX: usize = 20;

/// One round. Returns how many rows it changed.
pub async fn sweep(pools: &PgPools) -> Result<usize, StoreError> {
    let mut total = 0;
    for _ in 0..BATCHES_MAX {
        let changed = transaction::run(pools, "sweep_webhooks", async |transaction| {
            let dropped = store_sweep::drop_of_disabled(transaction, BATCH_MAX, DROPPED_MAX).await?;
            let purged = store_sweep::purge_deleted(transaction, BATCH_MAX).await?;
            let forgotten = store_sweep::forget_previous_secrets(transaction).await?;
            Ok::<_, StoreError>(dropped + purged + forgotten)
        })
        .await?;
        total += changed;
        if changed == 0 {
            break;
        }
    }
    Ok(total)
}

/// Tells how many deliveries wait, and disables endpoints for which too many do. Returns how many endpoints.
pub async fn count_pending(pools: &PgPools) -> Result<usize, StoreError> {
    let pending = store_sweep::pending(&**pools.read().await?).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("webhook_deliveries_pending").set(pending as f64);
    if pending <= WAITING_MAX {
        return Ok(0);
    }
    transaction::run(pools, "disable_overfull_webhooks", async |transaction| {
        store_sweep::disable_overfull(transaction, WAITING_MAX, Timestamp::now()).await
    })
    .await
}
