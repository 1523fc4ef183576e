//! What consumers give up: kept with its reason, listed, sent again, and never in the way of the next message.

use std::time::Duration;

use domain::event::CloudEvent;
use domain::ids::uuid_v7;
use jiff::{SignedDuration, Timestamp};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::amqp::broker::Broker;
use store::amqp::consumer::{Consumer, Delivery};
use store::amqp::dead_letter::DeadLetter;
use store::amqp::publisher::BODY_BYTES_MAX;
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::pg::dead_letters::{self, DeadLetterFilter, DeadLetterState, KeptLetter};
use store::pg::pool::PgPools;
use store::pg::transaction;
use store::redrive::{Redriven, redrive};
use store::settings::AmqpSettings;
use support::api::{self, Client, Shop, Who, send};
use support::{Scope, shop, wait};
use tokio_postgres::Client as Postgres;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(60);
const ADMIN: Who = Who::Role("admin");
const PATH: &str = "/admin/dead-letters";

/// Does something while the worker moves what is dead-lettered.
async fn with_worker<T>(scope: &Scope, work: impl AsyncFnOnce() -> T) -> T {
    let (pools, stop) = (scope.pools(), CancellationToken::new());
    let worker = worker::dead_letters::run(&pools, &scope.amqp, &stop);
    let work = Box::pin(async {
        let done = work().await;
        stop.cancel();
        done
    });
    tokio::join!(worker, work).1
}

/// A message straight into a queue, as no program of ours would send it.
async fn publish_raw(scope: &Scope, queue: DurableQueue, body: &[u8]) {
    let url = scope.amqp.url.expose_secret();
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm = channel
        .basic_publish("".into(), queue.name().into(), options, body, properties)
        .await
        .expect("published");
    let confirmation = confirm.await.expect("confirmed");
    assert!(confirmation.is_ack() && confirmation.take_message().is_none(), "the queue has it");
}

async fn letters(postgres: &Postgres) -> Vec<KeptLetter> {
    dead_letters::list(postgres, &DeadLetterFilter::default(), None, 100).await.expect("a list")
}

async fn until_kept(postgres: &Postgres, count: usize) -> Vec<KeptLetter> {
    wait::until("dead letters are kept", DEADLINE, async || {
        let kept = letters(postgres).await;
        (kept.len() == count).then_some(kept)
    })
    .await
}

async fn next(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(DEADLINE, consumer.next()).await.expect("in time").expect("connected")
}

#[tokio::test]
async fn what_a_consumer_cannot_use_is_kept_and_the_next_message_is_consumed() {
    let scope = Scope::new().await;
    let queue = DurableQueue::SearchIndexer;
    Broker::connect(&scope.amqp).await.expect("declared").close().await;
    let postgres = scope.primary().await;
    let good = shop::changed(&shop::product("Unknown")).to_cloud_event();
    let unknown = CloudEvent { event_type: "cart.abandoned.v9".to_owned(), ..good };
    publish_raw(&scope, queue, b"{no event").await;
    publish_raw(&scope, queue, &serde_json::to_vec(&unknown).expect("JSON")).await;
    publish_raw(&scope, queue, "x".repeat(10_000_000).as_bytes()).await;

    let shop = Shop::start(&scope).await;
    let running = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&running);
    let kept = with_worker(&scope, async || {
        let draft = json!({
            "title": "Striped pullover", "status": "active", "category": "apparel/shirts",
            "variants": [{"sku": "PULLOVER", "price": {"amount_minor": 2500, "currency": "GBP"}}],
        });
        client.post(ADMIN, "/products", "k", &draft).await.expect(201);
        wait::until("the next message is consumed", DEADLINE, async || {
            let found = client.get(Who::Nobody, "/search?q=pullover").await;
            let hits = found.body["data"].as_array().map_or(0, Vec::len);
            (found.is_of_index() && hits == 1).then_some(())
        })
        .await;
        until_kept(&postgres, 3).await
    })
    .await;
    for letter in &kept {
        assert_eq!((letter.queue.as_str(), letter.reason.as_str()), (queue.name(), "rejected"));
        assert_eq!(letter.state, DeadLetterState::Waiting);
    }
    let of_size = |bytes: usize| {
        let found = kept.iter().find(|letter| letter.body_bytes == i64::try_from(bytes).expect("small"));
        found.unwrap_or_else(|| panic!("none of {bytes} bytes: {kept:?}"))
    };
    assert_eq!(of_size(9).event_type, None);
    let (large, body) =
        dead_letters::find(&postgres, of_size(10_000_000).id).await.expect("read").expect("there");
    assert_eq!((large.is_cut, body.len()), (true, BODY_BYTES_MAX));
    let unknown_bytes = serde_json::to_vec(&unknown).expect("JSON").len();
    assert_eq!(of_size(unknown_bytes).event_type.as_deref(), Some("cart.abandoned.v9"));
    assert_eq!(of_size(unknown_bytes).event_id, Some(unknown.id.to_string()));
    running.stop().await.expect("stops");
    shop.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_sent_again_and_may_die_again() {
    let scope = Scope::new().await;
    let (pools, postgres) = (scope.pools(), scope.primary().await);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let mut indexer = broker.consume(DurableQueue::SearchIndexer, 1).await.expect("a consumer");
    let event = shop::changed(&shop::product("Poison")).to_cloud_event();
    publisher.publish_to(DurableQueue::SearchIndexer, &[&event]).await.expect("confirmed");
    with_worker(&scope, async || {
        next(&mut indexer).await.fail().await.expect("refused");
        let first = until_kept(&postgres, 1).await.remove(0);
        assert_eq!(first.event_id, Some(event.id.to_string()));
        assert_eq!((first.subject.as_deref(), first.redriven_from), (Some(event.subject.as_str()), None));
        let send = async |ids: &[Uuid]| redrive(&pools, &publisher, ids, "operator").await.expect("sent");
        let nobody = Uuid::max();
        assert_eq!(
            send(&[nobody, first.id]).await,
            [(first.id, Redriven::Sent), (nobody, Redriven::NotFound)]
        );
        next(&mut indexer).await.fail().await.expect("refused");
        let second = until_kept(&postgres, 2).await.remove(0);
        assert_eq!((second.redriven_from, second.state), (Some(first.id), DeadLetterState::Waiting));
        assert_eq!(send(&[first.id]).await, [(first.id, Redriven::NotWaiting)]);
        assert_eq!(send(&[second.id]).await, [(second.id, Redriven::Sent)]);
        let delivery = next(&mut indexer).await;
        assert_eq!(delivery.event().expect("an event"), event);
        delivery.done().await.expect("acknowledged");
        let steps = dead_letters::steps(&postgres, second.id).await.expect("steps");
        let steps: Vec<_> = steps.iter().map(|step| (step.step.as_str(), step.actor.as_str())).collect();
        assert_eq!(steps, [("arrived", "system:worker"), ("redriven", "operator")]);
    })
    .await;
    insert(&pools, &letter(DurableQueue::Analytics, 1)).await;
    let later = Timestamp::now() + SignedDuration::from_hours(31 * 24);
    worker::expiry::expire(&pools, later).await.expect("expired");
    let left = letters(&postgres).await;
    assert_eq!(left.len(), 1, "one that waits is never deleted: {left:?}");
    assert_eq!(left[0].queue, "analytics");
}

#[tokio::test]
async fn texts_that_postgresql_cannot_hold_lose_nothing_but_the_zero() {
    let scope = Scope::new().await;
    let postgres = scope.primary().await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let mut analytics = broker.consume(DurableQueue::Analytics, 1).await.expect("a consumer");
    let good = shop::changed(&shop::product("Zero")).to_cloud_event();
    let odd = CloudEvent { subject: "product/a\0b".to_owned(), event_type: "\0".repeat(1_000), ..good };
    let bytes = serde_json::to_vec(&odd).expect("JSON");
    with_worker(&scope, async || {
        publish_raw(&scope, DurableQueue::Analytics, &bytes).await;
        next(&mut analytics).await.fail().await.expect("refused");
        let kept = until_kept(&postgres, 1).await.remove(0);
        assert_eq!(kept.subject.as_deref(), Some("product/a\u{fffd}b"));
        let (_, body) = dead_letters::find(&postgres, kept.id).await.expect("read").expect("there");
        assert_eq!(body, bytes);
    })
    .await;
}

fn letter(queue: DurableQueue, number: u8) -> DeadLetter {
    let at = Timestamp::from_second(1_790_000_000 + i64::from(number)).expect("a time");
    DeadLetter {
        id: uuid_v7(at, [number; 10]),
        queue,
        fingerprint: [number; 32],
        event_id: Some(format!("event-{number}")),
        event_type: Some("orders.imported.v1".to_owned()),
        subject: Some("import_run/1".to_owned()),
        body: b"{\"number\": 1}".to_vec(),
        body_bytes: 13,
        reason: "rejected".to_owned(),
        death_count: 1,
        died_at: at,
        arrived_at: at,
        redriven_from: None,
    }
}

async fn insert(pools: &PgPools, letter: &DeadLetter) -> bool {
    let inserted: Result<bool, StoreError> =
        transaction::run(pools, "test", async |transaction| dead_letters::insert(transaction, letter).await)
            .await;
    inserted.expect("committed")
}

fn ids(page: &Value) -> Vec<&str> {
    page["data"].as_array().expect("data").iter().map(|row| row["id"].as_str().expect("an id")).collect()
}

/// Two of the analytics' queue, one of them cut, and one of webhooks.
async fn three(scope: &Scope) -> [DeadLetter; 3] {
    let cut = DeadLetter { body_bytes: 5_000_000, ..letter(DurableQueue::Analytics, 2) };
    let three = [letter(DurableQueue::Analytics, 1), cut, letter(DurableQueue::Webhooks(3), 3)];
    let pools = scope.pools();
    for letter in &three {
        assert!(insert(&pools, letter).await);
        assert!(!insert(&pools, letter).await, "the same death is kept once");
    }
    three
}

#[tokio::test]
async fn dead_letters_are_listed_and_shown() {
    let scope = Scope::new().await;
    let [whole, cut, webhook] = three(&scope).await.map(|letter| letter.id.to_string());
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let list = async |query: &str| client.get(ADMIN, &format!("{PATH}{query}")).await;
    assert_eq!(ids(&list("").await.expect(200).body), [&webhook, &cut, &whole]);
    assert_eq!(ids(&list("?queue=analytics&state=waiting").await.expect(200).body), [&cut, &whole]);
    assert!(ids(&list("?state=dropped").await.expect(200).body).is_empty());
    let first = list("?queue=analytics&limit=1").await.expect(200).body;
    assert_eq!(ids(&first), [&cut]);
    let cursor = first["page"]["next_cursor"].as_str().expect("another page");
    let second = list(&format!("?queue=analytics&limit=1&cursor={cursor}")).await.expect(200).body;
    assert_eq!(ids(&second), [&whole]);
    assert!(second["page"]["next_cursor"].is_null());
    list(&format!("?cursor={cursor}")).await.expect_problem(400, "invalid_cursor");
    for wrong in ["?state=gone", "?queue=nowhere", "?limit=101", "?colour=red"] {
        list(wrong).await.expect_problem(400, "invalid_field");
    }

    let shown = list(&format!("/{cut}")).await.expect(200).body;
    assert_eq!((&shown["is_cut"], &shown["body_bytes"]), (&json!(true), &json!(5_000_000)));
    assert_eq!((&shown["body"], &shown["reason"]), (&json!("{\"number\": 1}"), &json!("rejected")));
    assert_eq!(shown["steps"][0]["step"], "arrived");
    for unknown in [Uuid::now_v7().to_string(), "47".to_owned()] {
        list(&format!("/{unknown}")).await.expect_problem(404, "not_found");
    }
    for path in [PATH.to_owned(), format!("{PATH}/{cut}")] {
        client.get(Who::Nobody, &path).await.expect_problem(401, "authentication_required");
        for role in ["vendor", "analyst", "merchandiser", "shopper"] {
            client.get(Who::Role(role), &path).await.expect_problem(403, "permission_denied");
        }
    }
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn dead_letters_are_sent_again_over_http() {
    let scope = Scope::new().await;
    let [whole, cut, webhook] = three(&scope).await.map(|letter| letter.id);
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let path = format!("{PATH}/redrive");
    let ask = async |who: Who, body: Value| send(client.request(Method::POST, who, &path).json(&body)).await;
    let good = json!({"ids": [whole]});
    ask(Who::Nobody, good.clone()).await.expect_problem(401, "authentication_required");
    ask(Who::Role("vendor"), good.clone()).await.expect_problem(403, "permission_denied");
    let wrong = [
        json!({}),
        json!({"ids": []}),
        json!({"ids": ["47"]}),
        json!({"ids": [whole], "queue": "analytics"}),
        json!({"queue": "nowhere"}),
        json!({"all": true}),
    ];
    for body in wrong {
        ask(ADMIN, body).await.expect_problem(400, "invalid_field");
    }
    let too_many = json!({"ids": vec![whole; 1_001]});
    ask(ADMIN, too_many).await.expect_problem(400, "body_too_complex");
    let text = client.request(Method::POST, ADMIN, &path).header("content-type", "text/plain").body("x");
    send(text).await.expect_problem(415, "unsupported_media_type");

    let nobody = Uuid::max();
    let some = ask(ADMIN, json!({"ids": [webhook, cut, nobody]})).await.expect(200).body;
    let expected = json!({"redriven": 1, "data": [
        {"id": cut, "result": "cut"},
        {"id": webhook, "result": "redriven"},
        {"id": nobody, "result": "not_found"},
    ]});
    assert_eq!(some, expected);
    let queue = ask(ADMIN, json!({"queue": "analytics"})).await.expect(200).body;
    assert_eq!(queue, json!({"redriven": 1, "data": [{"id": whole, "result": "redriven"}]}));
    let again = ask(ADMIN, json!({"queue": "analytics"})).await.expect(200).body;
    assert_eq!(again, json!({"redriven": 0, "data": []}));
    let shown = client.get(ADMIN, &format!("{PATH}/{whole}")).await.expect(200).body;
    assert_eq!((&shown["state"], &shown["steps"][1]["actor"]), (&json!("redriven"), &json!("role:admin")));

    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    for queue in [DurableQueue::Analytics, DurableQueue::Webhooks(3)] {
        let mut consumer = broker.consume(queue, 10).await.expect("a consumer");
        let delivery = next(&mut consumer).await;
        assert!(delivery.event().is_err(), "the body as it was");
        delivery.done().await.expect("acknowledged");
    }
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn without_a_broker_nothing_is_sent_and_nothing_is_lost() {
    let scope = Scope::new().await;
    let [whole, ..] = three(&scope).await.map(|letter| letter.id);
    let mut settings = api::api_settings(&scope);
    settings.amqp = AmqpSettings { url: "amqp://nobody:nothing@127.0.0.1:1/shop".to_owned().into() };
    let api = api::start(settings).await;
    let client = Client::new(&api);
    let body = json!({"ids": [whole]});
    client.post(ADMIN, &format!("{PATH}/redrive"), "k", &body).await.expect_problem(503, "unavailable");
    let shown = client.get(ADMIN, &format!("{PATH}/{whole}")).await.expect(200).body;
    assert_eq!(shown["state"], "waiting");
    api.stop().await.expect("stops");
}
