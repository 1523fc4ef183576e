//! Stock of a variant by warehouse, and the ledger that answers "why is this 47?".

use domain::ids::{MovementId, VariantId};
use jiff::Timestamp;
use serde_json::{Value, json};
use support::Scope;
use support::api::{self, Client, Who};
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
    let known =
        client.request(reqwest::Method::GET, ADMIN, &path).header("if-none-match", shown.header("etag"));
    assert_eq!(api::send(known).await.status, 304);
    scope
        .primary()
        .await
        .batch_execute("UPDATE stock SET reserved = 3, version = version + 1 WHERE warehouse = 'leeds'")
        .await
        .expect("changed");
    scope.standbys_caught_up().await;
    let known =
        client.request(reqwest::Method::GET, ADMIN, &path).header("if-none-match", shown.header("etag"));
    assert_eq!(api::send(known).await.expect(200).body["available"], 54);

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
