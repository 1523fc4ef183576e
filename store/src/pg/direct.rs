//! Connections past Pgpool-II: bulk COPY can hang in its extended protocol, and an extract must stay on one
//! standby.

use std::time::Duration;

use futures_util::future::join_all;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, NoTls};

use crate::error::StoreError;
use crate::pg::pool::server_config;
use crate::settings::PostgresSettings;

/// A connection past Pgpool-II.
pub type DirectClient = Client;

/// Bulk work takes its time, but it does not wait for ever for a lock or hold a snapshot that nobody uses.
const OPTIONS: &str =
    "-c statement_timeout=0 -c lock_timeout=30s -c idle_in_transaction_session_timeout=5min -c TimeZone=UTC";
/// Longest wait for one server, with the questions that tell what it is: a frozen one accepts connections and
/// never answers.
const SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// The primary, without a statement timeout: the first of the configured servers that takes writes.
pub async fn primary(settings: &PostgresSettings) -> Result<Client, StoreError> {
    let mut last = no_server();
    for node in &settings.nodes {
        let connecting = connect(settings, node, TargetSessionAttrs::ReadWrite, "shop-bulk");
        match in_time(connecting).await {
            Ok(client) => return Ok(client),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A standby: of the configured servers that are in recovery the one that has replayed most.
pub async fn standby(settings: &PostgresSettings) -> Result<Client, StoreError> {
    let asked = join_all(settings.nodes.iter().map(|node| in_time(replaying(settings, node)))).await;
    let mut last = no_server();
    let mut standbys = Vec::new();
    for answer in asked {
        match answer {
            Ok(found) => standbys.extend(found),
            Err(error) => last = error,
        }
    }
    match standbys.into_iter().max_by_key(|(_, replayed)| *replayed) {
        Some((client, _)) => Ok(client),
        None => {
            tracing::warn!(error = &last as &dyn std::error::Error, "no standby answers");
            Err(StoreError::unavailable("no standby answers"))
        }
    }
}

/// A server and how far it has replayed the log; `None` when it is no standby.
async fn replaying(
    settings: &PostgresSettings,
    node: &String,
) -> Result<Option<(Client, PgLsn)>, StoreError> {
    const SQL: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END";
    let client = connect(settings, node, TargetSessionAttrs::Any, "shop-extract").await?;
    let replayed: Option<PgLsn> = client.query_one(SQL, &[]).await?.get(0);
    Ok(replayed.map(|replayed| (client, replayed)))
}

fn no_server() -> StoreError {
    StoreError::unavailable("no server is configured")
}

async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(SERVER_TIMEOUT, work).await.map_err(StoreError::unavailable)?
}

async fn connect(
    settings: &PostgresSettings,
    node: &String,
    target: TargetSessionAttrs,
    application_name: &str,
) -> Result<Client, StoreError> {
    let mut config = server_config(settings, std::slice::from_ref(node))?;
    config.options(OPTIONS).application_name(application_name).target_session_attrs(target);
    let (client, connection) = config.connect(NoTls).await.map_err(StoreError::unavailable)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a connection to PostgreSQL ended");
        }
    });
    Ok(client)
}
