//! OpenSearch of the shared test stack, with indices of the test's own.

use std::path::Path;

use devstack::doctor::Names;
use futures_util::FutureExt;
use reqwest::Method;
use serde_json::{Value, json};
use support::stack;
use uuid::Uuid;

use crate::trial::{Restore, Seed, Trial, follow, found, gone};
use crate::{SHARED, shared};

pub const SEEDS: &[Seed] = &[
    ("index-read-only", |_| read_only().boxed_local()),
    ("index-red", |_| red().boxed_local()),
    ("alias-missing", |_| alias_missing().boxed_local()),
];

#[tokio::test]
async fn faults_of_the_search_engine_are_named_and_mended() {
    let _turn = SHARED.lock().await;
    Trial::new().plant(SEEDS).await;
}

async fn send(method: Method, path: &str, body: Value) {
    let url = format!("{}/{path}", stack().opensearch_url);
    let answer = reqwest::Client::new().request(method, url).json(&body).send().await.expect("an answer");
    let status = answer.status();
    assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap_or_default());
}

/// A name of the test's own, and its removal.
fn index() -> (String, Restore) {
    let name = format!("it-doctor-{}", Uuid::new_v4().simple());
    let remove = format!("curl -fsS -X DELETE {}/{name}*", stack().opensearch_url);
    (name, Restore(remove))
}

async fn read_only() {
    let look = || shared(None);
    gone(look, "index-read-only").await;
    let (index, _remove) = index();
    send(Method::PUT, &index, json!({"settings": {"number_of_replicas": 0}})).await;
    let block = json!({"index.blocks.read_only_allow_delete": true});
    send(Method::PUT, &format!("{index}/_settings"), block).await;
    let trouble = found(look, "index-read-only").await;
    assert!(trouble.seen.contains(&index), "{trouble:?}");
    follow(&trouble, Path::new("/"));
    gone(look, "index-read-only").await;
}

async fn red() {
    let look = || shared(None);
    gone(look, "index-red").await;
    let (index, _remove) = index();
    let nowhere = json!({"settings": {
        "number_of_replicas": 0, "index.routing.allocation.require._name": "nobody",
    }});
    send(Method::PUT, &format!("{index}?wait_for_active_shards=0"), nowhere).await;
    let trouble = found(look, "index-red").await;
    assert!(trouble.seen.contains(&index), "{trouble:?}");
    follow(&trouble, Path::new("/"));
    gone(look, "index-red").await;
}

async fn alias_missing() {
    let (prefix, _remove) = index();
    let look = || shared(Some(Names { index_prefix: prefix.clone(), ..Names::default() }));
    let trouble = found(look, "alias-missing").await;
    assert!(trouble.seen.contains(&prefix), "{trouble:?}");
    // What a rebuild ends with.
    let aliases =
        json!({"settings": {"number_of_replicas": 0}, "aliases": {format!("{prefix}-products"): {}}});
    send(Method::PUT, &format!("{prefix}-1"), aliases).await;
    gone(look, "alias-missing").await;
}
