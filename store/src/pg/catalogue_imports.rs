//! Catalogues that came over HTTP: the upload in chunks, the run with its lease, the report.

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};
use uuid::Uuid;

use crate::error::StoreError;

/// Most bytes of a chunk.
pub const CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// Most entries of a report that are kept.
pub const ENTRY_COUNT_MAX: u64 = 10_000;

/// The column maps that ship, the default one first: those that an import can name.
pub const MAP_NAMES: [&str; 4] = ["entrepot", "fashion-styles", "judged-search", "products-ndjson"];

/// Rows by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows read so far.
    pub rows_read: i64,
    /// Products that are new.
    pub added: i64,
    /// Products that were there and changed.
    pub changed: i64,
    /// Products that were there and are the same.
    pub unchanged: i64,
    /// Rows that were refused.
    pub refused: i64,
}

/// An import as it is asked for.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Its id.
    pub id: Uuid,
    /// Whose chunks are to be read.
    pub upload_id: Uuid,
    /// `csv` or `ndjson`
    pub format: &'static str,
    /// Name of a map that ships.
    pub map: String,
    /// Whether only the difference is asked for.
    pub dry_run: bool,
    /// Who asks.
    pub actor: String,
    /// Size of the upload as it came.
    pub size_bytes: i64,
}

/// An import as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueImport {
    /// Its id.
    pub id: Uuid,
    /// `queued`, `running`, `finished` or `failed`
    pub status: String,
    /// `csv` or `ndjson`
    pub format: String,
    /// Name of the map.
    pub map: String,
    /// Whether only the difference is asked for.
    pub dry_run: bool,
    /// Size of the upload as it came.
    pub size_bytes: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When a worker first took it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What became of its rows so far.
    pub counts: RowCounts,
    /// Entries that the report leaves out.
    pub entries_left_out: i64,
    /// Why it failed.
    pub failure: Option<String>,
}

/// An import that a worker holds until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedImport {
    /// The import.
    pub import: CatalogueImport,
    /// Whose chunks are to be read.
    pub upload_id: Uuid,
    /// Who asked for it.
    pub actor: String,
    /// Grows with each owner.
    pub fence: i64,
}

const COLUMNS: &str = "id, status, format, map, dry_run, size_bytes, created_at, started_at, finished_at, rows_read, \
                       added, changed, unchanged, refused, entries_left_out, failure";

/// Keeps a chunk of an upload, 1 to [`CHUNK_BYTES_MAX`] bytes. Chunks are numbered from 0.
pub async fn add_chunk(
    client: &impl GenericClient,
    upload_id: Uuid,
    number: i32,
    bytes: &[u8],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO catalogue_import_chunks (upload_id, number, bytes) VALUES ($1, $2, $3)";
    client
        .query_typed(SQL, &[(&upload_id, Type::UUID), (&number, Type::INT4), (&bytes, Type::BYTEA)])
        .await?;
    Ok(())
}

/// One chunk; `None` after the last one.
pub async fn chunk(
    client: &impl GenericClient,
    upload_id: Uuid,
    number: i32,
) -> Result<Option<Vec<u8>>, StoreError> {
    const SQL: &str = "SELECT bytes FROM catalogue_import_chunks WHERE upload_id = $1 AND number = $2";
    let rows = client.query_typed(SQL, &[(&upload_id, Type::UUID), (&number, Type::INT4)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Drops an upload.
pub async fn delete_chunks(client: &impl GenericClient, upload_id: Uuid) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM catalogue_import_chunks WHERE upload_id = $1";
    client.query_typed(SQL, &[(&upload_id, Type::UUID)]).await?;
    Ok(())
}

/// Drops chunks older than that time which no import waits for: their client went away. Returns how many.
pub async fn delete_orphans(client: &impl GenericClient, before: Timestamp) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM catalogue_import_chunks AS chunk WHERE created_at < $1 AND NOT EXISTS ( \
                           SELECT FROM catalogue_imports AS import WHERE import.upload_id = chunk.upload_id \
                             AND import.status IN ('queued', 'running'))";
    Ok(client.execute(SQL, &[&before]).await?)
}

/// Drops imports that ended before that time, with their reports. Returns how many.
pub async fn delete_ended(client: &impl GenericClient, before: Timestamp) -> Result<u64, StoreError> {
    const SQL: &str = "DELETE FROM catalogue_imports WHERE finished_at < $1";
    Ok(client.execute(SQL, &[&before]).await?)
}

/// Puts an import into the queue.
pub async fn insert(transaction: &Transaction<'_>, import: &NewImport) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO catalogue_imports (id, upload_id, format, map, dry_run, actor, size_bytes) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let NewImport { id, upload_id, format, map, dry_run, actor, size_bytes } = import;
    transaction
        .query_typed(
            SQL,
            &[
                (id, Type::UUID),
                (upload_id, Type::UUID),
                (format, Type::TEXT),
                (map, Type::TEXT),
                (dry_run, Type::BOOL),
                (actor, Type::TEXT),
                (size_bytes, Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

/// How many imports wait or run.
pub async fn waiting(client: &impl GenericClient) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT count(*) FROM catalogue_imports WHERE status IN ('queued', 'running')";
    let rows = client.query_typed(SQL, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// One import.
pub async fn find(client: &impl GenericClient, id: Uuid) -> Result<Option<CatalogueImport>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM catalogue_imports WHERE id = $1");
    let rows = client.query_typed(&sql, &[(&id, Type::UUID)]).await?;
    Ok(rows.first().map(import))
}

/// Takes the import that waits longest and that nobody holds.
pub async fn lease(client: &impl GenericClient, lease_ms: i64) -> Result<Option<LeasedImport>, StoreError> {
    let sql = format!(
        "UPDATE catalogue_imports SET status = 'running', fence = fence + 1, \
         started_at = coalesce(started_at, clock_timestamp()), \
         leased_until = clock_timestamp() + $1 * interval '1 millisecond' \
         WHERE id = (SELECT id FROM catalogue_imports WHERE status IN ('queued', 'running') \
                     AND leased_until < clock_timestamp() ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED) \
         RETURNING {COLUMNS}, upload_id, actor, fence"
    );
    let rows = client.query_typed(&sql, &[(&lease_ms, Type::INT8)]).await?;
    Ok(rows.first().map(|row| LeasedImport {
        import: import(row),
        upload_id: row.get(16),
        actor: row.get(17),
        fence: row.get(18),
    }))
}

/// Makes a lease longer, or with a pause gives it back until then. `false`: somebody else has it.
pub async fn renew(
    client: &impl GenericClient,
    id: Uuid,
    fence: i64,
    lease_ms: i64,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE catalogue_imports SET leased_until = clock_timestamp() + $3 * interval '1 millisecond' \
                       WHERE id = $1 AND fence = $2 AND status = 'running' RETURNING id";
    let parameters = [
        (&id as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&fence, Type::INT8),
        (&lease_ms, Type::INT8),
    ];
    Ok(!client.query_typed(SQL, &parameters).await?.is_empty())
}

/// Drops the entries after a number, in the transaction of a run that begins or goes on.
pub async fn delete_entries_after(
    client: &impl GenericClient,
    id: Uuid,
    number: u64,
) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM catalogue_import_entries WHERE import_id = $1 AND number > $2";
    client.execute(SQL, &[&id, &number.cast_signed()]).await?;
    Ok(())
}

/// Adds entries of the report, numbered on from `first`.
pub async fn add_entries(
    transaction: &Transaction<'_>,
    id: Uuid,
    first: u64,
    entries: &[serde_json::Value],
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO catalogue_import_entries (import_id, number, entry) \
                       SELECT $1, $2 + place - 1, entry FROM unnest($3::jsonb[]) WITH ORDINALITY AS new (entry, place)";
    transaction.execute(SQL, &[&id, &first.cast_signed(), &entries]).await?;
    Ok(())
}

/// Records how far a run is. `false`: somebody else has it, and the transaction must not commit.
pub async fn save_progress(
    transaction: &Transaction<'_>,
    id: Uuid,
    fence: i64,
    counts: RowCounts,
    entries_left_out: u64,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE catalogue_imports SET rows_read = $3, added = $4, changed = $5, unchanged = $6, \
                       refused = $7, entries_left_out = $8 WHERE id = $1 AND fence = $2 AND status = 'running'";
    let RowCounts { rows_read, added, changed, unchanged, refused } = counts;
    let left_out = entries_left_out.cast_signed();
    let saved = transaction
        .execute(SQL, &[&id, &fence, &rows_read, &added, &changed, &unchanged, &refused, &left_out])
        .await?;
    Ok(saved == 1)
}

/// Ends a run, with a reason if it failed, and drops its upload. `false`: somebody else has it.
pub async fn end(
    transaction: &Transaction<'_>,
    leased: &LeasedImport,
    failure: Option<&str>,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE catalogue_imports SET finished_at = clock_timestamp(), failure = $3, \
                       status = CASE WHEN $3::text IS NULL THEN 'finished' ELSE 'failed' END \
                       WHERE id = $1 AND fence = $2 AND status = 'running'";
    let has_ended = transaction.execute(SQL, &[&leased.import.id, &leased.fence, &failure]).await? == 1;
    if has_ended {
        delete_chunks(transaction, leased.upload_id).await?;
    }
    Ok(has_ended)
}

/// Entries of a report after a number, with their numbers.
pub async fn entries(
    client: &impl GenericClient,
    id: Uuid,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, serde_json::Value)>, StoreError> {
    const SQL: &str = "SELECT number, entry FROM catalogue_import_entries \
                       WHERE import_id = $1 AND number > $2 ORDER BY number LIMIT $3";
    let parameters = [
        (&id as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&after, Type::INT8),
        (&limit, Type::INT8),
    ];
    let rows = client.query_typed(SQL, &parameters).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn import(row: &Row) -> CatalogueImport {
    CatalogueImport {
        id: row.get(0),
        status: row.get(1),
        format: row.get(2),
        map: row.get(3),
        dry_run: row.get(4),
        size_bytes: row.get(5),
        created_at: row.get(6),
        started_at: row.get(7),
        finished_at: row.get(8),
        counts: RowCounts {
            rows_read: row.get(9),
            added: row.get(10),
            changed: row.get(11),
            unchanged: row.get(12),
            refused: row.get(13),
        },
        entries_left_out: row.get(14),
        failure: row.get(15),
    }
}
