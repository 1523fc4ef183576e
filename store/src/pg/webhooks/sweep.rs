//! What the worker does by and by: drops what waits for endpoints that are disabled, forgets those that were deleted.

use domain::webhook::endpoint::DisabledReason;
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};
use uuid::Uuid;

use crate::error::StoreError;

/// How many deliveries wait.
pub async fn pending(client: &impl GenericClient) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'";
    let rows = client.query_typed(SQL, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Disables endpoints for which more than `waiting_max` deliveries wait. Returns how many.
pub async fn disable_overfull(
    transaction: &Transaction<'_>,
    waiting_max: i64,
    at: Timestamp,
) -> Result<usize, StoreError> {
    const SQL: &str = "UPDATE webhook_endpoints AS endpoint SET state = 'disabled', disabled_reason = $3, \
                       version = version + 1, updated_at = $2 \
                       WHERE endpoint.state = 'enabled' AND EXISTS ( \
                           SELECT FROM webhook_deliveries AS delivery \
                           WHERE delivery.endpoint_id = endpoint.id AND delivery.state = 'pending' \
                           LIMIT 1 OFFSET $1) RETURNING endpoint.id";
    let reason = DisabledReason::Overfull.name();
    let rows = transaction
        .query_typed(SQL, &[(&waiting_max, Type::INT8), (&at, Type::TIMESTAMPTZ), (&reason, Type::TEXT)])
        .await?;
    Ok(rows.len())
}

/// Forgets secrets that sign no longer. Returns how many.
pub async fn forget_previous_secrets(transaction: &Transaction<'_>) -> Result<usize, StoreError> {
    const SQL: &str = "UPDATE webhook_endpoints SET previous_secret = NULL, previous_until = NULL \
                       WHERE previous_until < statement_timestamp() RETURNING id";
    Ok(transaction.query_typed(SQL, &[]).await?.len())
}

/// Drops at most `deliveries_max` that wait in at most `lanes_max` lanes of endpoints that are not enabled, and ends
/// the lanes that are empty then. Returns how many deliveries and lanes: 0 when nothing is left to do.
pub async fn drop_of_disabled(
    transaction: &Transaction<'_>,
    lanes_max: i64,
    deliveries_max: i64,
) -> Result<usize, StoreError> {
    const LANES: &str = "SELECT lane.endpoint_id, lane.subject FROM webhook_lanes AS lane \
                         JOIN webhook_endpoints AS endpoint ON endpoint.id = lane.endpoint_id \
                         WHERE endpoint.state <> 'enabled' AND lane.leased_until < statement_timestamp() \
                         LIMIT $1 FOR UPDATE OF lane SKIP LOCKED";
    const DROP: &str = "WITH waiting AS ( \
                            SELECT delivery.id FROM unnest($1::uuid[], $2::text[]) AS lane (endpoint_id, subject) \
                            JOIN webhook_deliveries AS delivery \
                              ON delivery.endpoint_id = lane.endpoint_id AND delivery.subject = lane.subject \
                            WHERE delivery.state = 'pending' LIMIT $3) \
                        UPDATE webhook_deliveries AS delivery SET state = 'dropped', ended_at = clock_timestamp() \
                        FROM waiting WHERE delivery.id = waiting.id RETURNING delivery.id";
    const END: &str = "DELETE FROM webhook_lanes USING unnest($1::uuid[], $2::text[]) AS lane (endpoint_id, subject) \
                       WHERE webhook_lanes.endpoint_id = lane.endpoint_id AND webhook_lanes.subject = lane.subject \
                         AND NOT EXISTS ( \
                             SELECT FROM webhook_deliveries AS delivery \
                             WHERE delivery.endpoint_id = lane.endpoint_id AND delivery.subject = lane.subject \
                               AND delivery.state = 'pending') \
                       RETURNING webhook_lanes.subject";
    let lanes = transaction.query_typed(LANES, &[(&lanes_max, Type::INT8)]).await?;
    if lanes.is_empty() {
        return Ok(0);
    }
    let endpoints: Vec<Uuid> = lanes.iter().map(|row| row.get(0)).collect();
    let subjects: Vec<&str> = lanes.iter().map(|row| row.get(1)).collect();
    let dropped = transaction
        .query_typed(
            DROP,
            &[(&endpoints, Type::UUID_ARRAY), (&subjects, Type::TEXT_ARRAY), (&deliveries_max, Type::INT8)],
        )
        .await?;
    let ended = transaction
        .query_typed(END, &[(&endpoints, Type::UUID_ARRAY), (&subjects, Type::TEXT_ARRAY)])
        .await?;
    Ok(dropped.len() + ended.len())
}

/// Deletes at most `limit` deliveries of deleted endpoints, and the endpoints that have none left. Returns how many
/// rows.
pub async fn purge_deleted(transaction: &Transaction<'_>, limit: i64) -> Result<usize, StoreError> {
    const DELIVERIES: &str = "DELETE FROM webhook_deliveries USING ( \
                                  SELECT delivery.id FROM webhook_endpoints AS endpoint \
                                  JOIN webhook_deliveries AS delivery ON delivery.endpoint_id = endpoint.id \
                                  WHERE endpoint.state = 'deleted' AND delivery.state <> 'pending' LIMIT $1) AS old \
                              WHERE webhook_deliveries.id = old.id RETURNING webhook_deliveries.id";
    const ENDPOINTS: &str = "DELETE FROM webhook_endpoints AS endpoint WHERE state = 'deleted' \
                             AND NOT EXISTS (SELECT FROM webhook_lanes WHERE endpoint_id = endpoint.id) \
                             AND NOT EXISTS (SELECT FROM webhook_deliveries WHERE endpoint_id = endpoint.id) \
                             RETURNING id";
    let deliveries = transaction.query_typed(DELIVERIES, &[(&limit, Type::INT8)]).await?;
    let endpoints = transaction.query_typed(ENDPOINTS, &[]).await?;
    Ok(deliveries.len() + endpoints.len())
}
