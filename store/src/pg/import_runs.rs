//! The record of what importers did. A run that has begun and not finished failed, was killed, or is under way; one
//! with a checkpoint can go on from there.

use domain::ids::ImportRunId;
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use crate::error::StoreError;

/// What a run did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Rows of the file.
    pub rows_read: i64,
    /// Of them refused.
    pub rows_refused: i64,
    /// Documents, products or events added.
    pub documents_added: i64,
    /// Lines added.
    pub lines_added: i64,
}

/// A run as it begins.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: ImportRunId,
    /// `orders`, `products` or `events`.
    pub kind: &'a str,
    /// Channel of the orders or events, or source of the products.
    pub channel: &'a str,
    /// What is read.
    pub file_name: &'a str,
    /// SHA-256 of the file and of what it is read with; `None` for a run that cannot go on.
    pub fingerprint: Option<&'a [u8]>,
    /// When it began.
    pub at: Timestamp,
}

/// A run that has not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// Its id.
    pub id: ImportRunId,
    /// When it began, to the millisecond.
    pub started_at: Timestamp,
    /// SHA-256 of what it read.
    pub fingerprint: Option<Vec<u8>>,
    /// How far it is, as the importer wrote it.
    pub checkpoint: Option<serde_json::Value>,
}

/// Records that a run has begun, at once and whatever becomes of it.
pub async fn begin(client: &impl GenericClient, run: NewRun<'_>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO import_runs (id, kind, channel, file_name, fingerprint, started_at) \
                       VALUES ($1, $2, $3, $4, $5, $6)";
    let NewRun { id, kind, channel, file_name, fingerprint, at } = run;
    client.execute(SQL, &[&id.0, &kind, &channel, &file_name, &fingerprint, &at]).await?;
    Ok(())
}

/// The newest run of that kind, channel and file, if it has not finished.
pub async fn unfinished(
    client: &impl GenericClient,
    kind: &str,
    channel: &str,
    file_name: &str,
) -> Result<Option<UnfinishedRun>, StoreError> {
    const SQL: &str = "SELECT id, started_at, fingerprint, checkpoint, finished_at IS NULL FROM import_runs \
                       WHERE kind = $1 AND channel = $2 AND file_name = $3 ORDER BY started_at DESC, id DESC LIMIT 1";
    let row = client.query_opt(SQL, &[&kind, &channel, &file_name]).await?;
    Ok(row.filter(|row| row.get(4)).map(|row| run(&row)))
}

/// A run by its id, if it has not finished.
pub async fn find_unfinished(
    client: &impl GenericClient,
    id: ImportRunId,
) -> Result<Option<UnfinishedRun>, StoreError> {
    const SQL: &str = "SELECT id, started_at, fingerprint, checkpoint FROM import_runs \
                       WHERE id = $1 AND finished_at IS NULL";
    Ok(client.query_opt(SQL, &[&id.0]).await?.map(|row| run(&row)))
}

/// Whether a run has finished; `false` also when there is none.
pub async fn has_finished(client: &impl GenericClient, id: ImportRunId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT FROM import_runs WHERE id = $1 AND finished_at IS NOT NULL";
    Ok(client.query_opt(SQL, &[&id.0]).await?.is_some())
}

/// Records how far a run is.
pub async fn save_checkpoint(
    client: &impl GenericClient,
    id: ImportRunId,
    checkpoint: &serde_json::Value,
) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE import_runs SET checkpoint = $2 WHERE id = $1 AND finished_at IS NULL RETURNING id";
    let saved = client.query_typed(SQL, &[(&id.0, Type::UUID), (checkpoint, Type::JSONB)]).await?;
    if saved.is_empty() {
        return Err(StoreError::Inconsistent(format!("the import run {id} has ended already")));
    }
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
                       documents_added = $5, lines_added = $6, checkpoint = NULL WHERE id = $1";
    let ImportCounts { rows_read, rows_refused, documents_added, lines_added } = counts;
    client.execute(SQL, &[&id.0, &at, &rows_read, &rows_refused, &documents_added, &lines_added]).await?;
    Ok(())
}

fn run(row: &Row) -> UnfinishedRun {
    UnfinishedRun {
        id: ImportRunId(row.get(0)),
        started_at: row.get(1),
        fingerprint: row.get(2),
        checkpoint: row.get(3),
    }
}
