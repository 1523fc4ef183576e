//! A fresh database equals an upgraded one, and partitions are there before they are needed.

use bson::{Document, doc};
use futures_util::TryStreamExt;
use support::{Scope, database, stack};
use tokio_postgres::Client;

/// Everything that has a shape: columns, constraints, indexes, functions, sequences. Partitions depend on the clock.
const SHAPE: &str = "
    SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
    UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(o.oid)
    FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid
    WHERE connamespace = 'public'::regnamespace AND NOT c.relispartition AND conname !~ '_fkey\\d+$'
    UNION ALL SELECT 'index ' || pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
    UNION ALL SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'sequence ' || sequencename || ' ' || data_type FROM pg_sequences WHERE schemaname = 'public'
    ORDER BY 1";

async fn shape(client: &Client) -> Vec<String> {
    let rows = client.query(SHAPE, &[]).await.expect("a shape");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_fresh_postgresql_equals_one_upgraded_step_by_step() {
    let scope = Scope::new().await;
    let fresh = shape(&scope.primary().await).await;
    assert!(fresh.len() > 50, "{} lines of shape", fresh.len());
    let name = format!("it_upgraded_{}", std::process::id());
    database::create(&name).await;
    let mut upgraded = database::connect(&name).await;
    for count in 1..=migrations::pg::FILES.len() {
        let applied = migrations::pg::run_to(&mut upgraded, count).await.expect("a step");
        assert_eq!(applied.len(), 1, "step {count}: {applied:?}");
    }
    assert_eq!(shape(&upgraded).await, fresh);
    assert!(migrations::pg::run(&mut upgraded).await.expect("again").is_empty());
    drop(upgraded);
    database::remove(&name).await;
}

#[tokio::test]
async fn prices_of_one_moment_become_one_change() {
    const BEFORE: usize = 3;
    let client = mongodb::Client::with_uri_str(&stack().mongo_url).await.expect("a connection string");
    let database = client.database(&format!("it-prices-{}", uuid::Uuid::new_v4().simple()));
    migrations::mongo::run_to(&database, BEFORE).await.expect("migrated");
    let [product, first, second] = [(); 3].map(|()| uuid::Uuid::new_v4().to_string());
    let price = |variant: &str, amount_minor: i64, at: i64| {
        doc! {
            "_id": format!("{variant}/{at}"), "product_id": &product, "variant_id": variant,
            "amount_minor": amount_minor, "currency": "GBP", "changed_at": bson::DateTime::from_millis(at),
        }
    };
    let old = [price(&first, 100, 1_000), price(&second, 200, 1_000), price(&second, 150, 2_000)];
    database.collection::<Document>("price_history").insert_many(old).await.expect("inserted");
    migrations::mongo::run(&database).await.expect("migrated");
    let stored = database.collection::<Document>("price_changes");
    let changes = stored.find(doc! {}).sort(doc! {"_id": 1}).await.expect("a cursor");
    let mut changes: Vec<_> = changes.try_collect().await.expect("read");
    for change in &mut changes {
        let prices = change.get_array_mut("prices").expect("prices");
        prices.sort_by_key(|price| price.as_document().and_then(|price| price.get_i64("amount_minor").ok()));
    }
    let priced = |variant: &str, amount_minor: i64| {
        doc! {"variant_id": variant, "amount_minor": amount_minor, "currency": "GBP"}
    };
    let change = |at: i64, prices: Vec<Document>| {
        doc! {
            "_id": format!("{product}/{at}"), "product_id": &product,
            "changed_at": bson::DateTime::from_millis(at), "prices": prices,
        }
    };
    let expected = [
        change(1_000, vec![priced(&first, 100), priced(&second, 200)]),
        change(2_000, vec![priced(&second, 150)]),
    ];
    assert_eq!(changes, expected);
    database.drop().await.expect("dropped");
}

#[tokio::test]
async fn a_fresh_mongodb_equals_one_upgraded_step_by_step() {
    let client = mongodb::Client::with_uri_str(&stack().mongo_url).await.expect("a connection string");
    let name = |kind: &str| format!("it-{kind}-{}", uuid::Uuid::new_v4().simple());
    let (fresh, upgraded) = (client.database(&name("fresh")), client.database(&name("upgraded")));
    migrations::mongo::run(&fresh).await.expect("fresh");
    for count in 1..=migrations::mongo::FILES.len() {
        assert_eq!(migrations::mongo::run_to(&upgraded, count).await.expect("a step").len(), 1);
    }
    assert!(migrations::mongo::run(&upgraded).await.expect("again").is_empty());
    let shape = async |database: &mongodb::Database| {
        let mut collections: Vec<Document> = database
            .run_cursor_command(doc! {"listCollections": 1})
            .await
            .expect("listed")
            .try_collect()
            .await
            .expect("read");
        collections.sort_by_key(|collection| collection.get_str("name").expect("a name").to_owned());
        let mut lines = Vec::new();
        for collection in collections {
            let name = collection.get_str("name").expect("a name").to_owned();
            lines.push(format!("{name} {}", collection.get_document("options").expect("options")));
            let indexes: Vec<Document> = database
                .run_cursor_command(doc! {"listIndexes": &name})
                .await
                .expect("listed")
                .try_collect()
                .await
                .expect("read");
            lines.extend(indexes.iter().map(|index| format!("{name} {index}")));
        }
        lines
    };
    let expected = shape(&fresh).await;
    assert!(expected.len() > 5, "{expected:?}");
    assert_eq!(shape(&upgraded).await, expected);
    for database in [fresh, upgraded] {
        database.drop().await.expect("dropped");
    }
}

#[tokio::test]
async fn partitions_are_ahead_and_made_once() {
    let scope = Scope::new().await;
    let client = scope.primary().await;
    let now = "2031-12-15T12:00:00Z".parse().expect("a time");
    let made = store::pg::partitions::ensure_ahead(&client, now).await.expect("made");
    assert_eq!(made, 32, "8 tables, December to March");
    assert_eq!(store::pg::partitions::ensure_ahead(&client, now).await.expect("again"), 0);
    const BOUND: &str =
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'orders_2032_01'";
    client.batch_execute("SET timezone = 'UTC'").await.expect("set");
    let bound: String = client.query_one(BOUND, &[]).await.expect("a partition").get(0);
    assert_eq!(bound, "FOR VALUES FROM ('2032-01-01 00:00:00+00') TO ('2032-02-01 00:00:00+00')");
}

#[tokio::test]
async fn an_order_lies_at_its_own_millisecond() {
    let scope = Scope::new().await;
    let client = scope.primary().await;
    let id = domain::ids::OrderId::new("2011-04-15T10:20:30.456Z".parse().expect("a time"), [9; 10]);
    let at: jiff::Timestamp =
        client.query_one("SELECT uuid_v7_time($1)", &[&id.0]).await.expect("a time").get(0);
    assert_eq!(Some(at), id.created_at());
    let named = "SELECT uuid_v7_named('2010-12-01 08:26:00+00', E'channel\\n536365'), \
                 uuid_v7_named('2010-12-01 08:26:00+00', 'x')";
    let row = client.query_one(named, &[]).await.expect("ids");
    let (first, second) = (domain::ids::OrderId(row.get(0)), domain::ids::OrderId(row.get(1)));
    assert_ne!(first, second);
    let expected: jiff::Timestamp = "2010-12-01T08:26:00Z".parse().expect("a time");
    assert_eq!((first.created_at(), second.created_at()), (Some(expected), Some(expected)));
}
