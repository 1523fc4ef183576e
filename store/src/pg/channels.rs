//! Channels: our own shop and the imported histories.

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row, Transaction};

use crate::error::StoreError;
use crate::pg::advisory_lock::{self, Right};

/// Most channels that a list gives.
pub const CHANNEL_COUNT_MAX: i64 = 1_000;

/// Most zones that a channel is counted in besides its own.
pub const REPORT_TIME_ZONES_MAX: usize = 8;

/// Where orders come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// `shop`, or the name of an imported history.
    pub code: String,
    /// IANA name of the time zone that its days are counted in.
    pub time_zone: String,
    /// Other zones that its days are counted in as well.
    pub report_time_zones: Vec<String>,
    /// Digits after the point of the amounts in its reports.
    pub price_scale: u32,
}

impl Channel {
    /// Every zone that its days are counted in, its own first.
    pub fn zones(&self) -> Vec<&str> {
        let others = self.report_time_zones.iter().filter(|zone| **zone != self.time_zone);
        std::iter::once(&self.time_zone).chain(others).map(String::as_str).collect()
    }
}

/// One channel.
pub async fn find(client: &impl GenericClient, code: &str) -> Result<Option<Channel>, StoreError> {
    const SQL: &str = "SELECT code, time_zone, price_scale, report_time_zones FROM channels WHERE code = $1";
    let rows = client.query_typed(SQL, &[(&code, Type::TEXT)]).await?;
    rows.first().map(channel).transpose()
}

/// Every channel by code.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Channel>, StoreError> {
    const SQL: &str =
        "SELECT code, time_zone, price_scale, report_time_zones FROM channels ORDER BY code LIMIT $1";
    let rows = client.query_typed(SQL, &[(&CHANNEL_COUNT_MAX, Type::INT8)]).await?;
    rows.iter().map(channel).collect()
}

/// Makes a channel when it is missing, with days in UTC.
pub async fn ensure(transaction: &Transaction<'_>, code: &str) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO channels (code) VALUES ($1) ON CONFLICT (code) DO NOTHING";
    transaction.execute(SQL, &[&code]).await?;
    Ok(())
}

/// Raises the digits of a channel's reports; never lowers them.
pub async fn raise_price_scale(
    transaction: &Transaction<'_>,
    code: &str,
    price_scale: i32,
) -> Result<(), StoreError> {
    const SQL: &str =
        "UPDATE channels SET price_scale = $2::int::smallint WHERE code = $1 AND price_scale < $2::int";
    transaction.execute(SQL, &[&code, &price_scale]).await?;
    Ok(())
}

/// Counts a channel's days in another zone. What was counted in the old one is no report any more: the channel is as if
/// it had never been counted, so the next run extracts and counts it whole.
pub async fn set_time_zone(
    transaction: &Transaction<'_>,
    code: &str,
    time_zone: &str,
) -> Result<(), StoreError> {
    const SQL: &str = "WITH changed AS (UPDATE channels SET time_zone = $2 WHERE code = $1 AND time_zone <> $2 \
                       RETURNING code) DELETE FROM lake_watermarks USING changed WHERE channel = changed.code";
    // A run that is under way would publish days of the old zone after this.
    advisory_lock::take_within(transaction, Right::CountDailySales(code)).await?;
    transaction.execute(SQL, &[&code, &time_zone]).await?;
    Ok(())
}

/// Counts a channel's days in these zones as well as in its own. What is published stays; the next run counts it whole.
pub async fn set_report_time_zones(
    transaction: &Transaction<'_>,
    code: &str,
    time_zones: &[String],
) -> Result<(), StoreError> {
    const SQL: &str = "WITH changed AS (UPDATE channels SET report_time_zones = $2 WHERE code = $1 \
                       AND report_time_zones <> $2 RETURNING code) \
                       UPDATE lake_watermarks SET watermark = '0' FROM changed WHERE channel = changed.code";
    advisory_lock::take_within(transaction, Right::CountDailySales(code)).await?;
    transaction.execute(SQL, &[&code, &time_zones]).await?;
    Ok(())
}

fn channel(row: &Row) -> Result<Channel, StoreError> {
    let price_scale: i16 = row.get(2);
    Ok(Channel {
        code: row.get(0),
        time_zone: row.get(1),
        report_time_zones: row.get(3),
        price_scale: u32::try_from(price_scale)
            .map_err(|_| StoreError::Inconsistent(format!("{price_scale} is no number of digits")))?,
    })
}
