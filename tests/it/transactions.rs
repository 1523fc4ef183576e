//! Transactions of requests: run again when they lose, never without an end, expired rows go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use store::error::StoreError;
use store::pg::idempotency::{self, KeyScope, StoredAnswer};
use store::pg::pool::PgPools;
use store::pg::{outbox, transaction};
use support::{Scope, shop};
use tokio::sync::Barrier;

/// Touches two rows in an order, and meets another one that takes them in the other order.
async fn touch(
    pools: PgPools,
    first: &'static str,
    second: &'static str,
    both: Arc<Barrier>,
    tries: Arc<AtomicUsize>,
) -> Result<(), StoreError> {
    transaction::run(&pools, "touch", async |transaction| {
        let attempt = tries.fetch_add(1, Ordering::SeqCst);
        const SQL: &str = "UPDATE channels SET price_scale = price_scale WHERE code = $1";
        transaction.execute(SQL, &[&first]).await?;
        if attempt < 2 {
            both.wait().await;
        }
        transaction.execute(SQL, &[&second]).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_transaction_that_loses_a_deadlock_is_run_again() {
    let scope = Scope::new().await;
    let primary = scope.primary().await;
    primary.execute("INSERT INTO channels (code) VALUES ('a'), ('b')", &[]).await.expect("inserted");
    let (both, tries) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let one = touch(scope.pools(), "a", "b", both.clone(), tries.clone());
    let other = touch(scope.pools(), "b", "a", both, tries.clone());
    let (one, other) = tokio::join!(one, other);
    one.expect("committed");
    other.expect("committed");
    assert_eq!(tries.load(Ordering::SeqCst), 3, "the loser ran twice");
}

#[tokio::test]
async fn a_constraint_names_itself_and_a_missing_partition_is_nobodys_conflict() {
    let scope = Scope::new().await;
    let primary = scope.primary().await;
    let error = |sql: &'static str| {
        let primary = &primary;
        async move { StoreError::from(primary.execute(sql, &[]).await.expect_err("refused")) }
    };
    let twice = error("INSERT INTO channels (code) VALUES ('shop')").await;
    assert!(matches!(twice, StoreError::Conflict { constraint } if constraint == "channels_pkey"));
    const NOWHERE: &str = "INSERT INTO orders (id, created_at, channel, number, kind, status, currency, total_minor, \
                           line_count) SELECT id, uuid_v7_time(id), 'shop', '1', 'sale', 'paid', 'GBP', 1, 1 \
                           FROM uuid_v7_named('1999-01-01 00:00:00+00', 'x') AS id";
    let error = error(NOWHERE).await;
    assert!(matches!(error, StoreError::Driver(_)), "{error:?}");
}

#[tokio::test]
async fn what_has_served_its_time_is_deleted_and_nothing_else() {
    let scope = Scope::new().await;
    let pools = scope.pools();
    let product = shop::product("Blue shirt");
    let events = [shop::changed(&product), shop::changed(&product)];
    let answer =
        StoredAnswer { fingerprint: vec![0; 32], status: 201, location: None, etag: None, body: vec![1] };
    let scope_of = |key| KeyScope { caller: "c", route: "r", key };
    transaction::run(&pools, "test", async |transaction| {
        for event in &events {
            outbox::append(transaction, event).await?;
        }
        idempotency::insert(transaction, scope_of("k"), &answer).await
    })
    .await
    .expect("committed");
    let primary = scope.primary().await;
    let sent = "UPDATE outbox SET sent_at = now() WHERE id = $1";
    primary.execute(sent, &[&events[0].id.0]).await.expect("marked");
    assert_eq!(worker::expiry::expire(&pools, Timestamp::now()).await.expect("done"), 0);
    let in_eight_days = Timestamp::now() + SignedDuration::from_hours(8 * 24);
    assert_eq!(worker::expiry::expire(&pools, in_eight_days).await.expect("done"), 1, "the sent event");
    let in_31_days = Timestamp::now() + SignedDuration::from_hours(31 * 24);
    assert_eq!(worker::expiry::expire(&pools, in_31_days).await.expect("done"), 1, "the answer");
    let left: uuid::Uuid = primary.query_one("SELECT id FROM outbox", &[]).await.expect("one event").get(0);
    assert_eq!(left, events[1].id.0, "an unsent event stays");
}
