//! What is kept of a message that a consumer gave up: its body, whose event it is, why and when it died.

use domain::event::CloudEvent;
use domain::ids::uuid_v7;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::amqp::publisher::BODY_BYTES_MAX;
use crate::amqp::topology::DurableQueue;

/// Header of a message that was sent again: the dead letter that it was.
pub(super) const REDRIVEN_FROM: &str = "x-redriven-from";
/// Longest text beside the body, in characters.
const TEXT_LENGTH_MAX: usize = 300;
const UNKNOWN_REASON: &str = "unknown";

/// A message that a consumer gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// UUID version 7 of its arrival.
    pub id: Uuid,
    /// Where it died.
    pub queue: DurableQueue,
    /// The same for the same death, however often the broker tells of it.
    pub fingerprint: [u8; 32],
    /// Id of its event; `None` when it has none.
    pub event_id: Option<String>,
    /// Type of its event; `None` when it is no event.
    pub event_type: Option<String>,
    /// Aggregate of its event; `None` when it is no event.
    pub subject: Option<String>,
    /// The message, its first [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
    /// How long the message was.
    pub body_bytes: i64,
    /// The broker's word: `rejected`, `delivery_limit`, `maxlen`, `expired`; `unknown` when it says none.
    pub reason: String,
    /// How often it died in that queue.
    pub death_count: i64,
    /// When, to the second.
    pub died_at: Timestamp,
    /// When it was taken out of the dead-letter queue.
    pub arrived_at: Timestamp,
    /// The dead letter that was sent again and is this one.
    pub redriven_from: Option<Uuid>,
}

impl DeadLetter {
    /// Reads a message of the dead-letter queue of `queue`. Texts lose what PostgreSQL cannot hold.
    pub(super) fn of(delivery: &Delivery, queue: DurableQueue, at: Timestamp) -> Self {
        let nothing = FieldTable::default();
        let headers = delivery.properties.headers().as_ref().unwrap_or(&nothing);
        let id = uuid_v7(at, rand::random());
        let death = Death::of(headers, queue.name());
        let redriven_from = text(headers, REDRIVEN_FROM).and_then(|text| Uuid::try_parse(&text).ok());
        let event = (delivery.data.len() <= BODY_BYTES_MAX)
            .then(|| CloudEvent::from_bytes(&delivery.data).ok())
            .flatten();
        let message_id = || delivery.properties.message_id().as_ref().map(|id| storable(id.as_str()));
        let kept = delivery.data.len().min(BODY_BYTES_MAX);
        Self {
            id,
            queue,
            fingerprint: fingerprint(&delivery.data, id, death.as_ref(), redriven_from),
            event_id: event.as_ref().map(|event| event.id.to_string()).or_else(message_id),
            event_type: event.as_ref().map(|event| storable(&event.event_type)),
            subject: event.as_ref().map(|event| storable(&event.subject)),
            body: delivery.data[..kept].to_vec(),
            body_bytes: i64::try_from(delivery.data.len()).unwrap_or(i64::MAX),
            reason: death.as_ref().map_or_else(|| UNKNOWN_REASON.to_owned(), |death| storable(&death.reason)),
            death_count: death.as_ref().map_or(1, |death| death.count),
            died_at: death.as_ref().map_or(at, |death| death.at),
            arrived_at: at,
            redriven_from,
        }
    }

    /// The message alone, without what it says of itself.
    #[must_use]
    pub fn without_texts(self) -> Self {
        let reason = UNKNOWN_REASON.to_owned();
        Self { event_id: None, event_type: None, subject: None, reason, redriven_from: None, ..self }
    }
}

/// What the broker wrote on a message when it died.
#[derive(Debug, PartialEq)]
struct Death {
    reason: String,
    count: i64,
    at: Timestamp,
}

impl Death {
    /// The death in that queue, or else the newest; `None` when nothing is written.
    fn of(headers: &FieldTable, queue: &str) -> Option<Self> {
        let deaths = headers.inner().get("x-death")?.as_array()?;
        let tables: Vec<_> = deaths.as_slice().iter().filter_map(AMQPValue::as_field_table).collect();
        let here = tables.iter().find(|death| text(death, "queue").as_deref() == Some(queue));
        let death = here.or(tables.first())?;
        let seconds = i64::try_from(death.inner().get("time")?.as_timestamp()?).ok()?;
        Some(Self {
            reason: text(death, "reason")?,
            count: death.inner().get("count").and_then(integer).unwrap_or(1),
            at: Timestamp::from_second(seconds).ok()?,
        })
    }
}

/// Without a death there is nothing that tells two of the same messages apart: better one too many than none.
fn fingerprint(body: &[u8], id: Uuid, death: Option<&Death>, redriven_from: Option<Uuid>) -> [u8; 32] {
    let digest = Sha256::new().chain_update(Sha256::digest(body));
    let digest = match death {
        Some(death) => digest
            .chain_update(death.at.as_second().to_be_bytes())
            .chain_update(death.count.to_be_bytes())
            .chain_update(redriven_from.unwrap_or_default().as_bytes()),
        None => digest.chain_update(id.as_bytes()),
    };
    digest.finalize().into()
}

fn text(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        _ => None,
    }
}

/// A text that PostgreSQL takes, and not too long.
fn storable(text: &str) -> String {
    let replaced = |character: char| if character == '\0' { char::REPLACEMENT_CHARACTER } else { character };
    text.chars().take(TEXT_LENGTH_MAX).map(replaced).collect()
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    fn death(queue: &str, reason: &str, seconds: u64) -> AMQPValue {
        let mut death = FieldTable::default();
        death.insert("queue".into(), AMQPValue::LongString(queue.into()));
        death.insert("reason".into(), AMQPValue::LongString(reason.into()));
        death.insert("count".into(), AMQPValue::LongLongInt(2));
        death.insert("time".into(), AMQPValue::Timestamp(seconds));
        AMQPValue::FieldTable(death)
    }

    fn delivery(body: &[u8], deaths: Vec<AMQPValue>) -> Delivery {
        let mut headers = FieldTable::default();
        if !deaths.is_empty() {
            headers.insert("x-death".into(), AMQPValue::FieldArray(FieldArray::from(deaths)));
        }
        let mut delivery = Delivery::mock(1, "".into(), "analytics".into(), false, body.to_vec());
        delivery.properties = lapin::BasicProperties::default().with_headers(headers);
        delivery
    }

    fn kept(delivery: &Delivery) -> DeadLetter {
        DeadLetter::of(delivery, DurableQueue::Analytics, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_death_of_its_own_queue_is_told() {
        let deaths = vec![death("elsewhere", "expired", 5), death("analytics", "delivery_limit", 7)];
        let letter = kept(&delivery(b"no event", deaths));
        assert_eq!((letter.reason.as_str(), letter.death_count), ("delivery_limit", 2));
        assert_eq!(letter.died_at.as_second(), 7);
        assert_eq!((letter.event_id, letter.event_type), (None, None));
    }

    #[test]
    fn the_same_death_has_the_same_fingerprint() {
        let of = |body: &[u8], seconds| {
            kept(&delivery(body, vec![death("analytics", "rejected", seconds)])).fingerprint
        };
        assert_eq!(of(b"a", 1), of(b"a", 1));
        assert_ne!(of(b"a", 1), of(b"a", 2));
        assert_ne!(of(b"a", 1), of(b"b", 1));
        let nothing_said = || kept(&delivery(b"a", Vec::new())).fingerprint;
        assert_ne!(nothing_said(), nothing_said(), "nothing says that it is the same");
    }

    #[test]
    fn a_long_message_is_cut_and_a_zero_is_replaced() {
        let letter = kept(&delivery("x".repeat(BODY_BYTES_MAX + 9).as_bytes(), Vec::new()));
        assert_eq!((letter.body.len(), letter.body_bytes), (BODY_BYTES_MAX, 1_048_585));
        assert_eq!(letter.reason, UNKNOWN_REASON);
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert_eq!(storable(&"ä".repeat(400)).chars().count(), TEXT_LENGTH_MAX);
    }
}
