//! What shoppers do, on its way from the API to the lake: one message a batch, to a queue of its own.

use domain::behaviour::{BATCH_MAX, BehaviourBatch};
use domain::event::{CloudEvent, InvalidEvent, SOURCE};
use domain::ids::EventId;
use jiff::Timestamp;
use serde::de::Error;

use crate::amqp::publisher::Publisher;
use crate::amqp::topology::DurableQueue;
use crate::error::StoreError;

/// The CloudEvents `type` of a batch. Nobody subscribes to it: it is no change event.
pub const BEHAVIOUR_TOLD: &str = "behaviour.told.v1";
/// Longest code of a channel.
const CHANNEL_LENGTH_MAX: usize = 60;

/// Sends a batch and waits until its queue has it. An error means unknown: the same batch may be sent again, since
/// events are known by their ids.
pub async fn publish(
    publisher: &Publisher,
    id: EventId,
    at: Timestamp,
    batch: &BehaviourBatch,
) -> Result<(), StoreError> {
    let event = of(id, at, batch).map_err(|error| StoreError::Driver(error.into()))?;
    match publisher.publish_to(DurableQueue::Behaviour, &[&event]).await?.first() {
        Some(true) => Ok(()),
        _ => Err(StoreError::unavailable("the queue of behaviour takes no more")),
    }
}

fn of(id: EventId, at: Timestamp, batch: &BehaviourBatch) -> Result<CloudEvent, serde_json::Error> {
    Ok(CloudEvent {
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
        data: serde_json::to_value(batch)?,
    })
}

/// The batch that a message carries.
pub fn read(event: CloudEvent) -> Result<BehaviourBatch, InvalidEvent> {
    if event.event_type != BEHAVIOUR_TOLD {
        return Err(InvalidEvent::UnknownType(event.event_type));
    }
    let batch: BehaviourBatch = serde_json::from_value(event.data)?;
    // It becomes the name of a folder.
    let is_plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    if !(1..=CHANNEL_LENGTH_MAX).contains(&batch.channel.len()) || !batch.channel.bytes().all(is_plain) {
        return Err(serde_json::Error::custom("the channel is no code").into());
    }
    if batch.events.len() > BATCH_MAX {
        return Err(serde_json::Error::custom("too many events").into());
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(channel: &str) -> CloudEvent {
        let batch = BehaviourBatch { channel: channel.to_owned(), events: Vec::new() };
        of(EventId::new(Timestamp::UNIX_EPOCH, [1; 10]), Timestamp::UNIX_EPOCH, &batch).expect("JSON")
    }

    #[test]
    fn only_a_code_of_a_channel_becomes_a_folder() {
        assert_eq!(read(event("clickstream-sample")).expect("a batch").channel, "clickstream-sample");
        for channel in ["", "../x", "a/b", "Shop", "a\0", &"a".repeat(61)] {
            assert!(matches!(read(event(channel)), Err(InvalidEvent::Malformed(_))), "{channel:?}");
        }
        let other = CloudEvent { event_type: "product.changed.v1".to_owned(), ..event("shop") };
        assert!(matches!(read(other), Err(InvalidEvent::UnknownType(_))));
    }
}
