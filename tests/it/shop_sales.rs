//! The shop's own orders are counted: days of London, discounts, refunds on later days, 0 minor units of difference.

use analytics::lake::Lake;
use analytics::run::{self, RunReport, Scope as Reach};
use domain::order::{OrderStatus, SHOP_CHANNEL};
use domain::shop_order::ShopOrder;
use jiff::civil::date;
use store::pg::{channels, direct, transaction};
use support::{Scope, shop_orders};

use crate::published::{self, DailySales};

/// Clocks went forward on 2025-03-30 at 01:00 UTC, so that day ended at 23:00 UTC.
fn orders() -> Vec<ShopOrder> {
    let mut first = shop_orders::order("S1", "2025-03-29T23:30:00Z", 1, &[(2, 1666)]);
    first.status = OrderStatus::Paid;
    first.refunds.push(shop_orders::refund(&first, "2025-03-31T09:00:00Z", &[(1, 1, 1666)]));

    let mut second = shop_orders::order("S2", "2025-03-30T22:59:59.999Z", 2, &[(3, 1666), (1, 2500)]);
    second.promotion_code = Some("SPRING10".to_owned());
    second.lines[0].discount_minor = 499;
    second.lines[1].discount_minor = 250;
    // One piece, rounded down, after midnight in London; then the rest, to the last penny.
    let part = shop_orders::refund(&second, "2025-04-02T23:30:00Z", &[(1, 1, 1499)]);
    let rest = shop_orders::refund(&second, "2025-04-05T10:00:00Z", &[(1, 2, 3000), (2, 1, 2250)]);
    second.refunds = vec![part, rest];

    let third = shop_orders::order("S3", "2025-03-30T23:00:00Z", 2, &[(1, 1000)]);
    let mut cancelled = shop_orders::order("S4", "2025-03-30T12:00:00Z", 3, &[(1, 999)]);
    cancelled.status = OrderStatus::Cancelled;
    cancelled.payments.clear();
    let mut pending = shop_orders::order("S5", "2025-03-30T12:00:00Z", 3, &[(1, 999)]);
    pending.status = OrderStatus::PendingPayment;
    pending.payments.clear();
    vec![first, second, third, cancelled, pending]
}

/// A shop in London with those orders.
async fn shop() -> (Scope, Vec<ShopOrder>) {
    let scope = Scope::new().await;
    in_zone(&scope, "Europe/London").await;
    let orders = orders();
    let client = scope.primary().await;
    for order in &orders {
        shop_orders::write(&client, order).await;
    }
    (scope, orders)
}

async fn in_zone(scope: &Scope, time_zone: &str) {
    let mut primary = direct::primary(&scope.postgres).await.expect("the primary");
    transaction::run_direct(&mut primary, "set_time_zone", async |transaction| {
        channels::set_time_zone(transaction, SHOP_CHANNEL, time_zone).await
    })
    .await
    .expect("set");
}

async fn count(scope: &Scope) -> RunReport {
    scope.older_transactions_ended().await;
    let lake = Lake::new(&scope.lake);
    run::run(&published::stores(scope), &lake, SHOP_CHANNEL, Reach::Changed, &|_| {}).await.expect("computes")
}

async fn report(scope: &Scope) -> Vec<DailySales> {
    let (from, to) = (date(2025, 1, 1), date(2025, 12, 31));
    published::read(&scope.primary().await, SHOP_CHANNEL, (from, to), None).await.0
}

/// Rows as `date orders cancelled customers units gross refunds net raw aov rate`.
async fn rows(scope: &Scope) -> Vec<String> {
    let text = |row: &DailySales| {
        let DailySales { date, orders, cancelled_orders, customers, units, .. } = row;
        let amounts =
            [row.gross_revenue, row.refunds, row.net_revenue, row.raw_sum, row.aov, row.cancellation_rate];
        let amounts = amounts.map(|amount| amount.to_string()).join(" ");
        format!("{date} {orders} {cancelled_orders} {customers} {units} {amounts}")
    };
    report(scope).await.iter().map(text).collect()
}

/// Days on which the report and the ledger differ, in minor units. The ledger is asked by itself, without the extract.
async fn differences(scope: &Scope) -> Vec<String> {
    const SQL: &str = "\
        WITH counted AS (SELECT * FROM orders WHERE channel = 'shop' AND status IN ('paid', 'completed')),
        ledger AS (
            SELECT (counted.created_at AT TIME ZONE 'Europe/London')::date AS date, currency,
                   line.amount_minor - line.discount_minor AS gross_minor, 0 AS refunds_minor
            FROM counted JOIN order_lines line ON line.order_id = counted.id
            UNION ALL
            SELECT (refund.occurred_at AT TIME ZONE 'Europe/London')::date, currency, 0, -refund.net_minor
            FROM counted JOIN refund_lines refund ON refund.order_id = counted.id),
        days AS (SELECT date, currency, sum(gross_minor) AS gross_minor, sum(refunds_minor) AS refunds_minor
                 FROM ledger GROUP BY date, currency)
        SELECT date::text || ' ' || coalesce(gross_minor, 0) || ' ' || coalesce(refunds_minor, 0)
        FROM days
        FULL JOIN (SELECT * FROM report_daily_sales WHERE channel = 'shop') report USING (date, currency)
        WHERE gross_minor IS DISTINCT FROM gross_revenue * 100
           OR refunds_minor IS DISTINCT FROM refunds * 100
           OR gross_revenue + refunds IS DISTINCT FROM raw_sum
           OR gross_revenue + refunds IS DISTINCT FROM rounded_net";
    let rows = scope.primary().await.query(SQL, &[]).await.expect("compares");
    rows.iter().map(|row| row.get(0)).collect()
}

const COUNTED: [&str; 5] = [
    "2025-03-29 1 0 1 2 33.32 0.00 33.32 33.32 33.32 0.000000",
    // 49.98 - 4.99 and 25.00 - 2.50.
    "2025-03-30 1 0 1 4 67.49 0.00 67.49 67.49 67.49 0.000000",
    "2025-03-31 1 1 1 1 10.00 -16.66 -6.66 -6.66 10.00 0.500000",
    "2025-04-03 0 1 0 0 0.00 -14.99 -14.99 -14.99 0.00 1.000000",
    "2025-04-05 0 1 0 0 0.00 -52.50 -52.50 -52.50 0.00 1.000000",
];

#[tokio::test]
async fn a_day_of_the_shop_is_what_its_ledger_says() {
    let (scope, _) = shop().await;
    let first = count(&scope).await;
    assert!(first.figures.was_full);
    assert_eq!(first.figures.lines_extracted, 6 + 4);
    assert_eq!(rows(&scope).await, COUNTED);
    assert_eq!(differences(&scope).await, [""; 0]);
    let again = count(&scope).await;
    assert_eq!((again.figures.was_full, again.figures.days_extracted), (false, 0));

    // The comparison sees a single penny.
    let primary = scope.primary().await;
    primary
        .batch_execute("UPDATE refund_lines SET net_minor = 1498 WHERE net_minor = 1499")
        .await
        .expect("set");
    assert_eq!(differences(&scope).await, ["2025-04-03 0 -1498"]);
}

#[tokio::test]
async fn a_later_refund_and_a_later_payment_change_their_own_days() {
    let (scope, orders) = shop().await;
    count(&scope).await;
    let primary = scope.primary().await;
    let (third, pending) = (&orders[2], &orders[4]);
    let refund = shop_orders::refund(third, "2025-04-09T23:00:00Z", &[(1, 1, 1000)]);
    shop_orders::write_refund(&primary, third, &refund).await;
    const CHANGE: &str = "UPDATE orders SET status = $2, version = version + 1, changed_xid = pg_current_xact_id() \
                          WHERE id = $1";
    primary.execute(CHANGE, &[&third.id.0, &"completed"]).await.expect("changed");
    primary.execute(CHANGE, &[&pending.id.0, &"paid"]).await.expect("changed");

    let changed = count(&scope).await;
    // The order's and the payment's day, and the refund's.
    assert_eq!((changed.figures.was_full, changed.figures.days_extracted), (false, 2));
    let mut expected = COUNTED.map(str::to_owned).to_vec();
    expected[1] = "2025-03-30 2 0 2 5 77.48 0.00 77.48 77.48 38.74 0.000000".to_owned();
    expected.push("2025-04-10 0 1 0 0 0.00 -10.00 -10.00 -10.00 0.00 1.000000".to_owned());
    assert_eq!(rows(&scope).await, expected);
    assert_eq!(differences(&scope).await, [""; 0]);
}

#[tokio::test]
async fn another_zone_and_a_lake_of_older_columns_are_counted_whole() {
    let (scope, _) = shop().await;
    count(&scope).await;
    in_zone(&scope, "Europe/London").await;
    assert!(!count(&scope).await.figures.was_full, "it is the same zone");
    in_zone(&scope, "UTC").await;
    assert_eq!(rows(&scope).await, [""; 0], "days of the old zone are not shown");
    assert!(count(&scope).await.figures.was_full);
    let days: Vec<String> = report(&scope).await.iter().map(|row| row.date.to_string()).collect();
    assert_eq!(days, ["2025-03-29", "2025-03-30", "2025-03-31", "2025-04-02", "2025-04-05"]);

    let file = scope.lake.join("manifests/shop.json");
    let text = std::fs::read_to_string(&file).expect("a manifest");
    std::fs::write(&file, text.replace("\"columns_version\":", "\"columns_version\":1")).expect("written");
    assert!(count(&scope).await.figures.was_full, "the lake is of another version");
    assert!(!count(&scope).await.figures.was_full);
}
