//! Connections past Pgpool-II: bulk COPY can hang in its extended protocol, and an extract must stay on one standby.

use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, NoTls};

use crate::error::StoreError;
use crate::pg::pool::server_config;
use crate::settings::PostgresSettings;

/// Bulk work takes its time, but it does not wait for ever for a lock or hold a snapshot that nobody uses.
const OPTIONS: &str =
    "-c statement_timeout=0 -c lock_timeout=30s -c idle_in_transaction_session_timeout=5min -c TimeZone=UTC";

/// The primary, without a statement timeout.
pub async fn primary(settings: &PostgresSettings) -> Result<Client, StoreError> {
    connect(settings, &settings.nodes, TargetSessionAttrs::ReadWrite, "shop-bulk").await
}

/// A standby: the first of the configured servers that is in recovery.
pub async fn standby(settings: &PostgresSettings) -> Result<Client, StoreError> {
    let mut last = StoreError::unavailable("no server is configured");
    for node in &settings.nodes {
        match connect(settings, std::slice::from_ref(node), TargetSessionAttrs::Any, "shop-extract").await {
            Ok(client) if is_in_recovery(&client).await? => return Ok(client),
            Ok(_) => {}
            Err(error) => last = error,
        }
    }
    tracing::warn!(error = &last as &dyn std::error::Error, "no standby answers");
    Err(StoreError::unavailable("no standby answers"))
}

async fn is_in_recovery(client: &Client) -> Result<bool, StoreError> {
    Ok(client.query_one("SELECT pg_is_in_recovery()", &[]).await?.get(0))
}

async fn connect(
    settings: &PostgresSettings,
    nodes: &[String],
    target: TargetSessionAttrs,
    application_name: &str,
) -> Result<Client, StoreError> {
    let mut config = server_config(settings, nodes)?;
    config.options(OPTIONS).application_name(application_name).target_session_attrs(target);
    let (client, connection) = config.connect(NoTls).await.map_err(StoreError::unavailable)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a connection to PostgreSQL ended");
        }
    });
    Ok(client)
}
