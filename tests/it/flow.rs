//! The walk of a change of a product or of its stock: from the request through outbox, broker and indexer to the
//! search, and to the caches of another API process.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use search_indexer::client::SearchClient;
use search_indexer::index;
use search_indexer::projection::Projection;
use search_indexer::sweep;
use serde_json::{Value, json};
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use store::mongo::products;
use support::api::{self, Client, Shop, Who, send};
use support::{Scope, shop, stack, wait};
use uuid::Uuid;

const VENDOR: Who = Who::Role("vendor");
/// Longer than a search result is kept when the first indexing of a fresh index takes more than two seconds.
const DEADLINE: Duration = Duration::from_secs(60);

fn draft(title: &str) -> Value {
    let sku = format!("S-{}", Uuid::new_v4().simple());
    json!({
        "title": title, "status": "active", "brand": "Acme", "category": "apparel/shirts",
        "variants": [{"sku": sku, "price": {"amount_minor": 2500, "currency": "GBP"}}]
    })
}

async fn until_search_has(client: &Client, query: &str, count: usize) -> Value {
    wait::until(&format!("{count} hits of {query}"), DEADLINE, async || {
        let answer = client.get(Who::Nobody, &format!("/search?{query}")).await;
        let hits = answer.body["data"].as_array().map_or(usize::MAX, Vec::len);
        (answer.is_of_index() && hits == count).then_some(answer.body)
    })
    .await
}

#[tokio::test]
async fn a_change_is_found_by_search() {
    let scope = Scope::new().await;
    let shop = Shop::start(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let made = client.post(VENDOR, "/products", "k", &draft("Striped pullover")).await.expect(201);
    let page = until_search_has(&client, "q=pullover", 1).await;
    assert_eq!(page["data"][0]["id"], made.body["id"]);
    assert_eq!(page["facets"]["brand"], json!([{"value": "Acme", "count": 1}]));
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    let changed = client
        .patch(VENDOR, &path, made.header("etag"), &json!({"title": "Checked waistcoat"}))
        .await
        .expect(200);
    until_search_has(&client, "q=waistcoat", 1).await;
    until_search_has(&client, "q=pullover", 0).await;
    until_search_has(&client, "q=waistcoat&price_min=2000&price_max=3000&category=apparel&in_stock=true", 1)
        .await;
    until_search_has(&client, "q=waistcoat&price_min=2501", 0).await;
    client.patch(VENDOR, &path, changed.header("etag"), &json!({"status": "archived"})).await.expect(200);
    until_search_has(&client, "q=waistcoat", 0).await;
    api.stop().await.expect("stops");
    shop.stop().await;
}

fn search_client(scope: &Scope) -> SearchClient {
    SearchClient::new(&api::search_settings(scope)).expect("valid settings")
}

/// What the index holds of a product, whether it can be searched yet or not; `None` when there is nothing.
async fn document(client: &SearchClient, id: &str) -> Option<Value> {
    let address = format!("{}/{}/_doc/{id}", stack().opensearch_url, client.alias());
    let answer = reqwest::get(address).await.expect("the engine answers");
    let body: Value = answer.json().await.expect("JSON");
    body.get("_source").cloned()
}

/// Waits until the fields of a product's document have those values.
async fn until_document_has(client: &SearchClient, id: &str, expected: &Value) {
    let expected = expected.as_object().expect("fields");
    wait::until(&format!("a document with {expected:?}"), DEADLINE, async || {
        let document = document(client, id).await?;
        expected.iter().all(|(field, value)| document[field] == *value).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_sold_out_cannot_be_bought_until_more_comes() {
    const WAREHOUSE: &str = "INSERT INTO warehouses (code, name, country) VALUES ('leeds', 'Leeds', 'GB')";
    let scope = Scope::new().await;
    scope.primary().await.batch_execute(WAREHOUSE).await.expect("a warehouse");
    let shop = Shop::start(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let (client, engine) = (Client::new(&api), search_client(&scope));
    let made = client.post(VENDOR, "/products", "k", &draft("Wicker basket")).await.expect(201).body;
    let id = made["id"].as_str().expect("an id");
    until_document_has(&engine, id, &json!({"in_stock": true, "buyable": true})).await;
    let steps = [("receipt", 3, true), ("adjustment", -3, false), ("receipt", 2, true)];
    for (number, (cause, delta, in_stock)) in steps.into_iter().enumerate() {
        let adjustment = json!({
            "variant_id": made["variants"][0]["id"], "warehouse": "leeds", "delta": delta, "cause": cause,
            "reason": "a test"
        });
        let key = format!("adjustment-{number}");
        client.post(VENDOR, "/inventory/adjustments", &key, &adjustment).await.expect(201);
        until_document_has(&engine, id, &json!({"in_stock": in_stock, "buyable": in_stock})).await;
    }
    until_search_has(&client, "q=basket&in_stock=true", 1).await;
    api.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn a_deleted_product_leaves_the_search_and_then_the_index() {
    let scope = Scope::new().await;
    let shop = Shop::start(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let (client, engine) = (Client::new(&api), search_client(&scope));
    let projection = Projection { client: engine.clone(), pools: scope.pools(), mongo: scope.mongo().await };
    let made = client.post(VENDOR, "/products", "k", &draft("Paper lantern")).await.expect(201);
    until_search_has(&client, "q=lantern", 1).await;
    let id = made.body["id"].as_str().expect("an id");
    let delete = client.request(Method::DELETE, VENDOR, &format!("/products/{id}"));
    send(delete.header("if-match", made.header("etag"))).await.expect(204);
    until_search_has(&client, "q=lantern", 0).await;
    until_document_has(&engine, id, &json!({"deleted": true, "title": ""})).await;
    let other = client.post(VENDOR, "/products", "k2", &draft("Paper fan")).await.expect(201);
    let other = other.body["id"].as_str().expect("an id");
    until_document_has(&engine, other, &json!({"deleted": false})).await;

    index::refresh(&engine, engine.alias()).await.expect("refreshed");
    let now = Timestamp::now();
    assert_eq!(sweep::run(&projection, now).await.expect("swept"), 0, "the mark is young");
    assert!(document(&engine, id).await.is_some());
    let later = now + SignedDuration::from_hours(2);
    assert_eq!(sweep::run(&projection, later).await.expect("swept"), 1);
    assert_eq!(document(&engine, id).await, None);
    assert!(document(&engine, other).await.is_some());
    api.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn a_mark_whose_product_is_back_is_not_swept() {
    let scope = Scope::new().await;
    let projection =
        Projection { client: search_client(&scope), pools: scope.pools(), mongo: scope.mongo().await };
    let engine = &projection.client;
    assert!(search_indexer::consume::ensure_index(&projection).await);
    let [back, gone] = ["Back", "Gone"].map(shop::product);
    projection.project(&[back.id, gone.id]).await.expect("marked");
    index::refresh(engine, engine.alias()).await.expect("refreshed");
    products::insert(&projection.mongo, &back, &shop::changed(&back)).await.expect("inserted");
    let later = Timestamp::now() + SignedDuration::from_hours(2);
    assert_eq!(sweep::run(&projection, later).await.expect("swept"), 1);
    assert_eq!(document(engine, &gone.id.to_string()).await, None);
    projection.project(&[back.id]).await.expect("written");
    let written = document(engine, &back.id.to_string()).await.expect("a document");
    assert_eq!(written["title"], "Back");
}

#[tokio::test]
async fn another_api_process_drops_its_copy() {
    let scope = Scope::new().await;
    let shop = Shop::start(&scope).await;
    let (first, second) =
        (api::start(api::api_settings(&scope)).await, api::start(api::api_settings(&scope)).await);
    let (here, there) = (Client::new(&first), Client::new(&second));
    let made = here.post(VENDOR, "/products", "k", &draft("Old name")).await.expect(201);
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    let mut etag = made.header("etag").to_owned();
    for name in ["Second name", "Third name", "Fourth name"] {
        there.get(Who::Nobody, &path).await.expect(200);
        etag = here
            .patch(VENDOR, &path, &etag, &json!({"title": name}))
            .await
            .expect(200)
            .header("etag")
            .to_owned();
        assert_eq!(
            here.get(Who::Nobody, &path).await.expect(200).body["title"],
            name,
            "a writer sees its own write"
        );
        wait::until("the other process shows the change", DEADLINE, async || {
            (there.get(Who::Nobody, &path).await.expect(200).body["title"] == name).then_some(())
        })
        .await;
        assert_eq!(
            there.get(Who::Nobody, &path).await.expect(200).body["title"],
            name,
            "and never the old one again"
        );
    }
    first.stop().await.expect("stops");
    second.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn one_trace_goes_from_the_request_into_the_event() {
    support::telemetry();
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let trace = format!("{:032x}", Uuid::new_v4().as_u128());
    let request = client
        .request(Method::POST, VENDOR, "/products")
        .header("idempotency-key", "k")
        .header("x-request-id", "request-7")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&draft("Traced"));
    send(request).await.expect(201);
    let stop = tokio_util::sync::CancellationToken::new();
    let relay = tokio::spawn({
        let (amqp, stop) = (scope.amqp.clone(), stop.clone());
        async move { ingest::relay::mongo_outbox::run(&mongo, &amqp, &stop).await }
    });
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let mut consumer = broker.consume(DurableQueue::SearchIndexer, 1).await.expect("a consumer");
    let delivery =
        tokio::time::timeout(DEADLINE, consumer.next()).await.expect("in time").expect("connected");
    let event = delivery.event().expect("well-formed");
    assert_eq!(
        event.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)),
        Some(trace.as_str())
    );
    assert_eq!(event.actor, "role:vendor");
    assert_eq!(event.causeid.as_deref(), Some("request-7"));
    delivery.done().await.expect("acknowledged");
    stop.cancel();
    relay.await.expect("the relay stops");
    api.stop().await.expect("stops");
}
