//! What consumers make of events that come again: each of them twice, in any order, late. The end is the same, byte for
//! byte.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use analytics::lake::Lake;
use analytics::serve::Daemon;
use domain::event::{CloudEvent, event_type};
use domain::ids::ProductId;
use domain::money::Currency;
use domain::product::Product;
use ingest::orders::{ImportOptions, OrderFormat};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use search_indexer::client::SearchClient;
use search_indexer::document::ProductDocument;
use search_indexer::projection::Projection;
use search_indexer::settings::SearchSettings;
use search_indexer::{consume, index};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use store::mongo::products::{self, Inserted};
use store::sent_event::PAGE_MAX;
use support::api::{self, Client, Shop, Who};
use support::search_index::{projection, remove_indexes};
use support::{Scope, files, shop, stack, wait};
use tokio_postgres::Client as Postgres;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worker::webhooks::fan_out;

use crate::published::{self, DailySales};

const DEADLINE: Duration = Duration::from_secs(60);
const SEED: u64 = 47;
const PRODUCT_COUNT: usize = 12;
const CHANGE_COUNT: usize = 60;

/// Makes products and changes titles, prices and stock. The first is deleted and comes back, the second is deleted.
async fn trade(scope: &Scope) -> Vec<ProductId> {
    const WAREHOUSE: &str = "INSERT INTO warehouses (code, name, country) VALUES ('leeds', 'Leeds', 'GB')";
    scope.primary().await.batch_execute(WAREHOUSE).await.expect("a warehouse");
    let api = api::start(api::api_settings(scope)).await;
    let (client, mongo) = (Client::new(&api), scope.mongo().await);
    let mut made: Vec<Product> =
        (0..PRODUCT_COUNT).map(|number| shop::product(&format!("Shirt {number}"))).collect();
    for product in &made {
        products::insert(&mongo, product, &shop::changed(product)).await.expect("inserted");
    }
    let (mut random, mut on_hand) = (StdRng::seed_from_u64(SEED), [0_i64; PRODUCT_COUNT]);
    for number in 0..CHANGE_COUNT {
        let place = number % PRODUCT_COUNT;
        let before = &made[place];
        if random.random_bool(0.5) {
            let delta = if on_hand[place] == 0 { random.random_range(1..=9) } else { -on_hand[place] };
            on_hand[place] += delta;
            let adjustment = json!({
                "variant_id": before.variants[0].id, "warehouse": "leeds", "delta": delta,
                "cause": "adjustment", "reason": "a test"
            });
            let (path, key) = ("/inventory/adjustments", format!("adjustment-{number}"));
            client.post(Who::Role("admin"), path, &key, &adjustment).await.expect(201);
            continue;
        }
        let mut after =
            Product { version: before.version + 1, updated_at: Timestamp::now(), ..before.clone() };
        if random.random_bool(0.5) {
            after.title = format!("Waistcoat {number}");
        } else {
            after.variants[0].price.as_mut().expect("priced").amount_minor += 100;
        }
        let replaced = products::replace(&mongo, before, &after, &shop::changed(&after)).await;
        assert!(replaced.expect("answered"), "nobody else changes it");
        made[place] = after;
    }
    for product in &made[..2] {
        assert!(products::delete(&mongo, product, &shop::deleted(product)).await.expect("deleted"));
    }
    let back = products::insert(&mongo, &made[0], &shop::changed(&made[0])).await.expect("inserted");
    assert!(matches!(back, Inserted::Returned(_)), "{back:?}");
    api.stop().await.expect("stops");
    made.iter().map(|product| product.id).collect()
}

/// The events of some types from both outboxes, as a replay reads them, once all are sent.
async fn sent(scope: &Scope, types: &[&str]) -> Vec<CloudEvent> {
    let (postgres, mongo) = (scope.primary().await, scope.mongo().await);
    wait::until("everything is sent", DEADLINE, async || {
        let (count, _) = store::pg::outbox::backlog(&postgres).await.expect("a count");
        (count == 0 && store::mongo::outbox::backlog(&mongo).await.expect("a count") == 0).then_some(())
    })
    .await;
    let hour = SignedDuration::from_hours(1);
    let window = (Timestamp::now() - hour, Timestamp::now() + hour);
    let of_postgres = store::pg::outbox::sent_between(&postgres, window, types, None, PAGE_MAX).await;
    let of_mongo = store::mongo::outbox::sent_between(&mongo, window, types, None, PAGE_MAX).await;
    let pages = [of_postgres, of_mongo].map(|page| page.expect("read"));
    assert!(pages.iter().all(|page| i64::try_from(page.len()).expect("a page") < PAGE_MAX), "all of them");
    pages.into_iter().flatten().map(|event| event.envelope.expect("an event")).collect()
}

/// Sends events to their queues again: each as it was and, as if ten minutes had gone by, with an older time; all
/// shuffled. Returns when each queue's consumer has taken what came last, which nobody can use: it is dead-lettered,
/// and nothing was before it.
async fn deliver_again(
    scope: &Scope,
    queue: impl Fn(&CloudEvent) -> DurableQueue,
    events: &[CloudEvent],
    seed: u64,
) {
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let late = |event: &CloudEvent| {
        let time = event.time - SignedDuration::from_mins(10);
        CloudEvent { time, ..event.clone() }
    };
    let mut deliveries: Vec<CloudEvent> =
        events.iter().flat_map(|event| [event.clone(), late(event)]).collect();
    deliveries.shuffle(&mut StdRng::seed_from_u64(seed));
    // One at a time, so that a consumer takes several batches.
    for event in &deliveries {
        assert_eq!(publisher.publish_to(queue(event), &[event]).await.expect("confirmed"), [true]);
    }
    let of_no_use = shop::changed(&shop::product("Last")).to_cloud_event();
    let last = CloudEvent { event_type: "none\0".to_owned(), ..of_no_use };
    let queues: HashSet<DurableQueue> = events.iter().map(&queue).collect();
    assert!(!queues.is_empty(), "there are events");
    for queue in queues {
        assert_eq!(publisher.publish_to(queue, &[&last]).await.expect("confirmed"), [true]);
        let mut dead = broker.consume_dead_letters(queue, 1).await.expect("a consumer");
        let first = tokio::time::timeout(DEADLINE, dead.next()).await.expect("in time").expect("connected");
        assert_eq!(first.event().expect("well-formed"), last, "{} gave up another one", queue.name());
        first.done().await.expect("acknowledged");
    }
    broker.close().await;
}

/// Does something while a consumer runs, which then ends what it has begun, and stops.
async fn beside<T>(consumer: impl AsyncFnOnce(&CancellationToken), work: impl Future<Output = T>) -> T {
    let stop = CancellationToken::new();
    let work = async {
        let done = work.await;
        stop.cancel();
        done
    };
    tokio::join!(Box::pin(consumer(&stop)), Box::pin(work)).1
}

#[derive(Deserialize)]
struct Found {
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
}

/// A document as it is written; that of a mark without the moment at which it was last made.
fn without_moment(source: &str) -> String {
    let document: Value = serde_json::from_str(source).expect("JSON");
    document["deleted_at"].as_str().map_or_else(|| source.to_owned(), |moment| source.replace(moment, ""))
}

/// Every document that an index holds, by id; `None` while there is no index.
async fn held(client: &SearchClient) -> Option<BTreeMap<String, String>> {
    index::refresh(client, client.alias()).await.ok()?;
    let url = format!("{}/{}/_search?size=100", stack().opensearch_url, client.alias());
    let found: Found = reqwest::get(url).await.ok()?.json().await.ok()?;
    Some(found.hits.hits.into_iter().map(|hit| (hit.id, without_moment(hit.source.get()))).collect())
}

/// What an index is to hold of products: what the stores say of them now.
async fn expected(projection: &Projection, ids: &[ProductId]) -> BTreeMap<String, String> {
    let there = products::find_many(&projection.mongo, ids).await.expect("read");
    let mut documents = projection.documents(&there).await.expect("read");
    let is_gone = |id: &&ProductId| there.iter().all(|product| product.id != **id);
    let gone = ids.iter().filter(is_gone).map(|id| ProductDocument::gone(*id, Timestamp::now()));
    documents.extend(gone);
    let written = |document: &ProductDocument| {
        let source = serde_json::to_string(document).expect("JSON");
        (document.product_id.to_string(), without_moment(&source))
    };
    documents.iter().map(written).collect()
}

async fn until_held(client: &SearchClient, expected: &BTreeMap<String, String>) {
    wait::until("the index is what the stores say", DEADLINE, async || {
        (held(client).await.as_ref() == Some(expected)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_index_is_the_same_however_its_events_come() {
    let scope = Scope::new().await;
    let programs = Shop::start(&scope).await;
    let projection = projection(&scope).await;
    let ids = Box::pin(trade(&scope)).await;
    let queue = DurableQueue::SearchIndexer;
    let events = sent(&scope, queue.event_types()).await;
    for event_type in queue.event_types() {
        assert!(events.iter().any(|event| event.event_type == *event_type), "{event_type}");
    }
    let expected = expected(&projection, &ids).await;
    let is_mark = |source: &&String| source.contains("\"deleted\":true");
    assert_eq!((expected.len(), expected.values().filter(is_mark).count()), (PRODUCT_COUNT, 1));
    until_held(&projection.client, &expected).await;

    Box::pin(deliver_again(&scope, |_| queue, &events, SEED)).await;
    programs.stop().await;
    assert_eq!(
        held(&projection.client).await.as_ref(),
        Some(&expected),
        "after the flow, and all of it again"
    );

    let prefix = format!("{}-late", scope.prefix);
    let settings = SearchSettings { index_prefix: prefix, ..api::search_settings(&scope) };
    let client = SearchClient::new(&settings).expect("valid settings");
    let late = Projection { client, ..projection.clone() };
    let work = async {
        Box::pin(deliver_again(&scope, |_| queue, &events, SEED + 1)).await;
        until_held(&late.client, &expected).await;
    };
    Box::pin(beside(async |stop| consume::run(&late, &scope.amqp, stop).await, work)).await;
    assert_eq!(held(&late.client).await.as_ref(), Some(&expected), "of nothing but what came late");
    for client in [&projection.client, &late.client] {
        remove_indexes(client).await;
    }
}

/// Adds an endpoint that gets those types, or all.
async fn add_endpoint(postgres: &Postgres, event_types: &[&str]) -> Uuid {
    const SQL: &str = "INSERT INTO webhook_endpoints \
                       (id, url, description, event_types, secret, state, version, created_at, updated_at) \
                       VALUES ($1, 'https://example.com/', '', $2, '', 'enabled', 1, now(), now())";
    let id = Uuid::now_v7();
    postgres.execute(SQL, &[&id, &event_types]).await.expect("an endpoint");
    id
}

/// Endpoint and event of every delivery.
async fn owed(postgres: &Postgres) -> BTreeSet<(Uuid, Uuid)> {
    const SQL: &str = "SELECT endpoint_id, event_id FROM webhook_deliveries";
    let rows = postgres.query(SQL, &[]).await.expect("rows");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Every row that the consumer of webhooks writes.
async fn kept(postgres: &Postgres) -> Vec<String> {
    const SQL: &str = "SELECT to_jsonb(delivery)::text FROM webhook_deliveries AS delivery \
                       UNION ALL SELECT to_jsonb(lane)::text FROM webhook_lanes AS lane \
                       UNION ALL SELECT to_jsonb(seen)::text FROM inbox AS seen ORDER BY 1";
    postgres.query(SQL, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn webhooks_owe_an_event_once_however_often_it_comes() {
    const OF_STOCK: [&str; 4] = [
        event_type::INVENTORY_CHANGED,
        event_type::INVENTORY_LOW,
        event_type::OUT_OF_STOCK,
        event_type::BACK_IN_STOCK,
    ];
    let scope = Scope::new().await;
    let (pools, postgres) = (scope.pools(), scope.primary().await);
    let (every, of_stock) = (add_endpoint(&postgres, &[]).await, add_endpoint(&postgres, &OF_STOCK).await);
    let programs = Shop::start(&scope).await;
    Box::pin(trade(&scope)).await;
    let events = sent(&scope, event_type::ALL).await;
    let stock = events.iter().filter(|event| OF_STOCK.contains(&event.event_type.as_str()));
    let mut expected: BTreeSet<_> = stock.map(|event| (of_stock, event.id.0)).collect();
    assert!(!expected.is_empty(), "stock has changed");
    expected.extend(events.iter().map(|event| (every, event.id.0)));
    let work = async {
        wait::until("every delivery is owed", DEADLINE, async || {
            (owed(&postgres).await == expected).then_some(())
        })
        .await;
        let before = kept(&postgres).await;
        let queue = |event: &CloudEvent| DurableQueue::webhooks_of(event.shard());
        Box::pin(deliver_again(&scope, queue, &events, SEED)).await;
        before
    };
    let consumer = async |stop: &CancellationToken| Box::pin(fan_out::run(&pools, &scope.amqp, stop)).await;
    let before = Box::pin(beside(consumer, work)).await;
    assert_eq!(kept(&postgres).await, before, "no row more, none less, none changed");
    programs.stop().await;
}

const HISTORY: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
1,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850,United Kingdom
";

async fn import(scope: &Scope, channel: &str) {
    let folder = files::folder("redelivery");
    let file = folder.join("history.csv");
    std::fs::write(&file, HISTORY).expect("written");
    let options = ImportOptions {
        format: OrderFormat::OnlineRetail,
        channel: channel.to_owned(),
        currency: Currency::GBP,
        refused: folder.join("refused.csv"),
        report: folder.join("report.ndjson"),
        map: None,
        is_dry: false,
        file,
    };
    ingest::orders::import(&scope.postgres, &options, |_| {}).await.expect("imports");
}

/// A channel's report; `None` before the import is in it.
async fn counted(postgres: &Postgres, channel: &str) -> Option<Vec<DailySales>> {
    let (from, to) = (date(2010, 1, 1), date(2010, 12, 31));
    let (rows, _) = published::read(postgres, channel, (from, to), None).await;
    (!rows.is_empty()).then_some(rows)
}

#[tokio::test]
async fn an_import_is_counted_once_however_often_it_is_told() {
    const CHANNELS: [&str; 2] = ["first", "second"];
    let scope = Scope::new().await;
    let postgres = scope.primary().await;
    let programs = Shop::start(&scope).await;
    for channel in CHANNELS {
        import(&scope, channel).await;
    }
    let events = sent(&scope, DurableQueue::Analytics.event_types()).await;
    assert_eq!(events.len(), CHANNELS.len());
    let work = async {
        let mut before = Vec::new();
        for channel in CHANNELS {
            let report = wait::until("the report", DEADLINE, async || counted(&postgres, channel).await);
            before.push(report.await);
        }
        Box::pin(deliver_again(&scope, |_| DurableQueue::Analytics, &events, SEED)).await;
        before
    };
    let lake = Lake::new(&scope.lake);
    let daemon = Daemon { stores: published::stores(&scope), amqp: scope.amqp.clone(), lake };
    let before = Box::pin(beside(async |stop| daemon.run(stop).await, work)).await;
    for (channel, before) in CHANNELS.into_iter().zip(before) {
        assert_eq!(before.iter().map(|row| row.units).sum::<i64>(), 6, "{channel}");
        assert_eq!(counted(&postgres, channel).await, Some(before), "{channel}");
    }
    programs.stop().await;
}
