//! The relay of MongoDB's outbox: watches its change stream under a lease, saves its place after the broker's confirm,
//! and scans for what a lost place or a refused publish left behind.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::outbox::{self, OutboxStream, UnsentEvent};
use store::mongo::relay_state::{self, WatchLease};
use store::settings::AmqpSettings;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::relay::waves::publish_in_order;
use process::backoff::Backoff;

const LEASE_MS: i64 = 15_000;
const LEASE_RENEWAL: Duration = Duration::from_secs(5);
const SCAN_BATCH_MAX: i64 = 500;
const SCAN_BATCHES_MAX: usize = 10;

/// Relays until the program stops. A store that is away is tried again, for ever.
pub async fn run(mongo: &Mongo, amqp: &AmqpSettings, stop: &CancellationToken) {
    let owner = Uuid::new_v4().to_string();
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        match attempt(mongo, amqp, &owner, stop, &mut backoff).await {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(error = error_chain::text(&error), "the relay of MongoDB's outbox waits");
                metrics::counter!("relay_interruptions_total", "outbox" => "mongodb").increment(1);
                backoff.pause(stop).await;
            }
        }
    }
    if let Err(error) = relay_state::release(mongo, &owner).await {
        tracing::warn!(error = error_chain::text(&error), "the lease runs out by itself");
    }
}

async fn attempt(
    mongo: &Mongo,
    amqp: &AmqpSettings,
    owner: &str,
    stop: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), StoreError> {
    let Some(lease) = relay_state::lease(mongo, owner, LEASE_MS).await? else {
        backoff.pause(stop).await;
        return Ok(());
    };
    let broker = Broker::connect(amqp).await?;
    let stream = match outbox::watch(mongo, lease.token.clone()).await {
        Err(error) if lease.token.is_some() && !error.is_unavailable() => {
            tracing::warn!(error = error_chain::text(&error), "the saved place is lost: watching from now");
            outbox::watch(mongo, None).await?
        }
        stream => stream?,
    };
    let publisher = broker.publisher().await?;
    let mut relay = Relay { mongo, owner, lease, publisher, held_back: HashSet::new() };
    // What was committed before the stream began, or was refused by an earlier run.
    relay.scan(Duration::ZERO).await?;
    backoff.reset();
    let outcome = relay.watch(stream, stop).await;
    broker.close().await;
    outcome
}

struct Relay<'a> {
    mongo: &'a Mongo,
    owner: &'a str,
    lease: WatchLease,
    publisher: Publisher,
    /// Aggregates with a refused event: only the scan sends theirs, in version order.
    held_back: HashSet<String>,
}

impl Relay<'_> {
    async fn watch(&mut self, mut stream: OutboxStream, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut renewed_at = Instant::now();
        loop {
            let until_renewal = LEASE_RENEWAL.saturating_sub(renewed_at.elapsed());
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(until_renewal) => {
                    if !self.renew().await? {
                        return Ok(());
                    }
                    self.scan(LEASE_RENEWAL).await?;
                    renewed_at = Instant::now();
                }
                news = stream.next() => {
                    let (events, place) = news?;
                    self.send_unsent(events).await?;
                    if !relay_state::save_token(self.mongo, &self.lease, &place).await? {
                        tracing::warn!("another relay has taken over");
                        return Ok(());
                    }
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<bool, StoreError> {
        match relay_state::lease(self.mongo, self.owner, LEASE_MS).await? {
            Some(lease) => self.lease = lease,
            None => return Ok(false),
        }
        let count = outbox::backlog(self.mongo).await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("outbox_backlog", "outbox" => "mongodb").set(count as f64);
        Ok(true)
    }

    /// Sends what is unsent for longer than `age`, a batch at a time; so many batches that the lease still holds.
    async fn scan(&mut self, age: Duration) -> Result<(), StoreError> {
        for _ in 0..SCAN_BATCHES_MAX {
            let mut events = outbox::scan(self.mongo, age, SCAN_BATCH_MAX).await?;
            // Clocks differ between writers, versions do not.
            events.sort_by(|left, right| order(left).cmp(&order(right)));
            self.held_back.clear();
            let sent = self.send(&events).await?;
            if sent == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The stream may be behind the scan, or begin again at an old place: what is sent already must not overtake.
    async fn send_unsent(&mut self, mut events: Vec<UnsentEvent>) -> Result<(), StoreError> {
        let ids: Vec<_> = events.iter().map(|event| event.id.as_str()).collect();
        let unsent = outbox::still_unsent(self.mongo, &ids).await?;
        events.retain(|event| unsent.contains(&event.id));
        self.send(&events).await?;
        Ok(())
    }

    async fn send(&mut self, events: &[UnsentEvent]) -> Result<usize, StoreError> {
        let free: Vec<_> =
            events.iter().filter(|event| !self.held_back.contains(&event.envelope.subject)).collect();
        if free.is_empty() {
            return Ok(0);
        }
        let envelopes: Vec<_> = free.iter().map(|event| &event.envelope).collect();
        let confirmed = publish_in_order(&self.publisher, &envelopes).await?;
        let mut sent = Vec::with_capacity(free.len());
        for (event, is_sent) in free.into_iter().zip(confirmed) {
            if is_sent {
                sent.push(event.id.clone());
            } else {
                let subject = &event.envelope.subject;
                tracing::error!(event.id = %event.id, event.subject = %subject, "the broker refused an event");
                self.held_back.insert(event.envelope.subject.clone());
            }
        }
        outbox::mark_sent(self.mongo, &sent).await?;
        metrics::counter!("relay_events_total", "outbox" => "mongodb").increment(sent.len() as u64);
        Ok(sent.len())
    }
}

fn order(event: &UnsentEvent) -> (&str, i64) {
    (&event.envelope.subject, event.envelope.aggregateversion)
}
