//! Changes of products and of stock over HTTP, one after the other for each product, and what of it was acknowledged.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use domain::ids::{ProductId, VariantId};
use serde_json::{Value, json};
use support::running::{Client, Seen};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Products that are changed, each with one variant whose stock is adjusted.
const PROBE_COUNT: usize = 8;
/// Between two requests for the same product, and for the same stock.
const PERIOD: Duration = Duration::from_millis(100);
/// Before a request that got no answer is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Pieces that come and go, so that a variant sells out again and again.
const PIECES: i64 = 7;
/// Every so many changes of a product its price changes too.
const PRICE_EVERY: u64 = 5;

/// A product of our own, a draft, so that no shopper sees it.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its id.
    pub product: ProductId,
    /// Its only variant.
    pub variant: VariantId,
    sku: String,
}

/// A change of a product that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of which.
    pub product: ProductId,
    /// Its version after the change.
    pub version: i64,
    /// Its title after the change.
    pub title: String,
}

/// A write that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// When it was sent.
    pub sent_at: Instant,
    /// How long its answer took.
    pub took: Duration,
    /// The product that it changed, with the version after it; `None`: it adjusted stock.
    pub version: Option<(ProductId, i64)>,
}

impl Write {
    fn now(sent_at: Instant, version: Option<(ProductId, i64)>) -> Self {
        Self { sent_at, took: sent_at.elapsed(), version }
    }
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Log {
    /// Writes that were acknowledged, each a change or an adjustment.
    pub writes: Vec<Write>,
    /// Changes that were acknowledged.
    pub changes: Vec<Change>,
    /// Reasons of the adjustments that were acknowledged.
    pub adjusted: Vec<String>,
    /// Reasons of adjustments whose outcome is not known: done once or not at all.
    pub unknown: Vec<String>,
    /// Requests that nobody answered, or that were to be sent again.
    pub unanswered: u64,
    /// Requests that were refused though nothing was wrong with them.
    pub refused: Vec<String>,
}

impl Log {
    fn merge(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.changes.extend(other.changes);
        self.adjusted.extend(other.adjusted);
        self.unknown.extend(other.unknown);
        self.unanswered += other.unanswered;
        self.refused.extend(other.refused);
    }

    fn count(&mut self, error: &anyhow::Error, what: &str) {
        let status = error.downcast_ref::<reqwest::Error>().and_then(reqwest::Error::status);
        match status.map(|status| status.as_u16()) {
            Some(status) if is_refusal(status, &Value::Null) => {
                self.refused.push(format!("{what}: {status}"));
            }
            _ => self.unanswered += 1,
        }
    }
}

/// Makes the products.
pub async fn make_probes(client: &Client) -> anyhow::Result<Vec<Probe>> {
    let mut probes = Vec::new();
    for number in 0..PROBE_COUNT {
        let sku = format!("fault-{}", Uuid::new_v4().simple());
        let draft = json!({
            "title": format!("Fault probe {number}"), "status": "draft",
            "variants": [{"sku": sku, "price": {"amount_minor": 100, "currency": "GBP"}}]
        });
        let (status, body) = client.create(&sku, &draft).await?;
        ensure!(status == 201, "a product was not made: {status} {body}");
        let id = |value: &Value| value.as_str().and_then(|text| text.parse::<Uuid>().ok());
        let product = id(&body["id"]).context("the id of a product")?;
        let variant = id(&body["variants"][0]["id"]).context("the id of a variant")?;
        probes.push(Probe { product: ProductId(product), variant: VariantId(variant), sku });
    }
    Ok(probes)
}

/// Requests that go on until they are told to end.
pub struct Load {
    tasks: JoinSet<Log>,
    stop: CancellationToken,
}

impl Load {
    /// Begins. `on_hand` is what lies of each probe's variant in the warehouse now.
    pub fn start(client: &Client, probes: &[Probe], warehouse: &str, on_hand: &[i64]) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        for (probe, &on_hand) in probes.iter().zip(on_hand) {
            tasks.spawn(change_product(client.clone(), probe.clone(), stop.clone()));
            let stock = Stock { variant: probe.variant, warehouse: warehouse.to_owned(), on_hand };
            tasks.spawn(adjust_stock(client.clone(), stock, stop.clone()));
        }
        Self { tasks, stop }
    }

    /// Ends it, when every request under way has its answer.
    pub async fn end(mut self) -> anyhow::Result<Log> {
        self.stop.cancel();
        let mut log = Log::default();
        while let Some(ended) = self.tasks.join_next().await {
            log.merge(ended?);
        }
        Ok(log)
    }
}

async fn change_product(client: Client, probe: Probe, stop: CancellationToken) -> Log {
    let mut log = Log::default();
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut number): (Option<Seen>, u64) = (None, 0);
    while !stop.is_cancelled() {
        ticks.tick().await;
        let Some(before) = seen.take() else {
            // After an unknown outcome only the shop knows which version is the present one.
            match client.product(&probe.product.to_string()).await {
                Ok(present) => seen = Some(present),
                Err(error) => log.count(&error, "read a product"),
            }
            continue;
        };
        number += 1;
        let title = format!("Fault probe {}", Uuid::new_v4().simple());
        let sent_at = Instant::now();
        match client.change(&before, &patch(&probe, &title, number)).await {
            Ok(after) => {
                let version = after.product["version"].as_i64().unwrap_or_default();
                log.writes.push(Write::now(sent_at, Some((probe.product, version))));
                log.changes.push(Change { product: probe.product, version, title });
                seen = Some(after);
            }
            Err(error) => log.count(&error, "change a product"),
        }
    }
    log
}

fn patch(probe: &Probe, title: &str, number: u64) -> Value {
    let mut patch = json!({"title": title});
    if number.is_multiple_of(PRICE_EVERY) {
        let price = json!({"amount_minor": 100 + number % 1_000, "currency": "GBP"});
        patch["variants"] = json!([{"sku": probe.sku, "price": price}]);
    }
    patch
}

struct Stock {
    variant: VariantId,
    warehouse: String,
    on_hand: i64,
}

/// Each adjustment is sent under its own key until it is acknowledged, as a client that must not lose it does.
async fn adjust_stock(client: Client, mut stock: Stock, stop: CancellationToken) -> Log {
    let mut log = Log::default();
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        ticks.tick().await;
        let key = Uuid::new_v4().to_string();
        let delta = if stock.on_hand >= PIECES { -PIECES } else { PIECES };
        let reason = format!("fault probe {key}");
        let body = json!({
            "variant_id": stock.variant, "warehouse": stock.warehouse, "delta": delta,
            "cause": "adjustment", "reason": reason
        });
        loop {
            let sent_at = Instant::now();
            match client.post("/inventory/adjustments", &key, &body).await {
                Ok((201, _)) => {
                    stock.on_hand += delta;
                    log.writes.push(Write::now(sent_at, None));
                    log.adjusted.push(reason);
                    break;
                }
                Ok((status, answer)) if is_refusal(status, &answer) => {
                    log.refused.push(format!("adjust stock: {status} {answer}"));
                    break;
                }
                _ => log.unanswered += 1,
            }
            if stop.is_cancelled() {
                log.unknown.push(reason);
                break;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
    log
}

/// Whether an answer blames the request. Another version (412) is what an unknown outcome leaves; a key whose first
/// request still runs (a 409 of that code) and too many requests (429) are to be tried again. Stock that does not
/// suffice, also a 409, is a refusal: the load takes only what lies there.
fn is_refusal(status: u16, problem: &Value) -> bool {
    match status {
        408 | 412 | 429 => false,
        409 => problem["code"] != "request_in_progress",
        _ => (400..500).contains(&status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_blames_the_request_is_a_refusal() {
        for status in [400, 401, 404, 409, 422, 428] {
            assert!(is_refusal(status, &Value::Null), "{status}");
        }
        for status in [201, 408, 412, 429, 500, 503] {
            assert!(!is_refusal(status, &Value::Null), "{status}");
        }
    }

    #[test]
    fn of_conflicts_only_a_request_that_still_runs_is_repeated() {
        assert!(is_refusal(409, &json!({"code": "insufficient_stock"})));
        assert!(is_refusal(409, &json!({"code": "already_taken"})));
        assert!(!is_refusal(409, &json!({"code": "request_in_progress"})));
    }
}
