//! Whole answers that were made of many products, ready to be sent.
//!
//! A page is believed only while this process has heard of no change of any product since before the page was begun
//! (see [`Sight`]), and no longer than the products in it would be. So it is never older than they could be by
//! themselves.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::sync::Cache;

use crate::product_cache::Sight;
use crate::tier::count;

/// Memory for pages in this process.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
const LIFETIME: Duration = Duration::from_secs(10);
const PAGE_BYTES: usize = 512;

/// A body.
#[derive(Debug)]
pub struct Page {
    body: Bytes,
    gzip: OnceLock<Bytes>,
    sight: Option<Sight>,
    kept_until: Instant,
    computed_at_ms: Option<i64>,
}

impl Page {
    /// A body that was begun in that sight, of what may be kept until then. Without a sight it is not kept.
    /// `computed_at_ms`: of the search result in it.
    pub fn new(body: Bytes, sight: Option<Sight>, kept_until: Instant, computed_at_ms: Option<i64>) -> Self {
        Self { body, gzip: OnceLock::new(), sight, kept_until, computed_at_ms }
    }

    /// The bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The bytes, packed by the first who asks.
    pub fn gzip(&self, pack: impl FnOnce(&[u8]) -> Bytes) -> &Bytes {
        self.gzip.get_or_init(|| pack(&self.body))
    }

    /// When the search result in it was computed.
    pub fn computed_at_ms(&self) -> Option<i64> {
        self.computed_at_ms
    }
}

/// The cache; cloning shares it.
#[derive(Debug, Clone)]
pub struct PageCache {
    name: &'static str,
    pages: Cache<String, Arc<Page>>,
}

impl PageCache {
    /// An empty cache.
    pub fn new(name: &'static str) -> Self {
        // Packed and plain, at most.
        let weight = |key: &String, page: &Arc<Page>| 2 * (PAGE_BYTES + key.len() + page.body.len());
        let pages = Cache::builder()
            .max_capacity(BYTES_MAX)
            .weigher(move |key, page| u32::try_from(weight(key, page)).unwrap_or(u32::MAX))
            .time_to_live(LIFETIME)
            .build();
        Self { name, pages }
    }

    /// The page of a query, when it is to be believed in that sight.
    pub fn get(&self, query: &str, sight: Option<Sight>, now: Instant) -> Option<Arc<Page>> {
        let page = self.pages.get(query);
        let page = page.filter(|page| sight.is_some() && page.sight == sight && now < page.kept_until);
        count(self.name, "page", if page.is_some() { "hit" } else { "miss" });
        page
    }

    /// Keeps a page for those who ask the same.
    pub fn keep(&self, query: &str, page: &Arc<Page>) {
        if page.sight.is_some() {
            self.pages.insert(query.to_owned(), Arc::clone(page));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::product_cache::ProductCache;
    use crate::settings::{CacheSettings, MemcachedSettings};

    use super::*;

    #[tokio::test]
    async fn a_page_is_not_believed_after_any_change() {
        let memcached = MemcachedSettings { address: "127.0.0.1:1".into() };
        let products =
            ProductCache::new(&CacheSettings { prefix: "test".into() }, &memcached).expect("valid");
        assert!(products.sight().is_none(), "deaf");
        products.listen_from(Timestamp::now());
        let (pages, now) = (PageCache::new("test"), Instant::now());
        let keep = || {
            let sight = products.sight();
            let until = now + Duration::from_secs(5);
            pages.keep("q=x", &Arc::new(Page::new(Bytes::from_static(b"{}"), sight, until, None)));
        };
        let is_there = |at: Instant| pages.get("q=x", products.sight(), at).is_some();
        keep();
        assert!(is_there(now) && !is_there(now + Duration::from_secs(5)));

        let id = domain::ids::ProductId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        products.invalidate_local(id, 2).await;
        assert!(!is_there(now), "a product changed");
        keep();
        assert!(is_there(now));
        products.bypass();
        assert!(!is_there(now), "deaf again");
        products.listen_from(Timestamp::now());
        assert!(!is_there(now), "something may have passed unheard");
    }

    #[tokio::test]
    async fn a_page_that_was_begun_before_a_change_is_not_believed_after_it() {
        let memcached = MemcachedSettings { address: "127.0.0.1:1".into() };
        let products =
            ProductCache::new(&CacheSettings { prefix: "test".into() }, &memcached).expect("valid");
        products.listen_from(Timestamp::now());
        let (pages, now) = (PageCache::new("test"), Instant::now());
        let sight = products.sight();
        let id = domain::ids::ProductId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        products.invalidate_local(id, 2).await;
        let until = now + Duration::from_secs(5);
        pages.keep("q=x", &Arc::new(Page::new(Bytes::new(), sight, until, None)));
        assert!(pages.get("q=x", products.sight(), now).is_none());
    }
}
