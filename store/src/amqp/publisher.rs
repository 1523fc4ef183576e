//! Publishing with confirms: an event counts as sent when the broker has said so, and some queue has it.

use std::collections::HashSet;
use std::time::Duration;

use domain::event::{CONTENT_TYPE, CloudEvent};
use futures_util::future::{OptionFuture, join_all, try_join_all};
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
use uuid::Uuid;

use crate::amqp::dead_letter::REDRIVEN_FROM;
use crate::amqp::topology::{DurableQueue, EVENTS};
use crate::error::StoreError;

/// How long a batch may take under a lease: a broker with an alarm takes nothing and says nothing.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(4);
/// How long what is sent again may take, for which nobody waits.
const REPEAT_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message; a larger one is refused before it is sent.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Messages that are written together; each is there twice until it is written.
const WRITTEN_TOGETHER: usize = 100;
/// Routes a message to the queue that its key names.
const DEFAULT_EXCHANGE: &str = "";
const PERSISTENT: u8 = 2;

/// A channel in confirm mode.
#[derive(Debug)]
pub struct Publisher {
    channel: Channel,
}

/// A dead letter on its way back.
#[derive(Debug, Clone, Copy)]
pub struct Redrive<'a> {
    /// The dead letter.
    pub id: Uuid,
    /// The queue that it died in.
    pub queue: DurableQueue,
    /// Id of its event, when it is one.
    pub event_id: Option<&'a str>,
    /// The whole message.
    pub body: &'a [u8],
}

impl Publisher {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Publishes events in order and waits for all their confirms, for [`PUBLISH_TIMEOUT`] at most. `true` per event
    /// that a queue has; `false` for one that was refused or returned, or that is larger than [`BODY_BYTES_MAX`]. An
    /// error means unknown for all of them: send them again.
    pub async fn publish(&self, events: &[&CloudEvent]) -> Result<Vec<bool>, StoreError> {
        within_time(PUBLISH_TIMEOUT, self.publish_events(events, None)).await
    }

    /// The same, within 10 s, to one queue alone: whoever else wants the events does not get them again.
    pub async fn publish_to(
        &self,
        queue: DurableQueue,
        events: &[&CloudEvent],
    ) -> Result<Vec<bool>, StoreError> {
        within_time(REPEAT_TIMEOUT, self.publish_events(events, Some(queue))).await
    }

    /// Sends dead letters to the queues that they died in. `true` per message that its queue has.
    pub async fn redrive(&self, letters: &[Redrive<'_>]) -> Result<Vec<bool>, StoreError> {
        within_time(REPEAT_TIMEOUT, self.publish_letters(letters)).await
    }

    async fn publish_events(
        &self,
        events: &[&CloudEvent],
        queue: Option<DurableQueue>,
    ) -> Result<Vec<bool>, StoreError> {
        let mut confirms = Vec::with_capacity(events.len());
        for together in events.chunks(WRITTEN_TOGETHER) {
            let mut sent = Vec::with_capacity(together.len());
            for event in together {
                sent.push(self.send_event(event, queue));
            }
            // The driver queues a message when it is first asked to send it and answers when the message is written:
            // all are queued, in their order, before one answer is waited for.
            confirms.extend(try_join_all(sent).await?);
        }
        confirmed(confirms, events.iter().map(|event| event.id.to_string())).await
    }

    async fn publish_letters(&self, letters: &[Redrive<'_>]) -> Result<Vec<bool>, StoreError> {
        let mut confirms = Vec::with_capacity(letters.len());
        for letter in letters {
            let key = letter.queue.name().to_owned();
            confirms.push(self.send(DEFAULT_EXCHANGE, key, letter.body, redriven(letter)).await?);
        }
        confirmed(confirms, letters.iter().map(|letter| letter.id.to_string())).await
    }

    async fn send_event(
        &self,
        event: &CloudEvent,
        queue: Option<DurableQueue>,
    ) -> Result<Option<PublisherConfirm>, StoreError> {
        let body = serde_json::to_vec(event).map_err(|error| StoreError::Driver(error.into()))?;
        let (exchange, key) = match queue {
            None => (EVENTS, event.routing_key()),
            Some(queue) => (DEFAULT_EXCHANGE, queue.name().to_owned()),
        };
        self.send(exchange, key, &body, properties(event)).await
    }

    /// `None`: refused before it was sent.
    async fn send(
        &self,
        exchange: &str,
        key: String,
        body: &[u8],
        properties: BasicProperties,
    ) -> Result<Option<PublisherConfirm>, StoreError> {
        let Ok(key) = ShortString::try_new(key) else { return Ok(None) };
        if body.len() > BODY_BYTES_MAX {
            return Ok(None);
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.channel.basic_publish(exchange.into(), key, options, body, properties).await?;
        Ok(Some(confirm))
    }
}

async fn within_time(
    limit: Duration,
    publishing: impl Future<Output = Result<Vec<bool>, StoreError>>,
) -> Result<Vec<bool>, StoreError> {
    tokio::time::timeout(limit, publishing).await.map_err(StoreError::unavailable)?
}

/// Whether a queue has each message. The broker gives a message back before it confirms it, but not right before: the
/// driver hands it out with a confirm of any of those that were sent together, so it is known by its name.
async fn confirmed(
    confirms: Vec<Option<PublisherConfirm>>,
    names: impl Iterator<Item = String>,
) -> Result<Vec<bool>, StoreError> {
    let (mut taken, mut returned) = (Vec::with_capacity(confirms.len()), HashSet::new());
    for confirmation in join_all(confirms.into_iter().map(OptionFuture::from)).await {
        let confirmation = confirmation.transpose()?;
        taken.push(confirmation.as_ref().is_some_and(Confirmation::is_ack));
        let message = confirmation.and_then(|confirmation| confirmation.take_message());
        returned.extend(message.map(|message| name(&message.delivery.properties)));
    }
    let is_there = |(is_taken, name)| is_taken && !returned.contains(&Some(name));
    Ok(taken.into_iter().zip(names).map(is_there).collect())
}

/// The dead letter that a message was, or its event.
fn name(properties: &BasicProperties) -> Option<String> {
    let headers = properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(REDRIVEN_FROM)) {
        Some(AMQPValue::LongString(letter)) => Some(letter.to_string()),
        _ => properties.message_id().as_ref().map(ToString::to_string),
    }
}

fn properties(event: &CloudEvent) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &event.traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
    }
    persistent(headers).with_message_id(event.id.to_string().into()).with_content_type(CONTENT_TYPE.into())
}

/// Without what the broker wrote on it when it died: it begins anew.
fn redriven(letter: &Redrive<'_>) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(REDRIVEN_FROM.into(), AMQPValue::LongString(letter.id.to_string().into()));
    let properties = persistent(headers);
    match letter.event_id.map(ShortString::try_new) {
        Some(Ok(event_id)) => properties.with_message_id(event_id).with_content_type(CONTENT_TYPE.into()),
        _ => properties,
    }
}

fn persistent(headers: FieldTable) -> BasicProperties {
    BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers)
}
