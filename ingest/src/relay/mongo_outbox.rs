//! The relay of MongoDB's outbox: a change stream, watched under a lease, says which aggregates have news; its place is
//! saved some time after the broker's confirm. A scan finds what a lost place or a refused publish left behind.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use process::backoff::Backoff;
use process::error_chain;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::outbox::{self, News, ResumeToken, UnsentEvent};
use store::mongo::relay_state::{self, WatchLease};
use store::settings::AmqpSettings;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::relay::lease;
use crate::relay::waves::{Batch, publish_batch};

/// How often what waits is looked for, also while there is news all the time.
const SCAN_PERIOD: Duration = Duration::from_secs(5);
const BATCH_MAX: u16 = 500;
/// From the beginning of a batch to that of the next one that is not full: much of what a batch costs does not depend
/// on its size. After a pause the first one goes at once.
const BATCH_PERIOD: Duration = Duration::from_millis(150);

/// Relays until the program stops. A store that is away is tried again, for ever.
pub async fn run(mongo: &Mongo, amqp: &AmqpSettings, stop: &CancellationToken) {
    let owner = Uuid::new_v4().to_string();
    let mut backoff = Backoff::default();
    metrics::counter!("relay_interruptions_total", "outbox" => "mongodb").increment(0);
    while !stop.is_cancelled() {
        if let Err(error) = attempt(mongo, amqp, &owner, stop, &mut backoff).await {
            tracing::warn!(error = error_chain::text(&error), "the relay of MongoDB's outbox waits");
            metrics::counter!("relay_interruptions_total", "outbox" => "mongodb").increment(1);
            backoff.pause(stop).await;
        }
    }
    if let Err(error) = relay_state::release(mongo, &owner).await {
        tracing::warn!(error = error_chain::text(&error), "the lease runs out by itself");
    }
}

/// The broker first: whoever cannot reach it leaves the lease to another one.
async fn attempt(
    mongo: &Mongo,
    amqp: &AmqpSettings,
    owner: &str,
    stop: &CancellationToken,
    backoff: &mut Backoff,
) -> Result<(), StoreError> {
    let broker = Broker::connect(amqp).await?;
    let publisher = broker.publisher().await?;
    let outcome = match leased(mongo, &broker, owner, stop).await? {
        None => Ok(()),
        Some((lease, leased_at)) => {
            let news = watch(mongo, &lease).await?;
            backoff.reset();
            let (place, marking) = (None, Marking::default());
            let mut relay =
                Relay { mongo, owner, lease, leased_at, broker: &broker, publisher, place, marking, stop };
            let relayed = relay.relay(news).await;
            // What was sent last would be sent again.
            relay.marking.end().await.and(relayed)
        }
    };
    broker.close().await;
    outcome
}

/// Asks until the lease is free, as long as the broker is there. `None`: the program is to stop.
async fn leased(
    mongo: &Mongo,
    broker: &Broker,
    owner: &str,
    stop: &CancellationToken,
) -> Result<Option<(WatchLease, Instant)>, StoreError> {
    while !stop.is_cancelled() {
        if !broker.is_connected() {
            return Err(StoreError::unavailable("the broker is gone"));
        }
        let asked_at = Instant::now();
        if let Some(lease) = relay_state::lease(mongo, owner, lease::length_ms()).await? {
            return Ok(Some((lease, asked_at)));
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(lease::RENEWAL) => {}
        }
    }
    Ok(None)
}

async fn watch(mongo: &Mongo, lease: &WatchLease) -> Result<News, StoreError> {
    match outbox::watch(mongo, lease.token.clone()).await {
        Err(error) if lease.token.is_some() && !error.is_unavailable() => {
            tracing::warn!(error = error_chain::text(&error), "the saved place is lost: watching from now");
            outbox::watch(mongo, None).await
        }
        news => news,
    }
}

struct Relay<'a> {
    mongo: &'a Mongo,
    owner: &'a str,
    lease: WatchLease,
    /// Before the lease was asked for: it ends a little later than this says.
    leased_at: Instant,
    broker: &'a Broker,
    publisher: Publisher,
    /// After the last news that were sent, until it is saved: with each renewal, as what is told again is sent already.
    place: Option<ResumeToken>,
    marking: Marking,
    stop: &'a CancellationToken,
}

/// Events that were sent last and are being marked as sent, while the next ones are read.
#[derive(Default)]
struct Marking {
    /// Kept until the next marking begins: a read may have begun before this one ended.
    ids: HashSet<String>,
    task: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Marking {
    async fn begin(&mut self, mongo: &Mongo, sent: Vec<String>) -> Result<(), StoreError> {
        if sent.is_empty() {
            return Ok(());
        }
        self.end().await?;
        self.ids = sent.iter().cloned().collect();
        let mongo = mongo.clone();
        self.task = Some(tokio::spawn(async move { outbox::mark_sent(&mongo, &sent).await }));
        Ok(())
    }

    async fn end(&mut self) -> Result<(), StoreError> {
        let Some(task) = self.task.take() else { return Ok(()) };
        task.await.map_err(|error| StoreError::Driver(error.into()))?
    }
}

impl Relay<'_> {
    async fn relay(&mut self, mut news: News) -> Result<(), StoreError> {
        let mut scans = tokio::time::interval(SCAN_PERIOD);
        scans.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut until = tokio::time::Instant::now();
        loop {
            let until_renewal = lease::RENEWAL.saturating_sub(self.leased_at.elapsed());
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(until_renewal) => self.renew_when_due().await?,
                _ = scans.tick() => {
                    // Another queue may want the same events, so that nobody would hear of a lost one.
                    self.broker.declare().await?;
                    self.scan().await?;
                    self.report_backlog().await?;
                    // Counted from the end of a long one, so that news come in between.
                    scans.reset();
                }
                news = news.next(until) => {
                    until = tokio::time::Instant::now() + BATCH_PERIOD;
                    let (aggregates, place) = news?;
                    self.send(&aggregates).await?;
                    self.place = Some(place);
                }
            }
        }
    }

    async fn renew_when_due(&mut self) -> Result<(), StoreError> {
        if self.leased_at.elapsed() < lease::RENEWAL {
            return Ok(());
        }
        let taken_over = || StoreError::unavailable("another relay has taken over");
        if let Some(place) = self.place.take()
            && !relay_state::save_token(self.mongo, &self.lease, &place).await?
        {
            return Err(taken_over());
        }
        let asked_at = Instant::now();
        let lease = relay_state::lease(self.mongo, self.owner, lease::length_ms()).await?;
        self.lease = lease.ok_or_else(taken_over)?;
        self.leased_at = asked_at;
        Ok(())
    }

    async fn report_backlog(&self) -> Result<(), StoreError> {
        let count = outbox::backlog(self.mongo).await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("outbox_backlog", "outbox" => "mongodb").set(count as f64);
        let oldest_at = outbox::oldest_unsent_at(self.mongo).await?;
        let age = oldest_at.map_or(SignedDuration::ZERO, |at| Timestamp::now().duration_since(at));
        metrics::gauge!("outbox_oldest_age_seconds", "outbox" => "mongodb").set(age.as_secs_f64().max(0.0));
        Ok(())
    }

    /// Sends what waits now, whoever was told of it. What is written meanwhile is news: it would never end.
    async fn scan(&mut self) -> Result<(), StoreError> {
        let until = Timestamp::now();
        while self.walk(until).await? > 0 && !self.stop.is_cancelled() {}
        Ok(())
    }

    /// Goes once through what waits, also past what is held back. Returns how many were sent.
    async fn walk(&mut self, until: Timestamp) -> Result<usize, StoreError> {
        // What is being marked does not wait; what could not be marked is found by the next relay.
        self.marking.end().await?;
        let (mut total, mut place) = (0, None);
        while !self.stop.is_cancelled() {
            let Some(page) = outbox::waiting(self.mongo, place, until, BATCH_MAX.into()).await? else {
                break;
            };
            total += self.send(&page.aggregates).await?;
            place = Some(page.written_at);
        }
        Ok(total)
    }

    /// Sends every event of the aggregates that may be sent. Returns how many.
    async fn send(&mut self, aggregates: &[String]) -> Result<usize, StoreError> {
        let mut total = 0;
        while !self.stop.is_cancelled() {
            self.renew_when_due().await?;
            let mut events = outbox::unsent_of(self.mongo, aggregates, BATCH_MAX.into()).await?;
            let read = events.len();
            events.retain(|event| !self.marking.ids.contains(&event.id));
            let are_sent_already = events.len() < read;
            let sent = self.send_batch(&events).await?;
            total += sent;
            // A page that was not full was all, when all of it was sent.
            if sent == events.len() && read < usize::from(BATCH_MAX) {
                break;
            }
            if sent == 0 && !are_sent_already {
                break;
            }
            // They would fill the next page too.
            self.marking.end().await?;
        }
        Ok(total)
    }

    async fn send_batch(&mut self, events: &[UnsentEvent]) -> Result<usize, StoreError> {
        if events.is_empty() {
            return Ok(0);
        }
        let until = lease::publish_until(self.leased_at);
        let keyed = events.iter().map(|event| (event.id.clone(), &event.envelope));
        let Batch { sent, refused } = publish_batch(&self.publisher, keyed, until).await?;
        metrics::counter!("relay_refused_total", "outbox" => "mongodb").increment(refused.len() as u64);
        for id in &refused {
            outbox::postpone(self.mongo, id).await?;
        }
        let count = sent.len();
        self.marking.begin(self.mongo, sent).await?;
        metrics::counter!("relay_events_total", "outbox" => "mongodb").increment(count as u64);
        Ok(count)
    }
}
