//! Lanes: the deliveries of one endpoint about one aggregate, sent one after another under a lease.

use domain::ids::{DeliveryId, EventId, WebhookId};
use domain::webhook::endpoint::DisabledReason;
use domain::webhook::schedule::Verdict;
use domain::webhook::secret::Secret;
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use crate::error::StoreError;

/// A delivery that a sender holds until its lease ends.
#[derive(Debug, Clone)]
pub struct LeasedDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// To whom.
    pub endpoint: WebhookId,
    /// About what: the lane.
    pub subject: String,
    /// Another one with each lease.
    pub fence: i64,
    /// The event: `webhook-id`.
    pub event_id: EventId,
    /// What is sent.
    pub body: String,
    /// Which try of the schedule this is, from 1.
    pub attempt: i32,
    /// Where it is sent.
    pub url: String,
    /// The present secret, and the one before it while it still signs.
    pub secrets: Vec<Secret>,
    /// Since when every try of the endpoint has failed.
    pub failing_since: Option<Timestamp>,
    /// When its schedule began.
    pub schedule_began_at: Timestamp,
}

/// How many lanes may be leased, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct LeaseLimits {
    /// Now.
    pub lanes: i64,
    /// Of one endpoint at once, by whomever; one that fails has one.
    pub lanes_of_endpoint: i64,
    /// How long, in milliseconds.
    pub lease_ms: i64,
}

/// Leases lanes that are due and gives the first delivery of each. Endpoints that another sender leases from at this
/// moment are left out.
pub async fn lease(
    transaction: &Transaction<'_>,
    limits: LeaseLimits,
) -> Result<Vec<LeasedDelivery>, StoreError> {
    const ENDPOINTS: &str = "SELECT id FROM webhook_endpoints AS endpoint WHERE state = 'enabled' AND EXISTS ( \
                                 SELECT FROM webhook_lanes WHERE endpoint_id = endpoint.id \
                                   AND next_attempt_at <= statement_timestamp() \
                                   AND leased_until < statement_timestamp()) \
                             ORDER BY id FOR NO KEY UPDATE SKIP LOCKED";
    // What is leased already is counted after the endpoints are locked, so that nobody adds to it meanwhile. Who has
    // the fewest lanes under way comes first, and who fails gets one: those that hang leave room for the others.
    const LANES: &str = "WITH leased AS ( \
                             SELECT endpoint_id, count(*) AS lanes FROM webhook_lanes \
                             WHERE leased_until >= statement_timestamp() GROUP BY endpoint_id), \
                         due AS ( \
                             SELECT lane.endpoint_id, lane.subject, coalesce(leased.lanes, 0) + row_number() OVER ( \
                                 PARTITION BY lane.endpoint_id ORDER BY lane.next_attempt_at) AS place \
                             FROM unnest($1::uuid[]) AS mine (id) \
                             JOIN webhook_endpoints AS endpoint ON endpoint.id = mine.id \
                             LEFT JOIN leased ON leased.endpoint_id = endpoint.id \
                             CROSS JOIN LATERAL ( \
                                 SELECT endpoint_id, subject, next_attempt_at FROM webhook_lanes \
                                 WHERE webhook_lanes.endpoint_id = endpoint.id \
                                   AND next_attempt_at <= statement_timestamp() \
                                   AND leased_until < statement_timestamp() \
                                 ORDER BY next_attempt_at LIMIT greatest(0, \
                                     CASE WHEN endpoint.failing_since IS NULL THEN $2 ELSE 1 END \
                                     - coalesce(leased.lanes, 0)) \
                                 FOR UPDATE SKIP LOCKED) AS lane \
                             ORDER BY place, lane.next_attempt_at LIMIT $3) \
                         UPDATE webhook_lanes AS lane SET fence = nextval('webhook_fences'), \
                             leased_until = statement_timestamp() + $4 * interval '1 millisecond' \
                         FROM due WHERE lane.endpoint_id = due.endpoint_id AND lane.subject = due.subject \
                         RETURNING lane.endpoint_id, lane.subject";
    let endpoints = transaction.query_typed(ENDPOINTS, &[]).await?;
    let endpoints: Vec<Uuid> = endpoints.iter().map(|row| row.get(0)).collect();
    if endpoints.is_empty() {
        return Ok(Vec::new());
    }
    let leased = transaction
        .query_typed(
            LANES,
            &[
                (&endpoints, Type::UUID_ARRAY),
                (&limits.lanes_of_endpoint, Type::INT8),
                (&limits.lanes, Type::INT8),
                (&limits.lease_ms, Type::INT8),
            ],
        )
        .await?;
    first_deliveries(transaction, &leased).await
}

/// The first delivery of each lane. A lane that has none is ended; one whose endpoint cannot be read is left out.
async fn first_deliveries(
    transaction: &Transaction<'_>,
    leased: &[Row],
) -> Result<Vec<LeasedDelivery>, StoreError> {
    const SQL: &str = "SELECT lane.endpoint_id, lane.subject, lane.fence, endpoint.url, endpoint.secret, \
                       CASE WHEN endpoint.previous_until > statement_timestamp() THEN endpoint.previous_secret END, \
                       endpoint.failing_since, head.id, head.event_id, head.body, \
                       head.attempts - head.earlier_attempts + 1, head.schedule_began_at \
                       FROM unnest($1::uuid[], $2::text[]) AS mine (endpoint_id, subject) \
                       JOIN webhook_lanes AS lane USING (endpoint_id, subject) \
                       JOIN webhook_endpoints AS endpoint ON endpoint.id = lane.endpoint_id \
                       LEFT JOIN LATERAL ( \
                           SELECT id, event_id, body, attempts, earlier_attempts, schedule_began_at \
                           FROM webhook_deliveries AS delivery \
                           WHERE delivery.endpoint_id = lane.endpoint_id AND delivery.subject = lane.subject \
                             AND state = 'pending' ORDER BY aggregate_version, id LIMIT 1) AS head ON true";
    let endpoints: Vec<Uuid> = leased.iter().map(|row| row.get(0)).collect();
    let subjects: Vec<&str> = leased.iter().map(|row| row.get(1)).collect();
    let rows = transaction
        .query_typed(SQL, &[(&endpoints, Type::UUID_ARRAY), (&subjects, Type::TEXT_ARRAY)])
        .await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        match row.get::<_, Option<Uuid>>(7) {
            Some(id) => match leased_delivery(row, DeliveryId(id)) {
                Ok(delivery) => deliveries.push(delivery),
                // The others are sent. Its lane is looked at again when the lease ends.
                Err(error) => {
                    let endpoint = WebhookId(row.get(0));
                    tracing::error!(
                        endpoint.id = %endpoint,
                        error = &error as &dyn std::error::Error,
                        "nothing can be sent to an endpoint"
                    );
                }
            },
            None => end(transaction, WebhookId(row.get(0)), row.get(1)).await?,
        }
    }
    Ok(deliveries)
}

/// What came of a request.
#[derive(Debug, Clone)]
pub struct Finished {
    /// When it was sent.
    pub at: Timestamp,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: i32,
    /// What becomes of the delivery.
    pub verdict: Verdict,
    /// Why the endpoint is to be disabled, when it is.
    pub disable: Option<DisabledReason>,
}

/// Records a request and gives the lane back. `false`: the lease was lost, and nothing is recorded.
pub async fn finish(
    transaction: &Transaction<'_>,
    leased: &LeasedDelivery,
    finished: &Finished,
) -> Result<bool, StoreError> {
    const LANE: &str =
        "SELECT fence FROM webhook_lanes WHERE endpoint_id = $1 AND subject = $2 AND fence = $3 FOR UPDATE";
    const DELIVERY: &str = "UPDATE webhook_deliveries SET attempts = attempts + 1, state = $2, last_status = $3, \
                            last_error = $4, ended_at = CASE WHEN $2 = 'pending' THEN NULL ELSE clock_timestamp() END \
                            WHERE id = $1 AND state = 'pending' RETURNING attempts";
    const ATTEMPT: &str = "INSERT INTO webhook_attempts (delivery_id, attempt, at, status, error, duration_ms) \
                           VALUES ($1, $2, $3, $4, $5, $6)";
    let lane = [
        (&leased.endpoint.0 as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&leased.subject, Type::TEXT),
        (&leased.fence, Type::INT8),
    ];
    if transaction.query_typed(LANE, &lane).await?.is_empty() {
        return Ok(false);
    }
    let state = match finished.verdict {
        Verdict::Delivered => "delivered",
        Verdict::Retry(_) => "pending",
        Verdict::Gone | Verdict::Failed => "failed",
    };
    let status = finished.status.map(u16::cast_signed);
    let rows = transaction
        .query_typed(
            DELIVERY,
            &[
                (&leased.id.0, Type::UUID),
                (&state, Type::TEXT),
                (&status, Type::INT2),
                (&finished.error, Type::TEXT),
            ],
        )
        .await?;
    if let Some(row) = rows.first() {
        let attempt: i32 = row.get(0);
        transaction
            .query_typed(
                ATTEMPT,
                &[
                    (&leased.id.0, Type::UUID),
                    (&attempt, Type::INT4),
                    (&finished.at, Type::TIMESTAMPTZ),
                    (&status, Type::INT2),
                    (&finished.error, Type::TEXT),
                    (&finished.duration_ms, Type::INT4),
                ],
            )
            .await?;
    }
    give_back(transaction, leased, finished.verdict).await?;
    note_endpoint(transaction, leased, finished).await?;
    Ok(true)
}

/// The lane waits for the retry, goes on with its next delivery, or ends.
async fn give_back(
    transaction: &Transaction<'_>,
    leased: &LeasedDelivery,
    verdict: Verdict,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE webhook_lanes SET leased_until = '-infinity', fence = nextval('webhook_fences'), \
                       next_attempt_at = clock_timestamp() + $3 * interval '1 millisecond' \
                       WHERE endpoint_id = $1 AND subject = $2";
    let pause_ms = match verdict {
        Verdict::Retry(pause) => i64::try_from(pause.as_millis()).expect("a pause is about a day"),
        Verdict::Delivered | Verdict::Gone | Verdict::Failed => 0,
    };
    transaction
        .query_typed(
            SQL,
            &[(&leased.endpoint.0, Type::UUID), (&leased.subject, Type::TEXT), (&pause_ms, Type::INT8)],
        )
        .await?;
    end(transaction, leased.endpoint, &leased.subject).await
}

/// Ends a lane, which its caller has locked, unless something waits in it.
async fn end(transaction: &Transaction<'_>, endpoint: WebhookId, subject: &str) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM webhook_lanes WHERE endpoint_id = $1 AND subject = $2 AND NOT EXISTS ( \
                           SELECT FROM webhook_deliveries AS delivery \
                           WHERE delivery.endpoint_id = $1 AND delivery.subject = $2 AND state = 'pending')";
    transaction.query_typed(SQL, &[(&endpoint.0, Type::UUID), (&subject, Type::TEXT)]).await?;
    Ok(())
}

/// Since when the endpoint fails, and whether it is disabled.
async fn note_endpoint(
    transaction: &Transaction<'_>,
    leased: &LeasedDelivery,
    finished: &Finished,
) -> Result<(), StoreError> {
    const WORKS: &str = "UPDATE webhook_endpoints SET failing_since = NULL, version = version + 1, updated_at = $2 \
                         WHERE id = $1 AND failing_since IS NOT NULL";
    const FAILS: &str = "UPDATE webhook_endpoints SET failing_since = $2, version = version + 1, updated_at = $2 \
                         WHERE id = $1 AND failing_since IS NULL";
    // Another request may have gone well meanwhile, or its owner has given it another address.
    const DISABLE: &str = "UPDATE webhook_endpoints SET state = 'disabled', disabled_reason = $3, \
                           version = version + 1, updated_at = $2 \
                           WHERE id = $1 AND state = 'enabled' AND url = $4 \
                             AND ($3 <> 'failing' OR failing_since = $5)";
    let note = if finished.verdict == Verdict::Delivered { WORKS } else { FAILS };
    let parameters = [
        (&leased.endpoint.0 as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&finished.at, Type::TIMESTAMPTZ),
    ];
    transaction.query_typed(note, &parameters).await?;
    if let Some(reason) = finished.disable {
        let [id, at] = parameters;
        transaction
            .query_typed(
                DISABLE,
                &[
                    id,
                    at,
                    (&reason.name(), Type::TEXT),
                    (&leased.url, Type::TEXT),
                    (&leased.failing_since, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
    }
    Ok(())
}

fn leased_delivery(row: &Row, id: DeliveryId) -> Result<LeasedDelivery, StoreError> {
    let secret = |text: &str| {
        Secret::from_text(text).map_err(|error| StoreError::Inconsistent(format!("a secret is {error}")))
    };
    let previous: Option<&str> = row.get(5);
    let secrets = std::iter::once(row.get::<_, &str>(4)).chain(previous).map(secret);
    Ok(LeasedDelivery {
        id,
        endpoint: WebhookId(row.get(0)),
        subject: row.get(1),
        fence: row.get(2),
        url: row.get(3),
        secrets: secrets.collect::<Result<_, _>>()?,
        failing_since: row.get(6),
        event_id: EventId(row.get(8)),
        body: row.get(9),
        attempt: row.get(10),
        schedule_began_at: row.get(11),
    })
}
