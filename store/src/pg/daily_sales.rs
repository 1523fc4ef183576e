//! The daily sales report and how far the extract behind it has come.

use domain::daily_sales::DailySales;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, Row, Transaction};

use crate::error::StoreError;
use crate::pg::transaction;

/// Digits of the average order value and of rates.
const AOV_SCALE: u32 = 2;
const RATE_SCALE: u32 = 6;

/// Every transaction below it was visible to an extract; a later extract asks for what is not below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark(pub u64);

/// Which days a publication replaces.
#[derive(Debug, Clone, Copy)]
pub enum ReplacedDates<'a> {
    /// All of the channel.
    All,
    /// Exactly these.
    Only(&'a [Date]),
}

/// What one run of the report brings.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Channel that was counted.
    pub channel: &'a str,
    /// Days that were counted, also those that came out without a row.
    pub dates: ReplacedDates<'a>,
    /// The rows of those days.
    pub rows: &'a [DailySales],
    /// Time of the snapshot they were counted from.
    pub as_of: Timestamp,
    /// Watermark of that snapshot.
    pub watermark: Watermark,
}

/// Replaces the rows of the counted days and moves the watermark, in one transaction.
pub async fn publish(client: &mut Client, publication: &Publication<'_>) -> Result<(), StoreError> {
    transaction::run_direct(client, "publish_daily_sales", async |transaction| {
        delete(transaction, publication.channel, publication.dates).await?;
        insert(transaction, publication.channel, publication.rows, publication.as_of).await?;
        save_watermark(transaction, publication).await
    })
    .await
}

async fn delete(
    transaction: &Transaction<'_>,
    channel: &str,
    dates: ReplacedDates<'_>,
) -> Result<(), StoreError> {
    match dates {
        ReplacedDates::All => {
            transaction.execute("DELETE FROM report_daily_sales WHERE channel = $1", &[&channel]).await?
        }
        ReplacedDates::Only(dates) => {
            const SQL: &str = "DELETE FROM report_daily_sales WHERE channel = $1 AND date = ANY($2)";
            transaction.execute(SQL, &[&channel, &dates]).await?
        }
    };
    Ok(())
}

async fn insert(
    transaction: &Transaction<'_>,
    channel: &str,
    rows: &[DailySales],
    as_of: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO report_daily_sales (channel, as_of, date, currency, orders, \
                       cancelled_orders, customers, units, gross_revenue, refunds, net_revenue, raw_sum, \
                       aov, cancellation_rate) \
                       SELECT $1, $2, report.* FROM unnest($3::date[], $4::text[], $5::bigint[], \
                       $6::bigint[], $7::bigint[], $8::bigint[], $9::numeric[], $10::numeric[], \
                       $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[]) AS report";
    fn column<'a, T>(rows: &'a [DailySales], value: impl Fn(&'a DailySales) -> T) -> Vec<T> {
        rows.iter().map(value).collect()
    }
    transaction
        .execute(
            SQL,
            &[
                &channel,
                &as_of,
                &column(rows, |row| row.date),
                &column(rows, |row| row.currency.as_str()),
                &column(rows, |row| row.orders),
                &column(rows, |row| row.cancelled_orders),
                &column(rows, |row| row.customers),
                &column(rows, |row| row.units),
                &column(rows, |row| row.gross_revenue),
                &column(rows, |row| row.refunds),
                &column(rows, |row| row.net_revenue),
                &column(rows, |row| row.raw_sum),
                &column(rows, |row| row.aov),
                &column(rows, |row| row.cancellation_rate),
            ],
        )
        .await?;
    Ok(())
}

async fn save_watermark(
    transaction: &Transaction<'_>,
    publication: &Publication<'_>,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO lake_watermarks (channel, watermark, extracted_at) \
                       VALUES ($1, $2::text::xid8, $3) ON CONFLICT (channel) DO UPDATE \
                       SET watermark = excluded.watermark, extracted_at = excluded.extracted_at";
    let watermark = publication.watermark.0.to_string();
    transaction.execute(SQL, &[&publication.channel, &watermark, &publication.as_of]).await?;
    Ok(())
}

/// The watermark of a channel; `None` before its first extract.
pub async fn watermark(client: &impl GenericClient, channel: &str) -> Result<Option<Watermark>, StoreError> {
    const SQL: &str = "SELECT watermark::text FROM lake_watermarks WHERE channel = $1";
    let rows = client.query_typed(SQL, &[(&channel, Type::TEXT)]).await?;
    rows.first().map(|row| parse_watermark(row.get(0))).transpose()
}

pub(super) fn parse_watermark(text: &str) -> Result<Watermark, StoreError> {
    text.parse()
        .map(Watermark)
        .map_err(|_| StoreError::Inconsistent(format!("{text:?} is no transaction id")))
}

/// The report's rows from one day to another, both included, and the time of the snapshot that they were
/// counted from; `None` when the channel was never counted. One statement: two could be answered by two
/// standbys. Amounts have as many digits as the channel's prices.
pub async fn read(
    client: &impl GenericClient,
    channel: &str,
    from: Date,
    to: Date,
    currency: Option<&str>,
) -> Result<(Vec<DailySales>, Option<Timestamp>), StoreError> {
    // A channel that was counted has a row without a date when no day has one.
    const SQL: &str = "SELECT date, currency, orders, cancelled_orders, customers, units, gross_revenue, \
                       refunds, net_revenue, raw_sum, aov, cancellation_rate, price_scale, extracted_at \
                       FROM lake_watermarks counted JOIN channels ON channels.code = counted.channel \
                       LEFT JOIN report_daily_sales report ON report.channel = counted.channel \
                         AND date BETWEEN $2 AND $3 AND ($4::text IS NULL OR currency = $4) \
                       WHERE counted.channel = $1 ORDER BY date, currency";
    let rows = client
        .query_typed(
            SQL,
            &[(&channel, Type::TEXT), (&from, Type::DATE), (&to, Type::DATE), (&currency, Type::TEXT)],
        )
        .await?;
    let as_of = rows.first().map(|row| row.get(13));
    let has_date = |row: &&Row| row.get::<_, Option<Date>>(0).is_some();
    Ok((rows.iter().filter(has_date).map(daily_sales).collect(), as_of))
}

fn daily_sales(row: &Row) -> DailySales {
    let price_scale = u32::from(row.get::<_, i16>(12).unsigned_abs());
    DailySales {
        date: row.get(0),
        currency: row.get(1),
        orders: row.get(2),
        cancelled_orders: row.get(3),
        customers: row.get(4),
        units: row.get(5),
        gross_revenue: with_digits(row.get(6), price_scale),
        refunds: with_digits(row.get(7), price_scale),
        net_revenue: with_digits(row.get(8), price_scale),
        raw_sum: with_digits(row.get(9), price_scale),
        aov: with_digits(row.get(10), AOV_SCALE),
        cancellation_rate: with_digits(row.get(11), RATE_SCALE),
    }
}

/// The same number with zeros after it; a zero loses its digits on the way through the driver.
fn with_digits(mut number: Decimal, scale: u32) -> Decimal {
    if number.scale() < scale {
        number.rescale(scale);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_added_and_no_digit_is_lost() {
        let text = |number: &str, scale| with_digits(number.parse().expect("a number"), scale).to_string();
        assert_eq!(text("0", 3), "0.000");
        assert_eq!(text("-1.5", 3), "-1.500");
        assert_eq!(text("1.2345", 3), "1.2345");
    }
}
