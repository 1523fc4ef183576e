//! What an extract reads: order lines of whole days, at one snapshot of one standby.

use std::time::Duration;

use domain::ids::{OrderId, ProductId, RefundId};
use domain::order::{OrderKind, OrderStatus};
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Client, IsolationLevel, Portal, Row, Transaction};
use uuid::Uuid;

use crate::error::StoreError;
use crate::pg::channels::{self, Channel};
use crate::pg::lake_watermarks::{self, Watermark};

/// Lines that one round trip brings.
const BATCH_LINES: i32 = 10_000;
/// How long the wait for the standby sleeps between two looks.
const REPLAY_POLL: Duration = Duration::from_millis(50);

/// A line of an order, or of a refund of one, with the facts of its order that reports need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesLine {
    /// The order.
    pub order_id: OrderId,
    /// The refund, when this is a line of one.
    pub refund_id: Option<RefundId>,
    /// Its number.
    pub number: String,
    /// Sale, credit or adjustment; a refund is a credit.
    pub kind: OrderKind,
    /// Where it stands.
    pub status: OrderStatus,
    /// The account, or the customer as an imported history names it.
    pub customer: Option<String>,
    /// Country as written.
    pub country: Option<String>,
    /// ISO 4217 code.
    pub currency: String,
    /// Position within the order.
    pub line_number: i32,
    /// When the line was made, or the money went back.
    pub occurred_at: Timestamp,
    /// Product code as written.
    pub sku: String,
    /// The product; unknown in an imported history.
    pub product_id: Option<ProductId>,
    /// Pieces; negative when given back.
    pub quantity: i64,
    /// Exact price of one piece, net, before any discount.
    pub unit_price: Decimal,
    /// What is taken off quantity x unit price, in minor units: negative when a discounted line is refunded.
    pub discount_minor: i64,
}

/// What the order ledger says of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerDay {
    /// Calendar day in the zone that was asked for.
    pub date: Date,
    /// ISO 4217 code.
    pub currency: String,
    /// Sale lines less credit lines and refunds, in minor units.
    pub net_minor: i128,
}

/// How far the primary's log is safe on disk: what is committed by now is before it.
pub async fn flushed_position(primary: &Client) -> Result<PgLsn, StoreError> {
    Ok(primary.query_one("SELECT pg_current_wal_flush_lsn()", &[]).await?.get(0))
}

/// Waits until a standby has replayed the log up to `position`.
pub async fn wait_until_replayed(
    standby: &Client,
    position: PgLsn,
    timeout: Duration,
) -> Result<(), StoreError> {
    const SQL: &str = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1, false)";
    let replayed = async {
        while !standby.query_one(SQL, &[&position]).await?.get::<_, bool>(0) {
            tokio::time::sleep(REPLAY_POLL).await;
        }
        Ok(())
    };
    tokio::time::timeout(timeout, replayed)
        .await
        .unwrap_or_else(|_| Err(StoreError::unavailable("the standby is too far behind the primary")))
}

/// One snapshot; everything that is read from it belongs together.
pub struct Snapshot<'a> {
    transaction: Transaction<'a>,
    /// Transactions below it are visible here.
    pub watermark: Watermark,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// Lines of a snapshot, read batch by batch.
pub struct SalesLines(Portal);

/// Takes a snapshot.
pub async fn snapshot(standby: &mut Client) -> Result<Snapshot<'_>, StoreError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a snapshot of a standby that is read from, never committed"
    )]
    let transaction = standby
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    // Between two batches a day is written to disk; and every day is sorted at once.
    transaction
        .batch_execute("SET LOCAL idle_in_transaction_session_timeout = '5min'; SET LOCAL work_mem = '64MB'")
        .await?;
    let row =
        transaction.query_one("SELECT pg_snapshot_xmin(pg_current_snapshot())::text, now()", &[]).await?;
    let watermark = lake_watermarks::parse(row.get(0))?;
    Ok(Snapshot { transaction, watermark, taken_at: row.get(1) })
}

impl<'a> Snapshot<'a> {
    pub(super) fn transaction(&self) -> &Transaction<'a> {
        &self.transaction
    }

    /// One channel.
    pub async fn channel(&self, code: &str) -> Result<Option<Channel>, StoreError> {
        channels::find(&self.transaction, code).await
    }

    /// The UTC days of the lines and refunds of every order that changed since a watermark; of every order without one.
    pub async fn changed_days(
        &self,
        channel: &str,
        since: Option<Watermark>,
    ) -> Result<Vec<Date>, StoreError> {
        let since = since.map(|watermark| watermark.0.to_string());
        let sql = include_str!("sales_extract/changed_days.sql");
        let rows = self.transaction.query(sql, &[&channel, &since]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What the order ledger says of the days of a zone from one to another, both included; days without a line are
    /// left out.
    pub async fn ledger(
        &self,
        channel: &str,
        time_zone: &str,
        (first, last): (Date, Date),
    ) -> Result<Vec<LedgerDay>, StoreError> {
        let statement = self.transaction.prepare(include_str!("sales_extract/ledger.sql")).await?;
        let rows = self.transaction.query(&statement, &[&channel, &time_zone, &first, &last]).await?;
        rows.iter().map(ledger_day).collect()
    }

    /// Opens the lines and refunds of the UTC days from one to another, both included, in the order of their time.
    pub async fn lines(&self, channel: &str, first: Date, last: Date) -> Result<SalesLines, StoreError> {
        // Prepared each time, so that the plan is one for this range.
        let statement = self.transaction.prepare(include_str!("sales_extract/lines.sql")).await?;
        Ok(SalesLines(self.transaction.bind(&statement, &[&channel, &first, &last]).await?))
    }

    /// The next lines; empty at the end.
    pub async fn next_batch(&self, lines: &SalesLines) -> Result<Vec<SalesLine>, StoreError> {
        let rows = self.transaction.query_portal(&lines.0, BATCH_LINES).await?;
        rows.iter().map(sales_line).collect()
    }
}

fn ledger_day(row: &Row) -> Result<LedgerDay, StoreError> {
    let net: &str = row.get(2);
    let net_minor = net.parse().map_err(|_| StoreError::Inconsistent(format!("{net:?} is no sum")))?;
    Ok(LedgerDay { date: row.get(0), currency: row.get(1), net_minor })
}

fn sales_line(row: &Row) -> Result<SalesLine, StoreError> {
    let (kind, status): (&str, &str) = (row.get(2), row.get(3));
    let inconsistent = |what: &str, value: &str| StoreError::Inconsistent(format!("{value:?} is no {what}"));
    Ok(SalesLine {
        order_id: OrderId(row.get(0)),
        number: row.get(1),
        kind: OrderKind::from_name(kind).ok_or_else(|| inconsistent("order kind", kind))?,
        status: OrderStatus::from_name(status).ok_or_else(|| inconsistent("order status", status))?,
        customer: row.get(4),
        country: row.get(5),
        currency: row.get(6),
        line_number: row.get(7),
        occurred_at: row.get(8),
        sku: row.get(9),
        quantity: row.get(10),
        unit_price: row.get(11),
        refund_id: row.get::<_, Option<Uuid>>(12).map(RefundId),
        discount_minor: row.get(13),
        product_id: row.get::<_, Option<Uuid>>(14).map(ProductId),
    })
}
