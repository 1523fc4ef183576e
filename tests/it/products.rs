//! Products over HTTP: made once under a key, changed under an entity tag, listed without gaps, and never older
//! than the last change that was heard.

use std::time::Duration;

use bson::doc;
use domain::event::{CloudEvent, Event};
use domain::ids::{EventId, ProductId};
use domain::product::Product;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::amqp::broker::Broker;
use store::mongo::products::{self, ProductFilter};
use support::api::{self, Answer, Client, Shop, Who, send};
use support::{Scope, prices, shop, wait};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const VENDOR: Who = Who::Role("vendor");
/// Shorter than the life of a cached product, so that only hearing of a change can be the reason for it.
const HEARD_DEADLINE: Duration = Duration::from_secs(5);

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
async fn every_price_is_in_the_history() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let mut body = draft("Blue shirt");
    let made = create(&client, &body).await;
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    let mut tag = made.header("etag").to_owned();
    // The second time nothing is new.
    for price in [2_499, 2_499, 1_999] {
        body["variants"][0]["price"]["amount_minor"] = price.into();
        let change = json!({"variants": body["variants"]});
        let changed = client.patch(VENDOR, &path, &tag, &change).await.expect(200);
        changed.header("etag").clone_into(&mut tag);
    }
    assert_eq!(prices::history(&scope).await, [1_999, 2_499, 1_999]);
    assert_eq!(prices::told(&scope).await, [(2, 2_499), (3, 1_999)], "those that changed, with the product");
    scope.standbys_caught_up().await;
    let findings = worker::audit::audit(&scope.postgres, &scope.mongo, HEARD_DEADLINE, |_| {}).await;
    let findings = findings.expect("the checks run");
    let price = findings.iter().find(|found| found.name == "price_is_the_newest").expect("a check");
    assert_eq!((price.rows, price.violations), (1, 0));
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn every_door_asks_who_is_there() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let body = draft("Blue shirt");
    let doors = [
        ("POST", "/products"),
        ("PATCH", "/products/x"),
        ("DELETE", "/products/x"),
        ("GET", "/orders"),
        ("GET", "/orders/x"),
    ];
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

#[tokio::test]
async fn a_change_is_a_merge_patch() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let made = create(&client, &draft("Blue shirt")).await;
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    let change = json!({"attributes": {"fit": "slim"}});
    let merged = client.patch(VENDOR, &path, made.header("etag"), &change).await.expect(200);
    assert_eq!(merged.body["attributes"], json!({"colour": "blue", "fit": "slim"}));
    let repeat = client.patch(VENDOR, &path, merged.header("etag"), &change).await.expect(200);
    assert_eq!(repeat.body, merged.body, "nothing changes, also not the version");
    let change = json!({"attributes": {"colour": null, "season": null}, "category": null});
    let emptied = client.patch(VENDOR, &path, merged.header("etag"), &change).await.expect(200);
    assert_eq!(emptied.body["attributes"], json!({"fit": "slim"}));
    assert_eq!(emptied.body["category"], Value::Null);
    for field in ["title", "slug", "description", "status", "images", "variants", "attributes"] {
        let refused = client.patch(VENDOR, &path, emptied.header("etag"), &json!({field: null})).await;
        assert_eq!(refused.body["errors"][0]["pointer"], format!("/{field}"), "{}", refused.body);
        refused.expect_problem(400, "invalid_field");
    }
    let same = client.get(Who::Nobody, &path).await.expect(200);
    assert_eq!(same.header("etag"), emptied.header("etag"));
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn an_answer_says_who_may_keep_it() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let made = create(&client, &draft("Blue shirt")).await;
    let path = format!("/products/{}", made.body["id"].as_str().expect("an id"));
    let known = client.request(Method::GET, Who::Nobody, &path).header("if-none-match", made.header("etag"));
    for answer in [
        client.get(Who::Nobody, &path).await.expect(200),
        send(known).await.expect(304),
        client.get(Who::Nobody, "/products").await.expect(200),
    ] {
        assert_eq!(answer.header("cache-control"), "public, max-age=0, s-maxage=5");
        assert!(answer.header("vary").contains("authorization"));
    }
    for path in [path.as_str(), "/products", "/products?status=draft"] {
        let answer = client.get(VENDOR, path).await.expect(200);
        assert_eq!(answer.header("cache-control"), "private, no-cache", "{path}");
        assert!(answer.header("vary").contains("authorization"), "{path}");
    }
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn the_last_page_of_a_search_leads_nowhere() {
    let scope = Scope::new().await;
    let shop = Shop::start(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for number in 0..4 {
        create(&client, &draft(&format!("Shirt {number}"))).await;
    }
    let hits = |answer: &Answer| answer.body["data"].as_array().map_or(0, Vec::len);
    let all = wait::until("all are found", Duration::from_secs(60), async || {
        let answer = client.get(Who::Nobody, "/search?q=shirt&limit=4").await;
        (answer.is_of_index() && hits(&answer) == 4).then_some(answer)
    })
    .await;
    assert_eq!(all.body["page"]["next_cursor"], Value::Null);
    assert_eq!(all.header("cache-control"), "public, max-age=0, s-maxage=1");
    assert!(all.header("vary").contains("authorization"));
    let first = client.get(Who::Nobody, "/search?q=shirt&limit=2").await.expect(200);
    let cursor = first.body["page"]["next_cursor"].as_str().expect("a cursor");
    let second =
        client.get(Who::Nobody, &format!("/search?q=shirt&limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((hits(&first), hits(&second)), (2, 2));
    assert_eq!(second.body["page"]["next_cursor"], Value::Null);
    let staff = client.get(VENDOR, "/search?q=shirt").await.expect(200);
    assert_eq!(staff.header("cache-control"), "private, no-cache");
    api.stop().await.expect("stops");
    shop.stop().await;
}

/// A product that an API has cached, and that was changed since without any message about it.
async fn hidden_change(scope: &Scope, client: &Client) -> (Product, String) {
    wait::until("changes are heard", Duration::from_secs(20), async || {
        let answer = client.get_root("/health/ready").await;
        (answer.body["dependencies"]["rabbitmq"]["status"] == "ok").then_some(())
    })
    .await;
    let mongo = scope.mongo().await;
    let mut product = shop::product("Old name");
    products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    let path = format!("/products/{}", product.id);
    client.get(Who::Nobody, &path).await.expect(200);
    let before = product.clone();
    product.version = 2;
    product.title = "New name".to_owned();
    assert!(products::replace(&mongo, &before, &product, &shop::changed(&product)).await.expect("replaced"));
    assert_eq!(client.get(Who::Nobody, &path).await.expect(200).body["title"], "Old name", "it is cached");
    (product, path)
}

#[tokio::test]
async fn what_is_at_hand_but_not_stored_any_more_is_not_changed() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let (product, path) = hidden_change(&scope, &client).await;
    let tag = client.get(Who::Nobody, &path).await.expect(200).header("etag").to_owned();
    for change in [json!({"title": "Third name"}), json!({"title": "Old name"}), json!({"title": ""})] {
        let answer = client.patch(VENDOR, &path, &tag, &change).await;
        answer.expect_problem(412, "precondition_failed");
    }
    let stored = products::find(&scope.mongo().await, product.id).await.expect("answered");
    assert_eq!(stored.map(|stored| (stored.version, stored.title)), Some((2, product.title)));
    api.stop().await.expect("stops");
}

async fn until_shown(client: &Client, path: &str, title: &str) {
    wait::until("the change is shown", HEARD_DEADLINE, async || {
        (client.get(Who::Nobody, path).await.expect(200).body["title"] == title).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_of_another_shape_makes_the_caches_begin_anew() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let (product, path) = hidden_change(&scope, &client).await;
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let event = shop::changed(&product).to_cloud_event();
    let event = CloudEvent { data: json!({"sku": "which product?"}), ..event };
    assert_eq!(publisher.publish(&[&event]).await.expect("confirmed"), [true]);
    until_shown(&client, &path, "New name").await;
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn a_flood_of_changes_is_heard_to_its_end() {
    let scope = Scope::new().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let broker = Broker::connect(&scope.amqp).await.expect("connected");
    let publisher = broker.publisher().await.expect("a channel");
    let now = Timestamp::now();
    let of_another = |_| {
        let (id, other) = (EventId::new(now, rand::random()), ProductId::new(now, rand::random()));
        Event::product_changed(id, now, other, 2, shop::changed(&shop::product("x")).cause).to_cloud_event()
    };
    // More than a subscriber holds unsettled.
    let flood: Vec<_> = (0..2_500).map(of_another).collect();
    let (product, path) = hidden_change(&scope, &client).await;
    publisher.publish(&flood.iter().collect::<Vec<_>>()).await.expect("confirmed");
    publisher.publish(&[&shop::changed(&product).to_cloud_event()]).await.expect("confirmed");
    until_shown(&client, &path, "New name").await;
    api.stop().await.expect("stops");
}

/// Forwards until it is told to be silent; then every connection stands, and nothing comes through.
async fn forward_until_silent(listener: TcpListener, to: String, silence: CancellationToken) {
    loop {
        let (mut client, _) = listener.accept().await.expect("a connection");
        let (to, silence) = (to.clone(), silence.clone());
        tokio::spawn(async move {
            let mut server = TcpStream::connect(to).await.expect("the server answers");
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                () = silence.cancelled() => std::future::pending().await,
            }
        });
    }
}

#[tokio::test]
async fn a_silent_broker_is_found_out() {
    let scope = Scope::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (broker, silence) = (support::stack().rabbitmq.address.clone(), CancellationToken::new());
    let mut settings = api::api_settings(&scope);
    settings.amqp.url = settings.amqp.url.expose_secret().replace(&broker, &address).into();
    let forwarder = tokio::spawn(forward_until_silent(listener, broker, silence.clone()));
    let api = api::start(settings).await;
    let client = Client::new(&api);
    let (_, path) = hidden_change(&scope, &client).await;
    silence.cancel();
    wait::until("the silence is noticed", Duration::from_secs(20), async || {
        let answer = client.get_root("/health/ready").await;
        (answer.body["dependencies"]["rabbitmq"]["status"] == "error").then_some(())
    })
    .await;
    assert_eq!(client.get(Who::Nobody, &path).await.expect(200).body["title"], "New name");
    forwarder.abort();
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn the_public_list_uses_an_index() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let client =
        mongodb::Client::with_uri_str(&support::stack().mongo_url).await.expect("a connection string");
    let database = client.database(&scope.mongo.database);
    database.run_command(doc! {"profile": 2}).await.expect("profiled");
    let filter = ProductFilter {
        status: Some(domain::product::ProductStatus::Active),
        category: Some("apparel".to_owned()),
    };
    products::list(&mongo, &filter, None, 21).await.expect("a list");
    let after = ProductId::new(Timestamp::now(), rand::random());
    products::list(&mongo, &filter, Some(after), 21).await.expect("a list");
    let profile = database.collection::<bson::Document>("system.profile");
    let finds = profile.find(doc! {"op": "query", "command.find": "products"}).await.expect("a profile");
    let finds: Vec<_> = finds.try_collect().await.expect("a profile");
    let plans: Vec<_> = finds.iter().map(|find| find.get_str("planSummary").expect("a plan")).collect();
    assert_eq!(plans.len(), 2);
    assert!(plans.iter().all(|plan| plan.contains("IXSCAN") && !plan.contains("COLLSCAN")), "{plans:?}");
}
