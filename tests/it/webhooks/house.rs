//! A shop with its API, and a worker when one is asked for.

use std::time::Duration;

use ::api::RunningApi;
use domain::event::Event;
use domain::webhook::url_policy::UrlPolicy;
use reqwest::Method;
use serde_json::{Value, json};
use store::amqp::broker::Broker;
use support::api::{self, Answer, Client, Who, send};
use support::{Scope, shop, wait};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use worker::webhooks::fan_out;
use worker::webhooks::sender::Sender;

/// Who may manage webhooks.
pub const ADMIN: Who = Who::Role("admin");
/// How long anything may take.
pub const WAIT: Duration = Duration::from_secs(60);

/// Plain `http` to this machine.
pub fn local() -> UrlPolicy {
    UrlPolicy { allow_insecure: true, allow_networks: vec!["127.0.0.0/8".parse().expect("a network")] }
}

/// A shop with its API.
pub struct House {
    /// Its stores.
    pub scope: Scope,
    api: RunningApi,
    /// Its client.
    pub client: Client,
}

impl House {
    /// Starts one, whose API allows plain `http` to this machine.
    pub async fn start() -> Self {
        let scope = Scope::new().await;
        let mut settings = api::api_settings(&scope);
        settings.webhooks = local();
        let api = api::start(settings).await;
        let client = Client::new(&api);
        Self { scope, api, client }
    }

    /// Stops its API.
    pub async fn stop(self) {
        self.api.stop().await.expect("stops");
    }

    /// Adds an endpoint.
    pub async fn add(&self, url: &str, event_types: &[&str]) -> Answer {
        let body = json!({"url": url, "event_types": event_types});
        self.client.post(ADMIN, "/webhooks", &Uuid::new_v4().to_string(), &body).await.expect(201)
    }

    /// An endpoint as it stands.
    pub async fn endpoint(&self, id: &str) -> Answer {
        self.client.get(ADMIN, &format!("/webhooks/{id}")).await.expect(200)
    }

    /// The newest first.
    pub async fn deliveries(&self, id: &str) -> Vec<Value> {
        let page = self.client.get(ADMIN, &format!("/webhooks/{id}/deliveries?limit=100")).await.expect(200);
        page.body["data"].as_array().expect("deliveries").clone()
    }

    /// Asks for a delivery again.
    pub async fn retry(&self, id: &str, delivery: &Value) -> Answer {
        let path = format!("/webhooks/{id}/deliveries/{}/retry", text(&delivery["id"]));
        let key = Uuid::new_v4().to_string();
        send(self.client.request(Method::POST, ADMIN, &path).header("idempotency-key", key)).await
    }

    /// Changes rows behind the back of the programs.
    pub async fn change_rows(&self, sql: &str) {
        self.scope.primary().await.batch_execute(sql).await.expect("changed");
    }

    /// Sends events to the broker, as the relays do.
    pub async fn publish(&self, events: &[&Event]) {
        let broker = Broker::connect(&self.scope.amqp).await.expect("connected");
        let publisher = broker.publisher().await.expect("a channel");
        let events: Vec<_> = events.iter().map(|event| event.to_cloud_event()).collect();
        let sent = publisher.publish(&events.iter().collect::<Vec<_>>()).await.expect("confirmed");
        assert!(sent.iter().all(|is_sent| *is_sent), "every queue has them");
        broker.close().await;
    }

    /// Publishes events and takes them, without sending anything yet.
    pub async fn take(&self, events: &[&Event]) {
        let primary = self.scope.primary().await;
        let seen = async || -> i64 {
            primary.query_one("SELECT count(*) FROM inbox", &[]).await.expect("a count").get(0)
        };
        let expected = seen().await + i64::try_from(events.len()).expect("a few");
        self.publish(events).await;
        let (pools, stop) = (self.scope.pools(), CancellationToken::new());
        let taking = fan_out::run(&pools, &self.scope.amqp, &stop);
        let taken = async {
            wait::until("the events are taken", WAIT, async || (seen().await == expected).then_some(()))
                .await;
            stop.cancel();
        };
        tokio::join!(taking, taken);
    }

    /// Does something while a worker takes and sends.
    pub async fn with_worker<T>(&self, policy: UrlPolicy, work: impl Future<Output = T>) -> T {
        let (pools, stop) = (self.scope.pools(), CancellationToken::new());
        let sender = Sender::new(pools.clone(), policy).expect("a client");
        let worker = worker::webhooks::run(&pools, &self.scope.amqp, &sender, &stop);
        let work = async {
            let done = work.await;
            stop.cancel();
            done
        };
        tokio::join!(worker, work).1
    }

    /// Waits until the deliveries of an endpoint, newest first, are in those states.
    pub async fn until(&self, id: &str, states: &[&str]) -> Vec<Value> {
        wait::until(&format!("deliveries in {states:?}"), WAIT, async || {
            let deliveries = self.deliveries(id).await;
            let found: Vec<_> = deliveries.iter().map(|delivery| text(&delivery["state"])).collect();
            (found == states).then_some(deliveries)
        })
        .await
    }

    /// Waits until the newest delivery of an endpoint was tried so often.
    pub async fn until_tried(&self, id: &str, attempts: i64) -> Value {
        wait::until(&format!("{attempts} attempts"), WAIT, async || {
            let newest = self.deliveries(id).await.into_iter().next()?;
            (newest["attempt_count"].as_i64() >= Some(attempts)).then_some(newest)
        })
        .await
    }
}

/// A value that is a text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The first versions of a new product.
pub fn versions(count: i64) -> Vec<Event> {
    let mut product = shop::product("Blue shirt");
    let version = |version| {
        product.version = version;
        shop::changed(&product)
    };
    (1..=count).map(version).collect()
}

/// What an event is about.
pub fn subject(event: &Event) -> String {
    event.to_cloud_event().subject
}
