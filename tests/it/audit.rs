//! Every check of `./dev audit` can fail: one row is corrupted, and that check alone reports it.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};
use domain::ids::ProductId;
use secrecy::ExposeSecret;
use store::mongo::products;
use store::pg::audit::{CHECKS, prepare, run};
use support::{Scope, shop};
use tokio_postgres::Client;

use crate::seed;

const HOUR: Duration = Duration::from_secs(3_600);

/// The checks that report it, and how one row is corrupted.
const CORRUPTIONS: [(&[&str], &str); 25] = [
    (
        &["stock_equals_ledger"],
        "UPDATE stock SET on_hand = on_hand + 1 WHERE (variant_id, warehouse) IN \
         (SELECT variant_id, warehouse FROM stock LIMIT 1)",
    ),
    (
        &["ledger_runs_on"],
        "ALTER TABLE stock_ledger DISABLE TRIGGER stock_ledger_is_appended; \
         UPDATE stock_ledger SET on_hand_after = on_hand_after + 1 WHERE id = (SELECT id FROM stock_ledger LIMIT 1)",
    ),
    (
        &["reserved_is_promised"],
        "UPDATE stock SET reserved = reserved + 1 WHERE (variant_id, warehouse) IN \
         (SELECT variant_id, warehouse FROM stock WHERE on_hand > reserved LIMIT 1)",
    ),
    (
        &["availability_is_the_stock"],
        "INSERT INTO availability (variant_id, state, version) \
         SELECT variant_id, 'out', 1 FROM stock WHERE on_hand > reserved LIMIT 1",
    ),
    (
        &["sales_are_in_ledger"],
        "ALTER TABLE stock_ledger DISABLE TRIGGER stock_ledger_is_appended; \
         UPDATE stock_ledger SET order_id = gen_random_uuid() \
         WHERE id = (SELECT id FROM stock_ledger WHERE cause = 'sale' LIMIT 1)",
    ),
    (
        &["returns_are_refunded"],
        "ALTER TABLE stock_ledger DISABLE TRIGGER stock_ledger_is_appended; \
         UPDATE stock_ledger SET order_id = gen_random_uuid() \
         WHERE id = (SELECT id FROM stock_ledger WHERE cause = 'return' LIMIT 1)",
    ),
    (
        &["total_adds_up"],
        "UPDATE orders SET total_minor = total_minor + 1 \
         WHERE id = (SELECT id FROM orders WHERE status = 'cancelled' LIMIT 1)",
    ),
    (
        &["discount_and_tax_are_the_lines"],
        "UPDATE orders SET tax_minor = 0, total_minor = total_minor - tax_minor WHERE id = \
         (SELECT orders.id FROM orders JOIN order_lines line ON order_id = orders.id \
          WHERE status = 'cancelled' AND line.tax_minor > 0 LIMIT 1)",
    ),
    (
        &["line_is_quantity_times_price"],
        "UPDATE order_lines SET unit_price = unit_price + 1 \
         WHERE (order_id, line_number) IN (SELECT order_id, line_number FROM order_lines LIMIT 1)",
    ),
    (
        &["lines_are_counted"],
        "UPDATE orders SET line_count = line_count + 1 WHERE id = (SELECT id FROM orders LIMIT 1)",
    ),
    (
        &["numbers_are_orders"],
        "UPDATE order_numbers SET number = number || 'x' WHERE number = (SELECT number FROM order_numbers LIMIT 1)",
    ),
    (
        &["numbers_are_orders"],
        "DELETE FROM order_numbers WHERE number = (SELECT number FROM order_numbers LIMIT 1)",
    ),
    (
        &["numbers_are_orders"],
        "INSERT INTO order_numbers SELECT channel, 'none', gen_random_uuid(), created_at FROM order_numbers LIMIT 1",
    ),
    (
        &["captured_is_total"],
        "UPDATE payments SET status = 'failed', failure_code = 'x' WHERE id = (SELECT id FROM payments \
         WHERE status = 'captured' AND order_id NOT IN (SELECT order_id FROM refunds) LIMIT 1)",
    ),
    (
        &["payments_follow_orders"],
        "UPDATE payments SET occurred_at = created_at - interval '1 hour' \
         WHERE id = (SELECT id FROM payments WHERE order_id NOT IN (SELECT order_id FROM refunds) LIMIT 1)",
    ),
    (
        &["refunds_are_their_lines"],
        "UPDATE refunds SET amount_minor = amount_minor - 1 WHERE id = (SELECT id FROM refunds LIMIT 1)",
    ),
    (
        &["refunds_are_within_lines"],
        "UPDATE refund_lines SET quantity = quantity + 100 \
         WHERE (refund_id, line_number) IN (SELECT refund_id, line_number FROM refund_lines LIMIT 1)",
    ),
    (
        &["captured_is_total", "refunds_are_within_captured"],
        "UPDATE payments SET amount_minor = 1 WHERE id = (SELECT payment_id FROM refunds LIMIT 1)",
    ),
    (
        &["promotions_apply"],
        "UPDATE promotions SET ends_at = starts_at + interval '1 microsecond' WHERE code = \
         (SELECT promotion_code FROM orders WHERE promotion_code IS NOT NULL LIMIT 1)",
    ),
    (
        &["discounts_are_the_percentage"],
        "UPDATE promotions SET percent_off = least(percent_off + 40, 100) WHERE code = \
         (SELECT promotion_code FROM orders WHERE promotion_code IS NOT NULL LIMIT 1)",
    ),
    (
        &["customers_came_first"],
        "UPDATE orders SET user_id = uuid_v7_named('2020-01-01', 'nobody') WHERE id = (SELECT id FROM orders LIMIT 1)",
    ),
    (
        &["versions_are_gapless"],
        "INSERT INTO outbox (id, created_at, shard, aggregate_kind, aggregate_id, aggregate_version, event_type, \
         envelope) SELECT id, uuid_v7_time(id), shard, aggregate_kind, aggregate_id, 3, event_type, envelope \
         FROM (SELECT uuid_v7_named(date_trunc('milliseconds', now()), 'x') AS id, shard, aggregate_kind, \
               aggregate_id, event_type, envelope FROM outbox LIMIT 1) AS event",
    ),
    (&["events_are_sent"], "SET LOCAL audit.unsent_after = '0 seconds'"),
    (
        &["report_equals_orders"],
        "INSERT INTO report_daily_sales (channel, time_zone, currency, date, orders, cancelled_orders, customers, \
         new_customers, units, gross_revenue, discounts, refunds, tax, shipping, raw_sum, rounded_net) \
         SELECT code, time_zone, 'GBP', '2000-01-01', 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 1 FROM channels \
         WHERE code = 'shop'",
    ),
    (
        &["months_are_their_days"],
        "INSERT INTO report_product_sales_months (channel, time_zone, month, currency, product, orders, units, \
         gross_revenue, refunds) SELECT code, time_zone, '2000-01-01', 'GBP', 'x', 1, 1, 1, 0 FROM channels \
         WHERE code = 'shop'",
    ),
];

/// What stores say of each other: as above, with how the row is mended.
const REFERENCES: [(&str, &str, &str); 3] = [
    (
        "sold_variant_exists",
        "UPDATE order_lines SET sku = sku || '~' WHERE line_number = 1 AND order_id = (SELECT id FROM orders LIMIT 1)",
        "UPDATE order_lines SET sku = rtrim(sku, '~') WHERE sku LIKE '%~'",
    ),
    (
        "stocked_variant_exists",
        "UPDATE stock SET sku = sku || '~' WHERE variant_id = (SELECT variant_id FROM stock LIMIT 1)",
        "UPDATE stock SET sku = rtrim(sku, '~') WHERE sku LIKE '%~'",
    ),
    (
        "judged_product_exists",
        "INSERT INTO judgments SELECT 'x', query, gen_random_uuid(), judge, grade, judged_at FROM judgments LIMIT 1",
        "DELETE FROM judgments WHERE judgment_set = 'x'",
    ),
];

async fn broken_in_postgres(client: &Client) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for check in &CHECKS {
        let found = run(client, check).await.unwrap_or_else(|error| panic!("{}: {error:?}", check.name));
        assert_eq!(found.violations == 0, found.samples.is_empty(), "{found:?}");
        broken.extend((found.violations > 0).then_some(found.name));
    }
    broken
}

async fn broken(scope: &Scope) -> Vec<&'static str> {
    scope.standbys_caught_up().await;
    let found = worker::audit::audit(&scope.postgres, &scope.mongo, HOUR, |_| {}).await.expect("checks");
    found.iter().filter(|found| found.violations > 0).map(|found| found.name).collect()
}

#[tokio::test]
async fn each_check_of_postgres_can_fail() {
    let scope = Scope::new().await;
    seed::make(&scope, seed::wanted(2_000)).await.expect("made");
    let client = scope.primary().await;
    prepare(&client, HOUR).await.expect("prepared");
    assert_eq!(broken_in_postgres(&client).await, Vec::<&str>::new());
    let mut untested: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    for (expected, corruption) in CORRUPTIONS {
        client.batch_execute(&format!("BEGIN READ WRITE; {corruption}")).await.expect(corruption);
        assert_eq!(broken_in_postgres(&client).await, expected, "{corruption}");
        client.batch_execute("ROLLBACK").await.expect("as before");
        untested.retain(|name| !expected.contains(name));
    }
    assert_eq!(untested, Vec::<&str>::new());
}

#[tokio::test]
async fn each_check_across_the_stores_can_fail() {
    let scope = Scope::new().await;
    seed::make(&scope, seed::wanted(300)).await.expect("made");
    let client = scope.primary().await;
    for (expected, corruption, mending) in REFERENCES {
        client.batch_execute(corruption).await.expect(corruption);
        assert_eq!(broken(&scope).await, [expected]);
        client.batch_execute(mending).await.expect(mending);
    }
    for (expected, collection, filter, change) in changes() {
        corrupt(&scope, expected, collection, filter, change).await;
    }
    assert_eq!(broken(&scope).await, Vec::<&str>::new());
}

type Change = (&'static [&'static str], &'static str, Document, Document);

/// The checks that report it, the collection, which document, and how it is changed.
fn changes() -> Vec<Change> {
    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057";
    let set = |field: &str, value: Bson| doc! {"$set": {field: value}};
    let add_one = |field: &str| doc! {"$inc": {field: 1_i64}};
    let child = doc! {"parent_id": {"$ne": null}, "path": {"$regex": "/.*/"}};
    vec![
        (&["categories_are_a_tree"], "categories", child, set("parent_id", nobody.into())),
        (&["category_exists"], "products", doc! {}, set("category", "no/such".into())),
        (&["rating_is_the_mean"], "products", doc! {}, add_one("rating.count")),
        (&["price_is_the_newest"], "products", doc! {}, add_one("variants.0.price.amount_minor")),
        (&["product_is_its_newest_event"], "outbox", doc! {}, add_one("aggregate_version")),
        (&["product_events_are_sent"], "outbox", doc! {}, set("created_at", DateTime::from_millis(0).into())),
        (
            &["verified_review_was_bought"],
            "reviews",
            doc! {"order_id": {"$ne": null}},
            set("order_id", nobody.into()),
        ),
    ]
}

async fn corrupt(scope: &Scope, expected: &[&str], collection: &str, filter: Document, change: Document) {
    let mongo = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let documents = mongo.database(&scope.mongo.database).collection::<Document>(collection);
    let before = documents.find_one_and_update(filter, change).await.expect("changed").expect("a document");
    assert_eq!(broken(scope).await, expected);
    let id = before.get("_id").expect("an id").clone();
    documents.replace_one(doc! {"_id": id}, before).await.expect("as before");
}

#[tokio::test]
async fn a_missing_event_is_a_gap() {
    let scope = Scope::new().await;
    seed::make(&scope, seed::wanted(100)).await.expect("made");
    let mongo = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    let outbox = mongo.database(&scope.mongo.database).collection::<Document>("outbox");
    let mut event = outbox.find_one(doc! {}).await.expect("asked").expect("an event");
    event.insert("_id", "01890a5d-ac96-774b-bcce-b302099a8057");
    event.insert("aggregate_version", 3_i64);
    outbox.insert_one(event).await.expect("inserted");
    assert_eq!(broken(&scope).await, ["product_versions_are_gapless", "product_is_its_newest_event"]);
}

#[tokio::test]
async fn a_deleted_product_is_still_known_to_its_orders() {
    const SOLD: &str = "SELECT product_id FROM order_lines WHERE product_id IS NOT NULL LIMIT 1";
    let scope = Scope::new().await;
    seed::make(&scope, seed::wanted(100)).await.expect("made");
    let mongo = scope.mongo().await;
    let sold = scope.primary().await.query_one(SOLD, &[]).await.expect("a line").get(0);
    let product = products::find(&mongo, ProductId(sold)).await.expect("asked").expect("a product");
    assert!(products::delete(&mongo, &product, &shop::deleted(&product)).await.expect("deleted"));
    assert_eq!(broken(&scope).await, Vec::<&str>::new());
}
