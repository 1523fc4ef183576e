//! Stock of a variant by warehouse, the ledger that answers "why is this 47?", and what changes it by hand.

use std::time::Duration;

use domain::ids::{MovementId, VariantId};
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use store::mongo::products;
use store::pg::audit;
use support::api::{self, Answer, Client, Who, send};
use support::{Scope, shop};
use tokio_postgres::Client as Postgres;
use uuid::Uuid;

const ADMIN: Who = Who::Role("admin");
const VARIANT: VariantId = VariantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0047));

async fn warehouse(postgres: &Postgres, code: &str, on_hand: i64, reserved: i64) {
    const WAREHOUSE: &str = "INSERT INTO warehouses (code, name, country) VALUES ($1, $1, 'GB')";
    const STOCK: &str = "INSERT INTO stock (variant_id, warehouse, sku, on_hand, reserved) \
                         VALUES ($1, $2, 'SHIRT-M', $3, $4)";
    postgres.execute(WAREHOUSE, &[&code]).await.expect("a warehouse");
    postgres.execute(STOCK, &[&VARIANT.0, &code, &on_hand, &reserved]).await.expect("stock");
}

async fn movement(postgres: &Postgres, at: &str, warehouse: &str, (delta, after): (i64, i64), cause: &str) {
    const MONTH: &str = "SELECT ensure_month_partitions('stock_ledger', $1, $1)";
    const ROW: &str = "INSERT INTO stock_ledger (id, occurred_at, variant_id, warehouse, delta, on_hand_after, cause, \
                       actor, reason, order_id) VALUES ($1, $2, $3, $4, $5, $6, $7, 'system:test', $8, $9)";
    let at: Timestamp = at.parse().expect("a time");
    let id = MovementId::new(at, rand::random());
    let order = (cause == "sale").then(|| Uuid::from_u128(9));
    let reason = (cause == "stock_take").then_some("one was found");
    postgres.execute(MONTH, &[&at]).await.expect("a month");
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
        [&id.0, &at, &VARIANT.0, &warehouse, &delta, &after, &cause, &reason, &order];
    postgres.execute(ROW, &values).await.expect("a row");
}

/// 47 in Leeds by a receipt, two sales and a stock take over three months; 10 in Dublin.
async fn stock(scope: &Scope) {
    let postgres = scope.primary().await;
    warehouse(&postgres, "leeds", 47, 2).await;
    warehouse(&postgres, "dublin", 10, 0).await;
    movement(&postgres, "2026-01-10T08:00:00Z", "leeds", (50, 50), "receipt").await;
    movement(&postgres, "2026-01-11T08:00:00Z", "dublin", (10, 10), "receipt").await;
    movement(&postgres, "2026-02-01T12:00:00Z", "leeds", (-1, 49), "sale").await;
    movement(&postgres, "2026-03-01T12:00:00Z", "leeds", (-3, 46), "sale").await;
    movement(&postgres, "2026-03-02T12:00:00Z", "leeds", (1, 47), "stock_take").await;
    scope.standbys_caught_up().await;
}

/// `warehouse delta after cause` of a page.
fn rows(page: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let text = |name: &str| row[name].as_str().expect("text").to_owned();
        format!("{} {} {} {}", text("warehouse"), row["delta"], row["on_hand_after"], text("cause"))
    };
    page["data"].as_array().expect("rows").iter().map(row).collect()
}

#[tokio::test]
async fn stock_is_told_by_warehouse_and_in_all() {
    let scope = Scope::new().await;
    stock(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let path = format!("/inventory/{VARIANT}");
    let shown = client.get(ADMIN, &path).await.expect(200);
    let expected = json!({
        "variant_id": VARIANT, "sku": "SHIRT-M", "on_hand": 57, "reserved": 2, "available": 55,
        "warehouses": [
            {"warehouse": "dublin", "on_hand": 10, "reserved": 0, "available": 10},
            {"warehouse": "leeds", "on_hand": 47, "reserved": 2, "available": 45},
        ],
    });
    assert_eq!(shown.body, expected);
    let known = client.request(Method::GET, ADMIN, &path).header("if-none-match", shown.header("etag"));
    assert_eq!(send(known).await.status, 304);
    scope
        .primary()
        .await
        .batch_execute("UPDATE stock SET reserved = 3, version = version + 1 WHERE warehouse = 'leeds'")
        .await
        .expect("changed");
    scope.standbys_caught_up().await;
    let known = client.request(Method::GET, ADMIN, &path).header("if-none-match", shown.header("etag"));
    assert_eq!(send(known).await.expect(200).body["available"], 54);

    for role in ["vendor", "analyst"] {
        client.get(Who::Role(role), &path).await.expect(200);
        client.get(Who::Role(role), &format!("{path}/ledger")).await.expect(200);
    }
    for path in [path.clone(), format!("{path}/ledger")] {
        client.get(Who::Nobody, &path).await.expect_problem(401, "authentication_required");
        for role in ["shopper", "merchandiser"] {
            client.get(Who::Role(role), &path).await.expect_problem(403, "permission_denied");
        }
    }
    for id in [Uuid::now_v7().to_string(), "47".to_owned()] {
        client.get(ADMIN, &format!("/inventory/{id}")).await.expect_problem(404, "not_found");
        client.get(ADMIN, &format!("/inventory/{id}/ledger")).await.expect_problem(404, "not_found");
    }
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn the_ledger_says_why_there_are_47() {
    let scope = Scope::new().await;
    stock(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let path = format!("/inventory/{VARIANT}/ledger");
    let whole = client.get(ADMIN, &path).await.expect(200).body;
    let expected = [
        "leeds 1 47 stock_take",
        "leeds -3 46 sale",
        "leeds -1 49 sale",
        "dublin 10 10 receipt",
        "leeds 50 50 receipt",
    ];
    assert_eq!(rows(&whole), expected);
    assert!(whole["page"]["next_cursor"].is_null());
    let [take, sale] = [&whole["data"][0], &whole["data"][1]];
    assert_eq!([&take["reason"], &take["actor"]], ["one was found", "system:test"]);
    assert_eq!((take["order_id"].is_null(), sale["order_id"].is_string()), (true, true));

    let mut found = Vec::new();
    let first = format!("{path}?warehouse=leeds&limit=1");
    let mut next = first.clone();
    loop {
        let page = client.get(ADMIN, &next).await.expect(200).body;
        found.extend(rows(&page));
        let Some(cursor) = page["page"]["next_cursor"].as_str() else { break };
        next = format!("{first}&cursor={cursor}");
    }
    let of_leeds: Vec<_> = expected.iter().filter(|row| row.starts_with("leeds")).collect();
    assert_eq!(found.iter().collect::<Vec<_>>(), of_leeds);
    assert_eq!(
        rows(&client.get(ADMIN, &format!("{path}?warehouse=nowhere")).await.expect(200).body),
        [""; 0]
    );
    let cursor = next.split("cursor=").nth(1).expect("a cursor");
    let other = format!("{path}?warehouse=dublin&cursor={cursor}");
    client.get(ADMIN, &other).await.expect_problem(400, "invalid_cursor");
    api.stop().await.expect("stops");
}

const ADJUSTMENTS: &str = "/inventory/adjustments";

fn adjustment(variant_id: VariantId, warehouse: &str, delta: i64, cause: &str) -> Value {
    let reason = "counted twice";
    json!({"variant_id": variant_id, "warehouse": warehouse, "delta": delta, "cause": cause, "reason": reason})
}

async fn adjust(client: &Client, body: &Value) -> Answer {
    client.post(ADMIN, ADJUSTMENTS, &Uuid::new_v4().to_string(), body).await
}

/// The answers to requests, as many of them at once as the API has connections.
async fn at_once(requests: impl Iterator<Item = impl Future<Output = Answer>>) -> Vec<Answer> {
    stream::iter(requests).buffer_unordered(4).collect().await
}

/// `type subject version` of every event, by aggregate and version.
async fn events(postgres: &Postgres) -> Vec<String> {
    const SQL: &str = "SELECT event_type, aggregate_kind || '/' || aggregate_id, aggregate_version FROM outbox \
                       ORDER BY aggregate_kind, aggregate_id, aggregate_version";
    let rows = postgres.query(SQL, &[]).await.expect("events");
    let told = |row: &tokio_postgres::Row| {
        format!("{} {} {}", row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, i64>(2))
    };
    rows.iter().map(told).collect()
}

/// A variant of the catalogue that no warehouse ever had, and two empty warehouses.
async fn unstocked(scope: &Scope) -> (VariantId, String) {
    const WAREHOUSES: &str = "INSERT INTO warehouses (code, name, country) \
                              VALUES ('leeds', 'Leeds', 'GB'), ('dublin', 'Dublin', 'IE')";
    let product = shop::product("Blue shirt");
    let inserted = products::insert(&scope.mongo().await, &product, &shop::changed(&product)).await;
    inserted.expect("inserted");
    scope.primary().await.batch_execute(WAREHOUSES).await.expect("warehouses");
    (product.variants[0].id, product.variants[0].sku.clone())
}

/// The invariants of stock and of its events.
async fn expect_whole(scope: &Scope) {
    const NAMES: [&str; 4] =
        ["stock_equals_ledger", "ledger_runs_on", "availability_is_the_stock", "versions_are_gapless"];
    let client = scope.primary().await;
    audit::prepare(&client, Duration::from_secs(3_600)).await.expect("prepared");
    let mut held = Vec::new();
    for check in audit::CHECKS.iter().filter(|check| NAMES.contains(&check.name)) {
        let found = audit::run(&client, check).await.expect("asked");
        assert!(found.violations == 0 && found.rows > 0, "{found:?}");
        held.push(found.name);
    }
    assert_eq!(held.len(), NAMES.len(), "{held:?}");
}

#[tokio::test]
async fn an_adjustment_is_a_row_of_the_ledger_and_an_event_once() {
    let scope = Scope::new().await;
    stock(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let body = adjustment(VARIANT, "leeds", -3, "adjustment");
    let first = client.post(ADMIN, ADJUSTMENTS, "key", &body).await.expect(201);
    let level = json!({"warehouse": "leeds", "on_hand": 44, "reserved": 2, "available": 42});
    assert_eq!((&first.body["level"], &first.body["available"]), (&level, &json!(52)));
    assert_eq!((&first.body["variant_id"], &first.body["sku"]), (&json!(VARIANT), &json!("SHIRT-M")));
    let movement = &first.body["movement"];
    assert_eq!((&movement["delta"], &movement["on_hand_after"]), (&json!(-3), &json!(44)));
    assert_eq!(
        [&movement["cause"], &movement["actor"], &movement["reason"]],
        ["adjustment", "role:admin", "counted twice"]
    );
    let repeat = client.post(ADMIN, ADJUSTMENTS, "key", &body).await.expect(201);
    assert_eq!((&repeat.body, repeat.header("location")), (&first.body, first.header("location")));
    let other = adjustment(VARIANT, "leeds", -4, "adjustment");
    client.post(ADMIN, ADJUSTMENTS, "key", &other).await.expect_problem(422, "idempotency_key_reused");
    scope.standbys_caught_up().await;
    let ledger = client.get(ADMIN, &format!("/inventory/{VARIANT}/ledger?limit=2")).await.expect(200).body;
    assert_eq!(rows(&ledger), ["leeds -3 44 adjustment", "leeds 1 47 stock_take"]);
    assert_eq!(ledger["data"][0], *movement);
    let shown = client.get(ADMIN, &format!("/inventory/{VARIANT}")).await.expect(200).body;
    assert_eq!(shown["warehouses"][1], level);
    let told = events(&scope.primary().await).await;
    assert_eq!(told, [format!("inventory.changed.v1 stock/{VARIANT}/leeds 2")]);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn an_adjustment_that_cannot_be_changes_nothing() {
    let scope = Scope::new().await;
    stock(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let good = adjustment(VARIANT, "leeds", 1, "receipt");
    for who in [Who::Nobody, Who::Stranger] {
        client.post(who, ADJUSTMENTS, "k", &good).await.expect_problem(401, "authentication_required");
    }
    for role in ["analyst", "merchandiser", "shopper"] {
        let refused = client.post(Who::Role(role), ADJUSTMENTS, "k", &good).await;
        refused.expect_problem(403, "permission_denied");
    }
    let missing = client.request(Method::POST, ADMIN, ADJUSTMENTS).json(&good);
    send(missing).await.expect_problem(400, "idempotency_key_required");
    for (field, value) in [
        ("variant_id", json!("47")),
        ("warehouse", json!("Leeds")),
        ("delta", json!(0)),
        ("delta", json!(1_000_001)),
        ("delta", json!(1.5)),
        ("cause", json!("sale")),
        ("cause", json!("theft")),
        ("reason", json!("")),
        ("colour", json!("blue")),
    ] {
        let mut wrong = good.clone();
        wrong[field] = value;
        let refused = client.post(ADMIN, ADJUSTMENTS, "k", &wrong).await.expect_problem(400, "invalid_field");
        assert_eq!(refused.body["errors"][0]["pointer"], format!("/{field}"), "{}", refused.body);
    }
    let nowhere = adjustment(VARIANT, "nowhere", 1, "receipt");
    let refused = client.post(ADMIN, ADJUSTMENTS, "k", &nowhere).await.expect_problem(404, "not_found");
    assert_eq!(refused.body["detail"], "no such warehouse");
    let nothing = adjustment(VariantId(Uuid::now_v7()), "leeds", 1, "receipt");
    let refused = client.post(ADMIN, ADJUSTMENTS, "k", &nothing).await.expect_problem(404, "not_found");
    assert_eq!(refused.body["detail"], "no such variant");
    for delta in [-46, -48] {
        let too_many = adjustment(VARIANT, "leeds", delta, "stock_take");
        let refused = client.post(ADMIN, ADJUSTMENTS, "k", &too_many).await;
        let refused = refused.expect_problem(409, "insufficient_stock");
        assert_eq!(refused.body["detail"], "47 are there, 2 of them reserved");
    }
    assert_eq!(events(&scope.primary().await).await, [""; 0]);
    client.post(ADMIN, ADJUSTMENTS, "k", &good).await.expect(201);
    let all_that_is_free = adjustment(VARIANT, "leeds", -46, "stock_take");
    let last = client.post(Who::Role("vendor"), ADJUSTMENTS, "k", &all_that_is_free).await.expect(201);
    assert_eq!((&last.body["level"]["on_hand"], &last.body["available"]), (&json!(2), &json!(10)));
    let over = adjustment(VARIANT, "leeds", 1_000_000, "receipt");
    let fill = "UPDATE stock SET on_hand = 1000000000000 WHERE warehouse = 'leeds'";
    scope.primary().await.batch_execute(fill).await.expect("filled");
    adjust(&client, &over).await.expect_problem(400, "invalid_field");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn borders_of_availability_are_told_once_each() {
    let scope = Scope::new().await;
    let (variant, sku) = unstocked(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for (warehouse, delta, available) in [
        ("leeds", 10, 10),
        ("leeds", -7, 3),
        ("dublin", 2, 5),
        ("dublin", 4, 9),
        ("leeds", -3, 6),
        ("dublin", -6, 0),
        ("leeds", 8, 8),
    ] {
        let adjusted =
            adjust(&client, &adjustment(variant, warehouse, delta, "adjustment")).await.expect(201);
        assert_eq!((&adjusted.body["sku"], &adjusted.body["available"]), (&json!(sku), &json!(available)));
    }
    let postgres = scope.primary().await;
    let told = events(&postgres).await;
    let of_variant: Vec<_> = told.iter().filter(|event| event.contains("availability/")).collect();
    let expected = ["low.v1 1", "out-of-stock.v1 2", "back-in-stock.v1 3"].map(|event| {
        let (name, version) = event.split_once(' ').expect("two words");
        format!("inventory.{name} availability/{variant} {version}")
    });
    assert_eq!(of_variant, expected.iter().collect::<Vec<_>>());
    let of_levels = |warehouse: &str| told.iter().filter(|event| event.contains(warehouse)).count();
    assert_eq!((of_levels("/leeds"), of_levels("/dublin")), (4, 3));
    let envelope = "SELECT envelope #>> '{data,available}' FROM outbox WHERE event_type = 'inventory.low.v1'";
    let available: String = postgres.query_one(envelope, &[]).await.expect("an event").get(0);
    assert_eq!(available, "3");
    expect_whole(&scope).await;
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn adjustments_at_once_lose_nothing_and_give_away_nothing_twice() {
    let scope = Scope::new().await;
    let (variant, _) = unstocked(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    // The first of each warehouse meet where there is no row to be locked.
    let receipts: Vec<_> = (0..16)
        .map(|number| adjustment(variant, if number % 2 == 0 { "leeds" } else { "dublin" }, 1, "receipt"))
        .collect();
    for answer in at_once(receipts.iter().map(|body| adjust(&client, body))).await {
        answer.expect(201);
    }
    let told = events(&scope.primary().await).await;
    let expected: Vec<_> = std::iter::once(format!("inventory.low.v1 availability/{variant} 1"))
        .chain(["dublin", "leeds"].into_iter().flat_map(|warehouse| {
            (1..=8).map(move |version| format!("inventory.changed.v1 stock/{variant}/{warehouse} {version}"))
        }))
        .collect();
    assert_eq!(told, expected);
    let one = adjustment(variant, "leeds", -1, "adjustment");
    let answers = at_once((0..12).map(|_| adjust(&client, &one))).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((done.len(), refused.len()), (8, 4));
    for answer in refused {
        answer.expect_problem(409, "insufficient_stock");
    }
    let same = adjustment(variant, "dublin", -1, "stock_take");
    let copies = at_once((0..6).map(|_| client.post(ADMIN, ADJUSTMENTS, "same", &same))).await;
    assert!(copies.iter().all(|answer| answer.status == 201 || answer.body["code"] == "request_in_progress"));
    scope.standbys_caught_up().await;
    let shown = client.get(ADMIN, &format!("/inventory/{variant}")).await.expect(200).body;
    assert_eq!((&shown["available"], &shown["warehouses"][0]["on_hand"]), (&json!(7), &json!(7)));
    expect_whole(&scope).await;
    api.stop().await.expect("stops");
}
