//! The settings file that every process of ours is started with.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    error::{Result, StackError},
    servers::{mongo, opensearch, ours, rabbitmq},
    stack::Stack,
};

/// The database of the shop, in PostgreSQL and in MongoDB, and the application role.
pub const DATABASE: &str = "entrepot";

#[derive(Serialize)]
struct Settings {
    environment: &'static str,
    postgres: Postgres,
    mongo: Mongo,
    amqp: Url,
    redis: Url,
    memcached: Memcached,
    cache: Prefix,
    search: Search,
    lake: Lake,
    objects: Objects,
    webhooks: Webhooks,
    api: Api,
    ingest: Metrics,
    worker: Metrics,
    search_indexer: Metrics,
    analytics: Metrics,
    development_tokens: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Postgres {
    pgpools: Vec<String>,
    nodes: Vec<String>,
    database: &'static str,
    user: &'static str,
    password: String,
    pool_max: u32,
}

#[derive(Serialize)]
struct Mongo {
    url: String,
    database: &'static str,
}

#[derive(Serialize)]
struct Url {
    url: String,
}

#[derive(Serialize)]
struct Memcached {
    address: String,
}

#[derive(Serialize)]
struct Prefix {
    prefix: &'static str,
}

#[derive(Serialize)]
struct Search {
    url: String,
    index_prefix: &'static str,
}

#[derive(Serialize)]
struct Lake {
    path: String,
}

#[derive(Serialize)]
struct Objects {
    folder: String,
}

#[derive(Serialize)]
struct Webhooks {
    allow_insecure: bool,
    allow_networks: [&'static str; 2],
}

#[derive(Serialize)]
struct Api {
    listen: String,
    metrics: String,
    cursor_key: String,
    rate_limit: RateLimit,
}

#[derive(Serialize)]
struct RateLimit {
    anonymous: Allotment,
    shopper: Allotment,
    staff: Allotment,
}

#[derive(Clone, Copy, Serialize)]
struct Allotment {
    requests: u32,
    window_seconds: u32,
}

/// Everybody on the local machine comes from one address, and may measure as they like.
const GENEROUS: Allotment = Allotment { requests: 3_000_000, window_seconds: 60 };

#[derive(Serialize)]
struct Metrics {
    metrics: String,
}

/// Writes the settings file of a stack and makes the folders that it names.
///
/// # Errors
/// When the file cannot be written.
pub fn write(stack: &Stack) -> Result<()> {
    stack.account.make_folder(&stack.folders.lake())?;
    stack.account.make_folder(&stack.folders.objects())?;
    stack.account.write_private(&stack.folders.settings(), &text(stack)?)
}

fn text(stack: &Stack) -> Result<String> {
    let [api, ingest, worker, search_indexer, analytics] =
        stack.ports.metrics.map(loopback).map(|metrics| Metrics { metrics });
    debug_assert_eq!(ours::NAMES.len(), stack.ports.metrics.len());
    let settings = Settings {
        environment: "development",
        postgres: Postgres {
            pgpools: vec![loopback(stack.ports.pgpool)],
            nodes: stack.ports.postgres.map(loopback).to_vec(),
            database: DATABASE,
            user: DATABASE,
            password: stack.secrets.postgres_application.clone(),
            pool_max: 8,
        },
        mongo: Mongo { url: mongo::url(stack), database: DATABASE },
        amqp: Url { url: rabbitmq::url(stack) },
        redis: Url { url: format!("redis://{}", loopback(stack.ports.redis)) },
        memcached: Memcached { address: loopback(stack.ports.memcached) },
        cache: Prefix { prefix: DATABASE },
        search: Search { url: opensearch::url(stack), index_prefix: DATABASE },
        lake: Lake { path: stack.folders.lake().display().to_string() },
        objects: Objects { folder: stack.folders.objects().display().to_string() },
        // A receiver that a person tries out listens on this machine.
        webhooks: Webhooks { allow_insecure: true, allow_networks: ["127.0.0.0/8", "::1"] },
        api: Api {
            listen: loopback(stack.ports.api),
            metrics: api.metrics,
            cursor_key: stack.secrets.cursor_key.clone(),
            rate_limit: RateLimit { anonymous: GENEROUS, shopper: GENEROUS, staff: GENEROUS },
        },
        ingest,
        worker,
        search_indexer,
        analytics,
        development_tokens: stack.secrets.tokens.clone(),
    };
    toml::to_string(&settings).map_err(|error| StackError::refused(error.to_string()))
}

/// `127.0.0.1:port`.
#[must_use]
pub fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
