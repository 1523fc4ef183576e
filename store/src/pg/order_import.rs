//! Imported order histories: lines are staged by COPY on a direct connection, then merged in one transaction.
//!
//! A staged line is known when its document already has as many lines with the same code, time, quantity,
//! price and text: identical lines are kept as often as a file has them, and a second import adds nothing.

use std::fmt::Write as _;
use std::pin::pin;

use bytes::Bytes;
use domain::event::{Cause, Event, OrdersImported};
use domain::ids::{EventId, ImportRunId};
use domain::imported_order::ImportedLine;
use domain::money::Currency;
use futures_util::SinkExt;
use jiff::Timestamp;
use tokio_postgres::{Client, Transaction};

use crate::error::{MayBeStoreError, StoreError};
use crate::pg::import_runs::{self, ImportCounts};
use crate::pg::{channels, outbox, transaction};

/// Bytes of COPY text after which a chunk is sent.
const CHUNK_BYTES: usize = 512 * 1024;
/// Most months that one file may span.
const MONTH_COUNT_MAX: i64 = 1_200;
/// A whole history is sorted and joined at once.
const SORT_MEMORY: &str = "SET LOCAL work_mem = '256MB'";

/// Lines in the text format of COPY.
#[derive(Debug, Default)]
pub struct LineChunk {
    text: String,
    lines: u64,
}

impl LineChunk {
    /// Adds a line; `position` is its place in the file, unique and rising.
    pub fn push(&mut self, position: u64, line: &ImportedLine) {
        let text = &mut self.text;
        let kind = line.kind.name();
        let (at, quantity, price) = (line.occurred_at, line.quantity, line.unit_price);
        let minor = line.amount.amount_minor;
        // A String takes whatever is written to it.
        let _ = write!(text, "{position}\t{kind}\t{at}\t{quantity}\t{price}\t{minor}");
        let (description, customer) = (line.description.as_deref(), line.customer_reference.as_deref());
        for field in [Some(&*line.number), Some(&*line.sku), description, customer, line.country.as_deref()] {
            text.push('\t');
            escape(text, field);
        }
        text.push('\n');
        self.lines += 1;
    }

    /// Whether it is time to send it.
    pub fn is_full(&self) -> bool {
        self.text.len() >= CHUNK_BYTES
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }
}

/// Text as COPY wants it: `\N` is NULL, and four characters are escaped.
fn escape(text: &mut String, field: Option<&str>) {
    let Some(field) = field else {
        return text.push_str("\\N");
    };
    if !field.bytes().any(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')) {
        return text.push_str(field);
    }
    for character in field.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            other => text.push(other),
        }
    }
}

/// What a merge needs to know beside the staged lines.
#[derive(Debug, Clone)]
pub struct OrderImport<'a> {
    /// The run.
    pub run: ImportRunId,
    /// Id of the event that tells of it.
    pub event: EventId,
    /// Channel of the history.
    pub channel: &'a str,
    /// Currency of every document.
    pub currency: Currency,
    /// Rows of the file.
    pub rows_read: u64,
    /// Of them refused.
    pub rows_refused: u64,
    /// Trace of the run.
    pub cause: Cause,
}

/// What a merge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Documents that were not there.
    pub documents_added: u64,
    /// Documents that were there and got lines, a customer or a country.
    pub documents_changed: u64,
    /// Lines that were not there.
    pub lines_added: u64,
    /// Lines that were there.
    pub lines_known: u64,
}

/// What becomes of a document that is not simply the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// Its number.
    pub number: String,
    /// Its first line in the file.
    pub line: u64,
    /// Whether it is new.
    pub is_new: bool,
    /// Lines that were not there.
    pub lines_added: u64,
    /// Lines that were there.
    pub lines_known: u64,
    /// The customer that it had not, if it was there.
    pub customer: Option<String>,
    /// The country that it had not, if it was there.
    pub country: Option<String>,
}

/// Why nothing was merged, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A document of the file is there in another currency: nothing was changed.
    #[error("document {number:?} is there in {currency}")]
    OtherCurrency {
        /// The document.
        number: String,
        /// Its currency.
        currency: String,
    },
    /// The documents of the file are of more months than an import may make partitions for.
    #[error("the documents are of {0} months")]
    TooManyMonths(i64),
    /// The database was lost while it committed: all of it is merged, or nothing.
    #[error("the database was lost while it committed the import")]
    Unknown {
        /// What the connection says.
        #[source]
        source: StoreError,
        /// What was merged, if it was.
        merged: Merged,
        /// Document by document.
        documents: Vec<DocumentChange>,
    },
    /// The database: nothing was merged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MayBeStoreError for MergeError {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Unknown { source: error, .. } | Self::Store(error) => Some(error),
            Self::OtherCurrency { .. } | Self::TooManyMonths(_) => None,
        }
    }
}

/// Makes the session's own tables that lines are staged in.
pub async fn stage(client: &Client) -> Result<(), StoreError> {
    Ok(client.batch_execute(include_str!("order_import/stage.sql")).await?)
}

/// Stages lines.
pub async fn copy(client: &Client, chunk: LineChunk) -> Result<(), StoreError> {
    const SQL: &str = "COPY staged_lines (position, kind, occurred_at, quantity, unit_price, amount_minor, \
                       number, sku, description, customer, country) FROM STDIN";
    let mut sink = pin!(client.copy_in::<_, Bytes>(SQL).await?);
    sink.send(Bytes::from(chunk.text)).await?;
    let copied = sink.finish().await?;
    if copied == chunk.lines {
        return Ok(());
    }
    Err(StoreError::Inconsistent(format!("{copied} of {} lines were staged", chunk.lines)))
}

/// Tells what a merge would do, and changes nothing but the session's own tables.
pub async fn preview(
    client: &mut Client,
    channel: &str,
    currency: Currency,
) -> Result<(Merged, Vec<DocumentChange>), MergeError> {
    client.batch_execute("ANALYZE staged_lines").await.map_err(StoreError::from)?;
    transaction::run_direct(client, "preview_order_import", async |transaction| {
        transaction.batch_execute(SORT_MEMORY).await.map_err(StoreError::from)?;
        group(transaction, channel).await?;
        check(transaction, currency).await?;
        let lines_known = forget_known_lines(transaction).await?;
        let documents = tell_documents(transaction).await?;
        let added = documents.iter().filter(|document| document.is_new).count() as u64;
        let merged = Merged {
            documents_added: added,
            documents_changed: documents.len() as u64 - added,
            lines_added: documents.iter().map(|document| document.lines_added).sum(),
            lines_known,
        };
        Ok((merged, documents))
    })
    .await
}

/// Merges the staged lines, all of them or none, and finishes the run, which has begun. Makes their months
/// first, in a transaction of its own.
pub async fn merge(
    client: &mut Client,
    import: &OrderImport<'_>,
) -> Result<(Merged, Vec<DocumentChange>), MergeError> {
    client.batch_execute("ANALYZE staged_lines").await.map_err(StoreError::from)?;
    transaction::run_direct(client, "prepare_order_import", async |transaction| {
        transaction.batch_execute(SORT_MEMORY).await.map_err(StoreError::from)?;
        channels::ensure(transaction, import.channel).await?;
        group(transaction, import.channel).await?;
        check(transaction, import.currency).await?;
        Ok::<_, MergeError>(make_months(transaction).await?)
    })
    .await?;

    let mut at_commit = None;
    let merged = transaction::run_direct(client, "merge_order_import", async |transaction| {
        transaction.batch_execute(SORT_MEMORY).await?;
        let known = forget_known_lines(transaction).await?;
        let documents = tell_documents(transaction).await?;
        let merged = Merged { lines_known: known, ..add(transaction, import).await? };
        finish(transaction, import, merged).await?;
        at_commit = Some((merged, documents));
        Ok::<_, StoreError>(())
    })
    .await;
    match (merged, at_commit) {
        (Ok(()), Some(merged)) => Ok(merged),
        (Err(source), Some((merged, documents))) if source.is_unavailable() => {
            Err(MergeError::Unknown { source, merged, documents })
        }
        (Err(error), _) => Err(MergeError::Store(error)),
        (Ok(()), None) => unreachable!("what was committed was merged before"),
    }
}

async fn tell_documents(transaction: &Transaction<'_>) -> Result<Vec<DocumentChange>, StoreError> {
    let rows = transaction.query(include_str!("order_import/tell_documents.sql"), &[]).await?;
    let change = |row: &tokio_postgres::Row| DocumentChange {
        number: row.get(0),
        line: row.get::<_, i64>(1).cast_unsigned(),
        is_new: row.get(2),
        lines_added: row.get::<_, i64>(3).cast_unsigned(),
        lines_known: row.get::<_, i64>(4).cast_unsigned(),
        customer: row.get(5),
        country: row.get(6),
    };
    Ok(rows.iter().map(change).collect())
}

/// One row per document, with the id it has or will have.
async fn group(transaction: &Transaction<'_>, channel: &str) -> Result<(), StoreError> {
    transaction.execute(include_str!("order_import/group.sql"), &[&channel]).await?;
    Ok(transaction.batch_execute("ANALYZE staged_documents").await?)
}

async fn check(transaction: &Transaction<'_>, currency: Currency) -> Result<(), MergeError> {
    const OTHER_CURRENCY: &str = "SELECT document.number, orders.currency FROM staged_documents document \
        JOIN orders ON orders.created_at = document.created_at AND orders.id = document.order_id \
        WHERE orders.currency <> $1 ORDER BY document.number LIMIT 1";
    let other = transaction.query_opt(OTHER_CURRENCY, &[&currency.code()]).await;
    if let Some(row) = other.map_err(StoreError::from)? {
        return Err(MergeError::OtherCurrency { number: row.get(0), currency: row.get(1) });
    }
    const MONTHS: &str =
        "SELECT count(DISTINCT date_trunc('month', created_at, 'UTC')) FROM staged_documents";
    let months: i64 = transaction.query_one(MONTHS, &[]).await.map_err(StoreError::from)?.get(0);
    if months > MONTH_COUNT_MAX { Err(MergeError::TooManyMonths(months)) } else { Ok(()) }
}

/// Only the months that have documents: one wrong year must not make a century of partitions.
async fn make_months(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    const SQL: &str = "SELECT ensure_order_partitions(month, month) \
                       FROM (SELECT DISTINCT date_trunc('month', created_at, 'UTC') AS month \
                             FROM staged_documents) AS months ORDER BY month";
    transaction.query(SQL, &[]).await?;
    Ok(())
}

/// Takes the lines that their documents already have out of the staged ones. Returns how many.
async fn forget_known_lines(transaction: &Transaction<'_>) -> Result<u64, StoreError> {
    let any_known = "SELECT EXISTS (SELECT FROM staged_documents WHERE known_line_count > 0)";
    if !transaction.query_one(any_known, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let known = transaction.execute(include_str!("order_import/forget_known_lines.sql"), &[]).await?;
    transaction.batch_execute("ANALYZE staged_lines").await?;
    Ok(known)
}

async fn add(transaction: &Transaction<'_>, import: &OrderImport<'_>) -> Result<Merged, StoreError> {
    const PRICE_SCALE: &str = "SELECT coalesce(max(scale(unit_price)), 0) FROM staged_lines";
    let price_scale: i32 = transaction.query_one(PRICE_SCALE, &[]).await?.get(0);
    channels::raise_price_scale(transaction, import.channel, price_scale).await?;
    let documents_added = transaction
        .execute(
            include_str!("order_import/add_orders.sql"),
            &[&import.channel, &import.currency.code(), &import.run.0],
        )
        .await?;
    const NUMBERS: &str = "INSERT INTO order_numbers (channel, number, order_id, created_at) \
        SELECT $1, number, order_id, created_at FROM staged_documents WHERE known_line_count = 0";
    transaction.execute(NUMBERS, &[&import.channel]).await?;
    let lines_added = transaction.execute(include_str!("order_import/add_lines.sql"), &[]).await?;
    let documents_changed = transaction.execute(include_str!("order_import/change_orders.sql"), &[]).await?;
    Ok(Merged { documents_added, documents_changed, lines_added, lines_known: 0 })
}

/// Closes the run and, when anything changed, tells of it in the same transaction.
async fn finish(
    transaction: &Transaction<'_>,
    import: &OrderImport<'_>,
    merged: Merged,
) -> Result<(), StoreError> {
    let counts = ImportCounts {
        rows_read: count(import.rows_read),
        rows_refused: count(import.rows_refused),
        documents_added: count(merged.documents_added),
        lines_added: count(merged.lines_added),
    };
    let now: Timestamp = transaction.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
    import_runs::finish(transaction, import.run, counts, now).await?;
    if merged.documents_added == 0 && merged.documents_changed == 0 {
        return Ok(());
    }
    let data = OrdersImported {
        import_run_id: import.run,
        channel: import.channel.to_owned(),
        orders: counts.documents_added,
        lines: counts.lines_added,
    };
    outbox::append(transaction, &Event::orders_imported(import.event, now, data, import.cause.clone())).await
}

fn count(number: u64) -> i64 {
    i64::try_from(number).expect("fewer rows than 2^63")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_text_keeps_every_character() {
        let mut text = String::new();
        escape(&mut text, Some("a\tb\\c\nd\re"));
        text.push('|');
        escape(&mut text, None);
        text.push('|');
        escape(&mut text, Some(" outer spaces "));
        assert_eq!(text, "a\\tb\\\\c\\nd\\re|\\N| outer spaces ");
    }
}
