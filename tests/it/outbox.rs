//! Events: committed with their fact, relayed in order, at least once, to every queue that wants them.

use std::time::Duration;

use bson::{DateTime, Document, doc};
use domain::event::{Cause, CloudEvent, Event, OrdersImported, event_type};
use domain::ids::{EventId, ImportRunId};
use domain::product::Product;
use jiff::Timestamp;
use lapin::options::{
    BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use rand::random;
use secrecy::ExposeSecret;
use store::amqp::broker::Broker;
use store::amqp::consumer::Consumer;
use store::amqp::publisher::BODY_BYTES_MAX;
use store::amqp::topology::{DEAD_LETTERS, DurableQueue, EVENTS};
use store::error::StoreError;
use store::mongo::products::{self, Inserted};
use store::pg::{direct, outbox, transaction};
use support::{Scope, shop, stack, wait};
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
    // Webhooks want everything that there is.
    assert_eq!(publisher.publish(&[&event]).await.expect("confirmed"), [true]);
    let (_connection, channel) = raw_channel(&scope).await;
    let queue = DurableQueue::webhooks_of(event.shard()).name();
    let key = format!("#.{:02}", event.shard());
    channel
        .queue_unbind(queue.into(), EVENTS.into(), key.as_str().into(), FieldTable::default())
        .await
        .expect("unbound");
    assert_eq!(publisher.publish(&[&event]).await.expect("confirmed"), [false]);
    // Among others that have a queue still: the broker gives it back some confirms before its own.
    let others = [(); 60].map(|()| shop::changed(&shop::product("Wanted")).to_cloud_event());
    for place in [0, 30, 60] {
        let events: Vec<_> = others[..place].iter().chain([&event]).chain(&others[place..]).collect();
        let sent = publisher.publish(&events).await.expect("confirmed");
        assert!(sent.iter().enumerate().all(|(at, is_sent)| *is_sent == (at != place)), "{sent:?}");
    }
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_and_the_others_are_sent() {
    let scope = Scope::new().await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let good = shop::changed(&shop::product("Small")).to_cloud_event();
    let mut large = shop::changed(&shop::product("Large")).to_cloud_event();
    large.data["padding"] = "x".repeat(BODY_BYTES_MAX).into();
    assert_eq!(publisher.publish(&[&good, &large, &good]).await.expect("confirmed"), [true, false, true]);
}

#[tokio::test]
async fn the_events_of_an_aggregate_are_in_one_queue_of_webhooks_in_order() {
    let scope = Scope::new().await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let product = shop::product("Blue shirt");
    let versions = [1, 2, 3].map(|version| {
        let product = Product { version, ..product.clone() };
        shop::changed(&product).to_cloud_event()
    });
    let queue = DurableQueue::webhooks_of(versions[0].shard());
    let [first, second, third] = &versions;
    assert_eq!(publisher.publish(&[first, second, third]).await.expect("confirmed"), [true; 3]);
    let mut consumer = broker.consume(queue, 1).await.expect("a consumer");
    let mut waits = broker.consume(queue, 1).await.expect("a second consumer");
    for version in 1..=3 {
        let received = tokio::select! {
            biased;
            _ = waits.next() => panic!("only one consumer is active"),
            event = receive(&mut consumer) => event,
        };
        assert_eq!(received.aggregateversion, version);
    }
}

#[tokio::test]
async fn events_of_a_relay_of_before_and_of_now_reach_a_queue_of_before_once() {
    let scope = Scope::new().await;
    let (_connection, channel) = raw_channel(&scope).await;
    declare_as_before(&channel).await;
    let broker = Broker::connect(&scope.amqp).await.expect("declared over what was there");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 1).await.expect("a consumer");
    let mut listener = broker.subscribe("test", &[event_type::PRODUCT_CHANGED]).await.expect("a consumer");
    let [of_before, of_now] =
        ["Before", "Now"].map(|title| shop::changed(&shop::product(title)).to_cloud_event());
    let body = serde_json::to_vec(&of_before).expect("JSON");
    let (key, properties) = (event_type::PRODUCT_CHANGED.into(), BasicProperties::default());
    let published =
        channel.basic_publish(EVENTS.into(), key, BasicPublishOptions::default(), &body, properties).await;
    published.expect("published").await.expect("no confirm was asked for");
    for consumer in [&mut indexer, &mut listener] {
        assert_eq!(receive(consumer).await.id, of_before.id);
    }
    let publisher = broker.publisher().await.expect("a channel");
    assert_eq!(publisher.publish(&[&of_now]).await.expect("confirmed"), [true]);
    for consumer in [&mut indexer, &mut listener] {
        assert_eq!(receive(consumer).await.id, of_now.id);
    }
}

#[tokio::test]
async fn a_queue_that_is_lost_is_made_anew_while_a_relay_runs() {
    let scope = Scope::new().await;
    let (pools, mongo) = (scope.pools(), scope.mongo().await);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");

    let stop = CancellationToken::new();
    let relay = tokio::spawn({
        let (pools, amqp, stop) = (pools.clone(), scope.amqp.clone(), stop.clone());
        async move { ingest::relay::pg_outbox::run(&pools, &amqp, &stop).await }
    });
    let event = imported(ImportRunId::new(Timestamp::now(), random()));
    transaction::run(&pools, "test", async |transaction| outbox::append(transaction, &event).await)
        .await
        .expect("committed");
    // Whatever it declares from here on is no part of its start.
    let mut analytics = broker.consume(DurableQueue::Analytics, 1).await.expect("a consumer");
    assert_eq!(receive(&mut analytics).await.id, event.id);
    lose(&scope, DurableQueue::Analytics).await;
    stop.cancel();
    relay.await.expect("the relay stops");

    let stop = CancellationToken::new();
    let relay = tokio::spawn({
        let (mongo, amqp, stop) = (mongo.clone(), scope.amqp.clone(), stop.clone());
        async move { ingest::relay::mongo_outbox::run(&mongo, &amqp, &stop).await }
    });
    let product = shop::product("Blue shirt");
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 1).await.expect("a consumer");
    assert_eq!(receive(&mut indexer).await.aggregateversion, 1);
    lose(&scope, DurableQueue::SearchIndexer).await;
    stop.cancel();
    relay.await.expect("the relay stops");
}

/// Deletes a queue and waits until it is there again with every binding.
async fn lose(scope: &Scope, queue: DurableQueue) {
    let (_connection, channel) = raw_channel(scope).await;
    channel.queue_delete(queue.name().into(), QueueDeleteOptions::default()).await.expect("deleted");
    let all = queue.event_types().len();
    wait::until("the queue is there again", DEADLINE, async || {
        (binding_keys(scope, queue).await.len() == all).then_some(())
    })
    .await;
}

/// The indexer's queue with the arguments and the binding that it had before shards were in the routing key.
async fn declare_as_before(channel: &Channel) {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let nothing = FieldTable::default;
    channel
        .exchange_declare(EVENTS.into(), ExchangeKind::Topic, durable, nothing())
        .await
        .expect("an exchange");
    let mut arguments = FieldTable::default();
    for (key, value) in [
        ("x-queue-type", "quorum"),
        ("x-dead-letter-exchange", DEAD_LETTERS),
        ("x-dead-letter-routing-key", "search-indexer"),
        ("x-dead-letter-strategy", "at-least-once"),
        ("x-overflow", "reject-publish"),
    ] {
        arguments.insert(key.into(), AMQPValue::LongString(value.into()));
    }
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(8));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("search-indexer".into(), durable, arguments).await.expect("a queue");
    let key = event_type::PRODUCT_CHANGED.into();
    channel
        .queue_bind("search-indexer".into(), EVENTS.into(), key, QueueBindOptions::default(), nothing())
        .await
        .expect("bound");
}

/// By which keys the exchange of events feeds a queue, in the order of the alphabet; none when there is no such queue.
async fn binding_keys(scope: &Scope, queue: DurableQueue) -> Vec<String> {
    let rabbitmq = &stack().rabbitmq;
    let url = format!("{}/api/queues/{}/{}/bindings", rabbitmq.management_url, scope.prefix, queue.name());
    let administrator = &rabbitmq.administrator;
    let request =
        reqwest::Client::new().get(url).basic_auth(&administrator.user, Some(&administrator.password));
    let answer = request.send().await.expect("the management API answers");
    let bindings: serde_json::Value = answer.json().await.expect("JSON");
    let mut keys: Vec<_> = bindings
        .as_array()
        .into_iter()
        .flatten()
        .filter(|binding| binding["source"] == EVENTS)
        .map(|binding| binding["routing_key"].as_str().expect("text").to_owned())
        .collect();
    keys.sort_unstable();
    keys
}

/// A channel past the store's own rules; it lives as long as the connection.
async fn raw_channel(scope: &Scope) -> (Connection, Channel) {
    let url = scope.amqp.url.expose_secret();
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
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
    let padding = format!("\"data\":{{\"padding\":\"{}\",", "x".repeat(BODY_BYTES_MAX));
    let too_large = envelope.replace("\"data\":{", &padding);
    assert!(too_large.len() > BODY_BYTES_MAX);
    outbox.update_one(first.clone(), doc! {"$set": {"envelope": too_large}}).await.expect("changed");
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

#[tokio::test]
async fn a_price_that_is_held_back_does_not_hold_back_its_product() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let mut product = shop::product("Blue shirt");
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    for _ in 0..2 {
        let before = product.clone();
        product.version += 1;
        product.variants[0].price.as_mut().expect("priced").amount_minor += 100;
        let event = shop::changed(&product);
        assert!(products::replace(&mongo, &before, &product, &event).await.expect("replaced"));
    }
    let in_an_hour = DateTime::from_millis(Timestamp::now().as_millisecond() + 3_600_000);
    let outbox = raw_outbox(&scope).await;
    let price = doc! {"aggregate_kind": "price", "aggregate_version": 2_i64};
    let put_off = outbox.update_one(price, doc! {"$set": {"retry_at": in_an_hour}}).await.expect("changed");
    assert_eq!(put_off.modified_count, 1);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 10).await.expect("a consumer");
    let stop = CancellationToken::new();
    let relay = tokio::spawn({
        let (mongo, amqp, stop) = (mongo.clone(), scope.amqp.clone(), stop.clone());
        async move { ingest::relay::mongo_outbox::run(&mongo, &amqp, &stop).await }
    });
    for version in 1..=3 {
        assert_eq!(receive(&mut indexer).await.aggregateversion, version);
    }
    stop.cancel();
    relay.await.expect("the relay stops");
    let unsent = doc! {"aggregate_kind": "price", "sent_at": null};
    assert_eq!(outbox.count_documents(unsent).await.expect("a count"), 2, "its next price waits too");
    assert_eq!(store::mongo::outbox::backlog(&mongo).await.expect("a count"), 2);
}

#[tokio::test]
async fn what_waits_is_found_page_by_page() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let made = ["First", "Second", "Third"].map(shop::product);
    for (second, product) in made.iter().enumerate() {
        let second = i64::try_from(second).expect("small");
        let mut event = shop::changed(product);
        event.time = Timestamp::from_second(1_700_000_000 + second).expect("a time");
        products::insert(&mongo, product, &event).await.expect("inserted");
    }
    let late = Timestamp::from_second(1_700_000_001).expect("a time");
    let early = store::mongo::outbox::waiting(&mongo, None, late, 3).await.expect("asked").expect("some");
    assert_eq!((early.aggregates.len(), early.written_at), (2, late), "what is written later is left");
    let (mut found, mut place) = (Vec::new(), None);
    let now = Timestamp::now();
    while let Some(page) = store::mongo::outbox::waiting(&mongo, place, now, 2).await.expect("asked") {
        assert!(page.aggregates.len() <= 2);
        assert!(place < Some(page.written_at), "it goes on");
        place = Some(page.written_at);
        found.extend(page.aggregates);
    }
    found.sort_unstable();
    let mut expected: Vec<_> = made.iter().map(|product| product.id.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Rows of 500 aggregates, each a few.
const FILL: &str = "INSERT INTO outbox (id, created_at, shard, aggregate_kind, aggregate_id, aggregate_version, \
                    event_type, envelope, sent_at) \
                    SELECT id, uuid_v7_time(id), number % 16, 'test', number % 500, $2::bigint + number, \
                           'test', '{}', $1 \
                    FROM (SELECT number, overlay(overlay(md5(random()::text) PLACING \
                                         lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') FROM 1) \
                                         PLACING '7' FROM 13)::uuid AS id \
                          FROM generate_series(1, 6000) AS number) AS made";

#[tokio::test]
async fn a_batch_costs_the_same_however_much_waits() {
    let scope = Scope::new().await;
    let client = direct::primary(&scope.postgres).await.expect("connected");
    let (sent, unsent) = (Some(Timestamp::now()), None::<Timestamp>);
    client.execute(FILL, &[&sent, &0_i64]).await.expect("filled");
    // From now on the planner believes that nothing waits.
    client.batch_execute("ANALYZE outbox").await.expect("analysed");
    client.execute(FILL, &[&unsent, &10_000_i64]).await.expect("filled");
    let shards: Vec<i16> = (0..16).collect();
    assert_eq!(outbox::unsent(&client, &shards, 100).await.expect("read").len(), 100);
    let explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT id, envelope FROM unsent_events($1, 100)";
    let plan: serde_json::Value = client.query_one(explain, &[&shards]).await.expect("explained").get(0);
    let plan = &plan[0]["Plan"];
    let pages =
        ["Shared Hit Blocks", "Shared Read Blocks"].map(|name| plan[name].as_u64().expect("a number"));
    // All that waits is more than 6,000 rows by their index.
    assert!(pages.iter().sum::<u64>() < 2_000, "{pages:?} pages");
}
