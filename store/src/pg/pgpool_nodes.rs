//! What Pgpool-II holds of the servers behind it, for metrics.

use tokio_postgres::{GenericClient, SimpleQueryMessage, SimpleQueryRow};

use crate::error::StoreError;

/// A server as Pgpool-II sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgpoolNode {
    /// `host:port`
    pub address: String,
    /// Whether sessions are sent to it.
    pub is_up: bool,
    /// Whether writes are sent to it.
    pub is_primary: bool,
    /// Statements that were balanced to it since Pgpool-II started.
    pub select_count: u64,
}

/// Every server, asked through Pgpool-II, which answers by itself.
pub async fn all(client: &impl GenericClient) -> Result<Vec<PgpoolNode>, StoreError> {
    let answer = client.simple_query("SHOW POOL_NODES").await?;
    answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(node(row)),
            _ => None,
        })
        .collect()
}

fn node(row: &SimpleQueryRow) -> Result<PgpoolNode, StoreError> {
    let text = |column: &str| {
        let value = row.try_get(column)?;
        value.ok_or_else(|| StoreError::Inconsistent(format!("SHOW POOL_NODES without {column}")))
    };
    Ok(PgpoolNode {
        address: format!("{}:{}", text("hostname")?, text("port")?),
        is_up: matches!(text("status")?, "up" | "waiting"),
        is_primary: matches!(text("role")?, "primary" | "main"),
        select_count: text("select_cnt")?.parse().unwrap_or(0),
    })
}
