//! Every query of every dashboard returns data from a real Prometheus that scrapes the real servers and our own
//! programs, while these are used.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::event::{Cause, Event, OrdersImported};
use domain::ids::{EventId, ImportRunId};
use jiff::Timestamp;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use rand::random;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use store::amqp::topology::DurableQueue;
use store::error::StoreError;
use store::pg::{outbox, transaction};
use support::running::Client;
use support::{Scope, stack, wait};
use tokio_util::sync::CancellationToken;

use super::files::{Query, metric_names, queries};
use super::processes::Processes;

const DEADLINE: Duration = Duration::from_secs(120);
/// What Grafana would make of it for a scrape each second.
const RATE_INTERVAL: &str = "20s";

#[derive(Deserialize)]
struct Settings {
    development_tokens: Tokens,
}

#[derive(Deserialize)]
struct Tokens {
    admin: String,
}

#[tokio::test]
async fn every_query_returns_data() {
    let scope = Scope::new().await;
    let (mut processes, api) = Processes::start(&scope).await;
    let prometheus = Prometheus::new(processes.watch().await);
    let stop = CancellationToken::new();
    let use_it = stop.run_until_cancelled(Box::pin(use_the_shop(&scope, &api)));
    let check = async {
        prometheus.answers_with_data(queries()).await;
        prometheus.has_every_metric(&queries()).await;
        prometheus.evaluates_every_rule().await;
        prometheus.tells_data_from_none().await;
        stop.cancel();
    };
    tokio::join!(use_it, check);
}

/// Until it is cancelled: everything that the panels show, again and again.
async fn use_the_shop(scope: &Scope, api: &str) {
    let settings: Settings = process::settings::load(&stack().settings).expect("settings");
    let client = Client::new(api, &settings.development_tokens.admin).expect("a client");
    let mut primary = scope.primary().await;
    dead_letter(scope).await;
    wait::until("the index is made", DEADLINE, async || client.get("/search?q=waistcoat").await.ok()).await;
    for number in 0_u64.. {
        let sku = format!("S-{number}");
        let price = json!({"amount_minor": 2500, "currency": "GBP"});
        let draft =
            json!({"title": "Pullover", "status": "active", "variants": [{"sku": sku, "price": price}]});
        let (status, made) = client.create(&format!("key-{number}"), &draft).await.expect("an answer");
        assert_eq!(status, 201, "{made}");
        let id = made["id"].as_str().expect("an id").to_owned();
        let before = client.product(&id).await.expect("the product");
        client.change(&before, &json!({"title": "Waistcoat"})).await.expect("changed");
        for _ in 0..3 {
            client.product(&id).await.expect("the product");
            client.get("/search?q=waistcoat&limit=5").await.expect("results");
        }
        client.get("/products?limit=20").await.expect("a list");
        client.get("/orders").await.expect("a list");
        client.get("/products/nothing-has-this-slug").await.expect_err("404");
        append_import(&mut primary).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The news of an import: through PostgreSQL's outbox to the reports.
async fn append_import(primary: &mut tokio_postgres::Client) {
    let now = Timestamp::now();
    let import_run_id = ImportRunId::new(now, random());
    let data = OrdersImported { import_run_id, channel: "shop".to_owned(), orders: 0, lines: 0 };
    let event = Event::orders_imported(EventId::new(now, random()), now, data, Cause::default());
    let appended: Result<(), StoreError> = transaction::run_direct(primary, "test", async |transaction| {
        outbox::append(transaction, &event).await
    })
    .await;
    appended.expect("committed");
}

/// What no consumer can use, straight into a queue.
async fn dead_letter(scope: &Scope) {
    let connection =
        Connection::connect(scope.amqp.url.expose_secret(), ConnectionProperties::default()).await;
    let channel = connection.expect("a connection").create_channel().await.expect("a channel");
    let queue = DurableQueue::SearchIndexer.name();
    wait::until("the queue is there", DEADLINE, async || {
        let nobody = channel.basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            b"no event",
            BasicProperties::default(),
        );
        nobody.await.ok().map(drop)
    })
    .await;
}

struct Prometheus {
    http: reqwest::Client,
    base: String,
}

impl Prometheus {
    fn new(base: String) -> Self {
        Self { http: reqwest::Client::new(), base }
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let request = self.http.get(format!("{}{path}", self.base)).query(query);
        request.send().await.expect("prometheus answers").json().await.expect("JSON")
    }

    /// Whether the answer has a number in it. A query that is wrong fails the test at once.
    async fn has_data(&self, query: &Query) -> bool {
        let expression = query.expression.replace("$__rate_interval", RATE_INTERVAL);
        assert!(
            !expression.contains("$_"),
            "{}: a variable that is not known here: {expression}",
            query.place
        );
        let answer = self.get("/api/v1/query", &[("query", &expression)]).await;
        assert_eq!(answer["status"], "success", "{}: {expression}: {}", query.place, answer["error"]);
        let series = answer["data"]["result"].as_array().expect("a vector");
        series.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
    }

    /// Waits until each query has answered with data once.
    async fn answers_with_data(&self, mut missing: Vec<Query>) {
        let started = std::time::Instant::now();
        let count = missing.len();
        assert!(count > 80, "{count} queries");
        while !missing.is_empty() {
            let mut still = Vec::new();
            for query in missing {
                if !self.has_data(&query).await {
                    still.push(query);
                }
            }
            missing = still;
            assert!(started.elapsed() < DEADLINE || missing.is_empty(), "no data: {missing:#?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Also of those that show 0 without a series: a name that is wrong would show 0 for ever.
    async fn has_every_metric(&self, queries: &[Query]) {
        let known = self.get("/api/v1/label/__name__/values", &[]).await;
        let known: BTreeSet<String> = serde_json::from_value(known["data"].clone()).expect("names");
        for query in queries {
            let unknown: Vec<_> =
                metric_names(&query.expression).into_iter().filter(|name| !known.contains(name)).collect();
            assert!(unknown.is_empty(), "{}: nobody has {unknown:?}", query.place);
        }
    }

    /// No alert rule is in error, and each asks for metrics that are there.
    async fn evaluates_every_rule(&self) {
        let answer = self.get("/api/v1/rules", &[]).await;
        let groups = answer["data"]["groups"].as_array().expect("groups");
        let rules: Vec<_> =
            groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() >= 10, "{} rules", rules.len());
        for rule in &rules {
            assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
        }
        let asked = rules.iter().map(|rule| Query {
            place: format!("alert {}", rule["name"]),
            expression: rule["query"].as_str().expect("an expression").to_owned(),
        });
        self.has_every_metric(&asked.collect::<Vec<_>>()).await;
    }

    /// The check itself: a misspelt name has no data.
    async fn tells_data_from_none(&self) {
        let query =
            |expression: &str| Query { place: "the check".to_owned(), expression: expression.to_owned() };
        assert!(self.has_data(&query("sum(rate(http_requests_total[$__rate_interval]))")).await);
        assert!(!self.has_data(&query("sum(rate(http_request_total[$__rate_interval]))")).await);
        assert!(!self.has_data(&query("0 / vector(0)")).await);
    }
}
