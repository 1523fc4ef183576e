//! Virtual hosts of RabbitMQ, one per test. A test's quorum queues cost the broker a process each, so they go when the
//! test is over.

use std::sync::Mutex;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::settings::AmqpSettings;

use crate::stack;

/// Those of tests that are over.
static ENDED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Makes an empty one that the application may use.
pub(crate) async fn make(name: &str) -> AmqpSettings {
    let ended = std::mem::take(&mut *ENDED.lock().expect("no holder panics"));
    for ended in ended {
        remove(&ended).await;
    }
    let application = &stack().rabbitmq.application;
    manage(Method::PUT, &format!("vhosts/{name}"), &json!({})).await;
    let all = json!({"configure": ".*", "write": ".*", "read": ".*"});
    manage(Method::PUT, &format!("permissions/{name}/{}", application.user), &all).await;
    let address = &stack().rabbitmq.address;
    let url = format!("amqp://{}:{}@{address}/{name}", application.user, application.password);
    AmqpSettings { url: url.into() }
}

/// Lets it go; the next test removes it.
pub(crate) fn give_up(name: &str) {
    if let Ok(mut ended) = ENDED.lock() {
        ended.push(name.to_owned());
    }
}

async fn remove(name: &str) {
    manage(Method::DELETE, &format!("vhosts/{name}"), &Value::Null).await;
}

async fn manage(method: Method, path: &str, body: &Value) {
    let rabbitmq = &stack().rabbitmq;
    let administrator = &rabbitmq.administrator;
    let request = reqwest::Client::new()
        .request(method, format!("{}/api/{path}", rabbitmq.management_url))
        .basic_auth(&administrator.user, Some(&administrator.password));
    let request = if body.is_null() { request } else { request.json(body) };
    let status = request.send().await.expect("the management API answers").status();
    assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{path}: {status}");
}
