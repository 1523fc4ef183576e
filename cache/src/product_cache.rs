//! Products by id: moka in the process, then Memcached, then the caller's loader (MongoDB's primary).
//!
//! What is believed: an entry is answered only when it was read from the store, or written to it, while this
//! process was hearing of changes ([`ProductCache::listen_from`]), and when its version is not below the lowest
//! one that a change has left. While the invalidation queue's connection is down ([`ProductCache::bypass`])
//! every read goes to the store, and what was cached before is never believed again: changes may have passed
//! unheard. A connection that stands but is silent is found out by its heartbeat; until then [`LOCAL_LIFETIME`]
//! bounds how old an entry of this process can be.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::ids::ProductId;
use domain::product::Product;
use jiff::Timestamp;
use moka::future::Cache;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;

use crate::error::CacheError;
use crate::kept_product::KeptProduct;
use crate::settings::{CacheSettings, MemcachedSettings};
use crate::shared_products::{LIFETIME as SHARED_LIFETIME, Seen, SharedProduct, SharedProducts};
use crate::tier::{count, count_many};

/// Longest life of an entry in this process: also how long an unheard change can be hidden by it.
pub const LOCAL_LIFETIME: Duration = Duration::from_secs(10);
/// Memory for products in this process.
const LOCAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
const SLUG_COUNT_MAX: u64 = 200_000;
const MINIMUM_COUNT_MAX: u64 = 500_000;
/// Clocks of two processes may differ by so much.
const CLOCK_SKEW_MS: i64 = 1_000;
/// `listening_since_ms` while changes are not heard.
const DEAF: i64 = i64::MAX;

/// The cache; cloning shares it.
#[derive(Debug, Clone)]
pub struct ProductCache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    local: Cache<ProductId, Entry>,
    slugs: Cache<String, ProductId>,
    minimums: Cache<ProductId, i64>,
    shared: SharedProducts,
    listening_since_ms: AtomicI64,
    /// The last moment that `listening_since_ms` was set to: no two times of listening are the same.
    last_since_ms: AtomicI64,
    change_count: AtomicU64,
}

/// What this process had heard at a moment. Two that are the same: nothing has changed in between, as far as is
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    listening_since_ms: i64,
    change_count: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    product: Arc<KeptProduct>,
    /// The `listening_since_ms` of its reader or writer: another one now means that changes may have been missed.
    listening_since_ms: i64,
    /// Read from the store or written to it by this process, not taken from Memcached.
    is_first_hand: bool,
    weight: u32,
}

/// Why a load gave no entry; shared by all who waited for it.
enum Unloaded<E> {
    Missing,
    Failed(Arc<E>),
}

impl ProductCache {
    /// An empty cache that is bypassed until [`Self::listen_from`]. Connects when first used.
    pub fn new(settings: &CacheSettings, memcached: &MemcachedSettings) -> Result<Self, CacheError> {
        let prefix = settings.checked_prefix()?.to_owned();
        let local = Cache::builder()
            .max_capacity(LOCAL_BYTES_MAX)
            .weigher(|_, entry: &Entry| entry.weight)
            .time_to_live(LOCAL_LIFETIME)
            .build();
        // A minimum outlives every shared entry that it forbids. A new one is never refused for being asked for
        // rarely, as the default policy would.
        let minimums = Cache::builder()
            .max_capacity(MINIMUM_COUNT_MAX)
            .time_to_live(SHARED_LIFETIME * 2)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let slugs =
            Cache::builder().max_capacity(SLUG_COUNT_MAX).time_to_live(Duration::from_secs(600)).build();
        let inner = Inner {
            local,
            slugs,
            minimums,
            shared: SharedProducts::new(memcached.address.clone(), prefix),
            listening_since_ms: AtomicI64::new(DEAF),
            last_since_ms: AtomicI64::new(0),
            change_count: AtomicU64::new(0),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Changes are heard from now on: the cache is used again, for what is read from now on.
    pub fn listen_from(&self, at: Timestamp) {
        let last_ms = self.inner.last_since_ms.fetch_max(at.as_millisecond(), Ordering::SeqCst);
        let since_ms = at.as_millisecond().max(last_ms + 1);
        self.inner.last_since_ms.fetch_max(since_ms, Ordering::SeqCst);
        self.inner.listening_since_ms.store(since_ms, Ordering::SeqCst);
    }

    /// Changes are no longer heard: what is cached is not believed any more, and nothing new is cached.
    pub fn bypass(&self) {
        self.inner.listening_since_ms.store(DEAF, Ordering::SeqCst);
        self.inner.local.invalidate_all();
    }

    /// Whether every read goes to the store.
    pub fn is_bypassed(&self) -> bool {
        self.inner.listening().is_none()
    }

    /// What has been heard up to now; `None` while changes are not heard.
    pub fn sight(&self) -> Option<Sight> {
        let listening_since_ms = self.inner.listening()?;
        Some(Sight { listening_since_ms, change_count: self.inner.change_count.load(Ordering::SeqCst) })
    }

    /// A product is new, so lists of products have changed.
    pub fn note_new(&self) {
        self.inner.change_count.fetch_add(1, Ordering::SeqCst);
    }

    /// A product changed: nothing below `version` is answered or kept any more.
    pub async fn invalidate(&self, id: ProductId, version: i64, at: Timestamp) {
        self.invalidate_local(id, version).await;
        self.invalidate_shared(id, version, at).await;
    }

    /// The half of [`Self::invalidate`] that asks no server: from now on this process answers nothing below
    /// `version`, whatever Memcached has.
    pub async fn invalidate_local(&self, id: ProductId, version: i64) {
        self.inner
            .minimums
            .entry(id)
            .and_compute_with(|minimum| async move {
                match minimum {
                    Some(minimum) if minimum.value() >= &version => Op::Nop,
                    _ => Op::Put(version),
                }
            })
            .await;
        if self.inner.local.get(&id).await.is_some_and(|entry| entry.product.version < version) {
            self.inner.local.invalidate(&id).await;
        }
        // Last: what is begun in the new sight reads nothing old any more.
        self.inner.change_count.fetch_add(1, Ordering::SeqCst);
    }

    /// A product that this process has written: what is older is invalid, and it is at hand as it is now. `sight` is of
    /// before the write, so that no change after it went unheard.
    pub async fn written(&self, product: &Product, sight: Option<Sight>, at: Timestamp) {
        self.invalidate_local(product.id, product.version).await;
        if let Some(Sight { listening_since_ms, .. }) = sight {
            let entry = local_entry(kept(product.clone()), listening_since_ms, true);
            self.inner.keep_newest(product.id, entry).await;
        }
        self.invalidate_shared(product.id, product.version, at).await;
    }

    /// The product if this process has read it from the store, or written it, a moment ago: no server is asked. What
    /// is in Memcached may be answered, but nothing is made of it that will be stored.
    pub async fn at_hand(&self, id: ProductId) -> Option<Arc<KeptProduct>> {
        let entry = self.inner.get_local(id).await?;
        entry.is_first_hand.then_some(entry.product)
    }

    /// The half of [`Self::invalidate`] that tells Memcached. Nothing is below the first version, so a new
    /// product needs none of it.
    pub async fn invalidate_shared(&self, id: ProductId, version: i64, at: Timestamp) {
        if version > 1 {
            self.inner.shared.raise_minimum(id, version, at).await;
        }
    }

    /// The product, from the nearest tier that may be believed; many who ask at once cause one load.
    pub async fn get_or_load<E, F>(
        &self,
        id: ProductId,
        load: impl Fn() -> F,
    ) -> Result<Option<Arc<KeptProduct>>, Arc<E>>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Result<Option<Product>, E>>,
    {
        // Twice: the first answer may be of a load that began before a change.
        for _ in 0..2 {
            let Some(since_ms) = self.inner.listening() else {
                break;
            };
            if let Some(entry) = self.inner.get_local(id).await {
                count("product", "moka", "hit");
                return Ok(Some(entry.product));
            }
            count("product", "moka", "miss");
            let loaded = self.inner.local.try_get_with(id, self.inner.load(id, since_ms, &load)).await;
            match loaded.as_ref().map_err(AsRef::as_ref) {
                Ok(entry) if self.inner.believes(id, entry).await => {
                    return Ok(Some(Arc::clone(&entry.product)));
                }
                Ok(_) => self.inner.local.invalidate(&id).await,
                Err(Unloaded::Missing) => return Ok(None),
                Err(Unloaded::Failed(error)) => return Err(Arc::clone(error)),
            }
        }
        count("product", "moka", "bypass");
        Ok(load().await.map_err(Arc::new)?.map(kept))
    }

    /// The products that exist, in the order of `ids`; what no tier has is loaded at once.
    pub async fn get_or_load_many<E, F>(
        &self,
        ids: &[ProductId],
        load: impl FnOnce(Vec<ProductId>) -> F,
    ) -> Result<Vec<Arc<KeptProduct>>, E>
    where
        F: Future<Output = Result<Vec<Product>, E>>,
    {
        let mut found = HashMap::with_capacity(ids.len());
        let since_ms = self.inner.listening();
        let mut missing = Vec::new();
        for id in ids {
            match self.inner.get_local(*id).await {
                Some(entry) => drop(found.insert(*id, entry.product)),
                None => missing.push(*id),
            }
        }
        count_many("product", "moka", "hit", found.len());
        let mut seen = HashMap::new();
        if let Some(since_ms) = since_ms {
            seen = self.inner.get_shared(&missing, since_ms, &mut found).await;
            missing.retain(|id| !found.contains_key(id));
        }
        if !missing.is_empty() {
            let read_at = Timestamp::now();
            let mut fills = Vec::with_capacity(missing.len());
            for product in load(missing).await? {
                fills.extend(seen.get(&product.id).map(|seen| fill(&product, *seen, read_at)));
                let product = kept(product);
                if let Some(since_ms) = since_ms {
                    let entry = local_entry(Arc::clone(&product), since_ms, true);
                    self.inner.local.insert(product.id, entry).await;
                }
                found.insert(product.id, product);
            }
            self.inner.shared.fill(&fills).await;
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// The product that had this slug when it was last seen. Its slug may be another one now: look before
    /// answering.
    pub async fn id_of_slug(&self, slug: &str) -> Option<ProductId> {
        self.inner.slugs.get(slug).await
    }

    /// Remembers whose slug it is.
    pub async fn remember_slug(&self, slug: &str, id: ProductId) {
        self.inner.slugs.insert(slug.to_owned(), id).await;
    }

    /// Forgets a slug that has moved.
    pub async fn forget_slug(&self, slug: &str) {
        self.inner.slugs.invalidate(slug).await;
    }

    /// Whether Memcached answers.
    pub async fn ping(&self) -> Result<(), String> {
        self.inner.shared.ping().await
    }
}

impl Inner {
    fn listening(&self) -> Option<i64> {
        let since_ms = self.listening_since_ms.load(Ordering::SeqCst);
        (since_ms != DEAF).then_some(since_ms)
    }

    async fn get_local(&self, id: ProductId) -> Option<Entry> {
        let entry = self.local.get(&id).await?;
        self.believes(id, &entry).await.then_some(entry)
    }

    /// A write whose answer was late may be older than what was read meanwhile.
    async fn keep_newest(&self, id: ProductId, entry: Entry) {
        let put = |held: Option<moka::Entry<ProductId, Entry>>| async move {
            let is_newer = |held: &Entry| {
                held.listening_since_ms == entry.listening_since_ms
                    && held.product.version > entry.product.version
            };
            if held.is_some_and(|held| is_newer(held.value())) { Op::Nop } else { Op::Put(entry) }
        };
        self.local.entry(id).and_compute_with(put).await;
    }

    async fn believes(&self, id: ProductId, entry: &Entry) -> bool {
        self.listening() == Some(entry.listening_since_ms)
            && self.is_new_enough(id, entry.product.version).await
    }

    async fn is_new_enough(&self, id: ProductId, version: i64) -> bool {
        self.minimums.get(&id).await.is_none_or(|minimum| version >= minimum)
    }

    /// From Memcached, or from the store and then into Memcached.
    async fn load<E, F>(
        &self,
        id: ProductId,
        since_ms: i64,
        load: impl Fn() -> F,
    ) -> Result<Entry, Unloaded<E>>
    where
        F: Future<Output = Result<Option<Product>, E>>,
    {
        let lookup = self.shared.look_up(id).await;
        let (entry, seen) = lookup.map_or((None, None), |lookup| (lookup.entry, Some(lookup.seen)));
        if let Some(product) = self.believed(id, entry, since_ms).await {
            count("product", "memcached", "hit");
            return Ok(local_entry(kept(product), since_ms, false));
        }
        count("product", "memcached", "miss");
        let read_at = Timestamp::now();
        let loaded = load().await.map_err(|error| Unloaded::Failed(Arc::new(error)))?;
        let product = loaded.ok_or(Unloaded::Missing)?;
        if let Some(seen) = seen {
            self.shared.fill(&[fill(&product, seen, read_at)]).await;
        }
        Ok(local_entry(kept(product), since_ms, true))
    }

    /// Adds what Memcached has to `found`; gives what it has of the others.
    async fn get_shared(
        &self,
        ids: &[ProductId],
        since_ms: i64,
        found: &mut HashMap<ProductId, Arc<KeptProduct>>,
    ) -> HashMap<ProductId, Seen> {
        if ids.is_empty() {
            return HashMap::new();
        }
        let lookups = self.shared.look_up_many(ids).await.unwrap_or_default();
        let mut seen = HashMap::new();
        for (id, lookup) in ids.iter().zip(lookups) {
            let Some(product) = self.believed(*id, lookup.entry, since_ms).await else {
                seen.insert(*id, lookup.seen);
                continue;
            };
            let product = kept(product);
            self.local.insert(*id, local_entry(Arc::clone(&product), since_ms, false)).await;
            found.insert(*id, product);
        }
        seen
    }

    async fn believed(&self, id: ProductId, entry: Option<SharedProduct>, since_ms: i64) -> Option<Product> {
        let entry = entry?;
        let heard = entry.read_at_ms >= since_ms + CLOCK_SKEW_MS;
        if heard && self.is_new_enough(id, entry.version).await { entry.product } else { None }
    }
}

/// What Memcached is to hold of a product that was read then.
fn fill(product: &Product, seen: Seen, read_at: Timestamp) -> (ProductId, Seen, SharedProduct) {
    let entry = SharedProduct {
        version: product.version,
        read_at_ms: read_at.as_millisecond(),
        product: Some(product.clone()),
    };
    (product.id, seen, entry)
}

fn kept(product: Product) -> Arc<KeptProduct> {
    Arc::new(KeptProduct::new(product, Instant::now() + LOCAL_LIFETIME))
}

fn local_entry(product: Arc<KeptProduct>, listening_since_ms: i64, is_first_hand: bool) -> Entry {
    // Its texts are there once more, in what is sent of it.
    let weight = u32::try_from(2 * weight(&product)).unwrap_or(u32::MAX);
    Entry { product, listening_since_ms, is_first_hand, weight }
}

/// About the bytes that a product takes, every text counted.
fn weight(product: &Product) -> usize {
    const PRODUCT_BYTES: usize = 1_024;
    const ITEM_BYTES: usize = 128;
    let map = |map: &BTreeMap<String, String>| -> usize {
        map.iter().map(|(name, value)| ITEM_BYTES + name.len() + value.len()).sum()
    };
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let images: usize =
        product.images.iter().map(|image| ITEM_BYTES + image.url.len() + image.alt.len()).sum();
    let variants: usize =
        product.variants.iter().map(|variant| ITEM_BYTES + variant.sku.len() + map(&variant.options)).sum();
    let texts = product.slug.len()
        + product.title.len()
        + product.description.len()
        + optional(&product.brand)
        + optional(&product.category)
        + optional(&product.source)
        + optional(&product.external_id);
    PRODUCT_BYTES + texts + map(&product.attributes) + images + variants
}

#[cfg(test)]
mod tests;
