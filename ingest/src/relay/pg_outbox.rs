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

/// Pause while nothing waits. Each question is planned over every month of the outbox, so a shorter pause costs more
/// than it brings.
const POLL: Duration = Duration::from_millis(150);
/// How often the exchange and the queues are declared anew, and what waits is counted.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);
/// Most events that are read at a time.
const BATCH_MAX: i64 = 2_000;
/// Events that are published at a time, while those before them are marked.
const CHUNK: usize = 500;

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
    let mut kept_up_at = None::<Instant>;
    let mut relay = Relay { owner, publisher, leases: Vec::new(), leased_at: None };
    while !stop.is_cancelled() {
        // Another queue may want the same events, so that nobody would hear of a lost one.
        if kept_up_at.is_none_or(|at| at.elapsed() >= UPKEEP_PERIOD) {
            broker.declare().await?;
            report_backlog(pools).await;
            kept_up_at = Some(Instant::now());
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

    async fn renew_when_due(&mut self, client: &Connection) -> Result<Instant, StoreError> {
        if let Some(leased_at) = self.leased_at.filter(|at| at.elapsed() < lease::RENEWAL) {
            return Ok(leased_at);
        }
        let asked_at = Instant::now();
        self.leases = outbox::lease(&***client, self.owner, lease::length_ms()).await?;
        self.leased_at = Some(asked_at);
        Ok(asked_at)
    }

    /// Returns how many were sent. After a refusal the rest is read anew, without what is put off.
    async fn send(
        &self,
        client: &Connection,
        events: &[UnsentEvent],
        until: Instant,
    ) -> Result<usize, StoreError> {
        let (mut total, mut confirmed, mut put_off) = (0, Vec::new(), Vec::new());
        for chunk in events.chunks(CHUNK) {
            let keyed = chunk.iter().map(|event| (event.id, &event.envelope));
            let publishing = publish_batch(&self.publisher, keyed, until);
            let (marked, published) = tokio::join!(self.mark(client, &confirmed), publishing);
            marked?;
            let Batch { sent, refused } = published?;
            total += sent.len();
            confirmed = sent;
            if confirmed.len() < chunk.len() {
                put_off = refused;
                break;
            }
        }
        self.mark(client, &confirmed).await?;
        if total == 0 && put_off.is_empty() {
            tracing::warn!(events = events.len(), "no time was left to send anything: the store is slow");
        }
        self.postpone(client, &put_off).await?;
        Ok(total)
    }

    async fn postpone(&self, client: &Connection, refused: &[Uuid]) -> Result<(), StoreError> {
        metrics::counter!("relay_refused_total", "outbox" => "postgresql").increment(refused.len() as u64);
        for &id in refused {
            outbox::postpone(&***client, id).await?;
        }
        Ok(())
    }

    async fn mark(&self, client: &Connection, sent: &[Uuid]) -> Result<(), StoreError> {
        if sent.is_empty() {
            return Ok(());
        }
        if outbox::mark_sent(&***client, self.owner, &self.leases, sent).await? < sent.len() {
            tracing::warn!(
                "a lease was lost in the middle of a batch: its events are sent again by the next owner"
            );
        }
        metrics::counter!("relay_events_total", "outbox" => "postgresql").increment(sent.len() as u64);
        Ok(())
    }
}

/// Away from the leases: counting may take its time, and nothing depends on it.
async fn report_backlog(pools: &PgPools) {
    let counted = async { outbox::backlog(&**pools.write().await?).await };
    match counted.await {
        Ok((count, age_seconds)) => {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!("outbox_backlog", "outbox" => "postgresql").set(count as f64);
            metrics::gauge!("outbox_oldest_age_seconds", "outbox" => "postgresql").set(age_seconds);
        }
        Err(error) => tracing::warn!(error = error_chain::text(&error), "what waits was not counted"),
    }
}

async fn wait(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(POLL) => {}
    }
}
