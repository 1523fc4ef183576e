//! Where the stores are: the `[postgres]`, `[mongo]`, `[amqp]` and `[objects]` sections of the settings file.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// PostgreSQL behind Pgpool-II.
#[derive(Debug, Clone, Deserialize)]
pub struct PostgresSettings {
    /// Pgpool-II addresses (`host:port`), tried in turn.
    pub pgpools: Vec<String>,
    /// The servers themselves, for bulk COPY and for the extract from a standby.
    pub nodes: Vec<String>,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// Most connections of each of the two pools of a process.
    pub pool_max: usize,
}

/// The MongoDB replica set.
#[derive(Debug, Clone, Deserialize)]
pub struct MongoSettings {
    /// Connection string with the write and read concern.
    pub url: SecretString,
    /// Database.
    pub database: String,
}

/// RabbitMQ.
#[derive(Debug, Clone, Deserialize)]
pub struct AmqpSettings {
    /// `amqp://user:password@host:port/vhost`
    pub url: SecretString,
}

/// Objects such as pictures.
#[derive(Debug, Clone, Deserialize)]
pub struct ObjectSettings {
    /// The folder that holds them.
    pub folder: PathBuf,
}
