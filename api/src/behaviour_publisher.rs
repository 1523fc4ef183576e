//! Behaviour events on their way to the broker, over one connection of this process that is made when it is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use domain::behaviour::BehaviourBatch;
use domain::ids::EventId;
use jiff::Timestamp;
use store::amqp::behaviour;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio::sync::{Mutex, Semaphore};

/// Longest that a batch waits for its confirm.
const DEADLINE: Duration = Duration::from_secs(3);
/// While the broker cannot be reached it is not asked more often.
const PAUSE: Duration = Duration::from_secs(1);

/// Batches that are on their way at once, each on a channel of its own: a confirm is then surely its own.
const CHANNEL_COUNT: usize = 8;
/// Batches that wait for a channel; whoever comes beyond is told to come again.
const WAITING_MAX: usize = 200;

/// The way to the broker.
#[derive(Debug)]
pub struct BehaviourPublisher {
    settings: AmqpSettings,
    waiting: Semaphore,
    turn: AtomicUsize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    link: Option<Arc<Link>>,
    failed_at: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    /// Held so that the channels live.
    broker: Broker,
    publishers: Vec<Mutex<Publisher>>,
}

impl BehaviourPublisher {
    /// Nothing is connected yet.
    pub fn new(settings: AmqpSettings) -> Self {
        let waiting = Semaphore::new(WAITING_MAX);
        Self { settings, waiting, turn: AtomicUsize::new(0), held: Mutex::default() }
    }

    /// Sends a batch and waits for its confirm. After an error it may be there or not: send it again.
    pub async fn publish(
        &self,
        id: EventId,
        at: Timestamp,
        batch: &BehaviourBatch,
    ) -> Result<(), StoreError> {
        let _place = self.waiting.try_acquire().map_err(StoreError::unavailable)?;
        let until = tokio::time::Instant::now() + DEADLINE;
        let link = tokio::time::timeout_at(until, self.link()).await.map_err(StoreError::unavailable)??;
        if link.broker.is_blocked() {
            return Err(StoreError::unavailable("the broker has an alarm"));
        }
        let sent = tokio::time::timeout_at(until, self.send(&link, id, at, batch)).await;
        if sent.is_err() || !link.broker.is_connected() {
            // What is queued in a connection that takes nothing goes with it, and no late confirm is another's.
            self.forget(&link).await;
        }
        sent.map_err(StoreError::unavailable)?
    }

    async fn send(
        &self,
        link: &Link,
        id: EventId,
        at: Timestamp,
        batch: &BehaviourBatch,
    ) -> Result<(), StoreError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % CHANNEL_COUNT;
        let publisher = link.publishers[turn].lock().await;
        behaviour::publish(&publisher, id, at, batch).await
    }

    async fn link(&self) -> Result<Arc<Link>, StoreError> {
        let mut held = self.held.lock().await;
        if let Some(link) = held.link.as_ref().filter(|link| link.broker.is_connected()) {
            return Ok(Arc::clone(link));
        }
        held.link = None;
        if held.failed_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(StoreError::unavailable("the broker could not be reached a moment ago"));
        }
        // Also when whoever waits for it gives up.
        held.failed_at = Some(Instant::now());
        let link = Arc::new(connect(&self.settings).await?);
        *held = Held { link: Some(Arc::clone(&link)), failed_at: None };
        Ok(link)
    }

    async fn forget(&self, lost: &Arc<Link>) {
        let mut held = self.held.lock().await;
        if held.link.as_ref().is_some_and(|link| Arc::ptr_eq(link, lost)) {
            *held = Held { link: None, failed_at: Some(Instant::now()) };
        }
    }
}

async fn connect(settings: &AmqpSettings) -> Result<Link, StoreError> {
    let broker = Broker::connect(settings).await?;
    let mut publishers = Vec::with_capacity(CHANNEL_COUNT);
    for _ in 0..CHANNEL_COUNT {
        publishers.push(Mutex::new(broker.publisher().await?));
    }
    Ok(Link { broker, publishers })
}
