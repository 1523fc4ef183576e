//! What shoppers do, from `POST /events` to the lake that reports read.

use std::path::Path;
use std::time::Duration;

use analytics::lake::{Lake, event};
use domain::ids::UserId;
use jiff::{Timestamp, ToSpan};
use reqwest::Method;
use serde_json::{Value, json};
use store::settings::AmqpSettings;
use support::api::{self, Answer, Client, Who, send};
use support::{Scope, wait};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SHOPPER: Who = Who::Role("shopper");
const WAIT: Duration = Duration::from_secs(30);

/// What lands events, with its stop.
struct Landing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Landing {
    fn start(root: &Path, settings: &AmqpSettings) -> Self {
        let (stop, root, settings) = (CancellationToken::new(), root.to_owned(), settings.clone());
        let token = stop.clone();
        Self { stop, task: tokio::spawn(async move { ingest::behaviour::run(root, settings, token).await }) }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(WAIT, self.task).await.expect("in time").expect("no panic");
    }
}

async fn tell(client: &Client, who: Who, body: &Value) -> Answer {
    send(client.request(Method::POST, who, "/events").json(body)).await
}

fn told(kind: &str, more: Value) -> Value {
    let mut event = json!({
        "event_id": Uuid::new_v4(),
        "occurred_at": Timestamp::now(),
        "session_id": Uuid::now_v7(),
        "kind": kind,
    });
    let fields = event.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    event
}

/// Ids and accounts of the events that reports read.
fn kept(root: &Path) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let lake = Lake::new(root);
    let days = lake.event_days("shop").expect("a lake");
    let Some(events) = lake.scan_events("shop", &days).expect("a lake") else { return Vec::new() };
    let frame = events.collect().expect("read");
    let bytes = |name: &str| -> Vec<Option<Vec<u8>>> {
        let column = frame.column(name).expect("there").binary().expect("bytes");
        column.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
    };
    let ids = bytes(event::ID).into_iter().flatten();
    let mut kept: Vec<_> = ids.zip(bytes(event::USER_ID)).collect();
    kept.sort();
    kept
}

async fn kept_until(root: &Path, count: usize) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    wait::until("the events have landed", WAIT, async || {
        let root = root.to_owned();
        let kept = tokio::task::spawn_blocking(move || kept(&root)).await.expect("read");
        (kept.len() == count).then_some(kept)
    })
    .await
}

#[tokio::test]
async fn what_is_told_is_kept_once() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let product = Uuid::now_v7();
    let view = told("view", json!({"product_id": product}));
    let experiment = json!({"id": Uuid::now_v7(), "arm": "treatment"});
    let click =
        told("click", json!({"product_id": product, "position": 3, "query": "a", "experiment": experiment}));
    let nowhere = told("click", json!({"product_id": product}));
    let odd = json!({"event_id": "me", "kind": "view"});
    let body = json!({"events": [view, nowhere, click, view, odd]});
    let answer = tell(&client, SHOPPER, &body).await.expect(202).body;
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(2), &json!(1)));
    let pointers: Vec<_> =
        answer["errors"].as_array().expect("a list").iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/events/1/position", "/events/4/event_id"]);

    // The client has not heard the answer.
    tell(&client, SHOPPER, &json!({"events": [view, click]})).await.expect(202);
    let landing = Landing::start(&scope.lake, &scope.amqp);
    let kept = kept_until(&scope.lake, 2).await;
    let shopper = UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)).0.as_bytes().to_vec();
    assert!(kept.iter().all(|(_, user)| user.as_ref() == Some(&shopper)), "the account is that of the token");
    landing.stop().await;

    // Told once more, beside what is merged by now.
    for day in lake::landing::landed(&scope.lake).expect("listed") {
        let writer = lake::behaviour::Writer::new(&scope.lake, &day.channel);
        writer.merge_day(day.day, Timestamp::now()).expect("merged");
    }
    tell(&client, Who::Nobody, &json!({"events": [view, told("checkout", json!({}))]})).await.expect(202);
    let landing = Landing::start(&scope.lake, &scope.amqp);
    kept_until(&scope.lake, 3).await;
    landing.stop().await;
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_batch_is_bounded_and_its_clock_corrected() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let checkout = || told("checkout", json!({}));
    let most: Vec<_> =
        (0..500).map(|_| told("search", json!({"query": "é".repeat(200), "results": 7}))).collect();
    let answer = tell(&client, Who::Nobody, &json!({"events": most})).await.expect(202).body;
    assert_eq!(answer["accepted"], 500);
    let more: Vec<_> = (0..501).map(|_| checkout()).collect();
    for events in [json!([]), json!(more)] {
        tell(&client, Who::Nobody, &json!({"events": events})).await.expect_problem(400, "invalid_field");
    }
    let wrong = tell(&client, Who::Nobody, &json!({"events": [told("purchase", json!({}))]})).await;
    assert_eq!(wrong.expect_problem(400, "invalid_field").body["errors"][0]["pointer"], "/events/0/order_id");
    tell(&client, Who::Nobody, &json!({"events": [checkout()], "user_id": Uuid::now_v7()}))
        .await
        .expect_problem(400, "invalid_field");

    // An hour ahead, as its own clock says.
    let ahead = Timestamp::now() + 1.hour();
    let event = told("checkout", json!({"occurred_at": ahead}));
    tell(&client, Who::Nobody, &json!({"events": [event]})).await.expect_problem(400, "invalid_field");
    let answer = tell(&client, Who::Nobody, &json!({"events": [event], "sent_at": ahead})).await.expect(202);
    assert_eq!(answer.body["accepted"], 1);
    let script = client.get_root("/events.js").await.expect(200);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn nothing_is_promised_without_the_broker() {
    let scope = Scope::new().await;
    let mut settings = api::api_settings(&scope);
    settings.amqp = AmqpSettings { url: "amqp://127.0.0.1:1/nowhere".to_owned().into() };
    let api = api::start(settings).await;
    let client = Client::new(&api);
    for _ in 0..2 {
        let body = json!({"events": [told("checkout", json!({}))]});
        tell(&client, Who::Nobody, &body).await.expect_problem(503, "unavailable");
    }
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_lake_that_takes_nothing_loses_nothing() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    // A file where the folder should be.
    let root = scope.lake.join("full");
    std::fs::write(&root, "").expect("written");
    let landing = Landing::start(&root, &scope.amqp);
    let events: Vec<_> = (0..3).map(|_| told("checkout", json!({}))).collect();
    tell(&client, Who::Nobody, &json!({"events": events})).await.expect(202);
    tokio::time::sleep(Duration::from_secs(2)).await;
    std::fs::remove_file(&root).expect("removed");
    kept_until(&root, 3).await;
    landing.stop().await;
    api.stop().await.expect("stops");
}
