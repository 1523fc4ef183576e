//! Events: committed with their fact, relayed in order, at least once, to every queue that wants them.

use std::time::Duration;

use bson::{Document, doc};
use domain::event::{Cause, CloudEvent, Event, OrdersImported, event_type};
use domain::ids::{EventId, ImportRunId};
use domain::product::Product;
use jiff::Timestamp;
use rand::random;
use secrecy::ExposeSecret;
use store::amqp::broker::Broker;
use store::amqp::consumer::Consumer;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::mongo::products::{self, Inserted};
use store::pg::{outbox, transaction};
use support::{Scope, shop, wait};
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(20);

fn imported(run: ImportRunId) -> Event {
    let data = OrdersImported { import_run_id: run, channel: "history".to_owned(), orders: 1, lines: 2 };
    Event::orders_imported(EventId::new(Timestamp::now(), random()), Timestamp::now(), data, Cause::default())
}

async fn receive(consumer: &mut Consumer) -> CloudEvent {
    let delivery =
        tokio::time::timeout(DEADLINE, consumer.next()).await.expect("in time").expect("connected");
    let event = delivery.event().expect("well-formed");
    delivery.done().await.expect("acknowledged");
    event
}

#[tokio::test]
async fn a_rolled_back_fact_has_no_event() {
    let scope = Scope::new().await;
    let pools = scope.pools();
    let event = imported(ImportRunId::new(Timestamp::now(), random()));
    let refused: Result<(), StoreError> = transaction::run(&pools, "test", async |transaction| {
        outbox::append(transaction, &event).await?;
        Err(StoreError::Inconsistent("the rule says no".to_owned()))
    })
    .await;
    assert!(refused.is_err());
    let client = pools.write().await.expect("a connection");
    assert_eq!(outbox::backlog(&**client).await.expect("a count").0, 0);
    transaction::run(&pools, "test", async |transaction| outbox::append(transaction, &event).await)
        .await
        .expect("committed");
    assert_eq!(outbox::backlog(&**client).await.expect("a count").0, 1);
}

#[tokio::test]
async fn both_outboxes_reach_their_queues_and_are_marked() {
    let scope = Scope::new().await;
    let (pools, mongo) = (scope.pools(), scope.mongo().await);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let mut analytics = broker.consume(DurableQueue::Analytics, 10).await.expect("a consumer");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 10).await.expect("a consumer");
    let mut listener = broker.subscribe("test", &[event_type::PRODUCT_CHANGED]).await.expect("a consumer");
    let stop = CancellationToken::new();
    let relays = tokio::spawn({
        let (pools, mongo, amqp, stop) = (pools.clone(), mongo.clone(), scope.amqp.clone(), stop.clone());
        async move {
            tokio::join!(
                ingest::relay::pg_outbox::run(&pools, &amqp, &stop),
                ingest::relay::mongo_outbox::run(&mongo, &amqp, &stop)
            )
        }
    });
    let order_event = imported(ImportRunId::new(Timestamp::now(), random()));
    transaction::run(&pools, "test", async |transaction| outbox::append(transaction, &order_event).await)
        .await
        .expect("committed");
    let product = shop::product("Blue shirt");
    assert_eq!(
        products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted"),
        Inserted::New
    );
    assert_eq!(receive(&mut analytics).await.id, order_event.id);
    assert_eq!(receive(&mut indexer).await.aggregateversion, 1);
    assert_eq!(receive(&mut listener).await.subject, format!("product/{}", product.id));
    let client = pools.write().await.expect("a connection");
    wait::until("both outboxes are empty", DEADLINE, async || {
        let waiting = outbox::backlog(&**client).await.expect("a count").0;
        let products_waiting = store::mongo::outbox::backlog(&mongo).await.expect("a count");
        (waiting == 0 && products_waiting == 0).then_some(())
    })
    .await;
    stop.cancel();
    relays.await.expect("the relays stop");
}

#[tokio::test]
async fn versions_of_a_product_arrive_in_order() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 50).await.expect("a consumer");
    let mut product = shop::product("Blue shirt");
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    // Half of them wait for the relay's first scan, half come by its change stream.
    let change = async |product: &mut Product| {
        let before = product.clone();
        product.version += 1;
        assert!(
            products::replace(&mongo, &before, product, &shop::changed(product)).await.expect("replaced")
        );
    };
    for _ in 0..10 {
        change(&mut product).await;
    }
    let stop = CancellationToken::new();
    let relay = tokio::spawn({
        let (mongo, amqp, stop) = (mongo.clone(), scope.amqp.clone(), stop.clone());
        async move { ingest::relay::mongo_outbox::run(&mongo, &amqp, &stop).await }
    });
    for _ in 0..10 {
        change(&mut product).await;
    }
    let mut highest = 0;
    while highest < 21 {
        let version = receive(&mut indexer).await.aggregateversion;
        // A repeat is allowed, a gap is not.
        assert!(version <= highest + 1, "version {version} after {highest}");
        highest = highest.max(version);
    }
    stop.cancel();
    relay.await.expect("the relay stops");
}

#[tokio::test]
async fn a_relay_that_lost_its_lease_marks_nothing() {
    let scope = Scope::new().await;
    let pools = scope.pools();
    let event = imported(ImportRunId::new(Timestamp::now(), random()));
    transaction::run(&pools, "test", async |transaction| outbox::append(transaction, &event).await)
        .await
        .expect("committed");
    let client = pools.write().await.expect("a connection");
    let (sleeper, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let stale = outbox::lease(&**client, sleeper, 1).await.expect("leased");
    assert_eq!(stale.len(), 16);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let held = outbox::lease(&**client, other, 60_000).await.expect("leased");
    assert_eq!(held.len(), 16);
    assert!(outbox::lease(&**client, sleeper, 60_000).await.expect("asked").is_empty());
    assert_eq!(outbox::mark_sent(&**client, sleeper, &stale, &[event.id.0]).await.expect("asked"), 0);
    assert_eq!(outbox::mark_sent(&**client, other, &held, &[event.id.0]).await.expect("asked"), 1);
}

#[tokio::test]
async fn a_message_that_keeps_failing_is_dead_lettered() {
    let scope = Scope::new().await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let product = shop::product("Poison");
    let event = shop::changed(&product).to_cloud_event();
    assert_eq!(publisher.publish(&[&event]).await.expect("confirmed"), [true]);
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 1).await.expect("a consumer");
    let mut tries = 0;
    while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_secs(3), indexer.next()).await {
        tries += 1;
        assert!(tries < 20, "the delivery limit holds");
        delivery.retry().await.expect("put back");
    }
    assert!((8..=9).contains(&tries), "{tries} tries");
}

#[tokio::test]
async fn an_event_that_no_queue_wants_is_not_sent() {
    let scope = Scope::new().await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let mut event = shop::changed(&shop::product("Lost")).to_cloud_event();
    event.event_type = "nobody.asked.v1".to_owned();
    assert_eq!(publisher.publish(&[&event]).await.expect("confirmed"), [false]);
}

#[tokio::test]
async fn a_refused_event_holds_back_its_aggregate_and_nothing_else() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let (stuck, free) = (shop::product("Stuck"), shop::product("Free"));
    products::insert(&mongo, &stuck, &shop::changed(&stuck)).await.expect("inserted");
    let second = Product { version: 2, ..stuck.clone() };
    assert!(products::replace(&mongo, &stuck, &second, &shop::changed(&second)).await.expect("replaced"));
    products::insert(&mongo, &free, &shop::changed(&free)).await.expect("inserted");
    let outbox = raw_outbox(&scope).await;
    let first = doc! {"aggregate_id": stuck.id.to_string(), "aggregate_version": 1_i64};
    let kept = outbox.find_one(first.clone()).await.expect("read").expect("there");
    let envelope = kept.get_str("envelope").expect("text");
    let nobody_asked = envelope.replace("product.changed.v1", "nobody.asked.v1");
    outbox.update_one(first.clone(), doc! {"$set": {"envelope": nobody_asked}}).await.expect("changed");
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 10).await.expect("a consumer");
    let stop = CancellationToken::new();
    let relay = tokio::spawn({
        let (mongo, amqp, stop) = (mongo.clone(), scope.amqp.clone(), stop.clone());
        async move { ingest::relay::mongo_outbox::run(&mongo, &amqp, &stop).await }
    });
    assert_eq!(receive(&mut indexer).await.subject, format!("product/{}", free.id));
    let nothing = tokio::time::timeout(Duration::from_secs(3), indexer.next()).await;
    assert!(nothing.is_err(), "version 2 must not overtake version 1");
    let mend = doc! {"$set": {"envelope": envelope, "retry_at": null}};
    outbox.update_one(first, mend).await.expect("mended");
    assert_eq!(receive(&mut indexer).await.aggregateversion, 1);
    assert_eq!(receive(&mut indexer).await.aggregateversion, 2);
    stop.cancel();
    relay.await.expect("the relay stops");
}

async fn raw_outbox(scope: &Scope) -> mongodb::Collection<Document> {
    let client =
        mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a connection string");
    client.database(&scope.mongo.database).collection("outbox")
}
