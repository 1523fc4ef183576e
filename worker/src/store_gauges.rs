//! What stores say about themselves, as metrics, where no exporter of the distribution does it: Pgpool-II, MongoDB,
//! Memcached.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cache::memcached_statistics;
use cache::settings::MemcachedSettings;
use store::error::StoreError;
use store::mongo::connection::Mongo;
use store::mongo::statistics;
use store::pg::pgpool_nodes;
use store::pg::pool::PgPools;

/// Between two looks at a store.
pub const PERIOD: Duration = Duration::from_secs(5);
/// How long a store may take to answer.
const DEADLINE: Duration = Duration::from_secs(4);

/// The servers behind Pgpool-II.
pub async fn pgpool(pools: &PgPools) -> Result<usize, StoreError> {
    let nodes = answer("pgpool", async { pgpool_nodes::all(&**pools.read().await?).await }).await?;
    for node in nodes {
        let gauge = |name: &'static str, value: bool| {
            metrics::gauge!(name, "node" => node.address.clone()).set(u8::from(value));
        };
        gauge("pgpool_node_up", node.is_up);
        gauge("pgpool_node_primary", node.is_primary);
        count("pgpool_node_selects_total", "node", node.address, node.select_count);
    }
    Ok(0)
}

/// The replica set.
pub async fn mongo(mongo: &Mongo) -> Result<usize, StoreError> {
    let seen = answer("mongodb", statistics::statistics(mongo)).await?;
    for (operation, value) in seen.operations {
        count("mongodb_operations_total", "operation", operation, value);
    }
    set("mongodb_connections", seen.connections);
    set("mongodb_cache_bytes", seen.cache_bytes);
    set("mongodb_cache_bytes_max", seen.cache_bytes_max);
    for member in seen.members {
        let gauge = |name: &'static str, value: f64| {
            metrics::gauge!(name, "member" => member.address.clone()).set(value);
        };
        gauge("mongodb_member_up", f64::from(u8::from(member.is_up)));
        gauge("mongodb_member_primary", f64::from(u8::from(member.is_primary)));
        gauge("mongodb_member_lag_seconds", member.lag_seconds);
    }
    Ok(0)
}

/// Memcached.
pub async fn memcached(settings: &MemcachedSettings) -> Result<usize, StoreError> {
    let asked = async { memcached_statistics::statistics(settings).await.map_err(StoreError::unavailable) };
    let seen = answer("memcached", asked).await?;
    for (name, value) in [
        ("memcached_hits_total", seen.hits),
        ("memcached_misses_total", seen.misses),
        ("memcached_evictions_total", seen.evictions),
    ] {
        metrics::counter!(name).increment(growth(name, "", value));
    }
    set("memcached_entries", seen.entries);
    set("memcached_bytes", seen.bytes);
    set("memcached_bytes_max", seen.bytes_max);
    set("memcached_connections", seen.connections);
    Ok(0)
}

/// Asks within the deadline and says whether there was an answer: the other gauges keep their last value.
async fn answer<T>(
    store: &'static str,
    question: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let answered = tokio::time::timeout(DEADLINE, question).await;
    let result = answered.unwrap_or_else(|elapsed| Err(StoreError::unavailable(elapsed)));
    metrics::gauge!("store_answers", "store" => store).set(u8::from(result.is_ok()));
    result
}

/// What a counter of a store grew by since it was last seen. One that fell begins anew: the store was restarted.
fn growth(name: &'static str, of: &str, value: u64) -> u64 {
    static LAST: Mutex<Option<HashMap<(&'static str, String), u64>>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let before = last.get_or_insert_default().insert((name, of.to_owned()), value).unwrap_or(0);
    value.checked_sub(before).unwrap_or(value)
}

fn count(name: &'static str, label: &'static str, of: String, value: u64) {
    let growth = growth(name, &of, value);
    metrics::counter!(name, label => of).increment(growth);
}

fn set(name: &'static str, value: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    metrics::gauge!(name).set(value as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_of_a_restarted_store_goes_on() {
        let grown = [5, 8, 8, 3, 4].map(|value| growth("test_total", "a", value));
        assert_eq!(grown, [5, 3, 0, 3, 1]);
        assert_eq!(growth("test_total", "b", 2), 2);
    }
}
