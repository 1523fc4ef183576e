//! Rows that have served their time: deleted in small batches, so that no lock is held for long.

use jiff::Timestamp;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use crate::error::StoreError;

/// Deletes at most `limit` events that were sent before that time. An unsent one is never deleted. Returns how many.
pub async fn delete_sent_events(
    client: &impl GenericClient,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    const SQL: &str = "DELETE FROM outbox USING (SELECT created_at, id FROM outbox WHERE sent_at < $1 LIMIT $2) AS old \
                       WHERE outbox.created_at = old.created_at AND outbox.id = old.id RETURNING outbox.id";
    delete(client, SQL, before, limit).await
}

/// Deletes at most `limit` stored answers that are older than that time. Returns how many.
pub async fn delete_idempotency_keys(
    client: &impl GenericClient,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    const SQL: &str = "DELETE FROM idempotency_keys USING \
                       (SELECT caller, route, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2) AS old \
                       WHERE (idempotency_keys.caller, idempotency_keys.route, idempotency_keys.key) \
                       = (old.caller, old.route, old.key) RETURNING idempotency_keys.key";
    delete(client, SQL, before, limit).await
}

/// Deletes at most `limit` entries of the inbox that are older than that time. Returns how many.
pub async fn delete_seen_events(
    client: &impl GenericClient,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    const SQL: &str = "DELETE FROM inbox USING \
                       (SELECT consumer, event_id FROM inbox WHERE seen_at < $1 LIMIT $2) AS old \
                       WHERE (inbox.consumer, inbox.event_id) = (old.consumer, old.event_id) RETURNING inbox.event_id";
    delete(client, SQL, before, limit).await
}

/// Deletes at most `limit` deliveries of webhooks that ended before that time, with their attempts. Returns how many.
pub async fn delete_ended_deliveries(
    client: &impl GenericClient,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    const SQL: &str = "DELETE FROM webhook_deliveries USING \
                       (SELECT id FROM webhook_deliveries WHERE ended_at < $1 LIMIT $2) AS old \
                       WHERE webhook_deliveries.id = old.id AND webhook_deliveries.ended_at < $1 \
                       RETURNING webhook_deliveries.id";
    delete(client, SQL, before, limit).await
}

/// Deletes at most `limit` tasks of the search index that ended before that time. Returns how many.
pub async fn delete_ended_index_tasks(
    client: &impl GenericClient,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    const SQL: &str = "DELETE FROM index_tasks USING \
                       (SELECT id FROM index_tasks WHERE finished_at < $1 LIMIT $2) AS old \
                       WHERE index_tasks.id = old.id RETURNING index_tasks.id";
    delete(client, SQL, before, limit).await
}

async fn delete(
    client: &impl GenericClient,
    sql: &str,
    before: Timestamp,
    limit: i64,
) -> Result<usize, StoreError> {
    let rows = client.query_typed(sql, &[(&before, Type::TIMESTAMPTZ), (&limit, Type::INT8)]).await?;
    Ok(rows.len())
}
