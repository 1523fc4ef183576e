//! What this program reads of the settings file.

use std::net::SocketAddr;

use search_indexer::settings::SearchSettings;
use serde::Deserialize;
use store::settings::{AmqpSettings, MongoSettings, PostgresSettings};

/// The sections that it needs.
#[derive(Deserialize)]
pub struct Settings {
    pub postgres: PostgresSettings,
    pub mongo: MongoSettings,
    pub amqp: AmqpSettings,
    pub search: SearchSettings,
    pub search_indexer: Own,
}

/// Its own section.
#[derive(Deserialize)]
pub struct Own {
    pub metrics: SocketAddr,
}
