//! The walk of a product change: from the request through outbox, broker and indexer to the search, and to the caches
//! of another API process.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use store::amqp::broker::Broker;
use store::amqp::topology::DurableQueue;
use support::api::{self, Client, Shop, Who, send};
use support::{Scope, wait};
use uuid::Uuid;

const VENDOR: Who = Who::Role("vendor");
/// Longer than a search result is kept when the first indexing of a fresh index takes more than two seconds.
const DEADLINE: Duration = Duration::from_secs(60);

fn draft(title: &str) -> serde_json::Value {
    let sku = format!("S-{}", Uuid::new_v4().simple());
    json!({
        "title": title, "status": "active", "brand": "Acme", "category": "apparel/shirts",
        "variants": [{"sku": sku, "price": {"amount_minor": 2500, "currency": "GBP"}}]
    })
}

async fn until_search_has(client: &Client, query: &str, count: usize) -> serde_json::Value {
    wait::until(&format!("{count} hits of {query}"), DEADLINE, async || {
        let answer = client.get(Who::Nobody, &format!("/search?{query}")).await;
        let hits = answer.body["data"].as_array().map_or(usize::MAX, Vec::len);
        (answer.status == 200 && hits == count).then_some(answer.body)
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
