//! Nodes of PostgreSQL without Pgpool-II and without a supervisor, so that nobody decides who is the primary.

use futures_util::FutureExt;

use crate::postgres::tell;
use crate::trial::{Seed, Trial, follow, found, gone};

pub const SEEDS: &[Seed] = &[
    ("postgres-no-primary", |trial| no_primary(trial).boxed_local()),
    ("split-roles", |trial| split_roles(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_roles_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.start(&["postgres_1", "postgres_2", "postgres_3"]).await;
    trial.plant(SEEDS).await;
    trial.end().await;
}

async fn no_primary(trial: &mut Trial) {
    gone(|| trial.context(), "postgres-no-primary").await;
    trial.kill("postgres_1").await;
    let trouble = found(|| trial.context(), "postgres-no-primary").await;
    assert!(trouble.seen.starts_with("2 nodes answer"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    trial.start(&["postgres_1"]).await;
    gone(|| trial.context(), "postgres-no-primary").await;
    gone(|| trial.context(), "replica-not-streaming").await;
}

/// A standby is promoted while the primary still takes writes.
async fn split_roles(trial: &mut Trial) {
    gone(|| trial.context(), "split-roles").await;
    tell(trial, 2, &["SELECT pg_promote()"]).await;
    let trouble = found(|| trial.context(), "split-roles").await;
    assert!(trouble.seen.contains("postgres_1 (timeline 1"), "{trouble:?}");
    assert!(trouble.seen.contains("postgres_3 (timeline 2"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    trial.ended("postgres_1").await;
    gone(|| trial.context(), "split-roles").await;
    // The other standby still follows the one that was stopped.
    let trouble = found(|| trial.context(), "sync-standby-missing").await;
    assert!(trouble.cause.contains("both standbys are away"), "{trouble:?}");
    // That comes back behind the new primary, as its supervisor would bring it.
    trial.start(&["postgres_1"]).await;
    let trouble = found(|| trial.context(), "replica-not-streaming").await;
    assert!(trouble.seen.contains("postgres_2"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "replica-not-streaming").await;
    gone(|| trial.context(), "sync-standby-missing").await;
}
