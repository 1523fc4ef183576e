//! Messages that no consumer can use, as no program of ours would send them, and what has to become of each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use domain::event::{CONTENT_TYPE, Cause, Event, event_type};
use domain::ids::{EventId, ProductId};
use jiff::Timestamp;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel};
use rand::RngExt;
use rand::rngs::StdRng;
use store::amqp::topology::{DurableQueue, EVENTS};
use store::error::StoreError;
use store::pg::dead_letters::{self, DeadLetterState};
use store::pg::transaction;
use store::settings::AmqpSettings;
use tokio_postgres::Row;
use uuid::Uuid;

use super::fault::connect;
use crate::recorder::POISON;
use crate::shop::Shop;

/// Messages of each kind.
const COUNT_EACH: usize = 5;
const HUGE_BYTES: usize = 10 * 1024 * 1024;
/// Between two of them, so that the shop's own events pass between.
const PAUSE: Duration = Duration::from_millis(200);
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long they may take to be dead letters in PostgreSQL.
const KEPT_DEADLINE: Duration = Duration::from_secs(60);
const KEPT_PAUSE: Duration = Duration::from_millis(250);
const PERSISTENT: u8 = 2;
const UNKNOWN_TYPE: &str = "product.changed.v99";
/// Who settles the dead letters that held what they had to.
const ACTOR: &str = "faults";
const NOTE: &str = "poison of ./dev faults broker";

/// How often an event died in a queue, by the event's id and the queue's name.
type Deaths = BTreeMap<(String, String), i64>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    InvalidJson,
    UnknownVersion,
    Huge,
}

/// One of them.
#[derive(Debug)]
pub struct Message {
    id: EventId,
    routing_key: String,
    body: Vec<u8>,
    dies_in: Vec<DurableQueue>,
}

/// Five of each kind, in turn; their ids are made from `at` and `random`.
pub fn messages(at: Timestamp, random: &mut StdRng) -> Vec<Message> {
    let kinds = [Kind::InvalidJson, Kind::UnknownVersion, Kind::Huge];
    let numbered = (0..COUNT_EACH).flat_map(|number| kinds.map(|kind| (number, kind)));
    numbered.map(|(number, kind)| message(number, kind, at, random)).collect()
}

fn message(number: usize, kind: Kind, at: Timestamp, random: &mut StdRng) -> Message {
    let id = EventId::new(at, random.random());
    // An unknown version is an event to webhooks, which send on what they do not know: only the index gives it up.
    let (event_type, shard) = match number % 2 {
        1 if kind != Kind::UnknownVersion => (event_type::INVENTORY_CHANGED, 5),
        _ => (event_type::PRODUCT_CHANGED, 3),
    };
    let body = match kind {
        Kind::InvalidJson => format!("{{\"id\": \"{id}\", ").into_bytes(),
        Kind::UnknownVersion => unknown_version(id, at, ProductId::new(at, random.random())),
        Kind::Huge => {
            let mut body = format!("{{\"id\": \"{id}\", \"data\": \"").into_bytes();
            body.resize(HUGE_BYTES, b'x');
            body
        }
    };
    let dies = |queue: &DurableQueue| {
        let is_webhooks = matches!(queue, DurableQueue::Webhooks(_));
        gets(*queue, event_type, shard) && !(is_webhooks && kind == Kind::UnknownVersion)
    };
    let dies_in = DurableQueue::ALL.into_iter().filter(dies).collect();
    Message { id, routing_key: format!("{event_type}.{shard:02}"), body, dies_in }
}

fn unknown_version(id: EventId, at: Timestamp, product: ProductId) -> Vec<u8> {
    let mut event = Event::product_changed(id, at, product, 1, Cause::default()).to_cloud_event();
    event.event_type = UNKNOWN_TYPE.to_owned();
    serde_json::to_vec(&event).expect("plain data becomes JSON")
}

fn gets(queue: DurableQueue, event_type: &str, shard: i16) -> bool {
    match queue {
        DurableQueue::Webhooks(_) => queue == DurableQueue::webhooks_of(shard),
        _ => queue.event_types().contains(&event_type),
    }
}

/// How many dead letters they make.
pub fn death_count(messages: &[Message]) -> usize {
    messages.iter().map(|message| message.dies_in.len()).sum()
}

/// Publishes them to whoever wants events of their kind. A message that no queue took is an error.
pub async fn publish(amqp: &AmqpSettings, messages: &[Message]) -> anyhow::Result<()> {
    let publishing = async {
        let connection = connect(amqp).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        for message in messages {
            send(&channel, message).await?;
            tokio::time::sleep(PAUSE).await;
        }
        connection.close(200, "done".into()).await?;
        anyhow::Ok(())
    };
    tokio::time::timeout(PUBLISH_TIMEOUT, publishing).await.context("the poison was not taken in time")?
}

async fn send(channel: &Channel, message: &Message) -> anyhow::Result<()> {
    let key = message.routing_key.as_str();
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.id.to_string().into())
        .with_content_type(CONTENT_TYPE.into())
        .with_type(POISON.into());
    let confirm =
        channel.basic_publish(EVENTS.into(), key.into(), options, &message.body, properties).await?;
    let confirmation = confirm.await?;
    ensure!(confirmation.is_ack() && confirmation.take_message().is_none(), "no queue took {key}");
    Ok(())
}

/// Waits until each is a dead letter of every queue that it dies in; when that was. `None`: not in time.
pub async fn until_kept(shop: &Shop, messages: &[Message]) -> Option<Instant> {
    let (began, expected) = (Instant::now(), expected(messages));
    while began.elapsed() < KEPT_DEADLINE {
        // A question that failed is asked again.
        if kept(shop, messages).await.is_ok_and(|kept| expected.keys().all(|death| kept.contains_key(death)))
        {
            return Some(Instant::now());
        }
        tokio::time::sleep(KEPT_PAUSE).await;
    }
    None
}

/// Which of them are not dead letters of every queue that they die in, or are of another one, or more than once.
pub async fn wrong(shop: &Shop, messages: &[Message]) -> anyhow::Result<Vec<String>> {
    Ok(differences(&expected(messages), &kept(shop, messages).await?))
}

/// Gives the dead letters up, so that none of them waits for a person.
pub async fn settle(shop: &Shop, messages: &[Message]) -> anyhow::Result<()> {
    const SQL: &str = "SELECT id FROM dead_letters WHERE event_id = ANY($1) AND state = 'waiting'";
    let mut primary = shop.primary().await?;
    let rows = primary.query(SQL, &[&ids(messages)]).await?;
    let letters: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let settled: Result<usize, StoreError> =
        transaction::run_direct(&mut primary, "drop_dead_letter", async |transaction| {
            dead_letters::settle(transaction, &letters, DeadLetterState::Dropped, ACTOR, Some(NOTE)).await
        })
        .await;
    settled?;
    Ok(())
}

fn ids(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.id.to_string()).collect()
}

fn expected(messages: &[Message]) -> Deaths {
    let deaths = messages.iter().flat_map(|message| {
        message.dies_in.iter().map(|queue| ((message.id.to_string(), queue.name().to_owned()), 1))
    });
    deaths.collect()
}

async fn kept(shop: &Shop, messages: &[Message]) -> anyhow::Result<Deaths> {
    const SQL: &str = "SELECT event_id, queue, count(*) FROM dead_letters WHERE event_id = ANY($1) \
                       GROUP BY event_id, queue";
    let rows = shop.primary().await?.query(SQL, &[&ids(messages)]).await?;
    let death = |row: &Row| ((row.get(0), row.get(1)), row.get(2));
    Ok(rows.iter().map(death).collect())
}

fn differences(expected: &Deaths, kept: &Deaths) -> Vec<String> {
    let mut differences = Vec::new();
    for death in expected.keys().chain(kept.keys().filter(|death| !expected.contains_key(*death))) {
        let count = |deaths: &Deaths| deaths.get(death).copied().unwrap_or(0);
        if count(expected) != count(kept) {
            let ((id, queue), wanted, found) = (death, count(expected), count(kept));
            differences.push(format!("poison {id}: {found} dead letters of {queue}, not {wanted}"));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use domain::event::CloudEvent;
    use rand::SeedableRng;

    use super::*;

    fn some() -> Vec<Message> {
        messages(Timestamp::UNIX_EPOCH, &mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn each_kind_dies_where_it_is_of_no_use() {
        let (index, first, last) =
            (DurableQueue::SearchIndexer, DurableQueue::Webhooks(1), DurableQueue::Webhooks(3));
        let messages = some();
        for (position, message) in messages.iter().enumerate() {
            let is_event = CloudEvent::from_bytes(&message.body).is_ok();
            let (number, kind) = (position / 3, position % 3);
            assert_eq!(is_event, kind == 1);
            assert_eq!(message.body.len() == HUGE_BYTES, kind == 2);
            match (kind, number % 2) {
                (1, _) => assert_eq!(message.dies_in, [index]),
                (_, 0) => assert_eq!(message.dies_in, [index, last]),
                _ => assert_eq!(message.dies_in, [first]),
            }
        }
        assert_eq!((messages.len(), death_count(&messages)), (15, 21));
    }

    #[test]
    fn a_death_is_kept_once_and_in_its_own_queue() {
        let messages = some();
        let expected = expected(&messages);
        assert!(differences(&expected, &expected).is_empty());
        assert_eq!(differences(&expected, &Deaths::new()).len(), death_count(&messages));
        let mut twice = expected.clone();
        twice.insert((messages[0].id.to_string(), "analytics".to_owned()), 1);
        twice.insert((messages[0].id.to_string(), "search-indexer".to_owned()), 2);
        assert_eq!(differences(&expected, &twice).len(), 2);
    }
}
