//! What each run of the reports did, for people.

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, Row};

use crate::error::StoreError;

/// Runs of a channel that are kept.
const KEPT: i64 = 1_000;
/// Longest error that is kept, in characters.
const ERROR_LENGTH_MAX: usize = 2_000;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRun {
    /// Its number.
    pub id: i64,
    /// The channel.
    pub channel: String,
    /// `changed`, `full` or `dates`.
    pub scope: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it is under way, or when it was killed.
    pub finished_at: Option<Timestamp>,
    /// What it did.
    pub done: RunFigures,
    /// Why nothing was published.
    pub error: Option<String>,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunFigures {
    /// Time of the snapshot that was counted.
    pub as_of: Option<Timestamp>,
    /// UTC days of orders written to the lake.
    pub days_extracted: i64,
    /// Lines in them.
    pub lines_extracted: i64,
    /// Dates that were counted, in every zone.
    pub dates_counted: i64,
    /// Rows that came of them.
    pub rows_published: i64,
    /// Days whose report and ledger differ.
    pub differences: i64,
    /// Days of the lake that were damaged or missing, and were extracted anew.
    pub days_healed: i64,
    /// Whether everything was read.
    pub was_full: bool,
}

/// Notes that a run begins, and forgets those of long ago.
pub async fn begin(client: &Client, channel: &str, scope: &str, now: Timestamp) -> Result<i64, StoreError> {
    // When everything was counted last is asked for: that run stays.
    const FORGET: &str = "DELETE FROM report_runs WHERE channel = $1 AND id <= \
                          (SELECT id FROM report_runs WHERE channel = $1 ORDER BY id DESC OFFSET $2 LIMIT 1) \
                          AND id <> (SELECT coalesce(max(id), 0) FROM report_runs \
                                     WHERE channel = $1 AND scope = 'full' AND as_of IS NOT NULL)";
    // Whoever begins is alone: what has not ended was killed.
    const KILLED: &str = "UPDATE report_runs SET finished_at = $2, error = 'killed' \
                          WHERE channel = $1 AND finished_at IS NULL";
    const SQL: &str = "INSERT INTO report_runs (channel, scope, started_at) VALUES ($1, $2, $3) RETURNING id";
    client.execute(FORGET, &[&channel, &KEPT]).await?;
    client.execute(KILLED, &[&channel, &now]).await?;
    Ok(client.query_one(SQL, &[&channel, &scope, &now]).await?.get(0))
}

/// Notes how a run ended.
pub async fn end(
    client: &Client,
    id: i64,
    now: Timestamp,
    done: &RunFigures,
    error: Option<&str>,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE report_runs SET finished_at = $2, as_of = $3, days_extracted = $4, \
                       lines_extracted = $5, dates_counted = $6, rows_published = $7, differences = $8, \
                       days_healed = $9, error = $10, \
                       scope = CASE WHEN $11 THEN 'full' ELSE scope END WHERE id = $1";
    // What a damaged file is told by may be bytes of it, and a text here holds no zero.
    let shown =
        |error: &str| error.chars().filter(|letter| !letter.is_control()).take(ERROR_LENGTH_MAX).collect();
    let error: Option<String> = error.map(shown);
    client
        .execute(
            SQL,
            &[
                &id,
                &now,
                &done.as_of,
                &done.days_extracted,
                &done.lines_extracted,
                &done.dates_counted,
                &done.rows_published,
                &done.differences,
                &done.days_healed,
                &error,
                &done.was_full,
            ],
        )
        .await?;
    Ok(())
}

/// When everything of a channel was last published; `None` when it never was. What had to be left out of it is not
/// mended by another run of everything.
pub async fn last_full(client: &impl GenericClient, channel: &str) -> Result<Option<Timestamp>, StoreError> {
    // Not the latest time: a clock may have been wrong.
    const SQL: &str = "SELECT finished_at FROM report_runs \
                       WHERE channel = $1 AND scope = 'full' AND as_of IS NOT NULL ORDER BY id DESC LIMIT 1";
    let row = client.query_typed(SQL, &[(&channel, Type::TEXT)]).await?;
    Ok(row.first().and_then(|row| row.get(0)))
}

/// The newest runs of every channel, newest first.
pub async fn newest(client: &impl GenericClient, limit: i64) -> Result<Vec<ReportRun>, StoreError> {
    const SQL: &str = "SELECT id, channel, scope, started_at, finished_at, error, as_of, days_extracted, \
                       lines_extracted, dates_counted, rows_published, differences, days_healed \
                       FROM report_runs ORDER BY id DESC LIMIT $1";
    let rows = client.query_typed(SQL, &[(&limit, Type::INT8)]).await?;
    Ok(rows.iter().map(run).collect())
}

fn run(row: &Row) -> ReportRun {
    ReportRun {
        id: row.get(0),
        channel: row.get(1),
        scope: row.get(2),
        started_at: row.get(3),
        finished_at: row.get(4),
        error: row.get(5),
        done: RunFigures {
            as_of: row.get(6),
            days_extracted: row.get(7),
            lines_extracted: row.get(8),
            dates_counted: row.get(9),
            rows_published: row.get(10),
            differences: row.get(11),
            days_healed: row.get(12),
            was_full: row.get::<_, &str>(2) == "full",
        },
    }
}
