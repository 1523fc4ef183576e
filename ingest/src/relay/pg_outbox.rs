//! The relay of PostgreSQL's outbox: polls its shards, because a NOTIFY would make every commit wait for a global lock.

use std::time::{Duration, Instant};

use process::backoff::Backoff;
use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::error::StoreError;
use store::pg::outbox::{self, ShardLease, UnsentEvent};
use store::pg::pool::{Connection, PgPools};
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::relay::lease;
use crate::relay::waves::{Batch, publish_batch};

const POLL: Duration = Duration::from_millis(50);
const BATCH_MAX: i64 = 500;

/// Relays until the program stops. A store that is away is tried again, for ever.
pub async fn run(pools: &PgPools, amqp: &AmqpSettings, stop: &CancellationToken) {
    let owner = Uuid::new_v4();
    let mut backoff = Backoff::default();
    metrics::counter!("relay_interruptions_total", "outbox" => "postgresql").increment(0);
    while !stop.is_cancelled() {
        if let Err(error) = attempt(pools, amqp, owner, stop, &mut backoff).await {
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

/// The broker first: whoever cannot reach it leaves the shards to another one.
async fn attempt(
    pools: &PgPools,
    amqp: &AmqpSettings,
    owner: Uuid,
    stop: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), StoreError> {
    let broker = Broker::connect(amqp).await?;
    let publisher = broker.publisher().await?;
    let mut relay = Relay { owner, publisher, leases: Vec::new(), leased_at: None };
    while !stop.is_cancelled() {
        // Another queue may want the same events, so that nobody would hear of a lost one.
        if relay.is_renewal_due() {
            broker.declare().await?;
        }
        let client = pools.write().await?;
        // A statement that waits for a standby has no other end, and without a lease there is nothing to do.
        let sent = match tokio::time::timeout(lease::LENGTH, relay.round(&client)).await {
            Ok(sent) => sent?,
            Err(elapsed) => {
                pools.abandon(client);
                return Err(StoreError::unavailable(elapsed));
            }
        };
        drop(client);
        backoff.reset();
        if sent == 0 {
            wait(stop).await;
        }
    }
    broker.close().await;
    Ok(())
}

struct Relay {
    owner: Uuid,
    publisher: Publisher,
    leases: Vec<ShardLease>,
    /// Before the leases were asked for: they end a little later than this says.
    leased_at: Option<Instant>,
}

impl Relay {
    /// Sends what waits in the own shards, a batch at most. Returns how many.
    async fn round(&mut self, client: &Connection) -> Result<usize, StoreError> {
        let leased_at = self.renew_when_due(client).await?;
        let shards: Vec<_> = self.leases.iter().map(|lease| lease.shard).collect();
        let events = outbox::unsent(&***client, &shards, BATCH_MAX).await?;
        if events.is_empty() {
            return Ok(0);
        }
        self.send(client, &events, lease::publish_until(leased_at)).await
    }

    /// Whether it has leases that are to be renewed.
    fn is_renewal_due(&self) -> bool {
        self.leased_at.is_some_and(|at| at.elapsed() >= lease::RENEWAL)
    }

    async fn renew_when_due(&mut self, client: &Connection) -> Result<Instant, StoreError> {
        if let Some(leased_at) = self.leased_at.filter(|at| at.elapsed() < lease::RENEWAL) {
            return Ok(leased_at);
        }
        let asked_at = Instant::now();
        self.leases = outbox::lease(&***client, self.owner, lease::length_ms()).await?;
        self.leased_at = Some(asked_at);
        report_backlog(client).await?;
        Ok(asked_at)
    }

    async fn send(
        &self,
        client: &Connection,
        events: &[UnsentEvent],
        until: Instant,
    ) -> Result<usize, StoreError> {
        let keyed = events.iter().map(|event| (event.id, &event.envelope));
        let Batch { sent, refused } = publish_batch(&self.publisher, keyed, until).await?;
        metrics::counter!("relay_refused_total", "outbox" => "postgresql").increment(refused.len() as u64);
        for id in refused {
            outbox::postpone(&***client, id).await?;
        }
        if outbox::mark_sent(&***client, self.owner, &self.leases, &sent).await? < sent.len() {
            tracing::warn!(
                "a lease was lost in the middle of a batch: its events are sent again by the next owner"
            );
        }
        metrics::counter!("relay_events_total", "outbox" => "postgresql").increment(sent.len() as u64);
        Ok(sent.len())
    }
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
