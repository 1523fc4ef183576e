//! Products in Memcached, shared by every API process. A changed product is not deleted but replaced by a
//! tombstone with its minimum version, and every fill is a compare-and-set against what its reader saw before
//! it went to the store: a slow reader cannot put an old product over a newer one, nor over a tombstone.

use std::time::Duration;

use domain::ids::ProductId;
use domain::product::Product;
use jiff::Timestamp;
use memcache::exp::{AsyncMemcache, Get, Meta, Set, Ttl};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::key::CacheKey;
use crate::tier::{OPERATION_TIMEOUT, Tier};

/// Longest life of an entry, before the jitter of a fifth up or down.
pub const LIFETIME: Duration = Duration::from_secs(3_600);
/// Tries of a compare-and-set against other writers.
const ATTEMPT_MAX: u32 = 5;

/// The key of a product.
#[derive(Debug, Clone, Copy)]
pub struct ProductKey(pub ProductId);

impl CacheKey for ProductKey {
    type Value = SharedProduct;
    const KIND: &'static str = "product1";

    fn identity(&self) -> String {
        self.0.to_string()
    }
}

/// What is stored: a product, or the lowest version that may be stored next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedProduct {
    /// Version of the product, or the minimum that the tombstone asks for.
    pub version: i64,
    /// When its reader began to read the store: a reader believes only what was read since it hears of
    /// changes.
    pub read_at_ms: i64,
    /// `None`: a tombstone.
    pub product: Option<Product>,
}

/// What a reader saw, and must still be there when it fills.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    Nothing,
    Entry { unique: u64, version: i64 },
}

/// An entry with what a later fill needs.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) entry: Option<SharedProduct>,
    pub(crate) seen: Seen,
}

#[derive(Debug)]
pub(crate) struct SharedProducts {
    address: String,
    prefix: String,
    tier: Tier,
    client: OnceCell<AsyncMemcache>,
}

impl SharedProducts {
    pub(crate) fn new(address: String, prefix: String) -> Self {
        Self { address, prefix, tier: Tier::new("product", "memcached"), client: OnceCell::new() }
    }

    /// `None`: no answer.
    pub(crate) async fn look_up(&self, id: ProductId) -> Option<Lookup> {
        self.look_up_many(&[id]).await?.pop()
    }

    /// The entries of several products in one round trip, in their order.
    pub(crate) async fn look_up_many(&self, ids: &[ProductId]) -> Option<Vec<Lookup>> {
        let names: Vec<_> = ids.iter().map(|id| ProductKey(*id).wire_name(&self.prefix)).collect();
        let results = self
            .tier
            .run(async {
                let gets = names.iter().map(|name| Get::new(name).meta(Meta::NONE.cas()));
                self.client().await?.meta().run_many(gets).await?.into_iter().collect::<Result<Vec<_>, _>>()
            })
            .await?;
        Some(results.into_iter().map(|result| lookup(result.item.cas, result.value)).collect())
    }

    /// Stores what was read from the store in one round trip, each product unless something else was stored since it
    /// was seen.
    pub(crate) async fn fill(&self, read: &[(ProductId, Seen, SharedProduct)]) {
        let sets: Vec<_> = read.iter().filter_map(|(id, seen, entry)| self.set(*id, *seen, entry)).collect();
        if sets.is_empty() {
            return;
        }
        let count = sets.len();
        let stored = self.tier.run(async {
            let mut stored = self.client().await?.meta().run_many(sets).await?;
            // A connection that was lost is the answer to every one of them.
            match stored.iter().all(Result::is_err).then(|| stored.pop()).flatten() {
                Some(Err(error)) => Err(error),
                _ => Ok(stored),
            }
        });
        let stored = stored.await.unwrap_or_default();
        let filled =
            stored.iter().filter(|result| result.as_ref().is_ok_and(|result| result.applied())).count();
        self.tier.count_many("filled", filled);
        self.tier.count_many("fill_refused", count - filled);
    }

    /// From now on nothing below `version` is kept. `false` when the server did not confirm it.
    pub(crate) async fn raise_minimum(&self, id: ProductId, version: i64, at: Timestamp) -> bool {
        let tombstone = SharedProduct { version, read_at_ms: at.as_millisecond(), product: None };
        for _ in 0..ATTEMPT_MAX {
            let Some(lookup) = self.look_up(id).await else {
                return false;
            };
            if matches!(lookup.seen, Seen::Entry { version: stored, .. } if stored >= version) {
                return true;
            }
            let Some(set) = self.set(id, lookup.seen, &tombstone) else {
                return true;
            };
            match self.tier.run(async { self.client().await?.meta().run(set).await }).await {
                Some(result) if result.applied() => return true,
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    pub(crate) async fn ping(&self) -> Result<(), String> {
        let ping = async { self.client().await?.meta().noop().await };
        match tokio::time::timeout(OPERATION_TIMEOUT, ping).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(elapsed) => Err(elapsed.to_string()),
        }
    }

    fn set(&self, id: ProductId, seen: Seen, entry: &SharedProduct) -> Option<Set> {
        let bytes = serde_json::to_vec(entry).ok()?;
        let set = Set::new(ProductKey(id).wire_name(&self.prefix), bytes).ttl(lifetime());
        match seen {
            Seen::Nothing => Some(set.add()),
            Seen::Entry { version, .. } if version > entry.version => None,
            Seen::Entry { unique, .. } => Some(set.compare_cas(unique)),
        }
    }

    async fn client(&self) -> memcache::exp::Result<&AsyncMemcache> {
        self.client
            .get_or_try_init(|| {
                AsyncMemcache::builder()
                    .connect_timeout(OPERATION_TIMEOUT)
                    .timeout(OPERATION_TIMEOUT)
                    .max_idle(16)
                    .max_connections(64)
                    .connect_async([self.address.as_str()])
            })
            .await
    }
}

/// An unreadable entry is what another build left: it is replaced like any older one.
fn lookup(unique: Option<u64>, value: Option<Vec<u8>>) -> Lookup {
    let (Some(unique), Some(bytes)) = (unique, value) else {
        return Lookup { entry: None, seen: Seen::Nothing };
    };
    let entry: Option<SharedProduct> = serde_json::from_slice(&bytes).ok();
    let version = entry.as_ref().map_or(0, |entry| entry.version);
    Lookup { entry, seen: Seen::Entry { unique, version } }
}

fn lifetime() -> Ttl {
    let fifth = LIFETIME / 5;
    Ttl::from(rand::random_range(LIFETIME - fifth..=LIFETIME + fifth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: i64) -> SharedProduct {
        SharedProduct { version, read_at_ms: 0, product: None }
    }

    #[test]
    fn an_older_product_never_replaces_a_newer_one() {
        let shared = SharedProducts::new("127.0.0.1:1".into(), "p".into());
        let id = ProductId::new(Timestamp::UNIX_EPOCH, [0; 10]);
        assert!(shared.set(id, Seen::Entry { unique: 1, version: 3 }, &entry(2)).is_none());
        assert!(shared.set(id, Seen::Entry { unique: 1, version: 3 }, &entry(3)).is_some());
        assert!(shared.set(id, Seen::Nothing, &entry(1)).is_some());
    }

    #[test]
    fn an_unreadable_entry_is_seen_but_not_believed() {
        let lookup = lookup(Some(7), Some(b"?".to_vec()));
        assert!(lookup.entry.is_none());
        assert!(matches!(lookup.seen, Seen::Entry { unique: 7, version: 0 }));
    }
}
