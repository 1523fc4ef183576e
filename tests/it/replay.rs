//! A replay sends what was sent in a window again: all of it, nothing else, and to nobody else.

use std::num::NonZeroU32;
use std::time::Duration;

use domain::event::{Cause, CloudEvent, Event, OrdersImported, event_type};
use domain::ids::{EventId, ImportRunId};
use domain::product::Product;
use ingest::events::replay::{EventConsumer, ReplayError, ReplayOptions, Replayed, replay};
use jiff::Timestamp;
use rand::random;
use store::amqp::broker::Broker;
use store::amqp::publisher::Publisher;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::mongo::products;
use store::pg::{outbox, transaction};
use support::{Scope, shop};

const DEADLINE: Duration = Duration::from_secs(20);

/// Whole seconds, so that an id's millisecond is the very moment; a minute ahead, where partitions are for sure.
fn at(base: i64, second: i64) -> Timestamp {
    Timestamp::from_second(base + 60 + second).expect("a time")
}

fn imported(at: Timestamp) -> Event {
    let run = ImportRunId::new(at, random());
    let data = OrdersImported { import_run_id: run, channel: "history".to_owned(), orders: 1, lines: 2 };
    Event::orders_imported(EventId::new(at, random()), at, data, Cause::default())
}

fn changed(product: &Product, at: Timestamp) -> Event {
    Event::product_changed(EventId::new(at, random()), at, product.id, product.version, Cause::default())
}

/// Every event of a queue, up to one that is sent now.
async fn all_of(broker: &Broker, publisher: &Publisher, queue: DurableQueue) -> Vec<CloudEvent> {
    let last = shop::changed(&shop::product("Last")).to_cloud_event();
    assert_eq!(publisher.publish_to(queue, &[&last]).await.expect("confirmed"), [true]);
    let mut consumer = broker.consume(queue, 1).await.expect("a consumer");
    let mut events = Vec::new();
    loop {
        let delivery =
            tokio::time::timeout(DEADLINE, consumer.next()).await.expect("in time").expect("connected");
        let event = delivery.event().expect("well-formed");
        delivery.done().await.expect("acknowledged");
        if event.id == last.id {
            return events;
        }
        events.push(event);
    }
}

async fn run(scope: &Scope, options: &ReplayOptions) -> Result<Replayed, ReplayError> {
    let mongo = scope.mongo().await;
    replay(&scope.postgres, &mongo, &scope.amqp, options, |_| {}).await
}

#[tokio::test]
async fn exactly_the_window_is_sent_again_to_one_consumer() {
    let scope = Scope::new().await;
    let (pools, postgres) = (scope.pools(), scope.primary().await);
    let base = Timestamp::now().as_second();
    let events = [0, 10, 15, 20, 30].map(|second| imported(at(base, second)));
    let appended: Result<(), StoreError> = transaction::run(&pools, "test", async |transaction| {
        for event in &events {
            outbox::append(transaction, event).await?;
        }
        Ok(())
    })
    .await;
    appended.expect("committed");
    let [before, first, unsent, second, after] = events.map(|event| event.id);
    const SENT: &str = "UPDATE outbox SET sent_at = clock_timestamp() WHERE id <> $1";
    postgres.execute(SENT, &[&unsent.0]).await.expect("marked");

    let options = ReplayOptions {
        consumer: EventConsumer::Analytics,
        from: at(base, 10),
        to: at(base, 30),
        event_type: None,
        rate: None,
    };
    let replayed = run(&scope, &options).await.expect("sent");
    assert_eq!(replayed.total(), 2);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let received = all_of(&broker, &publisher, DurableQueue::Analytics).await;
    let received: Vec<_> = received.iter().map(|event| event.id).collect();
    assert_eq!(received, [first, second], "neither {before:?} nor {after:?}");
    for queue in DurableQueue::ALL.into_iter().filter(|queue| *queue != DurableQueue::Analytics) {
        let received = all_of(&broker, &publisher, queue).await;
        assert!(received.is_empty(), "{}: {received:?}", queue.name());
    }
    let unmoved: i64 = postgres
        .query_one("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND attempts = 0", &[])
        .await
        .expect("a count")
        .get(0);
    assert_eq!(unmoved, 1, "the rows stay as they are");
}

#[tokio::test]
async fn products_are_sent_again_in_version_order() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let base = Timestamp::now().as_second();
    let mut product = shop::product("Blue shirt");
    let mut ids = Vec::new();
    let first = changed(&product, at(base, 0));
    products::insert(&mongo, &product, &first).await.expect("inserted");
    ids.push(first.id.to_string());
    // The clock of whoever writes version 3 is behind.
    for second in [20, 10] {
        let before = product.clone();
        product.version += 1;
        let event = changed(&product, at(base, second));
        assert!(products::replace(&mongo, &before, &product, &event).await.expect("replaced"));
        ids.push(event.id.to_string());
    }
    store::mongo::outbox::mark_sent(&mongo, &ids).await.expect("marked");

    let mut options = ReplayOptions {
        consumer: EventConsumer::Webhooks,
        from: at(base, 0),
        to: at(base, 21),
        event_type: Some(event_type::PRODUCT_CHANGED.to_owned()),
        rate: NonZeroU32::new(1_000),
    };
    assert_eq!(run(&scope, &options).await.expect("sent").total(), 3);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let queue = DurableQueue::webhooks_of(first.aggregate.shard());
    let versions = async |queue: DurableQueue| -> Vec<i64> {
        let events = all_of(&broker, &publisher, queue).await;
        events.iter().map(|event| event.aggregateversion).collect()
    };
    assert_eq!(versions(queue).await, [1, 2, 3]);
    options.from = at(base, 1);
    options.consumer = EventConsumer::SearchIndexer;
    assert_eq!(run(&scope, &options).await.expect("sent").total(), 2);
    assert_eq!(versions(DurableQueue::SearchIndexer).await, [2, 3]);
    options.event_type = Some(event_type::ORDERS_IMPORTED.to_owned());
    assert!(matches!(run(&scope, &options).await, Err(ReplayError::OtherType { .. })));
}
