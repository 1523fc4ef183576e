//! The sections of the settings file that the API reads.

use std::net::SocketAddr;

use cache::settings::{CacheSettings, MemcachedSettings, RedisSettings};
use domain::address_range::AddressRange;
use domain::webhook::url_policy::UrlPolicy;
use search_indexer::settings::SearchSettings;
use secrecy::SecretString;
use serde::Deserialize;
use store::settings::{AmqpSettings, MongoSettings, ObjectSettings, PostgresSettings};

/// What the API reads of the settings file.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// `development`, `test` or `production`.
    pub environment: String,
    /// PostgreSQL.
    pub postgres: PostgresSettings,
    /// MongoDB.
    pub mongo: MongoSettings,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Redis.
    pub redis: RedisSettings,
    /// Memcached.
    pub memcached: MemcachedSettings,
    /// What both caches share.
    pub cache: CacheSettings,
    /// The search engine.
    pub search: SearchSettings,
    /// Pictures; a shop without the section has none.
    pub objects: Option<ObjectSettings>,
    /// Where webhooks may be sent.
    #[serde(default)]
    pub webhooks: UrlPolicy,
    /// The API's own section.
    pub api: ApiSettings,
    /// One bearer token per role, until accounts exist. Refused in production.
    pub development_tokens: Option<DevelopmentTokens>,
}

/// `[api]`
#[derive(Debug, Clone, Deserialize)]
pub struct ApiSettings {
    /// Where clients come in.
    pub listen: SocketAddr,
    /// Where Prometheus scrapes.
    pub metrics: Option<SocketAddr>,
    /// Signs cursors: 32 bytes in hexadecimal digits, the same for all processes.
    pub cursor_key: SecretString,
    /// How many requests a caller may send.
    #[serde(default)]
    pub rate_limit: RateLimitSettings,
}

/// `[api.rate_limit]`: of one process, by class of caller.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct RateLimitSettings {
    /// Who has not signed in, by address.
    pub anonymous: Allotment,
    /// Who buys, by account.
    pub shopper: Allotment,
    /// Everybody else who has signed in, by account or role.
    pub staff: Allotment,
    /// Proxies whose `X-Forwarded-For` is believed: addresses, and networks such as `10.0.0.0/8`.
    pub trusted_proxies: Vec<AddressRange>,
}

/// Requests in a window.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Allotment {
    /// How many: as many may come at once.
    pub requests: u32,
    /// Seconds in which as many are given anew.
    #[serde(default = "a_minute")]
    pub window_seconds: u32,
}

fn a_minute() -> u32 {
    60
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        let a_minute = |requests| Allotment { requests, window_seconds: a_minute() };
        Self {
            anonymous: a_minute(6_000),
            shopper: a_minute(6_000),
            staff: a_minute(60_000),
            trusted_proxies: Vec::new(),
        }
    }
}

/// `[development_tokens]`
#[derive(Debug, Clone, Deserialize)]
pub struct DevelopmentTokens {
    /// Token of the admin.
    pub admin: SecretString,
    /// Token of the vendor.
    pub vendor: SecretString,
    /// Token of the merchandiser.
    pub merchandiser: SecretString,
    /// Token of the analyst.
    pub analyst: SecretString,
    /// Token of the shopper.
    pub shopper: SecretString,
}
