//! What shoppers do, on its way from the API to the lake: one message a batch, to a queue of its own.

use domain::behaviour::BehaviourBatch;
use domain::event::{CloudEvent, InvalidEvent, SOURCE};
use domain::ids::EventId;
use jiff::Timestamp;

use crate::amqp::publisher::Publisher;
use crate::amqp::topology::DurableQueue;
use crate::error::StoreError;

/// The CloudEvents `type` of a batch. Nobody subscribes to it: it is no change event.
pub const BEHAVIOUR_TOLD: &str = "behaviour.told.v1";

/// Sends a batch and waits until its queue has it. An error means unknown: the same batch may be sent again, since
/// events are known by their ids.
pub async fn publish(
    publisher: &Publisher,
    id: EventId,
    at: Timestamp,
    batch: &BehaviourBatch,
) -> Result<(), StoreError> {
    let event = CloudEvent {
        specversion: "1.0".to_owned(),
        id,
        source: SOURCE.to_owned(),
        event_type: BEHAVIOUR_TOLD.to_owned(),
        subject: format!("behaviour/{}", batch.channel),
        time: at,
        datacontenttype: "application/json".to_owned(),
        aggregateversion: 1,
        // Who did it is in no attribute: it is behaviour.
        actor: "shoppers".to_owned(),
        causeid: None,
        traceparent: None,
        data: serde_json::to_value(batch).map_err(|error| StoreError::Driver(error.into()))?,
    };
    match publisher.publish_to(DurableQueue::Behaviour, &[&event]).await?.first() {
        Some(true) => Ok(()),
        _ => Err(StoreError::unavailable("the queue of behaviour takes no more")),
    }
}

/// The batch that a message carries.
pub fn read(event: CloudEvent) -> Result<BehaviourBatch, InvalidEvent> {
    if event.event_type != BEHAVIOUR_TOLD {
        return Err(InvalidEvent::UnknownType(event.event_type));
    }
    Ok(serde_json::from_value(event.data)?)
}
