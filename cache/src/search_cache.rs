//! Search results in Redis: ids, facets and the place of the next page. Products are joined when a request is
//! answered, so a cached result never shows an old title or price.
//!
//! A changed product must be found within 2 s, and the index needs up to about a second (relay, consumer,
//! refresh) to show it. So a result that was computed before "the last change heard + 2 s" may miss that
//! change and is answered for 500 ms at most; a result computed later has seen the change and is answered for
//! 30 s. While changes are not heard, every result is answered for 500 ms only. A result is kept for 15 min
//! and answered at that age only when the engine is away.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use domain::ids::ProductId;
use jiff::Timestamp;
use moka::future::Cache;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::error::CacheError;
use crate::key::CacheKey;
use crate::settings::{CacheSettings, RedisSettings};
use crate::tier::{OPERATION_TIMEOUT, Tier, count};

const UNSETTLED_AGE_MS_MAX: i64 = 500;
const SETTLED_AGE_MS_MAX: i64 = 30_000;
/// Time after which the index surely shows a change that was heard.
const SETTLING_MS: i64 = 2_000;
const STALE_SECONDS_MAX: u64 = 900;
const FLIGHT_COUNT_MAX: u64 = 10_000;

/// The key of a result: everything that the result depends on, in one canonical text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchKey(pub String);

impl CacheKey for SearchKey {
    type Value = SearchEntry;
    const KIND: &'static str = "search2";

    fn identity(&self) -> String {
        self.0.clone()
    }
}

/// A result as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchEntry {
    /// When its query was sent to the engine.
    pub computed_at_ms: i64,
    /// What was computed.
    pub result: SearchResult,
}

/// A page of results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchResult {
    /// Products, best first.
    pub hits: Vec<SearchHit>,
    /// Counts by facet, as they are answered.
    pub facets: serde_json::Value,
    /// Where the next page begins, when one follows.
    pub next: Option<serde_json::Value>,
    /// The words that were searched for instead.
    #[serde(default)]
    pub corrected: Option<String>,
    /// The first hit that has only a part of the words.
    #[serde(default)]
    pub relaxed_from: Option<usize>,
}

/// A product that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    /// The product.
    pub product_id: ProductId,
    /// How well it matches; `None` when sorted by something else.
    pub score: Option<f64>,
    /// Whether a merchandiser has given it its place.
    #[serde(default)]
    pub is_pinned: bool,
}

/// A result, and whether it is an old one because the engine is away.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The result.
    pub entry: Arc<SearchEntry>,
    /// The engine is away: this was computed up to 15 min ago.
    pub is_stale: bool,
}

/// The cache; cloning shares it.
#[derive(Clone)]
pub struct SearchCache {
    inner: Arc<Inner>,
}

struct Inner {
    prefix: String,
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
    tier: Tier,
    /// One computation per key at a time; holds the last result for as long as it may be answered.
    flights: Cache<SearchKey, Arc<SearchEntry>>,
    /// Changes are not heard. Only [`SearchCache::listen_from`] and [`SearchCache::distrust`] set it: a write
    /// of this process, which is noted too, says nothing about those of others.
    is_deaf: AtomicBool,
    /// Never goes back.
    last_change_ms: AtomicI64,
}

impl SearchCache {
    /// An empty cache. Connects when first used.
    pub fn new(settings: &CacheSettings, redis: &RedisSettings) -> Result<Self, CacheError> {
        let inner = Inner {
            prefix: settings.checked_prefix()?.to_owned(),
            client: redis::Client::open(redis.url.as_str())?,
            connection: OnceCell::new(),
            tier: Tier::new("search", "redis"),
            flights: Cache::builder()
                .max_capacity(FLIGHT_COUNT_MAX)
                .time_to_live(Duration::from_secs(30))
                .build(),
            is_deaf: AtomicBool::new(true),
            last_change_ms: AtomicI64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Changes are heard (again) from now on. Some may have passed unheard just before.
    pub fn listen_from(&self, at: Timestamp) {
        self.note_change(at);
        self.inner.is_deaf.store(false, Ordering::SeqCst);
    }

    /// A product changed.
    pub fn note_change(&self, at: Timestamp) {
        self.inner.last_change_ms.fetch_max(at.as_millisecond(), Ordering::SeqCst);
    }

    /// Changes are not heard any more, until [`Self::listen_from`].
    pub fn distrust(&self) {
        self.inner.is_deaf.store(true, Ordering::SeqCst);
    }

    /// Whether a result that was computed then may be answered now.
    pub fn is_valid(&self, computed_at_ms: i64, now: Timestamp) -> bool {
        is_valid(computed_at_ms, now.as_millisecond(), self.inner.last_change_ms())
    }

    /// The result of a key: kept, or computed once for all who ask. When computing fails in a way that
    /// `is_away` knows, an old result is answered instead, if there is one.
    pub async fn get_or_compute<E, F>(
        &self,
        key: &SearchKey,
        is_away: impl Fn(&E) -> bool,
        compute: impl Fn() -> F,
    ) -> Result<Answer, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<SearchResult, E>>,
    {
        let asked_at_ms = Timestamp::now().as_millisecond();
        let inner = &self.inner;
        if let Some(entry) = inner.flights.get(key).await {
            if inner.is_valid(&entry, asked_at_ms) {
                count("search", "moka", "hit");
                return Ok(Answer { entry, is_stale: false });
            }
            inner.flights.invalidate(key).await;
        }
        let load = Inner::load(inner, key, asked_at_ms, compute);
        match inner.flights.try_get_with_by_ref(key, load).await {
            Ok(entry) => Ok(Answer { entry, is_stale: false }),
            Err(error) if is_away(&error) => match inner.read(key).await {
                Some(entry) => {
                    inner.tier.count("stale");
                    Ok(Answer { entry: Arc::new(entry), is_stale: true })
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), String> {
        let ping = async {
            let mut connection = self.inner.connection().await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        match tokio::time::timeout(OPERATION_TIMEOUT, ping).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(elapsed) => Err(elapsed.to_string()),
        }
    }
}

impl std::fmt::Debug for SearchCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SearchCache").field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

impl Inner {
    fn is_valid(&self, entry: &SearchEntry, asked_at_ms: i64) -> bool {
        is_valid(entry.computed_at_ms, asked_at_ms, self.last_change_ms())
    }

    /// While changes are not heard, one may be happening at any time.
    fn last_change_ms(&self) -> i64 {
        if self.is_deaf.load(Ordering::SeqCst) {
            i64::MAX
        } else {
            self.last_change_ms.load(Ordering::SeqCst)
        }
    }

    async fn load<E, F>(
        this: &Arc<Self>,
        key: &SearchKey,
        asked_at_ms: i64,
        compute: impl Fn() -> F,
    ) -> Result<Arc<SearchEntry>, E>
    where
        F: Future<Output = Result<SearchResult, E>>,
    {
        if let Some(entry) = this.read(key).await
            && this.is_valid(&entry, asked_at_ms)
        {
            this.tier.count("hit");
            return Ok(Arc::new(entry));
        }
        this.tier.count("miss");
        let computed_at_ms = Timestamp::now().as_millisecond();
        let entry = Arc::new(SearchEntry { computed_at_ms, result: compute().await? });
        let (this, key, kept) = (Arc::clone(this), key.clone(), Arc::clone(&entry));
        // Whoever asked does not wait for what is for others; it ends with the timeout of an operation.
        tokio::spawn(async move { this.write(&key, &kept).await });
        Ok(entry)
    }

    async fn read(&self, key: &SearchKey) -> Option<SearchEntry> {
        let name = key.wire_name(&self.prefix);
        let bytes: Option<Vec<u8>> = self
            .tier
            .run(async {
                let mut connection = self.connection().await?;
                redis::cmd("GET").arg(name).query_async(&mut connection).await
            })
            .await?;
        serde_json::from_slice(&bytes?).ok()
    }

    async fn write(&self, key: &SearchKey, entry: &SearchEntry) {
        let Ok(bytes) = serde_json::to_vec(entry) else {
            return;
        };
        let name = key.wire_name(&self.prefix);
        self.tier
            .run(async {
                let mut connection = self.connection().await?;
                let mut set = redis::cmd("SET");
                set.arg(name).arg(bytes).arg("EX").arg(STALE_SECONDS_MAX);
                set.query_async::<()>(&mut connection).await
            })
            .await;
    }

    /// Reconnects by itself once it has been made.
    async fn connection(&self) -> redis::RedisResult<ConnectionManager> {
        let connection = self.connection.get_or_try_init(|| async {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(OPERATION_TIMEOUT))
                .set_response_timeout(Some(OPERATION_TIMEOUT))
                .set_number_of_retries(1)
                .set_max_delay(OPERATION_TIMEOUT);
            ConnectionManager::new_lazy_with_config(self.client.clone(), config)
        });
        Ok(connection.await?.clone())
    }
}

fn is_valid(computed_at_ms: i64, asked_at_ms: i64, last_change_ms: i64) -> bool {
    let age_ms = asked_at_ms - computed_at_ms;
    let has_settled = computed_at_ms > last_change_ms.saturating_add(SETTLING_MS);
    age_ms < UNSETTLED_AGE_MS_MAX || (has_settled && age_ms < SETTLED_AGE_MS_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Away;

    fn cache() -> SearchCache {
        let redis = RedisSettings { url: "redis://127.0.0.1:1".into() };
        SearchCache::new(&CacheSettings { prefix: "test".into() }, &redis).expect("valid settings")
    }

    fn result() -> SearchResult {
        SearchResult {
            hits: Vec::new(),
            facets: serde_json::Value::Null,
            next: None,
            corrected: None,
            relaxed_from: None,
        }
    }

    #[test]
    fn a_result_is_old_when_a_change_may_be_missing_in_it() {
        assert!(is_valid(10_000, 10_499, i64::MAX));
        assert!(!is_valid(10_000, 10_500, i64::MAX));
        assert!(is_valid(10_000, 39_999, 7_999));
        assert!(!is_valid(10_000, 40_000, 7_999));
        assert!(!is_valid(10_000, 10_600, 8_000), "computed too soon after the change");
        assert!(!is_valid(10_000, 20_000, 15_000), "a change came after it");
    }

    #[test]
    fn a_deaf_cache_stays_deaf_whatever_is_noted_and_times_never_go_back() {
        let cache = cache();
        let at = |second| Timestamp::from_second(second).expect("in range");
        cache.note_change(at(5));
        assert_eq!(cache.inner.last_change_ms(), i64::MAX, "deaf before the first subscription");
        cache.listen_from(at(7));
        assert_eq!(cache.inner.last_change_ms(), 7_000);
        cache.note_change(at(9));
        cache.note_change(at(8));
        assert_eq!(cache.inner.last_change_ms(), 9_000);
        cache.distrust();
        cache.note_change(at(10));
        assert_eq!(cache.inner.last_change_ms(), i64::MAX);
        cache.listen_from(at(6));
        assert_eq!(cache.inner.last_change_ms(), 10_000);
    }

    #[tokio::test]
    async fn many_readers_cause_one_query() {
        let (cache, queries) = (cache(), AtomicUsize::new(0));
        let key = SearchKey("q=shirt".into());
        let read = || {
            cache.get_or_compute(
                &key,
                |_: &Away| false,
                || async {
                    queries.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(result())
                },
            )
        };
        let answers = futures_util::future::join_all((0..20).map(|_| read())).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| !answer.is_stale)));
        assert_eq!(queries.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn without_any_kept_result_the_error_is_told() {
        let key = SearchKey("q=shirt".into());
        let answer = cache().get_or_compute(&key, |_| true, || async { Err(Away) }).await;
        assert_eq!(answer.map(|_| ()).map_err(|error| matches!(*error, Away)), Err(true));
    }
}
