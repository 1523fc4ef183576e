//! The sections of the settings file that the API reads.

use std::net::SocketAddr;

use cache::settings::{CacheSettings, MemcachedSettings, RedisSettings};
use search_indexer::settings::SearchSettings;
use secrecy::SecretString;
use serde::Deserialize;
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};

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
