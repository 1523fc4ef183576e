//! Virtual hosts of RabbitMQ, one per test. A test's quorum queues cost the broker a process each, so they go when the
//! test is over.

use std::sync::Mutex;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::settings::AmqpSettings;
use tokio::sync::OnceCell;

use crate::stack;

/// What every name of a test begins with.
const NAME_PREFIX: &str = "it-";
/// Those of tests that are over.
static ENDED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Whether those of earlier runs were removed.
static SWEPT: OnceCell<()> = OnceCell::const_new();

/// Makes an empty one that the application may use.
pub(crate) async fn make(name: &str) -> AmqpSettings {
    SWEPT.get_or_init(sweep).await;
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

/// Removes what earlier runs have left.
async fn sweep() {
    let hosts = manage(Method::GET, "vhosts?columns=name", &Value::Null).await;
    let names = hosts.as_array().expect("a list").iter().filter_map(|host| host["name"].as_str());
    for name in names.filter(|name| name.starts_with(NAME_PREFIX)) {
        remove(name).await;
    }
}

async fn remove(name: &str) {
    manage(Method::DELETE, &format!("vhosts/{name}"), &Value::Null).await;
}

async fn manage(method: Method, path: &str, body: &Value) -> Value {
    let rabbitmq = &stack().rabbitmq;
    let administrator = &rabbitmq.administrator;
    let request = reqwest::Client::new()
        .request(method, format!("{}/api/{path}", rabbitmq.management_url))
        .basic_auth(&administrator.user, Some(&administrator.password));
    let request = if body.is_null() { request } else { request.json(body) };
    let response = request.send().await.expect("the management API answers");
    let status = response.status();
    assert!(status.is_success() || status == StatusCode::NOT_FOUND, "{path}: {status}");
    response.json().await.unwrap_or_default()
}
