//! Publishing with confirms: an event counts as sent when the broker has said so, and some queue has it.

use std::time::Duration;

use domain::event::{CONTENT_TYPE, CloudEvent};
use futures_util::future::join_all;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use crate::amqp::topology::EVENTS;
use crate::error::StoreError;

/// How long a batch may take: a broker with an alarm takes nothing and says nothing.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
const PERSISTENT: u8 = 2;

/// A channel in confirm mode.
#[derive(Debug)]
pub struct Publisher {
    channel: Channel,
}

impl Publisher {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Publishes events in order and waits for all their confirms, for [`PUBLISH_TIMEOUT`] at most. `true` per event
    /// that a queue has; `false` for one that was refused or returned. An error means unknown for all of them: send
    /// them again.
    pub async fn publish(&self, events: &[&CloudEvent]) -> Result<Vec<bool>, StoreError> {
        tokio::time::timeout(PUBLISH_TIMEOUT, self.publish_now(events))
            .await
            .map_err(StoreError::unavailable)?
    }

    async fn publish_now(&self, events: &[&CloudEvent]) -> Result<Vec<bool>, StoreError> {
        let mut confirms = Vec::with_capacity(events.len());
        for event in events {
            let body = serde_json::to_vec(event).map_err(|error| StoreError::Driver(error.into()))?;
            let confirm = self
                .channel
                .basic_publish(
                    EVENTS.into(),
                    event.event_type.as_str().into(),
                    BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
                    &body,
                    properties(event),
                )
                .await?;
            confirms.push(confirm);
        }
        join_all(confirms)
            .await
            .into_iter()
            // A returned message is confirmed too, but then it carries itself back.
            .map(|confirmation| {
                let confirmation = confirmation?;
                Ok(confirmation.is_ack() && confirmation.take_message().is_none())
            })
            .collect()
    }
}

fn properties(event: &CloudEvent) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &event.traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
    }
    BasicProperties::default()
        .with_message_id(event.id.to_string().into())
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers)
}
