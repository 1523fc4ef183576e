//! The record of the demonstration shop: which one it is, and how far its making has come.

use domain::event::{Cause, Event, OrdersImported};
use domain::ids::{EventId, ImportRunId};
use domain::judgment::Judgment;
use domain::order::SHOP_CHANNEL;
use domain::promotion::Promotion;
use domain::stock::{StockLevel, Warehouse};
use jiff::Timestamp;
use tokio_postgres::{Client, GenericClient, Transaction};

use super::copy::CopyRows;
use super::ledger::{copy_levels, copy_warehouses};
use super::users::{UserRows, copy_users};
use crate::error::StoreError;
use crate::pg::import_runs::{self, ImportCounts, NewRun};
use crate::pg::{outbox, transaction};

/// The set that the shop's judgments belong to.
pub const JUDGMENT_SET: &str = "demo";
/// Every table that a seed fills.
const TABLES: &str = "users, promotions, warehouses, stock, stock_ledger, orders, order_numbers, order_lines, \
                      payments, refunds, refund_lines, judgments";

/// A part of the shop that is made day by day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Orders and what hangs on them.
    Orders,
    /// The ledger of the stock.
    Ledger,
    /// Behaviour events in the lake.
    Behaviour,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Ledger => "ledger",
            Self::Behaviour => "behaviour",
        }
    }
}

/// Which demonstration shop is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedRecord {
    /// What all chance comes from.
    pub seed: i64,
    /// How many orders were asked for.
    pub orders: i64,
    /// How many products were asked for; `None`: as many as so many orders have.
    pub products: Option<i64>,
    /// How many behaviour events were asked for.
    pub events: i64,
    /// What its history leads up to.
    pub end: Timestamp,
    /// The import run that its orders belong to.
    pub run: ImportRunId,
    /// The version of its makers.
    pub generator: i32,
    /// When it was whole; `None`: it is not.
    pub finished_at: Option<Timestamp>,
}

/// What is there before the first day.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// Accounts.
    pub users: UserRows,
    /// Warehouses.
    pub warehouses: &'a [Warehouse],
    /// Promotions.
    pub promotions: &'a [Promotion],
}

/// What is known after the last day.
#[derive(Debug)]
pub struct Ending<'a> {
    /// What lies in the warehouses.
    pub levels: &'a [StockLevel],
    /// Judged queries.
    pub judgments: &'a [Judgment],
    /// Id of the event that tells of the orders.
    pub event: EventId,
    /// Who makes the shop.
    pub cause: Cause,
}

/// The demonstration shop that is here, whole or not.
pub async fn find(client: &impl GenericClient) -> Result<Option<SeedRecord>, StoreError> {
    const SQL: &str =
        "SELECT seed, orders, products, events, end_at, import_run_id, generator, finished_at FROM demo_seed";
    let row = client.query_opt(SQL, &[]).await?;
    Ok(row.map(|row| SeedRecord {
        seed: row.get(0),
        orders: row.get(1),
        products: row.get(2),
        events: row.get(3),
        end: row.get(4),
        run: ImportRunId(row.get(5)),
        generator: row.get(6),
        finished_at: row.get(7),
    }))
}

/// Whether the shop has any order.
pub async fn has_orders(client: &impl GenericClient) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM orders WHERE channel = $1)";
    Ok(client.query_one(SQL, &[&SHOP_CHANNEL]).await?.get(0))
}

/// Records that the shop is being made, with all that is there before its first day. `finished_at` is not looked at.
pub async fn begin(
    client: &mut Client,
    record: &SeedRecord,
    beginning: Beginning<'_>,
    at: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO demo_seed \
                       (seed, orders, products, events, end_at, import_run_id, generator, started_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    const PARTS: &str = "INSERT INTO demo_seed_parts (part, until) \
                         SELECT part, '-infinity' FROM unnest($1::text[]) AS part";
    let parts = [Part::Orders, Part::Ledger, Part::Behaviour].map(Part::name);
    transaction::run_direct(client, "begin_seed", async |transaction| {
        let SeedRecord { seed, orders, products, events, end, run, generator, .. } = record;
        let file_name = &*format!("demo seed {seed}");
        let (kind, channel) = ("orders", SHOP_CHANNEL);
        let new = NewRun { id: *run, kind, channel, file_name, fingerprint: None, at };
        import_runs::begin(transaction, new).await?;
        transaction.execute(SQL, &[seed, orders, products, events, end, &run.0, generator, &at]).await?;
        transaction.execute(PARTS, &[&parts.as_slice()]).await?;
        copy_users(transaction, beginning.users).await?;
        copy_warehouses(transaction, beginning.warehouses).await?;
        copy_promotions(transaction, beginning.promotions).await
    })
    .await
}

/// How far a part has come: everything before that time is in. `None`: nothing is.
pub async fn until(client: &impl GenericClient, part: Part) -> Result<Option<Timestamp>, StoreError> {
    const SQL: &str = "SELECT nullif(until, '-infinity') FROM demo_seed_parts WHERE part = $1";
    let row = client.query_opt(SQL, &[&part.name()]).await?;
    Ok(row.and_then(|row| row.get(0)))
}

/// Records how far a part has come; in the transaction that brings its rows, where there is one.
pub async fn advance(client: &impl GenericClient, part: Part, until: Timestamp) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE demo_seed_parts SET until = $2 WHERE part = $1";
    client.execute(SQL, &[&part.name(), &until]).await?;
    Ok(())
}

/// Makes the shop whole, with all that is known after its last day, and tells of its orders in the same transaction.
pub async fn finish(
    client: &mut Client,
    record: &SeedRecord,
    ending: Ending<'_>,
    at: Timestamp,
) -> Result<ImportCounts, StoreError> {
    const COUNT: &str =
        "SELECT count(*), coalesce(sum(line_count), 0)::bigint FROM orders WHERE import_run_id = $1";
    const FINISH: &str = "UPDATE demo_seed SET finished_at = $1";
    let Ending { levels, judgments, event, cause } = ending;
    transaction::run_direct(client, "finish_seed", async |transaction| {
        copy_levels(transaction, levels).await?;
        copy_judgments(transaction, judgments).await?;
        let row = transaction.query_one(COUNT, &[&record.run.0]).await?;
        let (orders, lines) = (row.get(0), row.get(1));
        let counts =
            ImportCounts { rows_read: lines, rows_refused: 0, documents_added: orders, lines_added: lines };
        import_runs::finish(transaction, record.run, counts, at).await?;
        let channel = SHOP_CHANNEL.to_owned();
        let data = OrdersImported { import_run_id: record.run, channel, orders, lines };
        outbox::append(transaction, &Event::orders_imported(event, at, data, cause)).await?;
        transaction.execute(FINISH, &[&at]).await?;
        transaction.query_one("SELECT end_loads()", &[]).await?;
        Ok(counts)
    })
    .await
}

/// Tells the planner what the tables hold now.
pub async fn analyze(client: &Client) -> Result<(), StoreError> {
    Ok(client.batch_execute(&format!("ANALYZE {TABLES}")).await?)
}

async fn copy_promotions(transaction: &Transaction<'_>, promotions: &[Promotion]) -> Result<(), StoreError> {
    const INTO: &str = "promotions (code, name, percent_off, minimum_minor, currency, starts_at, ends_at)";
    let mut rows = CopyRows::new(7);
    for promotion in promotions {
        rows.row()
            .text(&promotion.code)
            .text(&promotion.name)
            .smallint(promotion.percent_off.into())
            .bigint(promotion.minimum.amount_minor)
            .text(promotion.minimum.currency.code())
            .time(promotion.starts_at)
            .time(promotion.ends_at);
    }
    rows.send(transaction, INTO, "").await?;
    Ok(())
}

async fn copy_judgments(transaction: &Transaction<'_>, judgments: &[Judgment]) -> Result<(), StoreError> {
    const INTO: &str = "judgments (judgment_set, query, product_id, judge, grade, judged_at)";
    let mut rows = CopyRows::new(6);
    for judgment in judgments {
        rows.row()
            .text(JUDGMENT_SET)
            .text(&judgment.query)
            .uuid(judgment.product_id.0)
            .text(&judgment.judge)
            .smallint(judgment.grade.into())
            .time(judgment.judged_at);
    }
    rows.send(transaction, INTO, "").await?;
    Ok(())
}
