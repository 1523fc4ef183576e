//! Whole months of rows: each month is one transaction, so that a load which was cut off goes on with the month it
//! was at. A month that has no partitions yet gets them after its rows.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use tokio_postgres::{Client, Transaction};

use super::copy::CopyRows;
use super::seed::{self, Part};
use crate::error::StoreError;
use crate::pg::transaction;

/// What building the keys and indexes of a month may use.
const MEMORY: &str = "SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL work_mem = '128MB'";

/// A partitioned table of a load, after those that it refers to.
#[derive(Debug, Clone, Copy)]
pub struct MonthTable {
    pub(super) name: &'static str,
    /// Such as `(created_at, order_id) REFERENCES orders`.
    pub(super) foreign_key: Option<&'static str>,
    pub(super) columns: &'static str,
}

/// Rows of one month for the tables of a load.
pub trait MonthRows: Send + 'static {
    /// Which part of the seed they are.
    const PART: Part;
    /// The tables by month.
    const TABLES: &'static [MonthTable];
    /// A table beside them that has no months.
    const UNDIVIDED: Option<&'static str>;

    /// Rows in the order of the tables, the undivided table's last.
    fn into_copies(self) -> Vec<CopyRows>;
}

/// What comes to a load, in the order of time.
#[derive(Debug)]
pub enum Load<R> {
    /// Rows of the month that begins then.
    Rows(Timestamp, R),
    /// Every row before that time has come.
    MonthEnds(Timestamp),
}

/// A month that was loaded.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// Rows of all tables together.
    pub rows: u64,
    /// How long it took without the waits for rows.
    pub busy: Duration,
}

/// Takes rows to the end of their month and commits them with the part's progress. `None`: nothing more comes. Nothing
/// is committed of a month whose end does not come.
pub async fn load<R: MonthRows>(
    client: &mut Client,
    rows: &mut Receiver<Load<R>>,
) -> Result<Option<Loaded>, StoreError> {
    let Some(first) = rows.recv().await else { return Ok(None) };
    let started = Instant::now();
    let mut waited = Duration::ZERO;
    let count = transaction::run_direct(client, "load_month", async |transaction| {
        transaction.batch_execute(MEMORY).await?;
        let mut month = None;
        let mut count = 0;
        let mut next = Some(first);
        while let Some(Load::Rows(begins, batch)) = next {
            if month.is_none() {
                month = Some(begin(transaction, begins, R::TABLES).await?);
            }
            let month = month.as_ref().filter(|month| month.first == begins).ok_or_else(other_month)?;
            count += copy(transaction, month, batch).await?;
            let waiting = Instant::now();
            next = rows.recv().await;
            waited += waiting.elapsed();
        }
        let Some(Load::MonthEnds(until)) = next else {
            return Err(StoreError::unavailable("the rows of the month did not come to their end"));
        };
        if let Some(month) = &month {
            end(transaction, month, R::TABLES).await?;
        }
        seed::advance(transaction, R::PART, until).await?;
        Ok::<_, StoreError>(count)
    })
    .await?;
    Ok(Some(Loaded { rows: count, busy: started.elapsed().saturating_sub(waited) }))
}

fn other_month() -> StoreError {
    StoreError::Inconsistent("rows of another month came before the end of theirs".to_owned())
}

/// A month under way, with the tables that are not partitions yet.
struct Month {
    first: Timestamp,
    /// By the load's table: its name, and whether it is new.
    tables: Vec<(String, bool)>,
}

async fn begin(
    transaction: &Transaction<'_>,
    first: Timestamp,
    tables: &[MonthTable],
) -> Result<Month, StoreError> {
    const SQL: &str = "SELECT month_partition_name($1, $2), begin_month_load($1, $2)";
    let mut named = Vec::with_capacity(tables.len());
    for table in tables {
        let row = transaction.query_one(SQL, &[&table.name, &first]).await?;
        named.push((row.get(0), row.get(1)));
    }
    Ok(Month { first, tables: named })
}

async fn copy<R: MonthRows>(
    transaction: &Transaction<'_>,
    month: &Month,
    rows: R,
) -> Result<u64, StoreError> {
    let mut count = 0;
    let mut copies = rows.into_copies().into_iter();
    for ((name, is_new), table) in month.tables.iter().zip(R::TABLES) {
        let options = if *is_new { ", FREEZE" } else { "" };
        let rows = copies.next().expect("rows for every table");
        count += rows.send(transaction, &format!("{name} {}", table.columns), options).await?;
    }
    if let (Some(into), Some(rows)) = (R::UNDIVIDED, copies.next()) {
        count += rows.send(transaction, into, "").await?;
    }
    Ok(count)
}

async fn end(transaction: &Transaction<'_>, month: &Month, tables: &[MonthTable]) -> Result<(), StoreError> {
    for ((_, is_new), table) in month.tables.iter().zip(tables) {
        if *is_new {
            const SQL: &str = "SELECT end_month_load($1, $2, $3)";
            transaction.query_one(SQL, &[&table.name, &month.first, &table.foreign_key]).await?;
        }
    }
    Ok(())
}
