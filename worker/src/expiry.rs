//! Deletes what has served its time: sent events after 7 days, stored answers, settled dead letters, and what was
//! seen and sent of webhooks, and tasks of the search index after 30.

use jiff::{SignedDuration, Timestamp};
use store::error::StoreError;
use store::pg::dead_letters::delete_settled;
use store::pg::expiry::{
    delete_ended_deliveries, delete_ended_index_tasks, delete_idempotency_keys, delete_seen_events,
    delete_sent_events,
};
use store::pg::pool::PgPools;

const EVENT_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
const ANSWER_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const DEAD_LETTER_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const INBOX_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const DELIVERY_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
const INDEX_TASK_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
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
        let letters = delete_settled(&**client, now - DEAD_LETTER_LIFETIME, BATCH_MAX).await?;
        let seen = delete_seen_events(&**client, now - INBOX_LIFETIME, BATCH_MAX).await?;
        let deliveries = delete_ended_deliveries(&**client, now - DELIVERY_LIFETIME, BATCH_MAX).await?;
        let tasks = delete_ended_index_tasks(&**client, now - INDEX_TASK_LIFETIME, BATCH_MAX).await?;
        let deleted = events + answers + letters + seen + deliveries + tasks;
        total += deleted;
        if deleted == 0 {
            break;
        }
    }
    Ok(total)
}
