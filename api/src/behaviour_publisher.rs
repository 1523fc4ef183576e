//! Behaviour events on their way to the broker, over one connection of this process that is made when it is needed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::behaviour::BehaviourBatch;
use domain::ids::EventId;
use jiff::Timestamp;
use store::amqp::behaviour;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::error::StoreError;
use store::settings::AmqpSettings;
use tokio::sync::Mutex;

/// Longest that a batch waits for its confirm.
const DEADLINE: Duration = Duration::from_secs(3);
/// While the broker cannot be reached it is not asked more often.
const PAUSE: Duration = Duration::from_secs(1);

/// The way to the broker.
#[derive(Debug)]
pub struct BehaviourPublisher {
    settings: AmqpSettings,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    link: Option<Arc<Link>>,
    failed_at: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    /// Held so that the channel lives.
    broker: Broker,
    publisher: Publisher,
}

impl BehaviourPublisher {
    /// Nothing is connected yet.
    pub fn new(settings: AmqpSettings) -> Self {
        Self { settings, held: Mutex::default() }
    }

    /// Sends a batch and waits for its confirm. After an error it may be there or not: send it again.
    pub async fn publish(
        &self,
        id: EventId,
        at: Timestamp,
        batch: &BehaviourBatch,
    ) -> Result<(), StoreError> {
        let sent = tokio::time::timeout(DEADLINE, self.publish_now(id, at, batch)).await;
        sent.map_err(StoreError::unavailable)?
    }

    async fn publish_now(
        &self,
        id: EventId,
        at: Timestamp,
        batch: &BehaviourBatch,
    ) -> Result<(), StoreError> {
        let link = self.link().await?;
        let sent = behaviour::publish(&link.publisher, id, at, batch).await;
        if sent.is_err() && !link.broker.is_connected() {
            self.forget(&link).await;
        }
        sent
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
            held.link = None;
        }
    }
}

async fn connect(settings: &AmqpSettings) -> Result<Link, StoreError> {
    let broker = Broker::connect(settings).await?;
    let publisher = broker.publisher().await?;
    Ok(Link { broker, publisher })
}
