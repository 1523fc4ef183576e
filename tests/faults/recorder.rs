//! A queue of a run's own that gets every event, and what the order in it has to be.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Context;
use domain::event::CloudEvent;
use lapin::options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use store::amqp::topology::{DurableQueue, EVENTS};
use store::settings::AmqpSettings;
use uuid::Uuid;

/// How long the broker may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long all messages of a run may take to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// A run that was cut off leaves its queue, which nobody asks for any more.
const EXPIRES_MS: i32 = 3_600_000;
/// Far more than a run publishes. Without a bound a forgotten queue would fill the disk.
const LENGTH_MAX: i32 = 500_000;
/// The AMQP type of a message that is no event on purpose: it is not recorded. No consumer looks at it.
pub const POISON: &str = "poison";

/// An event by what its order depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// The event's id.
    pub id: String,
    /// `<aggregate kind>/<aggregate id>`.
    pub subject: String,
    /// Version of the aggregate.
    pub version: i64,
}

/// The queue, durable, so that it outlives the broker's process.
#[derive(Debug)]
pub struct Recorder {
    queue: String,
}

impl Recorder {
    /// Declares it, bound to every event from now on.
    pub async fn declare(amqp: &AmqpSettings) -> anyhow::Result<Self> {
        let queue = format!("faults.{}", Uuid::new_v4().simple());
        let mut arguments = FieldTable::default();
        // A quorum queue that is a moment old loses its leader when the broker is killed (rabbitmq-server#15725), and
        // then publishers wait for it.
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        arguments.insert("x-expires".into(), AMQPValue::LongInt(EXPIRES_MS));
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(LENGTH_MAX));
        with_channel(amqp, TIMEOUT, async |channel| {
            let name = queue.as_str();
            channel.queue_declare(name.into(), QueueDeclareOptions::durable(), arguments).await?;
            let (options, none) = (QueueBindOptions::default(), FieldTable::default());
            channel.queue_bind(name.into(), EVENTS.into(), "#".into(), options, none).await?;
            Ok(())
        })
        .await?;
        Ok(Self { queue })
    }

    /// Everything that came, in its order; then the queue is gone.
    pub async fn take(self, amqp: &AmqpSettings) -> anyhow::Result<Vec<Recorded>> {
        with_channel(amqp, READ_TIMEOUT, async |channel| {
            let name = self.queue.as_str();
            let mut recorded = Vec::new();
            while let Some(message) = channel.basic_get(name.into(), BasicGetOptions { no_ack: true }).await?
            {
                let kind = message.delivery.properties.kind().as_ref();
                if kind.is_none_or(|kind| kind.as_str() != POISON) {
                    recorded.push(read(&message.delivery.data)?);
                }
            }
            channel.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
            Ok(recorded)
        })
        .await
    }
}

fn read(body: &[u8]) -> anyhow::Result<Recorded> {
    let event = CloudEvent::from_bytes(body).context("a message is no event")?;
    Ok(Recorded { id: event.id.to_string(), subject: event.subject, version: event.aggregateversion })
}

/// Messages that wait in the durable queues, and in those of their dead letters.
pub async fn waiting(amqp: &AmqpSettings) -> anyhow::Result<(u64, u64)> {
    with_channel(amqp, TIMEOUT, async |channel| {
        let (mut waiting, mut dead) = (0, 0);
        for queue in DurableQueue::ALL {
            waiting += count(channel, queue.name()).await?;
            dead += count(channel, &queue.dead_letter_name()).await?;
        }
        Ok((waiting, dead))
    })
    .await
}

async fn count(channel: &Channel, queue: &str) -> anyhow::Result<u64> {
    let passive = QueueDeclareOptions::durable().passive();
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
    Ok(found.message_count().into())
}

async fn with_channel<T>(
    amqp: &AmqpSettings,
    timeout: Duration,
    work: impl AsyncFnOnce(&Channel) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let connected = async {
        let connection =
            Connection::connect(amqp.url.expose_secret(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let done = work(&channel).await?;
        connection.close(200, "done".into()).await?;
        anyhow::Ok(done)
    };
    tokio::time::timeout(timeout, connected).await.context("the broker does not answer")?
}

/// What the recorded messages lack, and where they are not in version order: a message that comes again is no
/// violation, the first time of each event counts.
pub fn violations(expected: &[Recorded], recorded: &[Recorded]) -> Vec<String> {
    let mut violations = Vec::new();
    let mut seen = HashSet::new();
    let mut newest = HashMap::<&str, i64>::new();
    for Recorded { id, subject, version } in recorded {
        if !seen.insert(id.as_str()) {
            continue;
        }
        let newest = newest.entry(subject).or_insert(0);
        if *version <= *newest {
            violations.push(format!("{subject}: version {version} came after {newest}"));
        }
        *newest = (*newest).max(*version);
    }
    let missing = expected.iter().filter(|event| !seen.contains(event.id.as_str()));
    let text = |event: &Recorded| format!("{}: version {} never came", event.subject, event.version);
    violations.extend(missing.map(text));
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u8, subject: &str, version: i64) -> Recorded {
        Recorded { id: id.to_string(), subject: subject.to_owned(), version }
    }

    #[test]
    fn a_message_that_comes_again_is_no_violation() {
        let all = [event(1, "a", 1), event(2, "a", 2), event(3, "b", 7)];
        let again = [&all[..2], &all[..]].concat();
        assert!(violations(&all, &all).is_empty());
        assert!(violations(&all, &again).is_empty());
    }

    #[test]
    fn a_price_takes_versions_of_its_product_and_leaves_some_out() {
        let all = [event(1, "price/a", 3), event(2, "price/a", 8)];
        assert!(violations(&all, &all).is_empty());
        let turned = [all[1].clone(), all[0].clone()];
        assert_eq!(violations(&all, &turned), ["price/a: version 3 came after 8"]);
    }

    #[test]
    fn what_is_missing_or_late_is_named() {
        let (first, second, other) = (event(1, "a", 1), event(2, "a", 2), event(3, "b", 7));
        let expected = [first.clone(), second.clone(), other];
        let found = violations(&expected, &[second, first]);
        assert_eq!(found, ["a: version 1 came after 2", "b: version 7 never came"]);
    }
}
