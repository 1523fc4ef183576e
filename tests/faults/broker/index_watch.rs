//! When the index has a change: read by id, which shows what no search finds yet.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context;
use domain::ids::ProductId;
use search_indexer::settings::SearchSettings;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::load::{Probe, Write};

/// Between two looks, by which a wait can be too long.
const PERIOD: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_secs(5);

/// A version of a product that the index did not have at the look before.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    at: Instant,
    product: ProductId,
    version: i64,
}

/// How long a change waited, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// When the index had it.
    pub until: Instant,
    /// From its acknowledgement to then.
    pub length: Duration,
}

/// Looks again and again.
pub struct IndexWatch {
    task: JoinHandle<Vec<Sighting>>,
    stop: CancellationToken,
}

impl IndexWatch {
    /// Begins.
    pub fn start(settings: &SearchSettings, probes: &[Probe]) -> anyhow::Result<Self> {
        let SearchSettings { url, index_prefix, .. } = settings;
        let look = Look {
            http: reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?,
            address: format!("{url}/{index_prefix}-products/_mget?_source_includes=product_version"),
            products: probes.iter().map(|probe| probe.product).collect(),
        };
        let stop = CancellationToken::new();
        Ok(Self { task: tokio::spawn(watch(look, stop.clone())), stop })
    }

    /// Ends; what was seen, in its order.
    pub async fn end(mut self) -> anyhow::Result<Vec<Sighting>> {
        self.stop.cancel();
        Ok((&mut self.task).await?)
    }
}

impl Drop for IndexWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Look {
    http: reqwest::Client,
    address: String,
    products: Vec<ProductId>,
}

impl Look {
    async fn versions(&self) -> anyhow::Result<Vec<(ProductId, i64)>> {
        let request = self.http.post(&self.address).json(&json!({"ids": self.products}));
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let documents = answer["docs"].as_array().context("no documents")?;
        let version = |(product, document): (&ProductId, &Value)| {
            Some((*product, document["_source"]["product_version"].as_i64()?))
        };
        Ok(self.products.iter().zip(documents).filter_map(version).collect())
    }
}

async fn watch(look: Look, stop: CancellationToken) -> Vec<Sighting> {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut newest, mut sightings) = (HashMap::new(), Vec::new());
    while !stop.is_cancelled() {
        ticks.tick().await;
        // A look that failed makes the wait longer, as it is for everybody else.
        let Ok(versions) = look.versions().await else { continue };
        let at = Instant::now();
        for (product, version) in versions {
            let newest = newest.entry(product).or_insert(0);
            if version > *newest {
                *newest = version;
                sightings.push(Sighting { at, product, version });
            }
        }
    }
    sightings
}

/// How long each change of a product waited until the index had it or a later one; one that was never seen, until
/// `end`.
pub fn waits(writes: &[Write], sightings: &[Sighting], end: Instant) -> Vec<Wait> {
    let changes = writes.iter().filter_map(|write| Some((write.sent_at + write.took, write.version?)));
    let wait = |(acknowledged_at, (product, version)): (Instant, (ProductId, i64))| {
        let seen = sightings.iter().find(|seen| seen.product == product && seen.version >= version);
        let until = seen.map_or(end, |seen| seen.at);
        // The index may have it before its answer is here.
        Wait { until, length: until.saturating_duration_since(acknowledged_at) }
    };
    changes.map(wait).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_change_waits_for_its_version_or_a_later_one() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let [one, other] = [1, 2].map(|number| ProductId::new(Timestamp::UNIX_EPOCH, [number; 10]));
        let took = Duration::from_millis(10);
        let write = |ms, version| Write { sent_at: at(ms), took, version };
        let writes = [
            write(0, Some((one, 2))),
            write(100, Some((one, 3))),
            write(200, Some((other, 9))),
            write(300, None),
            write(400, Some((one, 4))),
        ];
        let sighting = |ms, product, version| Sighting { at: at(ms), product, version };
        let sightings = [sighting(5, one, 2), sighting(250, other, 8), sighting(410, one, 4)];
        let lengths: Vec<u128> =
            waits(&writes, &sightings, at(1_000)).iter().map(|wait| wait.length.as_millis()).collect();
        assert_eq!(lengths, [0, 300, 790, 0]);
    }
}
