//! What the broker holds: one topic exchange, one quorum queue with a dead-letter queue per durable consumer.
//!
//! Declared by every process that connects, so that no event finds a missing queue.

use domain::event::event_type;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::error::StoreError;

/// The exchange of every event; the routing key is the event type.
pub const EVENTS: &str = "entrepot.events";
/// The exchange of what a consumer gave up.
pub const DEAD_LETTERS: &str = "entrepot.dead-letters";
/// Tries of a message before it is dead-lettered.
const DELIVERY_LIMIT: i32 = 8;

/// A queue that outlives its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DurableQueue {
    /// Products to be indexed.
    SearchIndexer,
    /// Imports to be counted.
    Analytics,
}

impl DurableQueue {
    /// Every queue.
    pub const ALL: [Self; 2] = [Self::SearchIndexer, Self::Analytics];

    /// The queue's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SearchIndexer => "search-indexer",
            Self::Analytics => "analytics",
        }
    }

    /// The queue of what this one's consumer gave up.
    pub fn dead_letter_name(self) -> String {
        format!("{}.dead", self.name())
    }

    fn event_types(self) -> &'static [&'static str] {
        match self {
            Self::SearchIndexer => &[event_type::PRODUCT_CHANGED],
            Self::Analytics => &[event_type::ORDERS_IMPORTED],
        }
    }
}

/// Declares all of it. Safe to repeat.
pub async fn declare(channel: &Channel) -> Result<(), StoreError> {
    for (exchange, kind) in [(EVENTS, ExchangeKind::Topic), (DEAD_LETTERS, ExchangeKind::Direct)] {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await?;
    }
    for queue in DurableQueue::ALL {
        declare_queue(channel, queue).await?;
    }
    Ok(())
}

async fn declare_queue(channel: &Channel, queue: DurableQueue) -> Result<(), StoreError> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let dead = queue.dead_letter_name();
    channel.queue_declare(dead.as_str().into(), durable, quorum()).await?;
    bind(channel, &dead, DEAD_LETTERS, queue.name()).await?;
    let mut arguments = quorum();
    let mut text = |key: &str, value: &str| {
        arguments.insert(key.into(), AMQPValue::LongString(value.into()));
    };
    text("x-dead-letter-exchange", DEAD_LETTERS);
    text("x-dead-letter-routing-key", queue.name());
    text("x-dead-letter-strategy", "at-least-once");
    text("x-overflow", "reject-publish");
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    channel.queue_declare(queue.name().into(), durable, arguments).await?;
    for event_type in queue.event_types() {
        bind(channel, queue.name(), EVENTS, event_type).await?;
    }
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

/// Binds a queue to an exchange by routing key.
pub(super) async fn bind(
    channel: &Channel,
    queue: &str,
    exchange: &str,
    key: &str,
) -> Result<(), StoreError> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await?;
    Ok(())
}
