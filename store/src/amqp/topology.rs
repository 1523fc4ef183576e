//! What the broker holds: one topic exchange, one quorum queue with a dead-letter queue per durable consumer. Webhooks
//! have four, each for the aggregates of a quarter of the shards, with one consumer at a time.
//!
//! Declared by every process that connects, and by relays all the time, so that no event finds a missing queue.

use domain::event::{EXCHANGE, SHARD_COUNT, event_type};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use crate::error::StoreError;

/// The exchange of every event; the routing key is the event type and the aggregate's shard.
pub const EVENTS: &str = EXCHANGE;
/// The exchange of what a consumer gave up.
pub const DEAD_LETTERS: &str = "entrepot.dead-letters";
/// Queues that webhooks are spread over.
pub const WEBHOOK_QUEUE_COUNT: u8 = 4;
const WEBHOOK_QUEUES: [&str; WEBHOOK_QUEUE_COUNT as usize] =
    ["webhooks.0", "webhooks.1", "webhooks.2", "webhooks.3"];
/// Tries of a message before it is dead-lettered.
const DELIVERY_LIMIT: i32 = 8;
/// Most messages of a queue of webhooks: after it the broker refuses, and events wait in their outbox.
const WEBHOOK_LENGTH_MAX: i32 = 1_000_000;
/// Largest queue of behaviour: after it the broker refuses, and so does the API. Some 40 million events.
const BEHAVIOUR_BYTES_MAX: i64 = 8 << 30;

/// A queue that outlives its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DurableQueue {
    /// Products to be indexed.
    SearchIndexer,
    /// Imports to be counted.
    Analytics,
    /// What shoppers do, told by batches. They are sent to it alone.
    Behaviour,
    /// Every event of the shards that leave this remainder (0 to 3) when divided by four.
    Webhooks(u8),
}

impl DurableQueue {
    /// Every queue.
    pub const ALL: [Self; 7] = [
        Self::SearchIndexer,
        Self::Analytics,
        Self::Behaviour,
        Self::Webhooks(0),
        Self::Webhooks(1),
        Self::Webhooks(2),
        Self::Webhooks(3),
    ];

    /// The queue's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SearchIndexer => "search-indexer",
            Self::Analytics => "analytics",
            Self::Behaviour => "behaviour",
            Self::Webhooks(number) => WEBHOOK_QUEUES[usize::from(number % WEBHOOK_QUEUE_COUNT)],
        }
    }

    /// The queue of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }

    /// The webhooks' queue of a shard.
    pub fn webhooks_of(shard: i16) -> Self {
        let remainder = shard.rem_euclid(i16::from(WEBHOOK_QUEUE_COUNT));
        Self::Webhooks(u8::try_from(remainder).expect("below 4"))
    }

    /// The queue of what this one's consumer gave up.
    pub fn dead_letter_name(self) -> String {
        format!("{}.dead", self.name())
    }

    /// The event types that it gets.
    pub fn event_types(self) -> &'static [&'static str] {
        match self {
            Self::SearchIndexer => &[
                event_type::PRODUCT_CHANGED,
                event_type::PRODUCT_DELETED,
                event_type::OUT_OF_STOCK,
                event_type::BACK_IN_STOCK,
            ],
            Self::Analytics => &[event_type::ORDERS_IMPORTED],
            Self::Behaviour => &[],
            Self::Webhooks(_) => event_type::ALL,
        }
    }

    fn binding_keys(self) -> Vec<String> {
        match self {
            Self::SearchIndexer | Self::Analytics | Self::Behaviour => {
                self.event_types().iter().map(|event_type| of_every_shard(event_type)).collect()
            }
            Self::Webhooks(_) => {
                shards().filter(|shard| Self::webhooks_of(*shard) == self).map(key).collect()
            }
        }
    }

    fn arguments(self) -> FieldTable {
        let mut arguments = quorum();
        let mut text = |key: &str, value: &str| {
            arguments.insert(key.into(), AMQPValue::LongString(value.into()));
        };
        text("x-dead-letter-exchange", DEAD_LETTERS);
        text("x-dead-letter-routing-key", self.name());
        text("x-dead-letter-strategy", "at-least-once");
        text("x-overflow", "reject-publish");
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
        // Never for a queue that brokers have already: another argument would make its declaration fail.
        match self {
            Self::SearchIndexer | Self::Analytics => {}
            Self::Behaviour => {
                arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(BEHAVIOUR_BYTES_MAX));
            }
            Self::Webhooks(_) => {
                arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
                arguments.insert("x-max-length".into(), AMQPValue::LongInt(WEBHOOK_LENGTH_MAX));
            }
        }
        arguments
    }
}

/// The key that binds every event of a type, also one whose routing key is the type alone: a relay of before may still
/// run.
pub(super) fn of_every_shard(event_type: &str) -> String {
    format!("{event_type}.#")
}

fn shards() -> impl Iterator<Item = i16> {
    (0..SHARD_COUNT).map(|shard| i16::try_from(shard).expect("below 16"))
}

/// The key that binds every event of a shard.
fn key(shard: i16) -> String {
    format!("#.{shard:02}")
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
    channel.queue_declare(queue.name().into(), durable, queue.arguments()).await?;
    for key in queue.binding_keys() {
        bind(channel, queue.name(), EVENTS, &key).await?;
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_queue_is_found_by_its_name() {
        let names: HashSet<_> = DurableQueue::ALL.iter().map(|queue| queue.name()).collect();
        assert_eq!(names.len(), DurableQueue::ALL.len());
        for queue in DurableQueue::ALL {
            assert_eq!(DurableQueue::from_name(queue.name()), Some(queue));
        }
        assert_eq!(DurableQueue::from_name("analytics.dead"), None);
    }

    #[test]
    fn a_shard_is_in_one_queue_of_webhooks() {
        let mut keys = HashSet::new();
        for number in 0..WEBHOOK_QUEUE_COUNT {
            let of_queue = DurableQueue::Webhooks(number).binding_keys();
            assert_eq!(of_queue.len(), 4);
            keys.extend(of_queue);
        }
        assert_eq!(keys.len(), usize::from(SHARD_COUNT));
        assert!(keys.contains("#.00") && keys.contains("#.15"));
        assert_eq!(DurableQueue::webhooks_of(7), DurableQueue::Webhooks(3));
    }

    #[test]
    fn queues_of_before_keep_their_arguments() {
        for queue in [DurableQueue::SearchIndexer, DurableQueue::Analytics] {
            let arguments = queue.arguments();
            assert_eq!(arguments.inner().len(), 6, "{arguments:?}");
            assert!(!arguments.contains_key("x-max-length"));
        }
        assert!(DurableQueue::Webhooks(0).arguments().contains_key("x-single-active-consumer"));
    }
}
