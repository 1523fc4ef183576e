//! What an extract reads besides lines: documents, payments, movements of stock and accounts, column by column.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::types::Type;
use tokio_postgres::{Portal, Row};
use uuid::Uuid;

use crate::error::StoreError;
use crate::pg::lake_watermarks::Watermark;
use crate::pg::sales_extract::Snapshot;

/// Rows that one round trip brings.
const BATCH_ROWS: i32 = 20_000;

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facts {
    /// Orders, and refunds as documents of their own.
    Documents,
    /// Attempts to pay.
    Payments,
    /// Movements of stock.
    Movements,
    /// Accounts.
    Users,
}

/// The values of a column, in the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactValues {
    /// Ids.
    Uuids(Vec<Option<Uuid>>),
    /// Times.
    Times(Vec<Timestamp>),
    /// Words.
    Texts(Vec<Option<String>>),
    /// Whole numbers.
    Bigints(Vec<Option<i64>>),
}

/// Some rows, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactBatch {
    /// UTC day of each row.
    pub days: Vec<Date>,
    /// The columns with their names.
    pub columns: Vec<(String, FactValues)>,
}

/// Facts of a snapshot, read batch by batch.
pub struct FactRows(Portal);

impl Snapshot<'_> {
    /// Opens the facts of the UTC days from one to another, both included, in the order of their time. The channel
    /// does not matter for movements and accounts.
    pub async fn facts(
        &self,
        facts: Facts,
        channel: &str,
        (first, last): (Date, Date),
    ) -> Result<FactRows, StoreError> {
        let sql = match facts {
            Facts::Documents => include_str!("facts/documents.sql"),
            Facts::Payments => include_str!("facts/payments.sql"),
            Facts::Movements => include_str!("facts/movements.sql"),
            Facts::Users => include_str!("facts/users.sql"),
        };
        // Prepared each time, so that the plan is one for this range.
        let statement = self.transaction().prepare(sql).await?;
        Ok(FactRows(self.transaction().bind(&statement, &[&channel, &first, &last]).await?))
    }

    /// The next facts; none at the end.
    pub async fn next_facts(&self, rows: &FactRows) -> Result<Option<FactBatch>, StoreError> {
        let rows = self.transaction().query_portal(&rows.0, BATCH_ROWS).await?;
        rows.first().map(|first| batch(first, &rows)).transpose()
    }

    /// The UTC days on which accounts that changed since a watermark were registered; of all accounts without one.
    pub async fn changed_user_days(&self, since: Option<Watermark>) -> Result<Vec<Date>, StoreError> {
        const SQL: &str = "SELECT DISTINCT (registered_at AT TIME ZONE 'UTC')::date AS day FROM users \
                           WHERE $1::text IS NULL OR changed_xid >= $1::text::xid8 ORDER BY day";
        let since = since.map(|watermark| watermark.0.to_string());
        let rows = self.transaction().query(SQL, &[&since]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// How many movements of stock each UTC day has. They are only ever added, so a day with as many is the same day.
    pub async fn movement_days(&self) -> Result<Vec<(Date, i64)>, StoreError> {
        const SQL: &str = "SELECT (occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) FROM stock_ledger \
                           GROUP BY day ORDER BY day";
        let rows = self.transaction().query(SQL, &[]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// The first column is the day.
fn batch(first: &Row, rows: &[Row]) -> Result<FactBatch, StoreError> {
    let columns = first.columns().iter().enumerate().skip(1);
    let columns = columns
        .map(|(place, column)| Ok((column.name().to_owned(), values(column.type_(), place, rows)?)))
        .collect::<Result<_, StoreError>>()?;
    Ok(FactBatch { days: rows.iter().map(|row| row.get(0)).collect(), columns })
}

fn values(kind: &Type, place: usize, rows: &[Row]) -> Result<FactValues, StoreError> {
    Ok(match *kind {
        Type::UUID => FactValues::Uuids(rows.iter().map(|row| row.get(place)).collect()),
        Type::TIMESTAMPTZ => FactValues::Times(rows.iter().map(|row| row.get(place)).collect()),
        Type::TEXT => FactValues::Texts(rows.iter().map(|row| row.get(place)).collect()),
        Type::INT8 => FactValues::Bigints(rows.iter().map(|row| row.get(place)).collect()),
        _ => return Err(StoreError::Inconsistent(format!("no fact is a {kind}"))),
    })
}
