//! The demonstration shop on the real servers: whole, made once, and the same after a kill.

use std::process::{Child, Stdio};
use std::time::Duration;

use bson::{Document, doc};
use demo::write::{LakeSettings, Progress, SeedError, Seeded, Settings, Wanted, seed};
use domain::behaviour::BehaviourKind;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use store::objects::Objects;
use support::{Scope, files, program, shop, wait};

/// Tables of the shop, and what puts their rows into an order.
const TABLES: [(&str, &str); 12] = [
    ("users", "id"),
    ("promotions", "code"),
    ("warehouses", "code"),
    ("stock", "variant_id, warehouse"),
    ("stock_ledger", "id"),
    ("orders", "id"),
    ("order_numbers", "number"),
    ("order_lines", "order_id, line_number"),
    ("payments", "id"),
    ("refunds", "id"),
    ("refund_lines", "refund_id, line_number"),
    ("judgments", "query, product_id"),
];
/// Products of the shop that is killed: other than in proportion.
const PRODUCTS: u16 = 250;
const COLLECTIONS: [&str; 4] = ["categories", "products", "reviews", "price_changes"];

pub fn settings(scope: &Scope) -> Settings {
    Settings {
        environment: "development".to_owned(),
        postgres: scope.postgres.clone(),
        mongo: scope.mongo.clone(),
        objects: scope.objects.clone(),
        lake: LakeSettings { path: scope.lake.clone() },
    }
}

pub fn wanted(orders: u32) -> Wanted {
    let end: Timestamp = "2026-11-01T00:00:00Z".parse().expect("a time");
    Wanted { orders, products: None, events: None, seed: 7, end: Some(end), if_empty: false }
}

pub async fn make(scope: &Scope, wanted: Wanted) -> Result<Seeded, SeedError> {
    seed(&settings(scope), wanted, &Progress::hidden()).await
}

async fn broken(scope: &Scope) -> Vec<&'static str> {
    scope.standbys_caught_up().await;
    let hour = Duration::from_secs(3_600);
    let findings =
        worker::audit::audit(&scope.postgres, &scope.mongo, hour, |_| {}).await.expect("the checks run");
    findings.iter().filter(|found| found.violations > 0).map(|found| found.name).collect()
}

/// A digest of each table, collection and day of the lake.
async fn digests(scope: &Scope) -> Vec<(String, String)> {
    let client = scope.primary().await;
    let mut digests = Vec::new();
    for (table, order) in TABLES {
        let sql = format!(
            "SELECT count(*) || ' ' || md5(coalesce(string_agg((to_jsonb(t) - 'changed_xid')::text, ',' \
             ORDER BY {order}), '')) FROM {table} AS t"
        );
        digests.push((table.to_owned(), client.query_one(&sql, &[]).await.expect("a digest").get(0)));
    }
    let mongo = mongodb::Client::with_uri_str(scope.mongo.url.expose_secret()).await.expect("a client");
    for name in COLLECTIONS {
        let collection = mongo.database(&scope.mongo.database).collection::<Document>(name);
        let found = collection.find(doc! {}).sort(doc! {"_id": 1}).await.expect("a cursor");
        let documents: Vec<_> = found.try_collect().await.expect("documents");
        let mut digest = Sha256::new();
        documents.iter().for_each(|document| digest.update(document.to_string()));
        let digest: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        digests.push((name.to_owned(), format!("{} {digest}", documents.len())));
    }
    for day in lake::behaviour::days(&scope.lake, "shop").expect("days") {
        let events = lake::behaviour::read_day(&scope.lake, "shop", day).expect("events");
        let digest = Sha256::digest(format!("{events:?}"));
        digests.push((day.to_string(), format!("{} {:x?}", events.len(), &digest[..8])));
    }
    digests
}

#[tokio::test]
async fn a_shop_is_whole_and_made_once() {
    let scope = Scope::new().await;
    let Ok(Seeded::Now(_, report)) = make(&scope, wanted(500)).await else { panic!("made") };
    assert!(report.to_string().contains("behaviour events"), "{report}");
    assert_eq!(broken(&scope).await, Vec::<&str>::new());
    let before = digests(&scope).await;
    assert!(matches!(make(&scope, wanted(500)).await, Ok(Seeded::Before(_))));
    let without_end = Wanted { end: None, if_empty: true, ..wanted(9) };
    assert!(matches!(make(&scope, without_end).await, Ok(Seeded::Before(_))));
    assert!(matches!(make(&scope, wanted(501)).await, Err(SeedError::OtherShop(_))));
    let more = Wanted { products: Some(201), ..wanted(500) };
    assert!(matches!(make(&scope, more).await, Err(SeedError::OtherShop(_))));
    assert_eq!(digests(&scope).await, before);
    check_purchases(&scope).await;
    check_pictures(&scope).await;
    let client = scope.primary().await;
    let neglected = "SELECT count(*) FROM pg_class WHERE 'autovacuum_enabled=false' = ANY (reloptions)";
    assert_eq!(client.query_one(neglected, &[]).await.expect("a count").get::<_, i64>(0), 0);
    let other = "UPDATE demo_seed SET generator = generator + 1, finished_at = NULL";
    client.execute(other, &[]).await.expect("another version's, unfinished");
    assert!(matches!(make(&scope, wanted(500)).await, Err(SeedError::OtherGenerator)));
}

/// Each paid order has one purchase among the events, and the other way round.
async fn check_purchases(scope: &Scope) {
    let client = scope.primary().await;
    let sql = "SELECT id FROM orders WHERE status IN ('paid', 'completed') ORDER BY id";
    let rows = client.query(sql, &[]).await.expect("orders");
    let paid: Vec<uuid::Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let mut bought = Vec::new();
    for day in lake::behaviour::days(&scope.lake, "shop").expect("days") {
        let events = lake::behaviour::read_day(&scope.lake, "shop", day).expect("events");
        let purchases = events.iter().filter(|event| event.kind == BehaviourKind::Purchase);
        bought.extend(purchases.map(|event| event.order_id.expect("an order").0));
    }
    bought.sort_unstable();
    assert_eq!(bought, paid);
}

async fn check_pictures(scope: &Scope) {
    let mongo = scope.mongo().await;
    let objects = Objects::open(&scope.objects).await.expect("a folder");
    for product in store::mongo::products::scan(&mongo, None, 1_000).await.expect("products") {
        for image in product.images {
            let key = image.url.rsplit('/').next().expect("a key");
            assert!(objects.get(key).await.expect("asked").is_some(), "{}", image.url);
        }
    }
}

#[tokio::test]
async fn other_orders_are_left_alone() {
    let scope = Scope::new().await;
    let client = scope.primary().await;
    let order = "SELECT ensure_order_partitions(now(), now()); \
                 INSERT INTO orders (id, created_at, channel, number, kind, status, currency, total_minor, line_count) \
                 SELECT id, uuid_v7_time(id), 'shop', '1', 'sale', 'paid', 'GBP', 1, 1 \
                 FROM uuid_v7_named(date_trunc('milliseconds', now()), 'order') AS id";
    client.batch_execute(order).await.expect("an order");
    assert!(matches!(make(&scope, wanted(100)).await, Err(SeedError::OtherOrders)));
    let polite = Wanted { if_empty: true, ..wanted(100) };
    assert!(matches!(make(&scope, polite).await, Ok(Seeded::NotEmpty)));
    let users: i64 = client.query_one("SELECT count(*) FROM users", &[]).await.expect("a count").get(0);
    assert_eq!(users, 0);
}

#[tokio::test]
async fn other_products_are_left_alone() {
    let scope = Scope::new().await;
    let mongo = scope.mongo().await;
    let product = shop::product("Somebody's");
    store::mongo::products::insert(&mongo, &product, &shop::changed(&product)).await.expect("inserted");
    assert!(matches!(make(&scope, wanted(100)).await, Err(SeedError::OtherProducts)));
    let polite = Wanted { if_empty: true, ..wanted(100) };
    assert!(matches!(make(&scope, polite).await, Ok(Seeded::NotEmpty)));
    assert_eq!(store::mongo::products::scan(&mongo, None, 9).await.expect("products").len(), 1);
}

#[tokio::test]
async fn a_killed_seed_goes_on_to_the_same_shop() {
    const MONTHS: &str = "SELECT ensure_order_partitions('2024-10-01', '2026-12-01') \
                          + ensure_month_partitions('stock_ledger', '2024-10-01', '2026-12-01')";
    let (undisturbed, killed) = (Scope::new().await, Scope::new().await);
    // One into months that are there, the other mostly into months that it makes.
    undisturbed.primary().await.query_one(MONTHS, &[]).await.expect("months");
    let wanted = Wanted { products: Some(PRODUCTS.into()), ..wanted(3_000) };
    assert!(matches!(make(&undisturbed, wanted).await, Ok(Seeded::Now(..))));
    let products = store::mongo::products::scan(&undisturbed.mongo().await, None, 1_000).await;
    assert_eq!(products.expect("products").len(), usize::from(PRODUCTS));

    let client = killed.primary().await;
    for moment in [
        "SELECT EXISTS (SELECT FROM demo_seed)",
        "SELECT EXISTS (SELECT FROM demo_seed_parts WHERE part = 'orders' AND until > '2025-01-01')",
        "SELECT EXISTS (SELECT FROM demo_seed_parts WHERE part = 'ledger' AND until > '2026-01-01')",
    ] {
        let mut seeding = start(&killed, 3_000);
        wait::until(moment, Duration::from_secs(120), async || {
            let has_come: bool = client.query_one(moment, &[]).await.expect("asked").get(0);
            // The servers may not have noticed yet that the one before is gone.
            if let Some(status) = seeding.try_wait().expect("a process") {
                assert!(!status.success(), "it ended before it was killed");
                seeding = start(&killed, 3_000);
            }
            has_come.then_some(())
        })
        .await;
        seeding.kill().expect("killed");
        seeding.wait().expect("gone");
    }
    let ended = wait::until("the servers have noticed", Duration::from_secs(60), async || {
        match make(&killed, wanted).await {
            Err(SeedError::Busy) => None,
            ended => Some(ended),
        }
    })
    .await;
    assert!(matches!(ended, Ok(Seeded::Now(..))), "{ended:?}");
    for (killed, undisturbed) in digests(&killed).await.into_iter().zip(digests(&undisturbed).await) {
        assert_eq!(killed, undisturbed);
    }
    assert_eq!(broken(&killed).await, Vec::<&str>::new());
}

/// The program itself, beside the tests' own.
fn start(scope: &Scope, orders: u32) -> Child {
    program::command(scope, "demo", &files::folder("seed"))
        .args(["seed", "--seed", "7", "--end", "2026-11-01T00:00:00Z", "--orders", &orders.to_string()])
        .args(["--products", &PRODUCTS.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started")
}
