//! A Redis and a Memcached of the test's own.

use std::path::Path;

use futures_util::FutureExt;
use tokio::net::TcpStream;

use crate::trial::{Seed, Trial, follow, found, gone, shell};

pub const SEEDS: &[Seed] = &[
    ("redis-policy", |trial| redis_policy(trial).boxed_local()),
    ("redis-read-only", |trial| redis_read_only(trial).boxed_local()),
    ("memcached-full", |trial| memcached_full(trial).boxed_local()),
];

#[tokio::test]
async fn faults_of_caches_are_named_and_mended() {
    let mut trial = Trial::new();
    trial.start(&["redis", "memcached"]).await;
    trial.plant(SEEDS).await;
    trial.end().await;
}

fn redis(trial: &Trial, words: &str) {
    shell(&format!("redis-cli -p {} {words}", trial.stack.ports.redis), Path::new("/"));
}

async fn redis_policy(trial: &mut Trial) {
    gone(|| trial.context(), "redis-policy").await;
    for wrong in ["maxmemory-policy noeviction", "maxmemory 0"] {
        redis(trial, &format!("config set {wrong}"));
        let trouble = found(|| trial.context(), "redis-policy").await;
        follow(&trouble, &trial.checkout);
        gone(|| trial.context(), "redis-policy").await;
    }
}

async fn redis_read_only(trial: &mut Trial) {
    gone(|| trial.context(), "redis-read-only").await;
    redis(trial, "replicaof 127.0.0.1 1");
    let trouble = found(|| trial.context(), "redis-read-only").await;
    assert!(trouble.seen.contains("127.0.0.1"), "{trouble:?}");
    follow(&trouble, &trial.checkout);
    gone(|| trial.context(), "redis-read-only").await;
}

async fn memcached_full(trial: &mut Trial) {
    const NEARLY_ALL: usize = 480;
    gone(|| trial.context(), "memcached-full").await;
    let mut held = Vec::new();
    for _ in 0..NEARLY_ALL {
        held.push(TcpStream::connect(("127.0.0.1", trial.stack.ports.memcached)).await.expect("connected"));
    }
    let trouble = found(|| trial.context(), "memcached-full").await;
    assert!(trouble.seen.ends_with(" of 512 connections"), "{trouble:?}");
    drop(held);
    gone(|| trial.context(), "memcached-full").await;
}
