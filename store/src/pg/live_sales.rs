//! What the order ledger says of a day that no run has counted yet.

use jiff::Timestamp;
use jiff::civil::Date;
use tokio_postgres::{GenericClient, Row};

use crate::error::StoreError;

/// A day of a currency, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDay {
    /// ISO 4217 code.
    pub currency: String,
    /// Orders with a sale line of that day.
    pub orders: i64,
    /// Pieces of their sale lines.
    pub units: i64,
    /// Sum of the sale lines, in minor units.
    pub gross_minor: i128,
    /// Sum of the credit lines and refunds of that day, in minor units; negative.
    pub refunds_minor: i128,
}

/// What a day of a zone has sold so far, by currency.
pub async fn day(
    client: &impl GenericClient,
    channel: &str,
    time_zone: &str,
    date: Date,
) -> Result<Vec<LiveDay>, StoreError> {
    let rows = client.query(include_str!("live_sales/day.sql"), &[&channel, &time_zone, &date]).await?;
    rows.iter().map(live_day).collect()
}

fn live_day(row: &Row) -> Result<LiveDay, StoreError> {
    let minor = |place| {
        let text: &str = row.get(place);
        text.parse().map_err(|_| StoreError::Inconsistent(format!("{text:?} is no sum")))
    };
    Ok(LiveDay {
        currency: row.get(0),
        orders: row.get(1),
        units: row.get(2),
        gross_minor: minor(3)?,
        refunds_minor: minor(4)?,
    })
}

/// How many orders that are paid were placed in each minute from one time up to another; minutes without any are left
/// out.
pub async fn minutes(
    client: &impl GenericClient,
    channel: &str,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<(Timestamp, i64)>, StoreError> {
    const SQL: &str = "SELECT date_trunc('minute', created_at) AS minute, count(*) FROM orders \
         WHERE channel = $1 AND kind = 'sale' AND status IN ('paid', 'completed') \
           AND created_at >= $2 AND created_at < $3 \
         GROUP BY minute ORDER BY minute";
    let rows = client.query(SQL, &[&channel, &from, &until]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
