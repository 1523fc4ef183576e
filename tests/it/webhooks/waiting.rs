//! What waits for endpoints: whose turn it is, when it ends, and how it is dropped.

use domain::event::Event;
use domain::webhook::endpoint::DisabledReason;
use domain::webhook::schedule::Verdict;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use store::amqp::broker::Broker;
use store::error::StoreError;
use store::pg::pool::PgPools;
use store::pg::transaction;
use store::pg::webhooks::lanes::{self, Finished, LeaseLimits, LeasedDelivery};
use store::pg::webhooks::sweep;
use support::api::send;
use support::wait;

use super::house::{ADMIN, House, WAIT, local, text, versions};
use super::receiver::{Receiver, reply};

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1024/";

async fn lease(pools: &PgPools, lanes: i64) -> Vec<LeasedDelivery> {
    let limits = LeaseLimits { lanes, lanes_of_endpoint: 4, lease_ms: 60_000 };
    let leased: Result<_, StoreError> =
        transaction::run(pools, "test", async |transaction| lanes::lease(transaction, limits).await).await;
    leased.expect("asked")
}

async fn finish(pools: &PgPools, leased: &LeasedDelivery, verdict: Verdict, disable: DisabledReason) {
    let finished = Finished {
        at: Timestamp::now(),
        status: Some(500),
        error: None,
        duration_ms: 1,
        verdict,
        disable: Some(disable),
    };
    let recorded: Result<_, StoreError> = transaction::run(pools, "test", async |transaction| {
        lanes::finish(transaction, leased, &finished).await
    })
    .await;
    assert!(recorded.expect("asked"));
}

fn count_of(leased: &[LeasedDelivery], endpoint: &str) -> usize {
    leased.iter().filter(|delivery| delivery.endpoint.to_string() == endpoint).count()
}

#[tokio::test]
async fn who_has_the_fewest_under_way_comes_first() {
    let house = House::start().await;
    let (early, late) = (house.add(NOWHERE, &[]).await, house.add(NOWHERE, &[]).await);
    let (early, late) = (text(&early.body["id"]), text(&late.body["id"]));
    let events: Vec<Event> = (0..4).flat_map(|_| versions(1)).collect();
    house.take(&events.iter().collect::<Vec<_>>()).await;
    let change = "UPDATE webhook_lanes SET next_attempt_at = now() - interval '1 hour' WHERE endpoint_id";
    house.change_rows(&format!("{change} = '{early}'")).await;
    let pools = house.scope.pools();
    for lanes in [2, 4] {
        let leased = lease(&pools, lanes).await;
        assert_eq!(
            (count_of(&leased, early), count_of(&leased, late)),
            if lanes == 2 { (1, 1) } else { (2, 2) }
        );
    }
    house.change_rows("UPDATE webhook_lanes SET leased_until = '-infinity'").await;
    let fails = "UPDATE webhook_endpoints SET failing_since = now() WHERE id";
    house.change_rows(&format!("{fails} = '{early}'")).await;
    let leased = lease(&pools, 8).await;
    assert_eq!((count_of(&leased, early), count_of(&leased, late)), (1, 4), "who fails has one at a time");
    house.stop().await;
}

#[tokio::test]
async fn who_has_recovered_or_moved_is_not_disabled() {
    let house = House::start().await;
    let made = house.add(NOWHERE, &[]).await;
    let id = text(&made.body["id"]);
    house.take(&[&versions(1)[0]]).await;
    house.change_rows("UPDATE webhook_endpoints SET failing_since = now() - interval '6 days'").await;
    let pools = house.scope.pools();
    let leased = lease(&pools, 1).await;
    house.change_rows("UPDATE webhook_endpoints SET failing_since = NULL").await;
    let retry = Verdict::Retry(SignedDuration::ZERO);
    finish(&pools, &leased[0], retry, DisabledReason::Failing).await;
    let failing = house.endpoint(id).await;
    assert_eq!(
        (&failing.body["state"], failing.body["failing_since"].is_string()),
        (&json!("enabled"), true)
    );

    let leased = lease(&pools, 1).await;
    let (path, moved) = (format!("/webhooks/{id}"), json!({"url": "http://127.0.0.1:1024/new"}));
    let moved = house.client.patch(ADMIN, &path, failing.header("etag"), &moved).await.expect(200);
    assert_eq!(moved.body["failing_since"], Value::Null);
    finish(&pools, &leased[0], Verdict::Gone, DisabledReason::Gone).await;
    assert_eq!(house.endpoint(id).await.body["state"], "enabled", "the other address is gone");
    house.stop().await;
}

#[tokio::test]
async fn a_long_lane_is_dropped_piece_by_piece() {
    let house = House::start().await;
    let made = house.add(NOWHERE, &[]).await;
    let id = text(&made.body["id"]);
    let events = versions(5);
    house.take(&events.iter().collect::<Vec<_>>()).await;
    let pools = house.scope.pools();
    let disable = async |most| -> Result<_, StoreError> {
        transaction::run(&pools, "test", async |transaction| {
            sweep::disable_overfull(transaction, most, Timestamp::now()).await
        })
        .await
    };
    assert_eq!((disable(5).await.expect("asked"), disable(4).await.expect("asked")), (0, 1));
    assert_eq!(house.endpoint(id).await.body["disabled_reason"], "overfull");
    for expected in [2, 2, 2, 0] {
        let dropped: Result<_, StoreError> = transaction::run(&pools, "test", async |transaction| {
            sweep::drop_of_disabled(transaction, 10, 2).await
        })
        .await;
        assert_eq!(dropped.expect("asked"), expected, "the last delivery goes with its lane");
    }
    house.until(id, &["dropped"; 5]).await;
    house.stop().await;
}

#[tokio::test]
async fn a_delivery_that_waited_behind_others_has_no_schedule_of_its_own() {
    let receiver = Receiver::start(|_, _| reply(500, "")).await;
    let house = House::start().await;
    let made = house.add(&receiver.url("/"), &[]).await;
    let id = text(&made.body["id"]);
    let events = versions(2);
    house.take(&[&events[0], &events[1]]).await;
    let begin = "UPDATE webhook_deliveries SET schedule_began_at = now() - interval '4 days'";
    house.change_rows(&format!("{begin} WHERE aggregate_version = 1")).await;
    let deliveries =
        house.with_worker(local(), async { house.until(id, &["pending", "failed"]).await }).await;
    assert_eq!(deliveries[1]["attempt_count"], 1);

    let path = format!("/webhooks/{id}/deliveries/{}/retry", text(&deliveries[1]["id"]));
    let again = async || {
        let request = house.client.request(Method::POST, ADMIN, &path);
        send(request.header("idempotency-key", "again")).await.expect(202)
    };
    let pending = again().await;
    let tried_anew = wait::until("it has another schedule", WAIT, async || {
        let deliveries = house.deliveries(id).await;
        (deliveries[1]["attempt_count"] == 2).then(|| deliveries[1].clone())
    });
    assert_eq!(house.with_worker(local(), tried_anew).await["state"], "pending");
    assert_eq!(again().await.body, pending.body, "a repeat is answered, and asks for nothing");
    send(house.client.request(Method::POST, ADMIN, &path))
        .await
        .expect_problem(400, "idempotency_key_required");
    house.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_read_stops_no_other() {
    let receiver = Receiver::start(|_, _| reply(200, "")).await;
    let house = House::start().await;
    let (broken, whole) =
        (house.add(&receiver.url("/"), &[]).await, house.add(&receiver.url("/"), &[]).await);
    let (broken, whole) = (text(&broken.body["id"]), text(&whole.body["id"]));
    house
        .change_rows(&format!(
            "UPDATE webhook_endpoints SET secret = 'odd', previous_secret = 'old', \
             previous_until = now() - interval '1 second' WHERE id = '{broken}'"
        ))
        .await;
    house.take(&[&versions(1)[0]]).await;
    house.with_worker(local(), async { house.until(whole, &["delivered"]).await }).await;
    assert_eq!(house.deliveries(broken).await[0]["state"], "pending");
    let pools = house.scope.pools();
    worker::webhooks::sweep::sweep(&pools).await.expect("swept");
    let kept = "SELECT count(*) FROM webhook_endpoints WHERE previous_secret IS NOT NULL";
    let kept: i64 = house.scope.primary().await.query_one(kept, &[]).await.expect("a count").get(0);
    assert_eq!(kept, 0, "a secret that signs no longer is forgotten");
    house.stop().await;
}

#[tokio::test]
async fn an_event_of_a_newer_type_is_delivered() {
    let receiver = Receiver::start(|_, _| reply(200, "")).await;
    let house = House::start().await;
    let made = house.add(&receiver.url("/"), &[]).await;
    let id = text(&made.body["id"]);
    let mut event = versions(1)[0].to_cloud_event();
    event.event_type = "product.renamed.v7".into();
    let broker = Broker::connect(&house.scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    assert_eq!(publisher.publish(&[&event]).await.expect("confirmed"), [true]);
    broker.close().await;
    let deliveries = house.with_worker(local(), async { house.until(id, &["delivered"]).await }).await;
    assert_eq!(deliveries[0]["event_type"], "product.renamed.v7");
    house.stop().await;
}
