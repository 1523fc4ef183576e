//! Why a cache cannot be made. Once made, a cache has no errors.

/// Settings that no cache can work with.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The prefix would make keys that Memcached refuses.
    #[error("the cache prefix {0:?} is not 1 to 100 visible ASCII characters")]
    Prefix(String),
    /// The Redis address is no URL that the client knows.
    #[error("the Redis address cannot be used")]
    Redis(#[from] redis::RedisError),
}
