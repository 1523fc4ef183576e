//! Reports over HTTP: three forms, an entity tag, and what is refused.

use std::time::Duration;

use analytics::lake::Lake;
use analytics::run::{self, Scope as Reach};
use domain::order::{OrderStatus, SHOP_CHANNEL};
use domain::shop_order::ShopOrder;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::json;
use store::pg::{audit, channels, direct, transaction};
use support::api::{self, Client, Who, send};
use support::{Scope, shop_orders};

use crate::published;

const ANALYST: Who = Who::Role("analyst");
const DAYS: &str = "from=2025-03-01&to=2025-03-31";

/// A shop with two orders of one day, counted.
async fn shop() -> Scope {
    let scope = Scope::new().await;
    let client = scope.primary().await;
    for (number, pieces) in [("S1", 2), ("S2", 5)] {
        let order = shop_orders::order(number, "2025-03-29T12:00:00Z", 1, &[(pieces, 1_000)]);
        shop_orders::write(&client, &order).await;
    }
    scope.older_transactions_ended().await;
    let lake = Lake::new(&scope.lake);
    let stores = published::stores(&scope);
    run::run(&stores, &lake, SHOP_CHANNEL, Reach::Changed, &|_| {}).await.expect("counts");
    scope.standbys_caught_up().await;
    scope
}

#[tokio::test]
async fn a_report_comes_in_three_forms_and_only_when_it_is_another() {
    let scope = shop().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let path = format!("/analytics/top-products?{DAYS}");
    let answer = client.get(ANALYST, &path).await.expect(200);
    let row = &answer.body["data"][0];
    assert_eq!(
        (&row["units"], &row["gross_revenue"], &row["orders"]),
        (&json!(7), &json!("70.00"), &json!(2))
    );
    assert_eq!(row.get("date"), None, "the days are added up");
    assert_eq!((&answer.body["has_more"], &answer.body["time_zone"]), (&json!(false), &json!("UTC")));
    assert!(answer.body["as_of"].is_string() && answer.body["definition"].is_string());

    let tag = answer.header("etag").to_owned();
    let again = client.request(Method::GET, ANALYST, &path).header("if-none-match", tag.clone());
    assert_eq!(send(again).await.status, 304);
    let other = client.get(ANALYST, &format!("{path}&format=csv")).await.expect(200);
    assert_ne!(other.header("etag"), tag);
    let text = other.body.as_str().expect("a text");
    assert!(
        text.starts_with("currency,product,orders,units,gross_revenue,refunds,net_revenue\nGBP,"),
        "{text}"
    );
    assert_eq!((other.header("has-more"), other.header("time-zone")), ("false", "UTC"));
    assert!(!other.header("as-of").is_empty());
    let parquet = client.request(Method::GET, ANALYST, &format!("{path}&format=parquet")).send().await;
    let parquet = parquet.expect("answers").bytes().await.expect("a body");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));

    let reconciled = client.get(ANALYST, &format!("/analytics/reconciliation?{DAYS}")).await.expect(200);
    let row = &reconciled.body["data"][0];
    assert_eq!((&row["ledger_net"], &row["difference"]), (&json!("70.00"), &json!("0.00")));
    api.stop().await.expect("stops");
}

/// What top-products tells of a range is what product-sales tells of its days.
#[tokio::test]
async fn whole_months_and_single_days_add_up_to_the_same() {
    let scope = Scope::new().await;
    let primary = scope.primary().await;
    for (number, day) in (1..).zip(["01-31", "02-01", "02-28", "03-01", "03-15", "03-31", "04-01", "05-31"]) {
        let order = format!("S{number}");
        let at = format!("2025-{day}T12:00:00Z");
        shop_orders::write(&primary, &shop_orders::order(&order, &at, 1, &[(1 << number, 1_000)])).await;
    }
    let lake = Lake::new(&scope.lake);
    let stores = published::stores(&scope);
    let count = async || {
        scope.older_transactions_ended().await;
        run::run(&stores, &lake, SHOP_CHANNEL, Reach::Changed, &|_| {}).await.expect("counts");
        scope.standbys_caught_up().await;
    };
    count().await;
    // A day of a month that is added up already.
    let late = shop_orders::order("S9", "2025-03-15T18:00:00Z", 1, &[(1 << 9, 1_000)]);
    shop_orders::write(&primary, &late).await;
    count().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let days = ["01-31", "02-01", "02-02", "02-28", "03-01", "03-31", "04-01", "04-30", "05-31", "06-01"];
    let mut whole = Vec::new();
    for (place, from) in days.iter().enumerate() {
        for to in &days[place..] {
            let sums = async |report: &str| -> (i64, i64, f64) {
                let path = format!("/analytics/{report}?from=2025-{from}&to=2025-{to}");
                let rows = client.get(ANALYST, &path).await.expect(200).body["data"].clone();
                let rows = rows.as_array().expect("rows");
                let count = |name: &str| rows.iter().map(|row| row[name].as_i64().expect("a count")).sum();
                // Whole pounds, far below what a float holds exactly.
                let gross = rows.iter().map(|row| row["gross_revenue"].as_str().expect("an amount"));
                let gross = gross.map(|amount| amount.parse::<f64>().expect("a number")).sum();
                (count("orders"), count("units"), gross)
            };
            for (top, by_day) in [("top-products", "product-sales"), ("top-categories", "category-sales")] {
                let found = sums(top).await;
                assert_eq!(found, sums(by_day).await, "{top} from {from} to {to}");
                whole.push(found.1);
            }
        }
    }
    assert!(whole.contains(&((1 << 4) + (1 << 5) + (1 << 6) + (1 << 9))), "March alone: {whole:?}");
    api.stop().await.expect("stops");

    let differ = async || {
        let client = scope.primary().await;
        audit::prepare(&client, Duration::from_secs(3_600)).await.expect("prepares");
        let check =
            audit::CHECKS.iter().find(|check| check.name == "months_are_their_days").expect("a check");
        audit::run(&client, check).await.expect("runs")
    };
    let found = differ().await;
    assert!(found.violations == 0 && found.rows > 0, "{found:?}");
    for zones in [&["Pacific/Auckland".to_owned()][..], &[]] {
        let mut primary = direct::primary(&scope.postgres).await.expect("the primary");
        transaction::run_direct(&mut primary, "zones", async |transaction| {
            channels::set_report_time_zones(transaction, SHOP_CHANNEL, zones).await
        })
        .await
        .expect("set");
        run::run(&stores, &lake, SHOP_CHANNEL, Reach::Full, &|_| {}).await.expect("counts");
        let again = differ().await;
        assert_eq!((again.violations, again.rows), (0, found.rows * (1 + zones.len() as u64)), "{zones:?}");
    }
}

#[tokio::test]
async fn what_there_is_not_is_refused_with_what_there_is() {
    let scope = shop().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    for (path, told) in [
        (format!("/analytics/daily-sales?{DAYS}&time_zone=Mars/Olympus"), "counted in UTC"),
        (format!("/analytics/daily-sales?{DAYS}&currency=XXQ"), "GBP"),
        (format!("/analytics/funnel?{DAYS}&currency=GBP"), "not by currency"),
        (format!("/analytics/cohorts?{DAYS}"), "whole history"),
        (format!("/analytics/daily-sales?{DAYS}&limit=0"), "1 to"),
        ("/analytics/daily-sales".to_owned(), "give a day"),
    ] {
        let answer = client.get(ANALYST, &path).await.expect(400);
        assert!(answer.body.to_string().contains(told), "{path}: {}", answer.body);
    }
    client.get(ANALYST, "/analytics/nothing").await.expect_problem(404, "not_found");
    client
        .get(ANALYST, &format!("/analytics/funnel?{DAYS}&channel=nowhere"))
        .await
        .expect_problem(404, "not_found");
    assert_eq!(client.get(Who::Nobody, &format!("/analytics/funnel?{DAYS}")).await.status, 401);
    assert_eq!(client.get(Who::Role("shopper"), &format!("/analytics/funnel?{DAYS}")).await.status, 403);
    api.stop().await.expect("stops");
}

#[tokio::test]
async fn today_is_told_before_it_is_counted() {
    let scope = Scope::new().await;
    let primary = scope.primary().await;
    let now = Timestamp::now();
    let (today, before) = (now.to_string(), (now - SignedDuration::from_hours(100)).to_string());
    let unpaid = ShopOrder {
        status: OrderStatus::PendingPayment,
        payments: Vec::new(),
        ..shop_orders::order("S3", &today, 1, &[(9, 1_000)])
    };
    let mut older = shop_orders::order("S0", &before, 1, &[(3, 1_000)]);
    older.refunds.push(shop_orders::refund(&older, &today, &[(1, 1, 1_000)]));
    let orders = [("S1", 2), ("S2", 5)]
        .map(|(number, pieces)| shop_orders::order(number, &today, 1, &[(pieces, 1_000)]));
    for order in orders.iter().chain([&unpaid, &older]) {
        shop_orders::write(&primary, order).await;
    }
    scope.older_transactions_ended().await;
    scope.standbys_caught_up().await;
    let api = api::start(api::api_settings(&scope)).await;
    let client = Client::new(&api);
    let live = client.get(ANALYST, "/analytics/live").await.expect(200).body;
    let sold = json!({"orders": 2, "units": 7, "gross_revenue": "70.00", "refunds": "-10.00", "net_revenue": "60.00"});
    let row = &live["today"][0];
    for (name, figure) in sold.as_object().expect("an object") {
        assert_eq!(&row[name], figure, "{name}");
    }
    assert_eq!(
        (&live["provisional"], &row["currency"], &row["confirmed"]),
        (&json!(true), &json!("GBP"), &json!(null))
    );
    let minutes = live["orders_per_minute"].as_array().expect("a list");
    let orders: i64 = minutes.iter().map(|minute| minute["orders"].as_i64().expect("a number")).sum();
    assert_eq!((minutes.len(), orders), (60, 2));

    let lake = Lake::new(&scope.lake);
    run::run(&published::stores(&scope), &lake, SHOP_CHANNEL, Reach::Changed, &|_| {}).await.expect("counts");
    scope.standbys_caught_up().await;
    // Another question, which no cache knows.
    let counted = client.get(ANALYST, "/analytics/live?time_zone=UTC").await.expect(200).body;
    assert_eq!(counted["today"][0]["confirmed"], sold);
    assert!(counted["confirmed_as_of"].is_string());

    let refused = client.get(ANALYST, "/analytics/live?time_zone=Europe/Londn").await.expect(400);
    assert!(refused.body.to_string().contains("this channel is counted in UTC"), "{}", refused.body);
    client.get(ANALYST, "/analytics/live?channel=nowhere").await.expect(404);
    api.stop().await.expect("stops");
}
