//! The outbox of PostgreSQL: events committed with their fact, and the leases of those who relay them.

use domain::event::{CloudEvent, Event, InvalidEvent};
use domain::ids::{EventId, uuid_v7_time};
use jiff::Timestamp;
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{GenericClient, Transaction};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sent_event::{PAGE_MAX, SentEvent};

/// Writes an event in the transaction of its fact.
pub async fn append(transaction: &Transaction<'_>, event: &Event) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO outbox (id, created_at, shard, aggregate_kind, aggregate_id, aggregate_version, \
                       event_type, envelope) VALUES ($1, uuid_v7_time($1), $2, $3, $4, $5, $6, $7)";
    let aggregate = &event.aggregate;
    transaction
        .query_typed(
            SQL,
            &[
                (&event.id.0, Type::UUID),
                (&aggregate.shard(), Type::INT2),
                (&aggregate.kind, Type::TEXT),
                (&aggregate.id, Type::TEXT),
                (&aggregate.version, Type::INT8),
                (&event.data.event_type(), Type::TEXT),
                (&Json(event.to_cloud_event()), Type::JSONB),
            ],
        )
        .await?;
    Ok(())
}

/// An event that waits to be sent.
#[derive(Debug)]
pub struct UnsentEvent {
    /// Row key.
    pub id: Uuid,
    /// What is published, or why it cannot be.
    pub envelope: Result<CloudEvent, InvalidEvent>,
}

/// A shard held by a relay until its lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLease {
    /// Shard, 0 to 15.
    pub shard: i16,
    /// Grows with each owner.
    pub fence: i64,
}

/// Takes or renews the lease of every shard that is free or already `owner`'s.
pub async fn lease(
    client: &impl GenericClient,
    owner: Uuid,
    lease_ms: i64,
) -> Result<Vec<ShardLease>, StoreError> {
    const SQL: &str = "UPDATE outbox_leases SET fence = fence + CASE WHEN owner = $1 THEN 0 ELSE 1 END, \
                       owner = $1, leased_until = clock_timestamp() + $2 * interval '1 millisecond' \
                       WHERE owner = $1 OR leased_until < clock_timestamp() RETURNING shard, fence";
    let rows = client.query_typed(SQL, &[(&owner, Type::UUID), (&lease_ms, Type::INT8)]).await?;
    Ok(rows.iter().map(|row| ShardLease { shard: row.get(0), fence: row.get(1) }).collect())
}

/// Gives the leases of an owner back.
pub async fn release(client: &impl GenericClient, owner: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE outbox_leases SET leased_until = '-infinity' WHERE owner = $1";
    client.query_typed(SQL, &[(&owner, Type::UUID)]).await?;
    Ok(())
}

/// Unsent events of the shards in version order per aggregate. An aggregate whose next event waits for a retry is left
/// out whole.
pub async fn unsent(
    client: &impl GenericClient,
    shards: &[i16],
    limit: i64,
) -> Result<Vec<UnsentEvent>, StoreError> {
    const SQL: &str = "SELECT id, envelope FROM unsent_events($1, $2)";
    let rows = client.query_typed(SQL, &[(&shards, Type::INT2_ARRAY), (&limit, Type::INT8)]).await?;
    let events = rows.iter().map(|row| {
        let envelope: Json<serde_json::Value> = row.get(1);
        UnsentEvent { id: row.get(0), envelope: CloudEvent::from_json(envelope.0) }
    });
    Ok(events.collect())
}

/// Marks events as sent, as long as the leases still hold. Returns how many: fewer than asked when a fence moved on,
/// and then another relay sends them again.
pub async fn mark_sent(
    client: &impl GenericClient,
    owner: Uuid,
    leases: &[ShardLease],
    ids: &[Uuid],
) -> Result<usize, StoreError> {
    const SQL: &str = "WITH held AS MATERIALIZED ( \
                           SELECT shard FROM outbox_leases JOIN unnest($1::int2[], $2::int8[]) AS mine (shard, fence) \
                           USING (shard, fence) WHERE owner = $3 FOR SHARE OF outbox_leases), \
                       sent AS MATERIALIZED ( \
                           SELECT uuid_v7_time(id) AS created_at, id FROM unnest($4::uuid[]) AS id) \
                       UPDATE outbox SET sent_at = clock_timestamp(), attempts = attempts + 1 FROM sent \
                       WHERE outbox.created_at = sent.created_at AND outbox.id = sent.id \
                         AND shard IN (SELECT shard FROM held) RETURNING outbox.id";
    let (shards, fences): (Vec<_>, Vec<_>) = leases.iter().map(|lease| (lease.shard, lease.fence)).unzip();
    let rows = client
        .query_typed(
            SQL,
            &[
                (&shards, Type::INT2_ARRAY),
                (&fences, Type::INT8_ARRAY),
                (&owner, Type::UUID),
                (&ids, Type::UUID_ARRAY),
            ],
        )
        .await?;
    Ok(rows.len())
}

/// Puts off an event that the broker did not confirm, longer with each attempt, five minutes at most.
pub async fn postpone(client: &impl GenericClient, id: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE outbox SET attempts = attempts + 1, retry_at = clock_timestamp() \
                       + least(300, power(2, least(attempts, 10))) * interval '1 second' \
                       WHERE created_at = uuid_v7_time($1) AND id = $1 AND sent_at IS NULL";
    client.query_typed(SQL, &[(&id, Type::UUID)]).await?;
    Ok(())
}

/// Sent events of some types that were made from `from` on and before `to`, after a place, in the order of their
/// making; at most `limit`, and never more than [`PAGE_MAX`].
pub async fn sent_between(
    client: &impl GenericClient,
    (from, to): (Timestamp, Timestamp),
    types: &[&str],
    after: Option<EventId>,
    limit: i64,
) -> Result<Vec<SentEvent>, StoreError> {
    const SQL: &str = "SELECT id, envelope FROM outbox \
                       WHERE created_at >= $1 AND created_at < $2 AND sent_at IS NOT NULL AND event_type = ANY($3) \
                         AND ($4::uuid IS NULL OR (created_at, id) > (uuid_v7_time($4), $4)) \
                       ORDER BY created_at, id LIMIT $5";
    // Later pages need not look at what is before their place.
    let from = after.and_then(|place| uuid_v7_time(place.0)).map_or(from, |at| at.max(from));
    let after = after.map(|id| id.0);
    let rows = client
        .query_typed(
            SQL,
            &[
                (&from, Type::TIMESTAMPTZ),
                (&to, Type::TIMESTAMPTZ),
                (&types, Type::TEXT_ARRAY),
                (&after, Type::UUID),
                (&limit.min(PAGE_MAX), Type::INT8),
            ],
        )
        .await?;
    let events = rows.iter().map(|row| {
        let envelope: Json<serde_json::Value> = row.get(1);
        SentEvent { id: EventId(row.get(0)), envelope: CloudEvent::from_json(envelope.0) }
    });
    Ok(events.collect())
}

/// Most events that are counted.
const BACKLOG_MAX: i64 = 100_000;

/// How many events wait, 100,000 at most, and the age of the oldest of them in seconds.
pub async fn backlog(client: &impl GenericClient) -> Result<(i64, f64), StoreError> {
    const SQL: &str = "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 \
                       FROM (SELECT created_at FROM outbox WHERE sent_at IS NULL LIMIT $1) AS waiting";
    let rows = client.query_typed(SQL, &[(&BACKLOG_MAX, Type::INT8)]).await?;
    Ok(rows.first().map_or((0, 0.0), |row| (row.get(0), row.get(1))))
}
