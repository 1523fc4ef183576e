//! Deliveries: added with the event that is seen, listed with their attempts, asked for again.

use std::collections::HashMap;

use domain::event::CloudEvent;
use domain::ids::{DeliveryId, EventId, WebhookId};
use domain::webhook::delivery::DeliveryState;
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};
use uuid::Uuid;

use crate::error::StoreError;

/// Attempts of a delivery that a list shows, the newest first.
pub const SHOWN_ATTEMPT_COUNT_MAX: i64 = 20;

/// A delivery as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The event: `webhook-id` of the requests.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// What it is about.
    pub subject: String,
    /// The version of that after the event.
    pub aggregate_version: i64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Requests so far.
    pub attempts: i32,
    /// When its aggregate is tried next, while it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// HTTP status of the last answer.
    pub last_status: Option<i16>,
    /// Why the last request had none.
    pub last_error: Option<String>,
    /// When the event was taken.
    pub created_at: Timestamp,
    /// When it was delivered, given up or dropped.
    pub ended_at: Option<Timestamp>,
    /// The last [`SHOWN_ATTEMPT_COUNT_MAX`] requests, the newest first.
    pub log: Vec<Attempt>,
}

/// A request that was made, or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counts the delivery's requests from 1.
    pub attempt: i32,
    /// When.
    pub at: Timestamp,
    /// HTTP status of the answer.
    pub status: Option<i16>,
    /// Why there was none.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
}

/// Whether any endpoint asks for any of the types.
pub async fn are_wanted(client: &impl GenericClient, event_types: &[&str]) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM webhook_endpoints \
                       WHERE state = 'enabled' AND (event_types = '{}' OR event_types && $1))";
    let rows = client.query_typed(SQL, &[(&event_types, Type::TEXT_ARRAY)]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Endpoints that ask for a type. They are there until the transaction ends.
pub async fn matching(transaction: &Transaction<'_>, event_type: &str) -> Result<Vec<WebhookId>, StoreError> {
    const SQL: &str = "SELECT id FROM webhook_endpoints \
                       WHERE state = 'enabled' AND (event_types = '{}' OR $1 = ANY(event_types)) \
                       ORDER BY id FOR KEY SHARE";
    let rows = transaction.query_typed(SQL, &[(&event_type, Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| WebhookId(row.get(0))).collect())
}

/// Adds a delivery of an event for each endpoint, by its new id. One that is there already stays as it is.
pub async fn add(
    transaction: &Transaction<'_>,
    event: &CloudEvent,
    body: &str,
    to: &[(DeliveryId, WebhookId)],
    at: Timestamp,
) -> Result<(), StoreError> {
    // No key changes, but the row is locked: a sender that empties the lane meanwhile is waited for, and sees this
    // delivery when it waited itself.
    const LANES: &str = "INSERT INTO webhook_lanes (endpoint_id, subject, next_attempt_at) \
                         SELECT endpoint_id, $2, $3 FROM unnest($1::uuid[]) AS new (endpoint_id) \
                         ORDER BY endpoint_id \
                         ON CONFLICT (endpoint_id, subject) DO UPDATE SET fence = webhook_lanes.fence";
    const DELIVERIES: &str = "INSERT INTO webhook_deliveries \
                              (id, endpoint_id, event_id, event_type, subject, aggregate_version, body, created_at, \
                              schedule_began_at) \
                              SELECT new.id, new.endpoint_id, $3, $4, $5, $6, $7, $8, $8 \
                              FROM unnest($1::uuid[], $2::uuid[]) AS new (id, endpoint_id) \
                              ON CONFLICT (endpoint_id, event_id) DO NOTHING";
    let (ids, endpoints): (Vec<Uuid>, Vec<Uuid>) = to.iter().map(|(id, endpoint)| (id.0, endpoint.0)).unzip();
    transaction
        .query_typed(
            LANES,
            &[(&endpoints, Type::UUID_ARRAY), (&event.subject, Type::TEXT), (&at, Type::TIMESTAMPTZ)],
        )
        .await?;
    transaction
        .query_typed(
            DELIVERIES,
            &[
                (&ids, Type::UUID_ARRAY),
                (&endpoints, Type::UUID_ARRAY),
                (&event.id.0, Type::UUID),
                (&event.event_type, Type::TEXT),
                (&event.subject, Type::TEXT),
                (&event.aggregateversion, Type::INT8),
                (&body, Type::TEXT),
                (&at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(())
}

/// Which deliveries a list holds.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryFilter {
    /// Of this endpoint.
    pub endpoint: WebhookId,
    /// Only in this state; `None`: in any.
    pub state: Option<DeliveryState>,
    /// Only this one.
    pub id: Option<DeliveryId>,
}

/// Deliveries before an id, newest first, with their attempts.
pub async fn list(
    client: &impl GenericClient,
    filter: DeliveryFilter,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Delivery>, StoreError> {
    const SQL: &str = "SELECT delivery.id, event_id, event_type, delivery.subject, aggregate_version, state, attempts, \
                       CASE WHEN state = 'pending' THEN lane.next_attempt_at END, last_status, last_error, created_at, \
                       ended_at FROM webhook_deliveries AS delivery \
                       LEFT JOIN webhook_lanes AS lane \
                         ON (lane.endpoint_id, lane.subject) = (delivery.endpoint_id, delivery.subject) \
                       WHERE delivery.endpoint_id = $1 AND ($2::text IS NULL OR state = $2) \
                         AND ($3::uuid IS NULL OR id = $3) AND ($4::uuid IS NULL OR id < $4) \
                       ORDER BY id DESC LIMIT $5";
    let (id, before) = (filter.id.map(|id| id.0), before.map(|id| id.0));
    let rows = client
        .query_typed(
            SQL,
            &[
                (&filter.endpoint.0, Type::UUID),
                (&filter.state.map(DeliveryState::name), Type::TEXT),
                (&id, Type::UUID),
                (&before, Type::UUID),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let mut logs = attempts(client, &ids).await?;
    rows.iter().map(|row| delivery(row, &mut logs)).collect()
}

async fn attempts(
    client: &impl GenericClient,
    deliveries: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Attempt>>, StoreError> {
    const SQL: &str = "SELECT asked.id, made.attempt, made.at, made.status, made.error, made.duration_ms \
                       FROM unnest($1::uuid[]) AS asked (id) CROSS JOIN LATERAL ( \
                           SELECT attempt, at, status, error, duration_ms FROM webhook_attempts \
                           WHERE delivery_id = asked.id ORDER BY attempt DESC LIMIT $2) AS made \
                       ORDER BY asked.id, made.attempt DESC";
    let rows = client
        .query_typed(SQL, &[(&deliveries, Type::UUID_ARRAY), (&SHOWN_ATTEMPT_COUNT_MAX, Type::INT8)])
        .await?;
    let mut logs: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for row in &rows {
        logs.entry(row.get(0)).or_default().push(Attempt {
            attempt: row.get(1),
            at: row.get(2),
            status: row.get(3),
            error: row.get(4),
            duration_ms: row.get(5),
        });
    }
    Ok(logs)
}

/// Puts a delivery back, to be sent as soon as what comes before it of its aggregate is sent; one that had ended begins
/// its schedule anew. `false`: the endpoint has no such delivery.
pub async fn retry(
    transaction: &Transaction<'_>,
    endpoint: WebhookId,
    id: DeliveryId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    // The lane first: every writer takes them in this order.
    const LANE: &str = "INSERT INTO webhook_lanes AS lane (endpoint_id, subject, next_attempt_at) \
                        SELECT endpoint_id, subject, $3 FROM webhook_deliveries WHERE id = $1 AND endpoint_id = $2 \
                        ON CONFLICT (endpoint_id, subject) \
                        DO UPDATE SET next_attempt_at = least(lane.next_attempt_at, excluded.next_attempt_at) \
                        RETURNING subject";
    const DELIVERY: &str = "UPDATE webhook_deliveries SET state = 'pending', ended_at = NULL, \
                            earlier_attempts = CASE WHEN state = 'pending' THEN earlier_attempts ELSE attempts END, \
                            schedule_began_at = CASE WHEN state = 'pending' THEN schedule_began_at ELSE $2 END \
                            WHERE id = $1";
    let lane = transaction
        .query_typed(LANE, &[(&id.0, Type::UUID), (&endpoint.0, Type::UUID), (&at, Type::TIMESTAMPTZ)])
        .await?;
    if lane.is_empty() {
        return Ok(false);
    }
    transaction.query_typed(DELIVERY, &[(&id.0, Type::UUID), (&at, Type::TIMESTAMPTZ)]).await?;
    Ok(true)
}

fn delivery(row: &Row, logs: &mut HashMap<Uuid, Vec<Attempt>>) -> Result<Delivery, StoreError> {
    let state: &str = row.get(5);
    let id: Uuid = row.get(0);
    Ok(Delivery {
        id: DeliveryId(id),
        event_id: EventId(row.get(1)),
        event_type: row.get(2),
        subject: row.get(3),
        aggregate_version: row.get(4),
        state: DeliveryState::from_name(state)
            .ok_or_else(|| StoreError::Inconsistent(format!("{state:?} is no state of a delivery")))?,
        attempts: row.get(6),
        next_attempt_at: row.get(7),
        last_status: row.get(8),
        last_error: row.get(9),
        created_at: row.get(10),
        ended_at: row.get(11),
        log: logs.remove(&id).unwrap_or_default(),
    })
}
