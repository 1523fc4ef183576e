//! Outbound webhooks: once per event, signed, in order per aggregate, tried again, and never into our own network.

mod house;
mod receiver;
mod waiting;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::webhook::schedule::Verdict;
use domain::webhook::url_policy::UrlPolicy;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::error::StoreError;
use store::pg::transaction;
use store::pg::webhooks::lanes::{self, Finished, LeaseLimits};
use support::api::{self, Client, Who, send};
use support::wait;
use uuid::Uuid;

use house::{ADMIN, House, WAIT, local, subject, text, versions};
use receiver::{Received, Receiver, reply};

/// The signature by RFC 2104 and the words of Standard Webhooks, without any code of ours.
fn signature(secret: &str, request: &Received) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix")).expect("Base64");
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(&key);
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let (id, at) = (&request.headers["webhook-id"], &request.headers["webhook-timestamp"]);
    let message = format!("{id}.{at}.{}", request.body);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    format!("v1,{}", STANDARD.encode(outer))
}

#[tokio::test]
async fn an_event_is_delivered_once_and_signed() {
    let receiver = Receiver::start(|_, _| reply(204, "")).await;
    let house = House::start().await;
    let made = house.add(&receiver.url("/hook"), &["product.changed.v1"]).await;
    let (id, secret) = (text(&made.body["id"]), text(&made.body["secret"]));
    let other = house.add(&receiver.url("/other"), &["orders.imported.v1"]).await;
    let every = house.add(&receiver.url("/every"), &[]).await;
    let events = versions(2);
    let (first, second) = (&events[0], &events[1]);
    // All are about one product, so they come through one queue: what comes last is taken last.
    house.publish(&[first, first, second]).await;
    let every = text(&every.body["id"]).to_owned();
    let deliveries = house
        .with_worker(local(), async {
            house.until(&every, &["delivered"; 2]).await;
            house.until(id, &["delivered"; 2]).await
        })
        .await;
    assert!(house.deliveries(text(&other.body["id"])).await.is_empty());

    let seen = receiver.seen();
    let hooked: Vec<_> = seen.iter().filter(|request| request.path == "/hook").collect();
    assert_eq!(hooked.iter().map(|request| request.version()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(seen.len(), 4, "twice for each of the two that asked");
    for (request, event) in hooked.into_iter().zip([first, second]) {
        let header = |name: &str| request.headers[name].as_str();
        assert_eq!(header("content-type"), "application/cloudevents+json");
        assert_eq!(header("user-agent"), "Entrepot-Webhooks/1");
        assert_eq!(header("webhook-id"), event.id.to_string());
        assert_eq!(header("webhook-signature"), signature(secret, request));
        let at: i64 = header("webhook-timestamp").parse().expect("seconds");
        assert!(at >= event.time.as_second(), "the time of the request, not of the event");
        assert_eq!(request.event(), json!(event.to_cloud_event()));
    }
    let newest = &deliveries[0];
    assert_eq!((&newest["event_id"], &newest["aggregate_version"]), (&json!(second.id), &json!(2)));
    assert_eq!((&newest["attempt_count"], &newest["last_status"]), (&json!(1), &json!(204)));
    assert_eq!(
        (&newest["attempts"][0]["attempt"], &newest["attempts"][0]["error"]),
        (&json!(1), &Value::Null)
    );
    let shown = house.endpoint(id).await;
    assert!(shown.body.get("secret").is_none(), "it is shown once");
    house.stop().await;
}

#[tokio::test]
async fn a_failed_delivery_holds_back_its_aggregate_alone() {
    let (stuck, free) = (versions(2), versions(1));
    let about = subject(&stuck[0]);
    let receiver = Receiver::start({
        let about = about.clone();
        move |request: &Received, before| {
            let fails = request.is_about(&about) && request.version() == 1 && before == 0;
            reply(if fails { 500 } else { 200 }, "")
        }
    })
    .await;
    let house = House::start().await;
    let made = house.add(&receiver.url("/"), &[]).await;
    let id = text(&made.body["id"]);
    house.take(&[&stuck[0], &stuck[1], &free[0]]).await;
    let deliveries = house
        .with_worker(local(), async {
            wait::until("one is taken, one is refused", WAIT, async || {
                let deliveries = house.deliveries(id).await;
                let is_taken =
                    |found: &Value| found["state"] == "delivered" && found["subject"] != about.as_str();
                let was_tried =
                    |found: &Value| found["attempt_count"] == 1 && found["subject"] == about.as_str();
                (deliveries.iter().any(is_taken) && deliveries.iter().any(was_tried)).then_some(())
            })
            .await;
            house.change_rows("UPDATE webhook_lanes SET next_attempt_at = now() - interval '1 hour'").await;
            house.until(id, &["delivered"; 3]).await
        })
        .await;
    let seen = receiver.seen();
    let order: Vec<_> =
        seen.iter().filter(|request| request.is_about(&about)).map(Received::version).collect();
    assert_eq!(order, [1, 1, 2], "version 2 is parked until version 1 is taken");
    let tried_twice = deliveries.iter().find(|found| found["attempt_count"] == 2).expect("the first version");
    let statuses = [&tried_twice["attempts"][0]["status"], &tried_twice["attempts"][1]["status"]];
    assert_eq!(statuses, [&json!(200), &json!(500)], "the newest first");
    assert_eq!(house.endpoint(id).await.body["failing_since"], Value::Null);
    house.stop().await;
}

#[tokio::test]
async fn who_is_gone_gets_nothing_more_until_enabled() {
    let receiver = Receiver::start(|_, before| reply(if before == 0 { 410 } else { 200 }, "")).await;
    let house = House::start().await;
    let made = house.add(&receiver.url("/"), &[]).await;
    let id = text(&made.body["id"]);
    let events = versions(2);
    house.take(&[&events[0], &events[1]]).await;
    house
        .with_worker(local(), async {
            let deliveries = house.until(id, &["dropped", "failed"]).await;
            let gone = house.endpoint(id).await;
            assert_eq!(
                (&gone.body["state"], &gone.body["disabled_reason"]),
                (&json!("disabled"), &json!("gone"))
            );
            house.retry(id, &deliveries[1]).await.expect_problem(409, "webhook_disabled");
            let (path, enable) = (format!("/webhooks/{id}"), json!({"state": "enabled"}));
            let enabled = house.client.patch(ADMIN, &path, gone.header("etag"), &enable).await.expect(200);
            assert_eq!(enabled.body["disabled_reason"], Value::Null);
            let pending = house.retry(id, &deliveries[1]).await.expect(202);
            assert_eq!(pending.body["id"], deliveries[1]["id"]);
            let deliveries = house.until(id, &["dropped", "delivered"]).await;
            assert_eq!(deliveries[1]["attempt_count"], 2);
        })
        .await;
    assert_eq!(receiver.seen().len(), 2);
    house.stop().await;
}

#[tokio::test]
async fn who_fails_for_five_days_is_disabled() {
    let receiver = Receiver::start(|_, _| reply(503, "retry-after: 3600")).await;
    let house = House::start().await;
    let (tired, new) =
        (house.add(&receiver.url("/tired"), &[]).await, house.add(&receiver.url("/new"), &[]).await);
    let (tired, new) = (text(&tired.body["id"]), text(&new.body["id"]));
    house
        .change_rows(&format!(
            "UPDATE webhook_endpoints SET failing_since = now() - interval '5 days' WHERE id = '{tired}'"
        ))
        .await;
    house.take(&[&versions(1)[0]]).await;
    let (dropped, waiting) = house
        .with_worker(local(), async {
            (house.until(tired, &["dropped"]).await, house.until_tried(new, 1).await)
        })
        .await;
    let disabled = house.endpoint(tired).await.body;
    assert_eq!((&disabled["state"], &disabled["disabled_reason"]), (&json!("disabled"), &json!("failing")));
    assert_eq!(dropped[0]["attempt_count"], 1);
    let failing = house.endpoint(new).await.body;
    assert_eq!((&failing["state"], failing["failing_since"].is_string()), (&json!("enabled"), true));
    let next: Timestamp = text(&waiting["next_attempt_at"]).parse().expect("a time");
    let tried: Timestamp = text(&waiting["attempts"][0]["at"]).parse().expect("a time");
    assert!(next.duration_since(tried).as_secs() >= 3_600, "the wait that was asked for");
    house.stop().await;
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign() {
    let receiver = Receiver::start(|_, _| reply(200, "")).await;
    let house = House::start().await;
    let made = house.add(&receiver.url("/"), &[]).await;
    let (id, old) = (text(&made.body["id"]), text(&made.body["secret"]));
    let path = format!("/webhooks/{id}/secret");
    let rotate = async |key: &str| {
        let request = house.client.request(Method::POST, ADMIN, &path).header("idempotency-key", key);
        send(request).await
    };
    let rotated = rotate("turn").await.expect(201);
    assert_eq!(rotate("turn").await.expect(201).body, rotated.body, "a repeat turns no further");
    let new = text(&rotated.body["secret"]);
    assert_ne!(old, new);
    assert_eq!(house.endpoint(id).await.header("etag"), rotated.header("etag"));
    let events = versions(2);
    house
        .with_worker(local(), async {
            house.publish(&[&events[0]]).await;
            house.until(id, &["delivered"]).await;
            house
                .change_rows("UPDATE webhook_endpoints SET previous_until = now() - interval '1 second'")
                .await;
            house.publish(&[&events[1]]).await;
            house.until(id, &["delivered"; 2]).await;
        })
        .await;
    let seen = receiver.seen();
    let signed = |request: &Received| request.headers["webhook-signature"].clone();
    let both = format!("{} {}", signature(new, &seen[0]), signature(old, &seen[0]));
    assert_eq!(signed(&seen[0]), both);
    assert_eq!(signed(&seen[1]), signature(new, &seen[1]), "the old one has had its day");
    house.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_into_our_own_network() {
    let receiver = Receiver::start(|_, _| reply(302, "location: /elsewhere")).await;
    let house = House::start().await;
    let literal = house.add(&receiver.url("/literal"), &[]).await;
    let named = house.add(&receiver.url_by_name("/named"), &[]).await;
    let (literal, named) = (text(&literal.body["id"]), text(&named.body["id"]));
    house.take(&[&versions(1)[0]]).await;
    // Allowed when they were made, and no longer.
    let closed = UrlPolicy { allow_insecure: true, allow_networks: Vec::new() };
    house
        .with_worker(closed, async {
            for id in [literal, named] {
                let tried = house.until_tried(id, 1).await;
                assert_eq!((&tried["state"], &tried["last_status"]), (&json!("pending"), &Value::Null));
                assert!(text(&tried["last_error"]).contains("is not allowed"), "{tried}");
            }
        })
        .await;
    assert!(receiver.seen().is_empty());

    house.change_rows("UPDATE webhook_lanes SET next_attempt_at = now() - interval '1 hour'").await;
    house
        .with_worker(local(), async {
            wait::until("a redirect is the answer", WAIT, async || {
                let newest = house.deliveries(literal).await.into_iter().next()?;
                (newest["last_status"] == 302 && newest["state"] == "pending").then_some(())
            })
            .await;
        })
        .await;
    assert!(receiver.seen().iter().all(|request| request.path != "/elsewhere"), "a redirect is not followed");

    let mut settings = api::api_settings(&house.scope);
    settings.webhooks = UrlPolicy::default();
    let strict = api::start(settings).await;
    let client = Client::new(&strict);
    for url in [
        "http://example.com/",
        "https://127.0.0.1:9000/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://user:secret@example.com/",
        "https://example.com:25/",
        "ftp://example.com/",
        "example.com",
    ] {
        let refused =
            client.post(ADMIN, "/webhooks", &Uuid::new_v4().to_string(), &json!({"url": url})).await;
        let refused = refused.expect_problem(400, "invalid_field");
        assert_eq!(refused.body["errors"][0]["pointer"], "/url", "{url}");
    }
    strict.stop().await.expect("stops");
    house.stop().await;
}

#[tokio::test]
async fn a_sender_that_slept_through_its_lease_records_nothing() {
    let house = House::start().await;
    let made = house.add("http://127.0.0.1:1024/", &[]).await;
    let id = text(&made.body["id"]);
    house.take(&[&versions(1)[0]]).await;
    let pools = house.scope.pools();
    let lease = async |lease_ms| -> Result<_, StoreError> {
        let limits = LeaseLimits { lanes: 8, lanes_of_endpoint: 4, lease_ms };
        transaction::run(&pools, "test", async |transaction| lanes::lease(transaction, limits).await).await
    };
    let finished = Finished {
        at: Timestamp::now(),
        status: Some(200),
        error: None,
        duration_ms: 1,
        verdict: Verdict::Delivered,
        disable: None,
    };
    let finish = async |leased| -> Result<_, StoreError> {
        transaction::run(&pools, "test", async |transaction| {
            lanes::finish(transaction, leased, &finished).await
        })
        .await
    };
    let slept = lease(-1_000).await.expect("asked");
    let held = lease(60_000).await.expect("asked");
    assert_eq!((slept.len(), held.len()), (1, 1));
    assert!(lease(60_000).await.expect("asked").is_empty(), "one at a time");
    assert!(!finish(&slept[0]).await.expect("asked"));
    assert_eq!(house.deliveries(id).await[0]["state"], "pending");
    assert!(finish(&held[0]).await.expect("asked"));
    assert!(!finish(&held[0]).await.expect("asked"), "also when it is recorded twice");
    let delivery = house.deliveries(id).await.remove(0);
    assert_eq!((&delivery["state"], &delivery["attempt_count"]), (&json!("delivered"), &json!(1)));
    house.stop().await;
}

#[tokio::test]
async fn endpoints_are_made_read_changed_and_deleted() {
    let house = House::start().await;
    let client = &house.client;
    let body = json!({"url": "https://example.com/hook", "event_types": ["product.changed.v1"]});
    let made = client.post(ADMIN, "/webhooks", "one", &body).await.expect(201);
    assert_eq!(client.post(ADMIN, "/webhooks", "one", &body).await.expect(201).body, made.body);
    let other = json!({"url": "https://example.com/other"});
    client.post(ADMIN, "/webhooks", "one", &other).await.expect_problem(422, "idempotency_key_reused");
    client.post(ADMIN, "/webhooks", "two", &other).await.expect(201);
    let path = made.header("location").strip_prefix("/api/v1").expect("ours").to_owned();
    let shown = client.get(ADMIN, &path).await.expect(200);
    assert_eq!(shown.body["event_types"], body["event_types"]);
    let known = client.request(Method::GET, ADMIN, &path).header("if-none-match", shown.header("etag"));
    send(known).await.expect(304);

    let first = client.get(ADMIN, "/webhooks?limit=1").await.expect(200).body;
    let cursor = text(&first["page"]["next_cursor"]);
    let last = client.get(ADMIN, &format!("/webhooks?limit=1&cursor={cursor}")).await.expect(200).body;
    assert_eq!((&first["data"][0]["id"], &last["data"][0]["url"]), (&made.body["id"], &other["url"]));
    assert_eq!(last["page"]["next_cursor"], Value::Null);

    let change = json!({"description": "Till", "event_types": [], "state": "disabled"});
    let unconditional = client.request(Method::PATCH, ADMIN, &path).json(&change);
    send(unconditional).await.expect_problem(428, "precondition_required");
    client.patch(ADMIN, &path, "\"v9\"", &change).await.expect_problem(412, "precondition_failed");
    let changed = client.patch(ADMIN, &path, shown.header("etag"), &change).await.expect(200);
    assert_eq!((&changed.body["version"], &changed.body["disabled_reason"]), (&json!(2), &json!("manual")));
    assert_eq!(client.get(ADMIN, &path).await.expect(200).body, changed.body);
    let same = client.patch(ADMIN, &path, changed.header("etag"), &change).await.expect(200);
    assert_eq!(same.header("etag"), changed.header("etag"));

    let delete =
        |etag: &str| client.request(Method::DELETE, ADMIN, &path).header("if-match", etag.to_owned());
    send(client.request(Method::DELETE, ADMIN, &path)).await.expect_problem(428, "precondition_required");
    send(delete(shown.header("etag"))).await.expect_problem(412, "precondition_failed");
    send(delete(changed.header("etag"))).await.expect(204);
    send(delete("*")).await.expect_problem(404, "not_found");
    client.get(ADMIN, &path).await.expect_problem(404, "not_found");
    let listed = client.get(ADMIN, "/webhooks").await.expect(200).body;
    assert_eq!(listed["data"].as_array().expect("endpoints").len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_a_problem() {
    let house = House::start().await;
    let client = &house.client;
    let nowhere = Uuid::nil();
    let reads =
        ["/webhooks".to_owned(), format!("/webhooks/{nowhere}"), format!("/webhooks/{nowhere}/deliveries")];
    for path in &reads {
        client.get(Who::Nobody, path).await.expect_problem(401, "authentication_required");
        for role in ["vendor", "analyst", "merchandiser", "shopper"] {
            client.get(Who::Role(role), path).await.expect_problem(403, "permission_denied");
        }
    }
    for path in [&reads[1], &reads[2], &"/webhooks/x".to_owned()] {
        client.get(ADMIN, path).await.expect_problem(404, "not_found");
    }
    let good = json!({"url": "https://example.com/"});
    let keyless = client.request(Method::POST, ADMIN, "/webhooks").json(&good);
    send(keyless).await.expect_problem(400, "idempotency_key_required");
    for (field, body) in [
        ("/event_types/0", json!({"url": "https://example.com/", "event_types": ["cart.lost.v1"]})),
        ("/description", json!({"url": "https://example.com/", "description": "x".repeat(501)})),
        ("/secret", json!({"url": "https://example.com/", "secret": "whsec_"})),
    ] {
        let refused = client.post(ADMIN, "/webhooks", &Uuid::new_v4().to_string(), &body).await;
        let refused = refused.expect_problem(400, "invalid_field");
        assert_eq!(refused.body["errors"][0]["pointer"], field);
    }
    let made = client.post(ADMIN, "/webhooks", "good", &good).await.expect(201);
    let path = format!("/webhooks/{}", text(&made.body["id"]));
    let null = json!({"url": null});
    client.patch(ADMIN, &path, made.header("etag"), &null).await.expect_problem(400, "invalid_field");
    for query in ["state=odd", "limit=0", "order=up"] {
        let listed = client.get(ADMIN, &format!("{path}/deliveries?{query}")).await;
        listed.expect_problem(400, "invalid_field");
    }
    let listed = client.get(ADMIN, &format!("{path}/deliveries?cursor=x")).await;
    listed.expect_problem(400, "invalid_cursor");
    let empty = client.get(ADMIN, &format!("{path}/deliveries?state=failed")).await.expect(200);
    assert_eq!(empty.body["data"], json!([]));
    for delivery in [nowhere.to_string(), "x".to_owned()] {
        house.retry(text(&made.body["id"]), &json!({"id": delivery})).await.expect_problem(404, "not_found");
    }
    let post = |path: String| client.request(Method::POST, ADMIN, &path).header("idempotency-key", "k");
    send(post(format!("/webhooks/{nowhere}/secret"))).await.expect_problem(404, "not_found");
    send(client.request(Method::PUT, ADMIN, &path)).await.expect_problem(405, "method_not_allowed");

    let fill = "INSERT INTO webhook_endpoints \
                (id, url, description, event_types, secret, state, version, created_at, updated_at) \
                SELECT gen_random_uuid(), 'https://example.com/', '', '{}', '', 'enabled', 1, now(), now() \
                FROM generate_series(1, 99)";
    house.change_rows(fill).await;
    client.post(ADMIN, "/webhooks", "more", &good).await.expect_problem(409, "limit_reached");
    house.stop().await;
}
