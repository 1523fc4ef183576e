//! Publishing many events at once without losing the order of an aggregate.

use std::collections::HashSet;
use std::fmt::Display;
use std::time::Instant;

use domain::event::{CloudEvent, InvalidEvent};
use process::error_chain;
use store::amqp::publisher::Publisher;
use store::error::StoreError;

/// What became of a batch, by the keys of its events. The others were left: an earlier event of their aggregate was
/// refused, or the time was up.
pub struct Batch<Key> {
    /// A queue has them.
    pub sent: Vec<Key>,
    /// Refused by the broker, or unreadable: to be tried again later.
    pub refused: Vec<Key>,
}

/// Publishes a batch of an outbox, in version order per aggregate, and says in the log what was refused. An unreadable
/// event ends the batch before it begins: once it is put off, its aggregate is left out of the next one.
pub async fn publish_batch<'a, Key: Display>(
    publisher: &Publisher,
    events: impl Iterator<Item = (Key, &'a Result<CloudEvent, InvalidEvent>)>,
    until: Instant,
) -> Result<Batch<Key>, StoreError> {
    let mut batch = Batch { sent: Vec::new(), refused: Vec::new() };
    let (mut keys, mut envelopes) = (Vec::new(), Vec::new());
    for (key, envelope) in events {
        match envelope {
            Ok(envelope) => {
                keys.push(key);
                envelopes.push(envelope);
            }
            Err(error) => {
                tracing::error!(event.id = %key, error = error_chain::text(error), "an unreadable event");
                batch.refused.push(key);
                return Ok(batch);
            }
        }
    }
    for (key, published) in keys.into_iter().zip(publish_in_order(publisher, &envelopes, until).await?) {
        match published {
            Published::Sent => batch.sent.push(key),
            Published::Refused => {
                tracing::error!(event.id = %key, "the broker refused an event");
                batch.refused.push(key);
            }
            Published::Left => {}
        }
    }
    Ok(batch)
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Published {
    /// A queue has it.
    Sent,
    /// The broker refused it, or no queue wants it.
    Refused,
    /// Not tried: an earlier event of its aggregate was refused, or the time was up.
    Left,
}

/// Publishes events, which are in version order per aggregate. A wave holds at most one event of an aggregate; after a
/// refusal the aggregate's later events are not tried. No wave begins after `until`.
async fn publish_in_order(
    publisher: &Publisher,
    events: &[&CloudEvent],
    until: Instant,
) -> Result<Vec<Published>, StoreError> {
    let mut outcome = vec![Published::Left; events.len()];
    let mut held_back = HashSet::new();
    let mut remaining: Vec<usize> = (0..events.len()).collect();
    while !remaining.is_empty() && Instant::now() < until {
        let (wave, later) = split(events, &remaining, &held_back);
        let batch: Vec<_> = wave.iter().map(|&position| events[position]).collect();
        let confirmed = publisher.publish(&batch).await?;
        for (&position, &is_sent) in wave.iter().zip(&confirmed) {
            outcome[position] = if is_sent { Published::Sent } else { Published::Refused };
            if !is_sent {
                held_back.insert(events[position].subject.as_str());
            }
        }
        remaining = later;
    }
    Ok(outcome)
}

/// The first remaining event of each aggregate, and the rest; events of aggregates that are held back are in neither.
fn split(events: &[&CloudEvent], remaining: &[usize], held_back: &HashSet<&str>) -> (Vec<usize>, Vec<usize>) {
    let mut seen = HashSet::new();
    remaining
        .iter()
        .filter(|&&position| !held_back.contains(events[position].subject.as_str()))
        .partition(|&&position| seen.insert(events[position].subject.as_str()))
}

#[cfg(test)]
mod tests {
    use domain::event::{Cause, Event};
    use domain::ids::{EventId, ProductId};
    use jiff::Timestamp;

    use super::*;

    fn event(product: u8, version: i64) -> CloudEvent {
        let at = Timestamp::UNIX_EPOCH;
        let product = ProductId::new(at, [product; 10]);
        Event::product_changed(EventId::new(at, [0; 10]), at, product, version, Cause::default())
            .to_cloud_event()
    }

    #[test]
    fn a_wave_has_one_event_of_each_aggregate() {
        let events = [event(1, 1), event(1, 2), event(2, 1), event(1, 3)];
        let events: Vec<_> = events.iter().collect();
        let (wave, later) = split(&events, &[0, 1, 2, 3], &HashSet::new());
        assert_eq!((wave, later), (vec![0, 2], vec![1, 3]));
        let held_back = HashSet::from([events[0].subject.as_str()]);
        assert_eq!(split(&events, &[1, 3], &held_back), (vec![], vec![]));
    }
}
