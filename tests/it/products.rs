//! Products over HTTP: made once under a key, changed under an entity tag, listed without gaps.

use reqwest::Method;
use serde_json::{Value, json};
use support::Scope;
use support::api::{self, Answer, Client, Who, send};
use uuid::Uuid;

const VENDOR: Who = Who::Role("vendor");

fn draft(title: &str) -> Value {
    let sku = |letter: &str| format!("{letter}-{}", Uuid::new_v4().simple());
    json!({
        "title": title, "status": "active", "category": "apparel/shirts", "attributes": {"colour": "blue"},
        "variants": [
            {"sku": sku("A"), "options": {"size": "M"}, "price": {"amount_minor": 1999, "currency": "GBP"}},
            {"sku": sku("B")}
        ]
    })
}

async fn create(client: &Client, body: &Value) -> Answer {
    client.post(VENDOR, "/products", &Uuid::new_v4().to_string(), body).await.expect(201)
}

#[tokio::test]
async fn a_product_is_made_once_under_its_key() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let body = draft("Blue shirt");
    let first = client.post(VENDOR, "/products", "key-1", &body).await.expect(201);
    let repeat = client.post(VENDOR, "/products", "key-1", &body).await.expect(201);
    assert_eq!(first.body, repeat.body);
    assert_eq!(first.header("location"), repeat.header("location"));
    assert_eq!(first.header("etag"), repeat.header("etag"));
    client
        .post(VENDOR, "/products", "key-1", &draft("Red shirt"))
        .await
        .expect_problem(422, "idempotency_key_reused");
    let other_caller =
        client.post(Who::Role("admin"), "/products", "key-1", &draft("Red shirt")).await.expect(201);
    assert_ne!(other_caller.body["id"], first.body["id"]);
    let missing = client.request(Method::POST, VENDOR, "/products").json(&body);
    send(missing).await.expect_problem(400, "idempotency_key_required");
    let refused = client.post(VENDOR, "/products", "key-2", &json!({"title": "x", "variants": []})).await;
    refused.expect(400);
    client.post(VENDOR, "/products", "key-2", &draft("Free again")).await.expect(201);
    let list = client.get(Who::Nobody, "/products").await.expect(200);
    assert_eq!(list.body["data"].as_array().expect("products").len(), 3);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn ten_copies_of_a_request_make_one_product() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let body = draft("Once");
    let copies = (0..10).map(|_| client.post(VENDOR, "/products", "same", &body));
    let answers = futures_util::future::join_all(copies).await;
    let ids: std::collections::HashSet<_> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.body["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 409), "{answers:?}");
    let list = client.get(Who::Nobody, "/products").await.expect(200);
    assert_eq!(list.body["data"].as_array().expect("products").len(), 1);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_product_is_read_by_id_and_slug_and_not_sent_twice() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let made = create(&client, &draft("Blue shirt")).await;
    let id = made.body["id"].as_str().expect("an id");
    let by_id = client.get(Who::Nobody, &format!("/products/{id}")).await.expect(200);
    let slug = by_id.body["slug"].as_str().expect("a slug").to_owned();
    let by_slug = client.get(Who::Nobody, &format!("/products/{slug}")).await.expect(200);
    assert_eq!(by_id.body, by_slug.body);
    assert_eq!(by_id.body["variants"][0]["available"], true);
    assert_eq!(by_id.body["variants"][1]["available"], false);
    assert_eq!(by_id.body["variants"][1]["price"], Value::Null);
    let again = client
        .request(Method::GET, Who::Nobody, &format!("/products/{id}"))
        .header("if-none-match", by_id.header("etag"));
    send(again).await.expect(304);
    client.get(Who::Nobody, &format!("/products/{}", Uuid::new_v4())).await.expect_problem(404, "not_found");
    client.get(Who::Nobody, "/products/no-such-shirt").await.expect_problem(404, "not_found");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_draft_is_seen_by_staff_only() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let mut body = draft("Secret shirt");
    body["status"] = json!("draft");
    let made = create(&client, &body).await;
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    client.get(Who::Nobody, &path).await.expect_problem(404, "not_found");
    client.get(Who::Role("shopper"), &path).await.expect_problem(404, "not_found");
    client.get(VENDOR, &path).await.expect(200);
    let listed = client.get(Who::Nobody, "/products").await.expect(200);
    assert_eq!(listed.body["data"], json!([]));
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_change_needs_the_present_version() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let made = create(&client, &draft("Blue shirt")).await;
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    let change = json!({"title": "Green shirt"});
    send(client.request(Method::PATCH, VENDOR, &path).json(&change))
        .await
        .expect_problem(428, "precondition_required");
    let changed = client.patch(VENDOR, &path, made.header("etag"), &change).await.expect(200);
    assert_eq!(changed.body["version"], 2);
    assert_ne!(changed.header("etag"), made.header("etag"));
    client
        .patch(VENDOR, &path, made.header("etag"), &change)
        .await
        .expect_problem(412, "precondition_failed");
    let read = client.get(Who::Nobody, &path).await.expect(200);
    assert_eq!(read.body["title"], "Green shirt");
    let wrong =
        client.patch(VENDOR, &path, changed.header("etag"), &json!({"title": "", "category": "A b"})).await;
    let pointers: Vec<_> =
        wrong.body["errors"].as_array().expect("errors").iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/title", "/category"]);
    wrong.expect(400);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn every_door_asks_who_is_there() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let body = draft("Blue shirt");
    let doors = [("POST", "/products"), ("PATCH", "/products/x"), ("GET", "/orders"), ("GET", "/orders/x")];
    for (method, path) in doors {
        for who in [Who::Nobody, Who::Stranger] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let answer = send(
                client
                    .request(method, who, path)
                    .header("idempotency-key", "k")
                    .header("if-match", "\"1\"")
                    .json(&body),
            )
            .await;
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
            answer.expect(401);
        }
    }
    let reports = "/analytics/daily-sales?from=2011-01-01&to=2011-01-02&channel=shop";
    client.get(Who::Nobody, reports).await.expect(401);
    for role in ["shopper", "merchandiser"] {
        client.get(Who::Role(role), reports).await.expect_problem(403, "permission_denied");
        client.post(Who::Role(role), "/products", "k", &body).await.expect_problem(403, "permission_denied");
    }
    client.post(Who::Role("analyst"), "/products", "k", &body).await.expect_problem(403, "permission_denied");
    client.get(Who::Role("analyst"), reports).await.expect(200);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn pages_have_no_gap_and_no_repeat() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for number in 0..7 {
        create(&client, &draft(&format!("Shirt {number}"))).await;
    }
    let mut seen = std::collections::HashSet::new();
    let mut path = "/products?limit=3&category=apparel".to_owned();
    let mut pages = 0;
    loop {
        let page = client.get(Who::Nobody, &path).await.expect(200);
        pages += 1;
        for product in page.body["data"].as_array().expect("products") {
            assert!(seen.insert(product["id"].to_string()), "a repeat");
        }
        let Some(cursor) = page.body["page"]["next_cursor"].as_str() else { break };
        path = format!("/products?limit=3&category=apparel&cursor={cursor}");
        client
            .get(Who::Nobody, &format!("/products?limit=3&category=toys&cursor={cursor}"))
            .await
            .expect_problem(400, "invalid_cursor");
    }
    assert_eq!((seen.len(), pages), (7, 3));
    client.get(Who::Nobody, "/products?cursor=abc").await.expect_problem(400, "invalid_cursor");
    client.get(Who::Nobody, "/products?limit=0").await.expect(400);
    client.get(Who::Nobody, "/products?limit=101").await.expect(400);
    client.get(Who::Nobody, "/products?colour=blue").await.expect(400);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_taken_slug_or_sku_is_a_conflict() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let mut body = draft("Blue shirt");
    body["slug"] = json!("blue-shirt");
    create(&client, &body).await;
    let mut other = draft("Other");
    other["slug"] = json!("blue-shirt");
    assert_eq!(
        client.post(VENDOR, "/products", "a", &other).await.expect(409).body["errors"][0]["pointer"],
        "/slug"
    );
    let mut other = draft("Other");
    other["variants"][0]["sku"] = body["variants"][0]["sku"].clone();
    client.post(VENDOR, "/products", "b", &other).await.expect(409);
    api.stop().await.expect("stops");
}
