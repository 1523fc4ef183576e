//! The relay of PostgreSQL's outbox: polls its shards, because a NOTIFY would make every commit wait for a global lock.

use std::time::{Duration, Instant};

use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::error::StoreError;
use store::pg::outbox::{self, ShardLease, UnsentEvent};
use store::pg::pool::{Connection, PgPools};
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::relay::waves::publish_in_order;
use process::backoff::Backoff;

const POLL: Duration = Duration::from_millis(50);
const LEASE_MS: i64 = 15_000;
const LEASE_RENEWAL: Duration = Duration::from_secs(5);
const BATCH_MAX: i64 = 500;

/// Relays until the program stops. A store that is away is tried again, for ever.
pub async fn run(pools: &PgPools, amqp: &AmqpSettings, stop: &CancellationToken) {
    let owner = Uuid::new_v4();
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        if let Err(error) = relay(pools, amqp, owner, stop, &mut backoff).await {
            tracing::warn!(error = error_chain::text(&error), "the relay of PostgreSQL's outbox waits");
            metrics::counter!("relay_interruptions_total", "outbox" => "postgresql").increment(1);
            backoff.pause(stop).await;
        }
    }
    if let Ok(client) = pools.write().await
        && let Err(error) = outbox::release(&**client, owner).await
    {
        tracing::warn!(error = error_chain::text(&error), "the leases run out by themselves");
    }
}

async fn relay(
    pools: &PgPools,
    amqp: &AmqpSettings,
    owner: Uuid,
    stop: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), StoreError> {
    let broker = Broker::connect(amqp).await?;
    let publisher = broker.publisher().await?;
    let mut leases = Vec::new();
    let mut leased_at: Option<Instant> = None;
    while !stop.is_cancelled() {
        let client = pools.write().await?;
        if leased_at.is_none_or(|at| at.elapsed() >= LEASE_RENEWAL) {
            leases = outbox::lease(&**client, owner, LEASE_MS).await?;
            leased_at = Some(Instant::now());
            report_backlog(&client).await?;
        }
        let shards: Vec<_> = leases.iter().map(|lease| lease.shard).collect();
        let events = outbox::unsent(&**client, &shards, BATCH_MAX).await?;
        if events.is_empty() {
            drop(client);
            wait(stop).await;
        } else {
            send(&client, &publisher, owner, &leases, &events).await?;
        }
        backoff.reset();
    }
    broker.close().await;
    Ok(())
}

async fn send(
    client: &Connection,
    publisher: &Publisher,
    owner: Uuid,
    leases: &[ShardLease],
    events: &[UnsentEvent],
) -> Result<(), StoreError> {
    let envelopes: Vec<_> = events.iter().map(|event| &event.envelope).collect();
    let confirmed = publish_in_order(publisher, &envelopes).await?;
    let sent: Vec<_> =
        confirmed.iter().zip(events).filter(|(sent, _)| **sent).map(|(_, event)| event.id).collect();
    if outbox::mark_sent(&***client, owner, leases, &sent).await? < sent.len() {
        tracing::warn!(
            "a lease was lost in the middle of a batch: its events are sent again by the next owner"
        );
    }
    metrics::counter!("relay_events_total", "outbox" => "postgresql").increment(sent.len() as u64);
    for (_, event) in confirmed.iter().zip(events).filter(|(sent, _)| !**sent) {
        tracing::error!(event.id = %event.id, aggregate = ?event.aggregate, "the broker refused an event");
        outbox::postpone(&***client, event.id).await?;
    }
    Ok(())
}

async fn report_backlog(client: &Connection) -> Result<(), StoreError> {
    let (count, age_seconds) = outbox::backlog(&***client).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!("outbox_backlog", "outbox" => "postgresql").set(count as f64);
    metrics::gauge!("outbox_oldest_age_seconds", "outbox" => "postgresql").set(age_seconds);
    Ok(())
}

async fn wait(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(POLL) => {}
    }
}
