//! A replay: sent events of a window, from both outboxes, to one consumer again and to nobody else.
//!
//! In version order per aggregate. The rows in the outboxes stay as they are.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::event::CloudEvent;
use domain::ids::EventId;
use jiff::Timestamp;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::pg::direct::{self, DirectClient};
use store::sent_event::{PAGE_MAX, SentEvent};
use store::settings::{AmqpSettings, PostgresSettings};
use store::{mongo, pg};
use tokio::time::Instant;

/// Who gets the events again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EventConsumer {
    /// The search index
    SearchIndexer,
    /// The reports
    Analytics,
    /// Webhooks; a delivery that was made stays made
    Webhooks,
}

impl EventConsumer {
    fn queue_of(self, event: &CloudEvent) -> DurableQueue {
        match self {
            Self::SearchIndexer => DurableQueue::SearchIndexer,
            Self::Analytics => DurableQueue::Analytics,
            Self::Webhooks => DurableQueue::webhooks_of(event.shard()),
        }
    }

    /// The event types that it gets.
    pub fn event_types(self) -> &'static [&'static str] {
        match self {
            Self::SearchIndexer => DurableQueue::SearchIndexer.event_types(),
            Self::Analytics => DurableQueue::Analytics.event_types(),
            Self::Webhooks => DurableQueue::Webhooks(0).event_types(),
        }
    }
}

/// What to send again, and to whom.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// Who gets it.
    pub consumer: EventConsumer,
    /// Events made from then on,
    pub from: Timestamp,
    /// and before then.
    pub to: Timestamp,
    /// Only this type.
    pub event_type: Option<String>,
    /// Most events a second; as fast as it goes without.
    pub rate: Option<NonZeroU32>,
}

/// What was done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events that their queue has again, by type.
    pub sent: BTreeMap<String, u64>,
    /// Rows that are no events, which are left out.
    pub unreadable: u64,
}

impl Replayed {
    /// Events of every type.
    pub fn total(&self) -> u64 {
        self.sent.values().sum()
    }
}

/// Why not every event of the window was sent.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The window has no time in it.
    #[error("the window ends before it begins")]
    EmptyWindow,
    /// A type that the consumer would never get.
    #[error("the consumer does not get {event_type:?}; it gets {}", .known.join(", "))]
    OtherType {
        /// What was asked for.
        event_type: String,
        /// What there is.
        known: &'static [&'static str],
    },
    /// The queue is full, or the event is too large.
    #[error("the broker refused the event {id} after {sent} others; a repeat sends all of them again")]
    Refused {
        /// The event.
        id: EventId,
        /// Events that were sent.
        sent: u64,
    },
    /// A store or the broker is away.
    #[error("stopped after {sent} events; a repeat sends all of them again")]
    Interrupted {
        /// Events that were sent.
        sent: u64,
        /// Why.
        #[source]
        cause: StoreError,
    },
}

/// Sends every event of the window again, those of PostgreSQL first. `progress` hears of each batch.
pub async fn replay(
    postgres: &PostgresSettings,
    mongo: &Mongo,
    amqp: &AmqpSettings,
    options: &ReplayOptions,
    progress: impl Fn(&Replayed),
) -> Result<Replayed, ReplayError> {
    let types = types(options)?;
    let interrupted = |cause| ReplayError::Interrupted { sent: 0, cause };
    // Reading a week may take longer than the pools allow a statement.
    let postgres = direct::primary(postgres).await.map_err(interrupted)?;
    let broker = Broker::connect(amqp).await.map_err(interrupted)?;
    let publisher = broker.publisher().await.map_err(interrupted)?;
    let mut replay = Replay { options, types, publisher, started: Instant::now(), done: Replayed::default() };
    for outbox in [Outbox::Postgres(&postgres), Outbox::Mongo(mongo)] {
        replay.send_all(outbox, &progress).await?;
    }
    broker.close().await;
    Ok(replay.done)
}

fn types(options: &ReplayOptions) -> Result<Vec<&str>, ReplayError> {
    if options.from >= options.to {
        return Err(ReplayError::EmptyWindow);
    }
    let known = options.consumer.event_types();
    match &options.event_type {
        None => Ok(known.to_vec()),
        Some(only) if known.contains(&only.as_str()) => Ok(vec![only.as_str()]),
        Some(other) => Err(ReplayError::OtherType { event_type: other.clone(), known }),
    }
}

#[derive(Clone, Copy)]
enum Outbox<'a> {
    Postgres(&'a DirectClient),
    Mongo(&'a Mongo),
}

impl Outbox<'_> {
    async fn page(
        self,
        options: &ReplayOptions,
        types: &[&str],
        after: Option<EventId>,
    ) -> Result<Vec<SentEvent>, StoreError> {
        let window = (options.from, options.to);
        match self {
            Self::Postgres(client) => pg::outbox::sent_between(client, window, types, after, PAGE_MAX).await,
            Self::Mongo(mongo) => mongo::outbox::sent_between(mongo, window, types, after, PAGE_MAX).await,
        }
    }
}

struct Replay<'a> {
    options: &'a ReplayOptions,
    types: Vec<&'a str>,
    publisher: Publisher,
    started: Instant,
    done: Replayed,
}

impl Replay<'_> {
    async fn send_all(
        &mut self,
        outbox: Outbox<'_>,
        progress: &impl Fn(&Replayed),
    ) -> Result<(), ReplayError> {
        let mut place = None;
        loop {
            let page = outbox.page(self.options, &self.types, place).await;
            let page = page.map_err(|cause| self.interrupted(cause))?;
            let Some(last) = page.last() else { return Ok(()) };
            place = Some(last.id);
            let queues = self.readable(&page);
            self.done.unreadable += page.iter().filter(|event| event.envelope.is_err()).count() as u64;
            self.send(queues, progress).await?;
        }
    }

    /// Queue by queue. Clocks of two processes may differ, versions do not: an aggregate's events go out by version.
    fn readable<'e>(&self, page: &'e [SentEvent]) -> Vec<(DurableQueue, Vec<&'e CloudEvent>)> {
        let mut events: Vec<_> = page.iter().filter_map(|event| event.envelope.as_ref().ok()).collect();
        events.sort_by(|one, other| {
            (&one.subject, one.aggregateversion).cmp(&(&other.subject, other.aggregateversion))
        });
        let consumer = self.options.consumer;
        let of_queue = |queue: DurableQueue| {
            let own = events.iter().copied().filter(|event| consumer.queue_of(event) == queue);
            (queue, own.collect::<Vec<_>>())
        };
        DurableQueue::ALL.into_iter().map(of_queue).filter(|(_, events)| !events.is_empty()).collect()
    }

    async fn send(
        &mut self,
        queues: Vec<(DurableQueue, Vec<&CloudEvent>)>,
        progress: &impl Fn(&Replayed),
    ) -> Result<(), ReplayError> {
        for (queue, events) in queues {
            for some in events.chunks(self.second()) {
                self.send_to(queue, some).await?;
                progress(&self.done);
                self.keep_pace().await;
            }
        }
        Ok(())
    }

    /// Most events that go out at once: those of a second.
    fn second(&self) -> usize {
        self.options.rate.map_or(usize::MAX, |rate| usize::try_from(rate.get()).unwrap_or(usize::MAX))
    }

    async fn send_to(&mut self, queue: DurableQueue, events: &[&CloudEvent]) -> Result<(), ReplayError> {
        let published = self.publisher.publish_to(queue, events).await;
        let published = published.map_err(|cause| self.interrupted(cause))?;
        for (event, is_sent) in events.iter().zip(published) {
            if !is_sent {
                return Err(ReplayError::Refused { id: event.id, sent: self.done.total() });
            }
            *self.done.sent.entry(event.event_type.clone()).or_default() += 1;
        }
        Ok(())
    }

    fn interrupted(&self, cause: StoreError) -> ReplayError {
        ReplayError::Interrupted { sent: self.done.total(), cause }
    }

    async fn keep_pace(&self) {
        if let Some(rate) = self.options.rate {
            let due_ms = self.done.total().saturating_mul(1_000) / u64::from(rate.get());
            tokio::time::sleep_until(self.started + Duration::from_millis(due_ms)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::event::event_type;

    use super::*;

    fn options(consumer: EventConsumer, event_type: Option<&str>) -> ReplayOptions {
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        ReplayOptions { consumer, from, to, event_type: event_type.map(str::to_owned), rate: None }
    }

    #[test]
    fn a_consumer_gets_only_its_own_types() {
        let all = options(EventConsumer::Webhooks, None);
        assert_eq!(types(&all).expect("types"), event_type::ALL);
        let one = options(EventConsumer::SearchIndexer, Some(event_type::PRODUCT_DELETED));
        assert_eq!(types(&one).expect("a type"), [event_type::PRODUCT_DELETED]);
        let other = options(EventConsumer::Analytics, Some(event_type::PRODUCT_CHANGED));
        let error = types(&other).expect_err("another's").to_string();
        assert!(error.contains("orders.imported.v1"), "{error}");
        let mut backwards = all.clone();
        backwards.to = backwards.from;
        assert!(matches!(types(&backwards), Err(ReplayError::EmptyWindow)));
    }
}
