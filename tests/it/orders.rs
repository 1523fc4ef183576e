//! Orders: read from a standby, one partition for one order, and only one's own.

use std::time::Duration;

use domain::ids::{OrderId, PaymentId};
use domain::payment::{Payment, PaymentOutcome};
use ingest::orders::{ImportOptions, OrderFormat};
use support::api::{self, Client, Who};
use support::{Scope, files, shop_orders, wait};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

const ADMIN: Who = Who::Role("admin");
const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

/// One order in each of 25 months.
async fn history(scope: &Scope) {
    let mut text = HEADER.to_owned();
    for month in 0..25 {
        let (year, month) = (2010 + month / 12, month % 12 + 1);
        text += &format!(
            "{year}{month:02},85123A,LANTERN,6,{year}-{month:02}-15 08:26:00,2.555,17850.0,United Kingdom\n"
        );
        text += &format!(
            "{year}{month:02},POST,POSTAGE,1,{year}-{month:02}-15 08:26:00,18.00,17850.0,United Kingdom\n"
        );
    }
    let folder = files::folder("orders");
    let file = folder.join("history.csv");
    std::fs::write(&file, text).expect("written");
    let options = ImportOptions {
        format: OrderFormat::OnlineRetail,
        channel: "history".to_owned(),
        currency: domain::money::Currency::GBP,
        refused: folder.join("refused.csv"),
        report: folder.join("report.ndjson"),
        map: None,
        is_dry: false,
        file,
    };
    let report = ingest::orders::import(&scope.postgres, &options, |_| {}).await.expect("imports");
    assert_eq!(report.merged.documents_added, 25);
    scope.standbys_caught_up().await;
}

#[tokio::test]
async fn orders_are_listed_newest_first_and_read_whole() {
    let scope = Scope::new().await;
    history(&scope).await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let mut numbers = Vec::new();
    let mut path = "/orders?channel=history&limit=10".to_owned();
    loop {
        let page = client.get(ADMIN, &path).await.expect(200);
        numbers.extend(
            page.body["data"]
                .as_array()
                .expect("orders")
                .iter()
                .map(|order| order["number"].as_str().expect("text").to_owned()),
        );
        let Some(cursor) = page.body["page"]["next_cursor"].as_str() else { break };
        path = format!("/orders?channel=history&limit=10&cursor={cursor}");
    }
    assert_eq!(numbers.len(), 25);
    assert!(numbers.is_sorted_by(|newer, older| newer > older), "{numbers:?}");
    let list = client.get(ADMIN, "/orders?limit=1").await.expect(200);
    let id = list.body["data"][0]["id"].as_str().expect("an id").to_owned();
    let order = client.get(ADMIN, &format!("/orders/{id}")).await.expect(200).body;
    assert_eq!(order["total"]["amount_minor"], 1533 + 1800);
    assert_eq!(order["lines"][0]["unit_price"], "2.555");
    assert_eq!(order["lines"][1]["sku"], "POST");
    for field in ["discount", "shipping", "tax", "promotion_code", "payments", "refunds"] {
        assert!(order.get(field).is_none(), "an imported order says nothing of its {field}");
    }
    assert_eq!(order["lines"][0].as_object().expect("a line").len(), 7);
    client.get(Who::Role("shopper"), &format!("/orders/{id}")).await.expect_problem(404, "not_found");
    assert_eq!(
        client.get(Who::Role("shopper"), "/orders").await.expect(200).body["data"],
        serde_json::json!([])
    );
    client.get(ADMIN, &format!("/orders/{}", Uuid::now_v7())).await.expect_problem(404, "not_found");
    client.get(ADMIN, "/orders/42").await.expect_problem(404, "not_found");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn an_order_of_the_shop_tells_how_it_was_paid_and_what_went_back() {
    let scope = Scope::new().await;
    let mut order = shop_orders::order("S1", "2026-05-04T10:00:00.123Z", 7, &[(2, 1666), (1, 2500)]);
    order.promotion_code = Some("SPRING10".to_owned());
    order.lines[0].discount_minor = 333;
    let declined = Payment {
        id: PaymentId::new(order.created_at(), [1; 10]),
        outcome: PaymentOutcome::Failed("card_declined".to_owned()),
        ..order.payments[0].clone()
    };
    order.payments[0].occurred_at = "2026-05-04T10:01:00Z".parse().expect("a time");
    order.payments[0].amount_minor = order.total_minor();
    order.payments.insert(0, declined);
    let late = shop_orders::refund(&order, "2026-06-02T09:00:00Z", &[(1, 1, 1500), (2, 1, 2500)]);
    order.refunds.push(late);
    order.refunds.push(shop_orders::refund(&order, "2026-05-20T09:00:00Z", &[(1, 1, 1499)]));
    shop_orders::write(&scope.primary().await, &order).await;
    scope.standbys_caught_up().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let shown = client.get(ADMIN, &format!("/orders/{}", order.id)).await.expect(200).body;
    let pounds = |amount_minor: i64| serde_json::json!({"amount_minor": amount_minor, "currency": "GBP"});
    // 2 x 16.66 + 25.00 - 3.33 + 3.33 shipping + tax of 6.66, 5.00 and 0.66
    assert_eq!(shown["total"], pounds(3332 + 2500 - 333 + 333 + 666 + 500 + 66));
    assert_eq!(
        [&shown["discount"], &shown["shipping"], &shown["tax"]],
        [&pounds(333), &pounds(333), &pounds(1232)]
    );
    assert_eq!(shown["promotion_code"], "SPRING10");
    let line = &shown["lines"][0];
    assert_eq!(
        [&line["amount"], &line["discount"], &line["tax"]],
        [&pounds(3332), &pounds(333), &pounds(666)]
    );
    assert_eq!(line["product_id"], order.lines[0].product_id.to_string());
    assert_eq!(line["variant_id"], order.lines[0].variant_id.to_string());
    let payments: Vec<_> = shown["payments"].as_array().expect("payments").iter().collect();
    assert_eq!(payments.len(), 2, "oldest first, each once");
    assert_eq!([&payments[0]["status"], &payments[0]["failure_code"]], ["failed", "card_declined"]);
    assert_eq!([&payments[1]["status"], &payments[1]["amount"]], [&"captured".into(), &shown["total"]]);
    assert!(payments[1]["failure_code"].is_null());
    assert_eq!(payments[1]["occurred_at"], "2026-05-04T10:01:00Z");
    let refunds: Vec<_> = shown["refunds"].as_array().expect("refunds").iter().collect();
    assert_eq!(refunds.len(), 2);
    assert_eq!([&refunds[0]["amount"], &refunds[1]["amount"]], [&pounds(1499 + 299), &pounds(4000 + 800)]);
    assert_eq!(refunds[1]["payment_id"], payments[1]["id"]);
    assert_eq!(refunds[1]["lines"][1]["line_number"], 2);
    assert_eq!(refunds[1]["lines"][1]["net"], pounds(2500));
    client.get(Who::Role("shopper"), &format!("/orders/{}", order.id)).await.expect_problem(404, "not_found");
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn one_order_touches_one_partition_of_25() {
    let scope = Scope::new().await;
    history(&scope).await;
    let client = scope.primary().await;
    let partitions: i64 = client
        .query_one("SELECT count(*) FROM pg_inherits WHERE inhparent = 'orders'::regclass", &[])
        .await
        .expect("a count")
        .get(0);
    assert!(partitions >= 25, "{partitions} partitions");
    let id = OrderId(
        client
            .query_one("SELECT id FROM orders WHERE number = '201006'", &[])
            .await
            .expect("an order")
            .get(0),
    );
    let created_at = id.created_at().expect("version 7");
    let key: [(&(dyn ToSql + Sync), Type); 2] = [(&created_at, Type::TIMESTAMPTZ), (&id.0, Type::UUID)];
    let plan =
        client.query_typed(&format!("EXPLAIN {}", store::pg::orders::FIND), &key).await.expect("a plan");
    let text: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let scans: Vec<_> = text.iter().filter(|line| line.contains("Scan")).collect();
    let partitions = [
        "orders_2010_06",
        "order_lines_2010_06",
        "payments_2010_06",
        "refunds_2010_06",
        "refund_lines_2010_06",
    ];
    assert!(scans.iter().all(|scan| partitions.iter().any(|name| scan.contains(name))), "{text:#?}");
    assert!(partitions.iter().all(|name| scans.iter().any(|scan| scan.contains(name))), "{text:#?}");
}

#[tokio::test]
async fn the_two_pools_reach_a_standby_and_the_primary() {
    let scope = Scope::new().await;
    let pools = scope.pools();
    let is_standby = async |connection: store::pg::pool::Connection| -> bool {
        const READ_ONLY: &str = "SELECT pg_catalog.current_setting('transaction_read_only') = 'on'";
        connection.query_one(READ_ONLY, &[]).await.expect("answered").get(0)
    };
    for _ in 0..10 {
        assert!(!is_standby(pools.write().await.expect("a connection")).await);
    }
    // Pgpool-II leaves a standby out while it is more than 16 MB behind, as it is under another test's import.
    wait::until("ten reads in a row reach a standby", Duration::from_secs(60), async || {
        for _ in 0..10 {
            if !is_standby(pools.read().await.expect("a connection")).await {
                return None;
            }
        }
        Some(())
    })
    .await;
}
