//! The sections of the settings file that caches read.

use serde::Deserialize;

use crate::error::CacheError;

/// `[cache]`
#[derive(Debug, Clone, Deserialize)]
pub struct CacheSettings {
    /// Start of every Redis and Memcached key.
    pub prefix: String,
}

/// `[redis]`
#[derive(Debug, Clone, Deserialize)]
pub struct RedisSettings {
    /// Such as `redis://127.0.0.1:6379`.
    pub url: String,
}

/// `[memcached]`
#[derive(Debug, Clone, Deserialize)]
pub struct MemcachedSettings {
    /// `host:port`
    pub address: String,
}

impl CacheSettings {
    pub(crate) fn checked_prefix(&self) -> Result<&str, CacheError> {
        let visible = self.prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=100).contains(&self.prefix.len()) {
            Ok(&self.prefix)
        } else {
            Err(CacheError::Prefix(self.prefix.clone()))
        }
    }
}
