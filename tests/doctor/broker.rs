//! RabbitMQ of the shared test stack: its alarms for a moment, and queues in a virtual host of the test's own.

use std::path::Path;

use devstack::doctor::{Context, Names};
use futures_util::FutureExt;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use support::{Scope, stack};

use crate::trial::{Restore, Seed, Trial, follow, found, gone, shell};
use crate::{SHARED, shared};

pub const SEEDS: &[Seed] = &[
    ("broker-memory-alarm", |_| memory_alarm().boxed_local()),
    ("broker-disk-alarm", |_| disk_alarm().boxed_local()),
    ("queue-unread", |_| queue_unread().boxed_local()),
];

#[tokio::test]
async fn faults_of_the_broker_are_named_and_mended() {
    let _turn = SHARED.lock().await;
    Trial::new().plant(SEEDS).await;
}

fn control(words: &str) -> String {
    let context = shared(None);
    format!(
        "HOME={} ERL_EPMD_PORT={} /usr/lib/rabbitmq/bin/rabbitmqctl -n entrepot@localhost {words}",
        context.folders.home.display(),
        context.ports.rabbitmq_epmd
    )
}

async fn alarm(code: &str, seed: &str, restore: &str) {
    let look = || shared(None);
    gone(look, code).await;
    let restore = Restore(control(restore));
    shell(&control(seed), Path::new("/"));
    let trouble = found(look, code).await;
    assert!(trouble.cause.contains("blocks every publisher"), "{trouble:?}");
    follow(&trouble, Path::new("/"));
    gone(look, code).await;
    drop(restore);
}

async fn memory_alarm() {
    let seed = "set_vm_memory_high_watermark 0.0001";
    alarm("broker-memory-alarm", seed, "set_vm_memory_high_watermark 0.4").await;
}

async fn disk_alarm() {
    alarm("broker-disk-alarm", "set_disk_free_limit 100000GB", "set_disk_free_limit 1000000000").await;
}

async fn manage(method: Method, path: &str, body: Value) {
    let rabbitmq = &stack().rabbitmq;
    let url = format!("{}/api/{path}", rabbitmq.management_url);
    let request = reqwest::Client::new().request(method, url).json(&body);
    let administrator = &rabbitmq.administrator;
    let answer = request.basic_auth(&administrator.user, Some(&administrator.password)).send().await;
    let status = answer.expect("an answer").status();
    assert!(status.is_success(), "{path}: {status}");
}

/// A queue with one message in the test's own virtual host.
async fn queue_with_message(vhost: &str, queue: &str) {
    let administrator = &stack().rabbitmq.administrator.user;
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
    manage(Method::PUT, &format!("permissions/{vhost}/{administrator}"), all).await;
    manage(Method::PUT, &format!("queues/{vhost}/{queue}"), json!({"durable": true})).await;
    let message =
        json!({"properties": {}, "routing_key": queue, "payload": "x", "payload_encoding": "string"});
    manage(Method::POST, &format!("exchanges/{vhost}/amq.default/publish"), message).await;
}

fn in_vhost(vhost: &str) -> Context {
    shared(Some(Names { vhost: vhost.to_owned(), ..Names::default() }))
}

async fn queue_unread() {
    let scope = Scope::new().await;
    queue_with_message(&scope.prefix, "analytics").await;
    let look = || in_vhost(&scope.prefix);
    let trouble = found(look, "queue-unread").await;
    assert!(trouble.seen.starts_with("1 messages wait in analytics"), "{trouble:?}");
    let url = scope.amqp.url.expose_secret();
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let _reader = channel
        .basic_consume("analytics".into(), "reader".into(), options, FieldTable::default())
        .await
        .expect("a reader");
    gone(look, "queue-unread").await;
}
