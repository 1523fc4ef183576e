//! How old a change is when a search finds it: measured on the shop's own changes, from the commit to the
//! search.

use std::collections::HashMap;
use std::time::Duration;

use domain::ids::ProductId;
use elasticsearch::http::Method;
use jiff::{SignedDuration, Timestamp};
use process::error_chain;
use serde_json::{Value, json};
use store::error::StoreError;
use store::mongo::newest_changes::{self, ProductChange};
use tokio_util::sync::CancellationToken;

use crate::client::{Request, SearchClient};
use crate::error::SearchError;
use crate::projection::{Projection, ProjectionError};

/// A pause between two looks, by which a measurement can be too long.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest look at the outbox.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Changes that were sent longer ago are not looked for.
const SENT_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a change is remembered: longer than it is given to us again.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(120);
/// Most changes that are waited for at a time.
const PENDING_COUNT_MAX: usize = 100;
/// A change that no search finds for so long was given up: its message is a dead letter.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// Measures until stopped: `search_freshness_seconds` of each change that is found, and
/// `search_freshness_lag_seconds`, the age of the oldest one that is not found yet.
pub async fn run(projection: &Projection, stop: &CancellationToken) {
    let mut waiting = Waiting::new(Timestamp::now());
    loop {
        let looked = stop.run_until_cancelled(Box::pin(look(projection, &mut waiting))).await;
        match looked {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::debug!(error = error_chain::text(&error), "freshness cannot be measured");
            }
        }
        // Also without an answer: a change whose search fails is not found.
        let lag = waiting.lag(Timestamp::now());
        metrics::gauge!("search_freshness_lag_seconds").set(lag.as_secs_f64());
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

async fn look(projection: &Projection, waiting: &mut Waiting) -> Result<(), ProjectionError> {
    let now = Timestamp::now();
    let reading = newest_changes::read(&projection.mongo, now - SENT_WITHIN);
    let changes = tokio::time::timeout(READ_TIMEOUT, reading).await.map_err(StoreError::unavailable)??;
    waiting.notice(&changes, now);
    let products = waiting.pending();
    if !products.is_empty() {
        let found = searched_versions(&projection.client, &products).await?;
        for age in waiting.settle(&found, Timestamp::now()) {
            metrics::histogram!("search_freshness_seconds").record(age.as_secs_f64());
        }
    }
    let given_up = waiting.forget(Timestamp::now());
    if given_up > 0 {
        tracing::warn!(changes = given_up, "changes are not found by any search, and no longer looked for");
    }
    Ok(())
}

/// The versions of products that a search finds; a product that is marked as gone is past every version.
async fn searched_versions(
    client: &SearchClient,
    products: &[ProductId],
) -> Result<HashMap<ProductId, i64>, SearchError> {
    let body = json!({
        "query": {"terms": {"product_id": products}},
        "size": PENDING_COUNT_MAX,
        "track_total_hits": false,
        "_source": ["product_version", "deleted"],
    });
    let answer =
        client.send(Request::json(Method::Post, format!("{}/_search", client.alias()), body)).await?;
    let hits = answer["hits"]["hits"].as_array();
    let hits = hits.ok_or_else(|| SearchError::Malformed("no hits".to_owned()))?;
    let version = |hit: &Value| {
        let source = &hit["_source"];
        let version =
            if source["deleted"] == true { i64::MAX } else { source["product_version"].as_i64()? };
        Some((hit["_id"].as_str()?.parse().ok()?, version))
    };
    Ok(hits.iter().filter_map(version).collect())
}

/// Changes that were noticed, and which of them searches find.
#[derive(Debug)]
struct Waiting {
    began_at: Timestamp,
    noticed: HashMap<(ProductId, i64), Noticed>,
}

#[derive(Debug, Clone, Copy)]
struct Noticed {
    created_at: Timestamp,
    noticed_at: Timestamp,
    is_found: bool,
}

impl Waiting {
    fn new(began_at: Timestamp) -> Self {
        Self { began_at, noticed: HashMap::new() }
    }

    /// Waits for those that are new; beyond the limit they are left out.
    fn notice(&mut self, changes: &[ProductChange], now: Timestamp) {
        let mut pending = self.noticed.values().filter(|noticed| !noticed.is_found).count();
        for change in changes {
            let key = (change.product_id, change.version);
            if pending < PENDING_COUNT_MAX && !self.noticed.contains_key(&key) {
                let noticed = Noticed { created_at: change.created_at, noticed_at: now, is_found: false };
                self.noticed.insert(key, noticed);
                pending += 1;
            }
        }
    }

    /// Products of the changes that are waited for, each once.
    fn pending(&self) -> Vec<ProductId> {
        let pending = self.noticed.iter().filter(|(_, noticed)| !noticed.is_found);
        let mut products: Vec<ProductId> = pending.map(|((product, _), _)| *product).collect();
        products.sort_unstable();
        products.dedup();
        products
    }

    /// Takes what a search found. The ages of changes that it found for the first time; of a change from before
    /// the first look it is not known when it could be found.
    fn settle(&mut self, versions: &HashMap<ProductId, i64>, now: Timestamp) -> Vec<SignedDuration> {
        let mut ages = Vec::new();
        for ((product, version), noticed) in &mut self.noticed {
            let is_found = versions.get(product).is_some_and(|found| found >= version);
            if is_found && !noticed.is_found {
                noticed.is_found = true;
                if noticed.created_at >= self.began_at {
                    ages.push(age(noticed.created_at, now));
                }
            }
        }
        ages
    }

    /// Age of the oldest change that is waited for; zero when none is.
    fn lag(&self, now: Timestamp) -> SignedDuration {
        let pending = self.noticed.values().filter(|noticed| !noticed.is_found);
        pending.map(|noticed| age(noticed.created_at, now)).max().unwrap_or(SignedDuration::ZERO)
    }

    /// Forgets what is over. How many were given up.
    fn forget(&mut self, now: Timestamp) -> usize {
        let mut given_up = 0;
        self.noticed.retain(|_, noticed| {
            let waited = age(noticed.noticed_at, now);
            let is_given_up = !noticed.is_found && waited >= GIVEN_UP_AFTER;
            given_up += usize::from(is_given_up);
            !is_given_up && (!noticed.is_found || waited < REMEMBERED)
        });
        given_up
    }
}

/// Clocks of two machines may differ by a little.
fn age(of: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(of).max(SignedDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn change(number: u8, version: i64, second: i64) -> ProductChange {
        let product_id = ProductId::new(Timestamp::UNIX_EPOCH, [number; 10]);
        ProductChange { product_id, version, created_at: at(second) }
    }

    fn seconds(ages: Vec<SignedDuration>) -> Vec<i64> {
        ages.iter().map(SignedDuration::as_secs).collect()
    }

    #[test]
    fn a_change_is_measured_once_when_its_version_is_found() {
        let mut waiting = Waiting::new(at(100));
        let changes = [change(1, 3, 101)];
        let product = changes[0].product_id;
        waiting.notice(&changes, at(102));
        assert_eq!(waiting.pending(), [product]);
        assert!(waiting.settle(&[(product, 2)].into(), at(103)).is_empty(), "an older version");
        assert_eq!(waiting.lag(at(103)), SignedDuration::from_secs(2));
        assert_eq!(seconds(waiting.settle(&[(product, 4)].into(), at(104))), [3]);
        waiting.notice(&changes, at(105));
        assert!(waiting.pending().is_empty(), "it was found already");
        assert!(waiting.settle(&[(product, 4)].into(), at(105)).is_empty());
        assert_eq!(waiting.lag(at(105)), SignedDuration::ZERO);
    }

    #[test]
    fn what_was_there_before_is_not_measured_but_waited_for() {
        let mut waiting = Waiting::new(at(100));
        waiting.notice(&[change(1, 1, 40), change(2, 1, 50)], at(100));
        assert_eq!(waiting.lag(at(100)), SignedDuration::from_secs(60));
        let found = [(change(1, 1, 0).product_id, 1)].into();
        assert!(waiting.settle(&found, at(101)).is_empty());
        assert_eq!(waiting.lag(at(101)), SignedDuration::from_secs(51));
    }

    #[test]
    fn nothing_is_kept_for_ever() {
        let mut waiting = Waiting::new(at(0));
        let many: Vec<_> = (0..=u8::MAX).map(|number| change(number, 1, 1)).collect();
        waiting.notice(&many, at(1));
        assert_eq!(waiting.pending().len(), PENDING_COUNT_MAX);
        let found = many.iter().take(1).map(|change| (change.product_id, 1)).collect();
        waiting.settle(&found, at(2));
        assert_eq!(waiting.forget(at(100)), 0);
        assert_eq!(waiting.noticed.len(), PENDING_COUNT_MAX);
        assert_eq!(waiting.forget(at(121)), PENDING_COUNT_MAX - 1, "all but the one that was found");
        assert!(waiting.noticed.is_empty());
    }
}
