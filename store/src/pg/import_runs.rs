//! The record of what importers did. A run that has begun and not finished failed, was killed, or is under
//! way.

use domain::ids::ImportRunId;
use jiff::Timestamp;
use tokio_postgres::GenericClient;

use crate::error::StoreError;

/// What a run did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Rows of the file.
    pub rows_read: i64,
    /// Of them refused.
    pub rows_refused: i64,
    /// Documents or products added.
    pub documents_added: i64,
    /// Lines added.
    pub lines_added: i64,
}

/// Records that a run has begun, at once and whatever becomes of it. `kind` is `orders` or `products`.
pub async fn begin(
    client: &impl GenericClient,
    id: ImportRunId,
    kind: &str,
    channel: Option<&str>,
    file_name: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO import_runs (id, kind, channel, file_name, started_at) VALUES ($1, $2, $3, $4, $5)";
    client.execute(SQL, &[&id.0, &kind, &channel, &file_name, &at]).await?;
    Ok(())
}

/// Records what a run did that ended well; in the transaction that did it, where there is one.
pub async fn finish(
    client: &impl GenericClient,
    id: ImportRunId,
    counts: ImportCounts,
    at: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE import_runs SET finished_at = $2, rows_read = $3, rows_refused = $4, \
                       documents_added = $5, lines_added = $6 WHERE id = $1";
    let ImportCounts { rows_read, rows_refused, documents_added, lines_added } = counts;
    client.execute(SQL, &[&id.0, &at, &rows_read, &rows_refused, &documents_added, &lines_added]).await?;
    Ok(())
}
