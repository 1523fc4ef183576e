//! Migrations and outboxes, in databases of the test's own on the shared test stack.

use devstack::doctor::{Context, Mend, Names};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use mongodb::bson::{DateTime, Document, doc};
use support::{Scope, database};
use uuid::Uuid;

use crate::trial::{Seed, Trial, found, gone};
use crate::{SHARED, shared};

pub const SEEDS: &[Seed] = &[
    ("migrations-out-of-step", |_| migrations_out_of_step().boxed_local()),
    ("outbox-stuck", |_| outbox_stuck().boxed_local()),
    ("dead-letters", |_| dead_letters().boxed_local()),
];

#[tokio::test]
async fn faults_of_the_shop_are_named_and_mended() {
    let _turn = SHARED.lock().await;
    Trial::new().plant(SEEDS).await;
}

fn in_scope(postgres: &str, mongo: &str) -> Context {
    shared(Some(Names { postgres: postgres.to_owned(), mongo: mongo.to_owned(), ..Names::default() }))
}

async fn documents(scope: &Scope) -> mongodb::Database {
    let client =
        mongodb::Client::with_uri_str(&support::stack().mongo_url).await.expect("a connection string");
    client.database(&scope.mongo.database)
}

async fn migrations_out_of_step() {
    let scope = Scope::new().await;
    let name = format!("it_doctor_{}", std::process::id());
    database::create(&name).await;
    let mut client = database::connect(&name).await;
    migrations::pg::run(&mut client).await.expect("migrated");
    let look = || in_scope(&name, &scope.mongo.database);
    gone(look, "migrations-out-of-step").await;

    const EDIT: &str = "UPDATE refinery_schema_history SET checksum = (checksum::numeric + $1::text::numeric)::text \
                        WHERE version = 3";
    client.execute(EDIT, &[&"1"]).await.expect("edited");
    let trouble = found(look, "migrations-out-of-step").await;
    let (file, _) = migrations::pg::FILES[2];
    assert_eq!(trouble.mend, Mend::command(format!("git checkout -- migrations/pg/{file}.sql")));
    client.execute(EDIT, &[&"-1"]).await.expect("put back");
    gone(look, "migrations-out-of-step").await;

    const NEWER: &str = "INSERT INTO refinery_schema_history SELECT 9999, 'of_the_future', applied_on, checksum \
                         FROM refinery_schema_history WHERE version = 1";
    client.execute(NEWER, &[]).await.expect("applied elsewhere");
    assert!(found(look, "migrations-out-of-step").await.seen.starts_with("9999_of_the_future"));
    const UNDO: &str = "DELETE FROM refinery_schema_history WHERE version >= $1";
    client.execute(UNDO, &[&9999]).await.expect("the newer commit is checked out");

    let documents = documents(&scope).await;
    let applied = documents.collection::<Document>("schema_migrations");
    let (last, _) = migrations::mongo::FILES[migrations::mongo::FILES.len() - 1];
    applied.delete_one(doc! {"_id": last}).await.expect("of before");
    let trouble = found(look, "migrations-out-of-step").await;
    assert!(trouble.seen.starts_with("1 migrations were not applied"), "{trouble:?}");
    migrations::mongo::run(&documents).await.expect("what a start does");
    gone(look, "migrations-out-of-step").await;
    drop(client);
    database::remove(&name).await;
}

async fn outbox_stuck() {
    let scope = Scope::new().await;
    let primary = scope.primary().await;
    let name: String =
        primary.query_one("SELECT current_database()::text", &[]).await.expect("a name").get(0);
    let look = || in_scope(&name, &scope.mongo.database);
    gone(look, "outbox-stuck").await;

    let before = Timestamp::now() - SignedDuration::from_mins(5);
    let seconds = before.as_second().unsigned_abs();
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
    const INSERT: &str = "INSERT INTO outbox (id, created_at, shard, aggregate_kind, aggregate_id, \
         aggregate_version, event_type, envelope) VALUES ($1, uuid_v7_time($1), 0, 'doctor', 'x', 1, 'x', '{}')";
    let month = "SELECT ensure_month_partitions('outbox', uuid_v7_time($1), uuid_v7_time($1))";
    primary.execute(month, &[&id]).await.expect("a month");
    primary.execute(INSERT, &[&id]).await.expect("an event");
    let trouble = found(look, "outbox-stuck").await;
    assert!(trouble.seen.starts_with("1 events in PostgreSQL and 0 in MongoDB"), "{trouble:?}");
    primary.execute("UPDATE outbox SET sent_at = now() WHERE id = $1", &[&id]).await.expect("sent");
    gone(look, "outbox-stuck").await;

    let outbox = documents(&scope).await.collection::<Document>("outbox");
    let created_at = DateTime::from_millis(before.as_millisecond());
    let event = doc! {
        "_id": id.to_string(), "aggregate_kind": "doctor", "aggregate_id": "x", "aggregate_version": 1_i64,
        "event_type": "x", "envelope": "{}", "created_at": created_at, "sent_at": null,
    };
    outbox.insert_one(event).await.expect("an event");
    let trouble = found(look, "outbox-stuck").await;
    assert!(trouble.seen.starts_with("0 events in PostgreSQL and 1 in MongoDB"), "{trouble:?}");
    let sent = doc! {"$set": {"sent_at": DateTime::now()}};
    outbox.update_one(doc! {"_id": id.to_string()}, sent).await.expect("sent");
    gone(look, "outbox-stuck").await;
}

async fn dead_letters() {
    let scope = Scope::new().await;
    let primary = scope.primary().await;
    let look = || in_scope(&scope.postgres.database, &scope.mongo.database);
    gone(look, "dead-letters").await;

    const ARRIVE: &str = "INSERT INTO dead_letters (id, queue, fingerprint, body, body_bytes, reason, death_count, \
                              died_at, arrived_at) \
                          VALUES ($1, 'analytics', sha256('x'), 'x', 1, 'rejected', 1, now(), now())";
    primary.execute(ARRIVE, &[&Uuid::now_v7()]).await.expect("a letter");
    let trouble = found(look, "dead-letters").await;
    assert_eq!(trouble.seen, "1 messages of analytics were given up");
    let Mend::Command(mend) = &trouble.mend else { panic!("no command: {trouble:?}") };
    assert!(mend.starts_with("./dev dead-letters redrive --queue analytics"), "{mend}");
    const REDRIVE: &str = "UPDATE dead_letters SET state = 'redriven', settled_at = now()";
    primary.execute(REDRIVE, &[]).await.expect("sent again");
    gone(look, "dead-letters").await;
}
