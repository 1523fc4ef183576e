//! Deletes what has served its time: sent events after 7 days, stored answers after 30.

use jiff::{SignedDuration, Timestamp};
use store::error::StoreError;
use store::pg::expiry::{delete_idempotency_keys, delete_sent_events};
use store::pg::pool::PgPools;

const EVENT_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
const ANSWER_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const BATCH_MAX: i64 = 5_000;
/// Batches of one run; the next run goes on.
const BATCHES_MAX: usize = 200;

/// Deletes what is too old at `now`. Returns how many rows.
pub async fn expire(pools: &PgPools, now: Timestamp) -> Result<usize, StoreError> {
    let mut total = 0;
    for _ in 0..BATCHES_MAX {
        let client = pools.write().await?;
        let events = delete_sent_events(&**client, now - EVENT_LIFETIME, BATCH_MAX).await?;
        let answers = delete_idempotency_keys(&**client, now - ANSWER_LIFETIME, BATCH_MAX).await?;
        total += events + answers;
        if events + answers == 0 {
            break;
        }
    }
    Ok(total)
}
