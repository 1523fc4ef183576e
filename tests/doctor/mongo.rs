//! A replica set of the test's own, which loses one member, then two.

use futures_util::FutureExt;

use crate::trial::{Seed, Trial, follow, found, gone};

pub const SEEDS: &[Seed] = &[
    ("mongo-member-away", |trial| member_away(trial).boxed_local()),
    ("mongo-no-primary", |trial| no_primary(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_the_replica_set_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.start(&["mongo_2", "mongo_3", "mongo_1"]).await;
    trial.plant(SEEDS).await;
    trial.end().await;
}

async fn member_away(trial: &mut Trial) {
    gone(|| trial.context(), "mongo-member-away").await;
    trial.kill("mongo_3").await;
    let trouble = found(|| trial.context(), "mongo-member-away").await;
    assert!(trouble.seen.contains("mongo_3 not reachable"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    trial.start(&["mongo_3"]).await;
    gone(|| trial.context(), "mongo-member-away").await;
}

async fn no_primary(trial: &mut Trial) {
    gone(|| trial.context(), "mongo-no-primary").await;
    trial.kill("mongo_2").await;
    trial.kill("mongo_3").await;
    let trouble = found(|| trial.context(), "mongo-no-primary").await;
    assert!(trouble.seen.contains("mongo_1 SECONDARY"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    trial.start(&["mongo_2", "mongo_3"]).await;
    gone(|| trial.context(), "mongo-no-primary").await;
}
