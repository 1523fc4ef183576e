//! Imports as clients see them.

use jiff::Timestamp;
use serde::Serialize;
use store::pg::catalogue_imports::CatalogueImport;
use utoipa::ToSchema;
use uuid::Uuid;

/// Where an import stands.
#[derive(Debug, ToSchema)]
#[schema(as = ImportStatus, rename_all = "snake_case")]
pub enum ImportStatusName {
    /// It waits.
    Queued,
    /// It is under way; after a crash it goes on.
    Running,
    /// It was read to its end.
    Finished,
    /// It was not: see `failure`. What was read before it is in.
    Failed,
}

/// Rows by what became of them so far.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportRows)]
pub struct ImportRowsJson {
    /// Rows read.
    pub read: i64,
    /// Products that are new.
    pub added: i64,
    /// Products that were there and differ.
    pub changed: i64,
    /// Products that were there and are the same.
    pub unchanged: i64,
    /// Rows that cannot be taken.
    pub refused: i64,
}

/// An import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueImport)]
pub struct ImportJson {
    /// Id.
    pub id: Uuid,
    /// Where it stands.
    #[schema(value_type = ImportStatusName)]
    pub status: String,
    /// `csv` or `ndjson`
    pub format: String,
    /// Name of the column map.
    pub map: String,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// Size of the body as it came.
    pub size_bytes: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was begun.
    #[schema(required = true)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(required = true)]
    pub finished_at: Option<Timestamp>,
    /// Rows so far.
    pub rows: ImportRowsJson,
    /// Entries that the report leaves out: it keeps the first 10,000.
    pub entries_left_out: i64,
    /// Why it failed.
    #[schema(required = true)]
    pub failure: Option<String>,
}

impl From<CatalogueImport> for ImportJson {
    fn from(import: CatalogueImport) -> Self {
        let counts = import.counts;
        Self {
            id: import.id,
            status: import.status,
            format: import.format,
            map: import.map,
            dry_run: import.dry_run,
            size_bytes: import.size_bytes,
            created_at: import.created_at,
            started_at: import.started_at,
            finished_at: import.finished_at,
            rows: ImportRowsJson {
                read: counts.rows_read,
                added: counts.added,
                changed: counts.changed,
                unchanged: counts.unchanged,
                refused: counts.refused,
            },
            entries_left_out: import.entries_left_out,
            failure: import.failure,
        }
    }
}

/// What became of a row that was not simply the same.
#[derive(Debug, ToSchema)]
#[schema(as = ImportEntry)]
pub struct ImportEntryJson {
    /// Line of the body, from 1.
    pub line: i64,
    /// The product's id in its catalogue, where the row could be read so far.
    #[schema(required = false)]
    pub id: Option<String>,
    /// `added`, `changed` or `refused`; in a dry run what would be.
    pub outcome: String,
    /// Why it was refused: stable.
    #[schema(required = false)]
    pub code: Option<String>,
    /// Why it was refused, in words.
    #[schema(required = false)]
    pub detail: Option<String>,
    /// What differs, field by field.
    #[schema(required = false)]
    pub changes: Vec<ImportChangeJson>,
}

/// A field with its old and new value.
#[derive(Debug, ToSchema)]
#[schema(as = ImportChange)]
pub struct ImportChangeJson {
    /// Such as `title` or `variants[SKU].price`.
    pub field: String,
    /// What was stored, cut at 200 characters.
    pub old: Option<String>,
    /// What the file makes of it.
    pub new: Option<String>,
}
