//! Changes of many products at a rate of their own, whatever became of those before, and how soon a part of them can
//! be found: asked of the engine as a search, so that what is written but not visible yet does not count.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures_util::stream::{self, StreamExt};
use search_indexer::settings::SearchSettings;
use serde::Serialize;
use serde_json::{Value, json};
use support::figures::Figures;
use support::running::{Client, Seen};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{child, record};

/// Products of our own that are changed in turn: drafts, so that no shopper sees them.
const PRODUCT_COUNT: usize = 400;
/// Products that are made or deleted at once.
const CONCURRENCY: usize = 16;
/// Changes in a second that are followed to the index.
const SAMPLE_RATE: u32 = 10;
/// Between two questions whether the changes can be found: more of them would slow down what they measure.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the engine may take to answer one of them.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a change may take to be found before it counts as one that did not come.
const DEADLINE: Duration = Duration::from_secs(20);
/// Samples that wait to be asked for.
const SAMPLE_COUNT_MAX: usize = 10_000;
/// Most changes of 100 that may fail or not be sent: more, and the rate was not what the times are of.
const LOST_PERCENT_MAX: u64 = 1;

/// How many, for how long.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Changes in a second.
    pub rate: u32,
    /// Length.
    pub seconds: u32,
}

/// What was measured; times in milliseconds, from before a change is sent until a search finds it.
#[derive(Debug, Serialize)]
pub struct Freshness {
    /// Changes in a second that were due.
    rate: u32,
    seconds: u32,
    /// Changes that were acknowledged.
    acknowledged: u64,
    /// Those that were not.
    failed: u64,
    /// Those that were not sent, because every product was being changed.
    skipped: u64,
    /// Changes that were followed.
    samples: usize,
    /// Of them not found in time.
    missing: usize,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Freshness {
    /// Whether a change did not come, too many came late, or too many were not made at all.
    pub fn is_missed(&self, goal: Duration) -> bool {
        let lost = self.failed + self.skipped;
        let is_short = lost * 100 > (self.acknowledged + lost) * LOST_PERCENT_MAX;
        is_short || self.missing > 0 || self.p99_ms > goal.as_secs_f64() * 1_000.0
    }

    /// Prints the table.
    pub fn print(&self) {
        let Self { rate, seconds, acknowledged, failed, skipped, samples, missing, .. } = self;
        println!(
            "changes: {rate} /s for {seconds} s: {acknowledged} acknowledged, {failed} failed, {skipped} skipped"
        );
        println!(
            "  {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
            "samples", "missing", "p50 ms", "p95 ms", "p99 ms", "max ms"
        );
        let Self { p50_ms, p95_ms, p99_ms, max_ms, .. } = self;
        println!("  {samples:>8} {missing:>8} {p50_ms:>9.0} {p95_ms:>9.0} {p99_ms:>9.0} {max_ms:>9.0}");
    }
}

/// A change that is followed.
#[derive(Debug)]
struct Sample {
    product: String,
    version: i64,
    sent_at: Instant,
}

#[derive(Debug, Default)]
struct Written {
    acknowledged: u64,
    failed: u64,
    skipped: u64,
}

/// Changes products of its own through an API process of its own.
pub async fn measure(settings: &Path, search: &SearchSettings, pace: Pace) -> anyhow::Result<Freshness> {
    let watch = Watch::new(search)?;
    let api = child::raised_api(settings).await?;
    let client = Client::new(&api.url(), &record::vendor_token(settings)?)?;
    let made = stream::iter(0..PRODUCT_COUNT).map(|number| make(&client, number));
    let made: Vec<anyhow::Result<Seen>> = made.buffer_unordered(CONCURRENCY).collect().await;
    let ids: Vec<String> = made.iter().flatten().filter_map(id).collect();
    let measured = Box::pin(write_and_watch(&client, made, watch, pace)).await;
    // Also when something failed: the shop keeps nothing of the bench.
    let removed = remove(&client, &ids).await;
    let (written, watched) = measured?;
    removed?;
    Ok(freshness(pace, &written, watched))
}

async fn write_and_watch(
    client: &Client,
    made: Vec<anyhow::Result<Seen>>,
    watch: Watch,
    pace: Pace,
) -> anyhow::Result<(Written, Watched)> {
    let products = made.into_iter().collect::<anyhow::Result<Vec<Seen>>>()?;
    let (sender, samples) = mpsc::channel(SAMPLE_COUNT_MAX);
    let watching = tokio::spawn(watch.run(samples));
    let written = write(client, products, pace, sender).await;
    let watched = watching.await.context("the watch ended");
    Ok((written?, watched?))
}

fn freshness(pace: Pace, written: &Written, Watched { found, missing }: Watched) -> Freshness {
    let samples = found.len() + missing;
    // None at all is as late as it can be.
    let figures = Figures::new(if found.is_empty() { vec![DEADLINE] } else { found });
    let ms = |percent| figures.percentile(percent).as_secs_f64() * 1_000.0;
    Freshness {
        rate: pace.rate,
        seconds: pace.seconds,
        acknowledged: written.acknowledged,
        failed: written.failed,
        skipped: written.skipped,
        samples,
        missing: if samples == 0 { 1 } else { missing },
        p50_ms: ms(50),
        p95_ms: ms(95),
        p99_ms: ms(99),
        max_ms: ms(100),
    }
}

fn id(seen: &Seen) -> Option<String> {
    seen.product["id"].as_str().map(str::to_owned)
}

async fn make(client: &Client, number: usize) -> anyhow::Result<Seen> {
    let sku = format!("bench-{}", Uuid::new_v4().simple());
    let draft = json!({
        "title": format!("Bench change {number}"), "status": "draft",
        "variants": [{"sku": sku, "price": {"amount_minor": 100, "currency": "GBP"}}]
    });
    let (status, body) = client.create(&sku, &draft).await?;
    ensure!(status == 201, "a product was not made: {status} {body}");
    client.product(body["id"].as_str().context("an id")?).await
}

/// All of them, also after one that stayed.
async fn remove(client: &Client, ids: &[String]) -> anyhow::Result<()> {
    let removed = stream::iter(ids).map(|id| async move { client.delete(&client.product(id).await?).await });
    let removed: Vec<anyhow::Result<()>> = removed.buffer_unordered(CONCURRENCY).collect().await;
    removed.into_iter().collect::<anyhow::Result<()>>().context("delete the products of the bench")
}

/// Open loop: each change is sent when it is due, on the product whose last change is longest ago.
async fn write(
    client: &Client,
    products: Vec<Seen>,
    pace: Pace,
    samples: Sender<Sample>,
) -> anyhow::Result<Written> {
    let (mut free, mut under_way) = (VecDeque::from(products), JoinSet::new());
    let mut written = Written::default();
    let (began, period) = (Instant::now(), Duration::from_secs(1) / pace.rate);
    for number in 0..pace.rate * pace.seconds {
        tokio::time::sleep_until(began + period * number).await;
        while let Some(ended) = under_way.try_join_next() {
            settle(ended?, &mut free, &mut written);
        }
        let Some(before) = free.pop_front() else {
            written.skipped += 1;
            continue;
        };
        let is_sample = number % (pace.rate / SAMPLE_RATE) == 0;
        under_way.spawn(change(client.clone(), before, number, is_sample.then(|| samples.clone())));
    }
    while let Some(ended) = under_way.join_next().await {
        settle(ended?, &mut free, &mut written);
    }
    Ok(written)
}

/// What became of a change: whether it was acknowledged, and the product as it is now, when that is known.
type Changed = (bool, Option<Seen>);

fn settle((is_acknowledged, seen): Changed, free: &mut VecDeque<Seen>, written: &mut Written) {
    if is_acknowledged {
        written.acknowledged += 1;
    } else {
        written.failed += 1;
    }
    free.extend(seen);
}

async fn change(client: Client, before: Seen, number: u32, samples: Option<Sender<Sample>>) -> Changed {
    let sent_at = Instant::now();
    let patch = json!({"description": format!("Change {number}")});
    let Ok(after) = client.change(&before, &patch).await else {
        let id = id(&before).unwrap_or_default();
        return (false, client.product(&id).await.ok());
    };
    if let Some(samples) = samples
        && let (Some(product), Some(version)) = (id(&after), after.product["version"].as_i64())
        // A full channel means that the engine has been silent for minutes: the others tell that.
        && let Err(error) = samples.try_send(Sample { product, version, sent_at })
    {
        eprintln!("a change is not followed: {error}");
    }
    (true, Some(after))
}

/// Asks for all changes that were not found yet, in one search.
struct Watch {
    http: reqwest::Client,
    address: String,
}

#[derive(Debug, Default)]
struct Watched {
    found: Vec<Duration>,
    missing: usize,
}

impl Watch {
    fn new(search: &SearchSettings) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { http, address: format!("{}/{}-products/_search", search.url, search.index_prefix) })
    }

    /// Until every change was found or is given up, and no more come.
    async fn run(self, mut samples: Receiver<Sample>) -> Watched {
        let (mut pending, mut watched) = (Vec::new(), Watched::default());
        loop {
            let is_closed = receive(&mut samples, &mut pending);
            if is_closed && pending.is_empty() {
                return watched;
            }
            // A question that failed is asked again: until then nothing was found.
            let versions = self.versions(&pending).await.unwrap_or_default();
            pending.retain(|sample| watched.is_open(sample, &versions));
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn versions(&self, pending: &[Sample]) -> anyhow::Result<HashMap<String, i64>> {
        if pending.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<&str> = pending.iter().map(|sample| sample.product.as_str()).collect();
        let query = json!({
            "size": ids.len(), "_source": ["product_version"], "query": {"terms": {"product_id": ids}}
        });
        let response = self.http.post(&self.address).json(&query).send().await?;
        let answer: Value = response.error_for_status()?.json().await?;
        let hits = answer["hits"]["hits"].as_array().context("no hits")?;
        let version = |hit: &Value| {
            Some((hit["_id"].as_str()?.to_owned(), hit["_source"]["product_version"].as_i64()?))
        };
        Ok(hits.iter().filter_map(version).collect())
    }
}

/// Takes what is there; `true` when nothing will come any more.
fn receive(samples: &mut Receiver<Sample>, pending: &mut Vec<Sample>) -> bool {
    loop {
        match samples.try_recv() {
            Ok(sample) => pending.push(sample),
            Err(error) => return error == TryRecvError::Disconnected,
        }
    }
}

impl Watched {
    /// Whether a change is still to be asked for; otherwise it is counted.
    fn is_open(&mut self, sample: &Sample, versions: &HashMap<String, i64>) -> bool {
        let waited = sample.sent_at.elapsed();
        if versions.get(&sample.product).is_some_and(|version| *version >= sample.version) {
            self.found.push(waited);
            return false;
        }
        let is_late = waited > DEADLINE;
        self.missing += usize::from(is_late);
        !is_late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_found_with_its_version_or_a_later_one() {
        let sample = Sample { product: "p".to_owned(), version: 3, sent_at: Instant::now() };
        let mut watched = Watched::default();
        let seen = |version| HashMap::from([("p".to_owned(), version)]);
        assert!(watched.is_open(&sample, &seen(2)) && watched.is_open(&sample, &HashMap::new()));
        assert!(!watched.is_open(&sample, &seen(3)) && !watched.is_open(&sample, &seen(4)));
        assert_eq!((watched.found.len(), watched.missing), (2, 0));
    }

    #[test]
    fn a_change_that_never_came_misses_the_goal() {
        let pace = Pace { rate: 10, seconds: 1 };
        let watched = |found, missing| Watched { found, missing };
        let goal = Duration::from_secs(2);
        let soon = || vec![Duration::from_millis(500)];
        assert!(!freshness(pace, &Written::default(), watched(soon(), 0)).is_missed(goal));
        assert!(freshness(pace, &Written::default(), watched(soon(), 1)).is_missed(goal));
        assert!(freshness(pace, &Written::default(), watched(Vec::new(), 0)).is_missed(goal));
    }

    #[test]
    fn changes_that_were_not_made_miss_the_goal() {
        let pace = Pace { rate: 10, seconds: 10 };
        let is_missed = |acknowledged, failed, skipped| {
            let watched = Watched { found: vec![Duration::from_millis(500)], missing: 0 };
            let written = Written { acknowledged, failed, skipped };
            freshness(pace, &written, watched).is_missed(Duration::from_secs(2))
        };
        assert!(!is_missed(100, 0, 0) && !is_missed(99, 1, 0) && !is_missed(99, 0, 1));
        assert!(is_missed(98, 2, 0) && is_missed(98, 0, 2) && is_missed(98, 1, 1) && is_missed(0, 0, 1));
    }
}
