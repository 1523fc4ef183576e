//! Three nodes of PostgreSQL behind Pgpool-II, of the test's own.

use std::path::Path;
use std::time::Duration;

use devstack::doctor::{Context, Mend};
use futures_util::FutureExt;
use jiff::SignedDuration;
use support::wait;
use tokio_postgres::{Client, NoTls};

use crate::trial::{Seed, Trial, follow, found, gone, shell};

pub const SEEDS: &[Seed] = &[
    ("clock-off", |trial| clock_off(trial).boxed_local()),
    ("replica-not-streaming", |trial| not_streaming(trial).boxed_local()),
    ("sync-standby-missing", |trial| synchronous(trial).boxed_local()),
    ("slot-without-reader", |trial| slot(trial).boxed_local()),
    ("replica-behind", |trial| behind(trial).boxed_local()),
    ("pgpool-stale", |trial| pgpool_stale(trial).boxed_local()),
    ("pgpool-full", |trial| pgpool_full(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_postgres_and_pgpool_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.start(&["postgres_1", "postgres_2", "postgres_3", "pgpool"]).await;
    trial.plant(SEEDS).await;
    trial.end().await;
}

/// A session of the superuser on one node.
pub async fn node(trial: &Trial, index: usize) -> Client {
    session(
        trial.stack.ports.postgres[index],
        "postgres",
        &trial.stack.secrets.postgres_superuser,
        "postgres",
    )
    .await
    .expect("a session")
}

async fn session(
    port: u16,
    user: &str,
    password: &str,
    database: &str,
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).user(user).password(password).dbname(database);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Statements one by one: `ALTER SYSTEM` is refused in a transaction.
pub async fn tell(trial: &Trial, index: usize, statements: &[&str]) {
    let session = node(trial, index).await;
    for statement in statements {
        session.batch_execute(statement).await.expect("done");
    }
}

async fn clock_off(trial: &mut Trial) {
    gone(|| trial.context(), "clock-off").await;
    let fast = || Context { now: trial.context().now + SignedDuration::from_mins(10), ..trial.context() };
    let trouble = found(fast, "clock-off").await;
    assert!(trouble.seen.starts_with("600.") || trouble.seen.starts_with("599."), "{trouble:?}");
    assert_eq!(trouble.mend, Mend::command("timedatectl set-ntp true"));
    let slow = || Context { now: trial.context().now - SignedDuration::from_hours(1), ..trial.context() };
    assert!(found(slow, "clock-off").await.cause.contains("set back"));
    gone(|| trial.context(), "clock-off").await;
}

async fn not_streaming(trial: &mut Trial) {
    gone(|| trial.context(), "replica-not-streaming").await;
    let conninfo = "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1 application_name=node3'";
    tell(trial, 2, &[conninfo, "SELECT pg_reload_conf()"]).await;
    let trouble = found(|| trial.context(), "replica-not-streaming").await;
    assert!(trouble.seen.contains("postgres_3") && trouble.cause.contains("port 1"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "replica-not-streaming").await;
}

async fn synchronous(trial: &mut Trial) {
    gone(|| trial.context(), "sync-standby-missing").await;
    for names in ["'ANY 1 (nobody)'", "''"] {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = {names}");
        tell(trial, 0, &[&set, "SELECT pg_reload_conf()"]).await;
        let trouble = found(|| trial.context(), "sync-standby-missing").await;
        follow(&trouble, &trial.checkout);
        gone(|| trial.context(), "sync-standby-missing").await;
    }
}

async fn slot(trial: &mut Trial) {
    gone(|| trial.context(), "slot-without-reader").await;
    tell(trial, 0, &["SELECT pg_create_physical_replication_slot('forgotten', true)"]).await;
    let trouble = found(|| trial.context(), "slot-without-reader").await;
    assert!(trouble.seen.contains("forgotten"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "slot-without-reader").await;
}

async fn behind(trial: &mut Trial) {
    gone(|| trial.context(), "replica-behind").await;
    tell(trial, 1, &["SELECT pg_wal_replay_pause()"]).await;
    let trouble = found(|| trial.context(), "replica-behind").await;
    assert!(trouble.seen.starts_with("postgres_2 has paused"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "replica-behind").await;
}

async fn pgpool_stale(trial: &mut Trial) {
    gone(|| trial.context(), "pgpool-stale").await;
    let folder = trial.stack.folders.server("pgpool");
    let detach = format!(
        "PCPPASSFILE={}/pcp.pass pcp_detach_node -w -h 127.0.0.1 -p {} -U entrepot -n 2",
        folder.display(),
        trial.stack.ports.pgpool_pcp
    );
    shell(&detach, Path::new("/"));
    let trouble = found(|| trial.context(), "pgpool-stale").await;
    assert!(trouble.seen.starts_with("postgres_3 is down for Pgpool-II"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "pgpool-stale").await;
}

async fn pgpool_full(trial: &mut Trial) {
    gone(|| trial.context(), "pgpool-full").await;
    const MORE_THAN_IT_TAKES: usize = 100;
    let mut clients = Vec::new();
    while let Ok(client) = through_pgpool(trial).await {
        clients.push(client);
        assert!(clients.len() < MORE_THAN_IT_TAKES, "nobody was refused");
    }
    let trouble = found(|| trial.context(), "pgpool-full").await;
    assert!(trouble.seen.contains("one more was refused"), "{trouble:?}");
    clients.truncate(clients.len() - 5);
    let trouble = wait::until("a few can connect again", Duration::from_secs(20), async || {
        let trouble = found(|| trial.context(), "pgpool-full").await;
        (!trouble.seen.contains("refused")).then_some(trouble)
    })
    .await;
    assert!(trouble.seen.ends_with(" of 63 clients"), "{trouble:?}");
    drop(clients);
    gone(|| trial.context(), "pgpool-full").await;
}

async fn through_pgpool(trial: &Trial) -> Result<Client, tokio_postgres::Error> {
    let password = &trial.stack.secrets.postgres_application;
    session(trial.stack.ports.pgpool, "entrepot", password, "entrepot").await
}
