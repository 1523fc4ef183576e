//! Drift: documents that are not what the stores say, found by comparing everything, over and over, and mended.
//!
//! Whatever went past the events (a document changed or removed by hand, a message that was given up, a copy
//! brought back from a backup) is found within one pass and written anew as a consumer would. A document that
//! no store knows is marked as gone; one that cannot even be a product's is removed. That of a product that cannot
//! be read is left as it is.

use std::collections::HashMap;
use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use elasticsearch::http::Method;
use jiff::{SignedDuration, Timestamp};
use process::backoff::Backoff;
use process::error_chain;
use serde_json::{Value, json};
use store::mongo::catalogue_size;
use store::pg::advisory_lock::{self, Right};
use store::pg::direct::{self, DirectClient};
use store::settings::PostgresSettings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::{BULK_TIMEOUT, Request};
use crate::compare::{Comparer, Difference, IdRange, Ids, Lines, Window, difference, product_id};
use crate::consume;
use crate::count;
use crate::error::SearchError;
use crate::pace::Pace;
use crate::projection::{Projection, ProjectionError, within_deadline};

/// Products compared at a time.
const WINDOW_SIZE: usize = 500;
/// A product changed this recently may have its event still under way: its document is no drift yet.
const UNDER_WAY: SignedDuration = SignedDuration::from_secs(30);
/// How often it is asked whether another process has stopped repairing.
const TURN_PAUSE: Duration = Duration::from_secs(30);
/// Ids that a log line shows.
const SAMPLE_MAX: usize = 10;

/// What a pass found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Products looked at, with those that cannot be read.
    pub products: u64,
    /// Documents that were missing or other than the stores say, or that no store knows.
    pub different: u64,
    /// Of them those that are right now.
    pub mended: u64,
}

/// One pass over the whole index, spread over about `whole`: zero is at once.
pub async fn pass(projection: &Projection, whole: Duration) -> Result<Repaired, ProjectionError> {
    pass_while(projection, whole, None, |_, _| {}).await
}

/// One pass that tells after each window what was done so far, and how many products there are, about.
pub(crate) async fn told_pass(
    projection: &Projection,
    whole: Duration,
    report: impl FnMut(Repaired, u64),
) -> Result<Repaired, ProjectionError> {
    pass_while(projection, whole, None, report).await
}

/// Passes, one after the other, each spread over about `whole`. One process at a time does it.
pub async fn run(
    projection: &Projection,
    postgres: &PostgresSettings,
    whole: Duration,
    stop: &CancellationToken,
) {
    // All of them are known from the start, not only after the first drift.
    metrics::counter!("search_drift_mended_total").increment(0);
    set_left_different(0);
    // Also a first pass that never ends is too old one day.
    set_last_pass(Timestamp::now());
    for kind in ["missing", "popularity", "content", "unknown", "under_way"] {
        metrics::counter!("search_drift_found_total", "kind" => kind).increment(0);
    }
    let mut backoff = Backoff::default();
    loop {
        let turn = Box::pin(take_turn(projection, postgres, whole, &mut backoff));
        let ended = stop.run_until_cancelled(turn).await;
        match ended {
            None => return,
            Some(Ok(())) => {
                if stop.run_until_cancelled(tokio::time::sleep(TURN_PAUSE)).await.is_none() {
                    return;
                }
            }
            Some(Err(error)) => {
                tracing::warn!(error = error_chain::text(&error), "the repair of the index waits");
                if !backoff.pause(stop).await {
                    return;
                }
            }
        }
    }
}

/// Repairs as long as it has the right; at once when another one has it.
async fn take_turn(
    projection: &Projection,
    postgres: &PostgresSettings,
    whole: Duration,
    backoff: &mut Backoff,
) -> Result<(), ProjectionError> {
    let lock = direct::primary(postgres).await?;
    if !advisory_lock::take(&lock, Right::RepairIndex(projection.client.alias())).await? {
        // Whoever has the right says what is left.
        set_left_different(0);
        return Ok(());
    }
    loop {
        let began = Instant::now();
        let repaired = pass_while(projection, whole, Some(&lock), |_, _| {}).await?;
        backoff.reset();
        metrics::gauge!("search_repair_pass_seconds").set(began.elapsed().as_secs_f64());
        set_last_pass(Timestamp::now());
        let Repaired { products, different, mended } = repaired;
        set_left_different(different.saturating_sub(mended));
        if different > 0 {
            tracing::warn!(products, different, mended, "documents differed from the stores");
        }
        tokio::time::sleep(whole.saturating_sub(began.elapsed())).await;
    }
}

async fn pass_while(
    projection: &Projection,
    whole: Duration,
    lock: Option<&DirectClient>,
    mut report: impl FnMut(Repaired, u64),
) -> Result<Repaired, ProjectionError> {
    if let Err(error) = consume::add_fields(&projection.client).await {
        tracing::warn!(error = error_chain::text(&error), "the index stays without the fields that are new");
    }
    let count = catalogue_size::estimate(&projection.mongo).await?;
    let mut pace = Pace::of(whole / u32::try_from(count).unwrap_or(u32::MAX).max(1));
    let clock = Instant::now();
    let (mut sum, mut after) = (Repaired::default(), None);
    loop {
        if let Some(lock) = lock {
            advisory_lock::check_held(lock).await?;
        }
        let began_at = clock.elapsed();
        let (range, repaired) = Box::pin(repair_window(projection, after)).await?;
        sum.products += repaired.products;
        sum.different += repaired.different;
        sum.mended += repaired.mended;
        report(sum, count);
        let Some(last) = range.last else {
            return Ok(sum);
        };
        after = Some(last);
        pace.took(repaired.products, began_at);
        let now = clock.elapsed();
        // A catalogue that grew since it was counted does not make the pass longer.
        let due = pace.pause(now).min(whole.saturating_sub(now));
        tokio::time::sleep(rest(whole, due, now.saturating_sub(began_at))).await;
    }
}

/// The rest after a window: at least as long as it took, so that a late pass leaves the stores half of their time.
fn rest(whole: Duration, due: Duration, took: Duration) -> Duration {
    if whole.is_zero() { Duration::ZERO } else { due.max(took) }
}

fn set_last_pass(at: Timestamp) {
    metrics::gauge!("search_repair_last_pass_timestamp").set(at.as_duration().as_secs_f64());
}

fn set_left_different(documents: u64) {
    metrics::gauge!("search_repair_left_different").set(u32::try_from(documents).map_or(f64::MAX, f64::from));
}

async fn repair_window(
    projection: &Projection,
    after: Option<ProductId>,
) -> Result<(IdRange, Repaired), ProjectionError> {
    let comparer = Comparer { projection, index: projection.client.alias() };
    let Found { range, products, suspects, strangers } =
        within_deadline(Box::pin(find(comparer, after, Timestamp::now()))).await?;
    // Searches are a moment behind: what they say is looked at once more, past them.
    let suspected: Vec<ProductId> = suspects.keys().copied().collect();
    let mut different = comparer.different(&suspected).await?;
    for id in &different {
        count_found(suspects[id], 1);
    }
    let (mut ids, mut foreign) = (Vec::new(), Vec::new());
    for stranger in strangers {
        match product_id(&stranger) {
            Some(id) => ids.push(id),
            None => foreign.push(stranger),
        }
    }
    let unknown = comparer.different(&ids).await?;
    count_found("unknown", count::of(unknown.len()) + count::of(foreign.len()));
    different.extend(unknown);
    let found = count::of(different.len()) + count::of(foreign.len());
    let left = comparer.mend(different).await?;
    let removed = remove(comparer, &foreign).await?;
    let not_mended = count::of(left.len()) + count::of(foreign.len()).saturating_sub(removed);
    if let Some(first) = left.first() {
        let sample: Vec<String> = left.iter().take(SAMPLE_MAX).map(ToString::to_string).collect();
        tracing::error!(product.id = %first, ?sample, left = left.len(), "documents stay different");
    }
    let mended = found.saturating_sub(not_mended);
    metrics::counter!("search_drift_mended_total").increment(mended);
    Ok((range, Repaired { products, different: found, mended }))
}

/// What searches show of a window.
struct Found {
    range: IdRange,
    products: u64,
    /// Products whose document is another one, with the kind of the difference: missing is what searches do not show.
    suspects: HashMap<ProductId, &'static str>,
    /// Ids of documents that none of the window's products has.
    strangers: Vec<String>,
}

/// One search for a window: documents that are next to each other cost the engine less than so many by their ids.
async fn find(
    comparer: Comparer<'_>,
    after: Option<ProductId>,
    now: Timestamp,
) -> Result<Found, ProjectionError> {
    let ids = Ids::scan(comparer.projection, after, WINDOW_SIZE).await?;
    let window = Window::read(comparer.projection, &ids).await?;
    let known = Lines::of(&window.documents);
    // Of strangers, who may be very many, only the ids are kept.
    let content = |id: &str, source: Value| known.contains(id).then_some(source);
    let mut live = comparer.live_as(window.range, &json!(true), content).await?;
    let mut suspects = HashMap::new();
    for (product, document) in window.products.iter().zip(&window.documents) {
        let held = live.remove(&product.id.to_string()).flatten();
        if let Some(difference) = difference(document, held.as_ref()) {
            suspects.insert(product.id, kind(difference, product, now));
        }
    }
    for unreadable in &window.unreadable {
        live.remove(&unreadable.to_string());
    }
    let strangers = live.into_keys().collect();
    Ok(Found { range: window.range, products: window.read, suspects, strangers })
}

fn kind(difference: Difference, product: &Product, now: Timestamp) -> &'static str {
    match difference {
        Difference::Popularity => "popularity",
        _ if now.duration_since(product.updated_at) < UNDER_WAY => "under_way",
        Difference::Missing => "missing",
        Difference::Content => "content",
    }
}

/// Removes documents whose ids are no product's: a search could not read them. How many went.
async fn remove(comparer: Comparer<'_>, ids: &[String]) -> Result<u64, SearchError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let body = json!({"query": {"ids": {"values": ids}}});
    let request = Request::json(Method::Post, format!("{}/_delete_by_query", comparer.index), body);
    let query = [("conflicts", "proceed"), ("refresh", "true")];
    let request = Request { query: &query, timeout: BULK_TIMEOUT, ..request };
    let answer = comparer.projection.client.send(request).await?;
    answer["deleted"].as_u64().ok_or_else(|| SearchError::Malformed("no count of deleted".to_owned()))
}

fn count_found(kind: &'static str, count: u64) {
    metrics::counter!("search_drift_found_total", "kind" => kind).increment(count);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::product::{ProductStatus, Rating};

    use super::*;

    #[test]
    fn a_rest_is_as_long_as_the_window_took() {
        let [short, long] = [1, 5].map(Duration::from_secs);
        let whole = Duration::from_secs(240);
        assert_eq!(rest(whole, long, short), long);
        assert_eq!(rest(whole, short, long), long);
        assert_eq!(rest(Duration::ZERO, short, long), Duration::ZERO, "at once");
    }

    #[test]
    fn what_was_changed_just_now_is_no_drift_yet() {
        let updated_at = Timestamp::UNIX_EPOCH;
        let product = Product {
            id: ProductId::new(updated_at, [1; 10]),
            source: None,
            external_id: None,
            slug: "shirt".into(),
            title: "Shirt".into(),
            description: String::new(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            images: Vec::new(),
            variants: Vec::new(),
            rating: Rating { average: None, count: 0 },
            status: ProductStatus::Active,
            version: 1,
            created_at: updated_at,
            updated_at,
        };
        let kind_at = |difference, second| {
            kind(difference, &product, Timestamp::from_second(second).expect("in range"))
        };
        assert_eq!(kind_at(Difference::Missing, 29), "under_way");
        assert_eq!(kind_at(Difference::Content, 30), "content");
        assert_eq!(kind_at(Difference::Missing, 30), "missing");
        assert_eq!(kind_at(Difference::Popularity, 0), "popularity");
    }
}
