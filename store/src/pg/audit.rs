//! Invariants that no constraint can hold, as statements: each selects the keys of what breaks one. They read only,
//! whole tables at once, from one server; what spans stores is put together by whoever asks.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::error::StoreError;

mod references;

pub use references::{
    ReviewedPurchase, SoldVariant, judged_products, missing_purchases, sold_variants, stocked_variants,
};

/// Keys that are shown of what breaks an invariant.
const SAMPLE_MAX: i64 = 5;
/// Sorts and joins of whole tables; a statement that takes longer than this is given up.
const SETTINGS: &str = "SET statement_timeout = '15min'; SET work_mem = '64MB'; \
                        SET default_transaction_read_only = on; SET jit = off";

/// An invariant of PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub struct PgCheck {
    /// Its name, as a noun and what it must be.
    pub name: &'static str,
    /// What is compared with what.
    pub compares: &'static str,
    /// The rows that are looked at.
    rows: &'static str,
    /// Selects the `key` of each row that breaks it.
    broken: &'static str,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the check.
    pub name: &'static str,
    /// What is compared with what.
    pub compares: &'static str,
    /// How many rows or documents were looked at.
    pub rows: u64,
    /// How many break the invariant.
    pub violations: u64,
    /// Keys of a few of them.
    pub samples: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

const SHOP_ORDERS: &str = "SELECT count(*) FROM orders WHERE channel = 'shop'";
const SHOP_LINES: &str = "SELECT coalesce(sum(line_count), 0)::bigint FROM orders WHERE channel = 'shop'";

macro_rules! check {
    ($name:literal, $compares:literal, $rows:expr) => {
        PgCheck {
            name: $name,
            compares: $compares,
            rows: $rows,
            broken: include_str!(concat!("audit/", $name, ".sql")),
        }
    };
}

/// Every invariant of PostgreSQL.
pub const CHECKS: [PgCheck; 23] = [
    check!("stock_equals_ledger", "pieces on hand = sum of the ledger", "SELECT count(*) FROM stock"),
    check!("ledger_runs_on", "on hand after = running sum", "SELECT count(*) FROM stock_ledger"),
    check!("reserved_is_promised", "reserved = pieces of unpaid orders", "SELECT count(*) FROM stock"),
    check!(
        "availability_is_the_stock",
        "what was told of a variant = what is left of it",
        "SELECT count(*) FROM availability"
    ),
    check!("sales_are_in_ledger", "pieces of paid orders = sales of the ledger", SHOP_LINES),
    check!(
        "returns_are_refunded",
        "returns of the ledger <= pieces refunded",
        "SELECT count(*) FROM stock_ledger WHERE cause = 'return'"
    ),
    check!("total_adds_up", "total = lines - discount + shipping + tax", SHOP_ORDERS),
    check!("discount_and_tax_are_the_lines", "discount and tax = sums of the lines", SHOP_ORDERS),
    check!("line_is_quantity_times_price", "amount = quantity x unit price", SHOP_LINES),
    check!("lines_are_counted", "line count = lines, numbered from 1", "SELECT count(*) FROM orders"),
    check!("numbers_are_orders", "orders = order numbers, both ways", "SELECT count(*) FROM order_numbers"),
    check!("captured_is_total", "captured = total of paid orders, once, and none else", SHOP_ORDERS),
    check!(
        "payments_follow_orders",
        "payment after its order, refund after its captured payment",
        "SELECT (SELECT count(*) FROM payments) + (SELECT count(*) FROM refunds)"
    ),
    check!("refunds_are_their_lines", "refund = sum of its lines", "SELECT count(*) FROM refunds"),
    check!(
        "refunds_are_within_lines",
        "refunded <= bought: pieces, net, tax",
        "SELECT count(*) FROM refund_lines"
    ),
    check!("refunds_are_within_captured", "refunded <= captured", "SELECT count(*) FROM refunds"),
    check!(
        "promotions_apply",
        "promotion runs when it is used, minimum reached, no discount without one",
        SHOP_ORDERS
    ),
    check!("discounts_are_the_percentage", "discount of a line = its promotion's percent", SHOP_LINES),
    check!("customers_came_first", "customer registered before the order", SHOP_ORDERS),
    check!(
        "versions_are_gapless",
        "events of PostgreSQL: versions without a gap",
        "SELECT count(*) FROM outbox"
    ),
    check!("events_are_sent", "events of PostgreSQL: sent in time", "SELECT count(*) FROM outbox"),
    check!(
        "report_equals_orders",
        "daily sales of the shop = its lines less its refunds",
        "SELECT count(*) FROM report_daily_sales WHERE channel = 'shop'"
    ),
    check!(
        "months_are_their_days",
        "sales of a product or category in a month = those of its days",
        "SELECT (SELECT count(*) FROM report_product_sales) + (SELECT count(*) FROM report_category_sales)"
    ),
];

/// Makes a connection fit for checks. An event that is unsent for longer than `unsent_after` is late.
pub async fn prepare(client: &Client, unsent_after: Duration) -> Result<(), StoreError> {
    let seconds = unsent_after.as_secs();
    Ok(client.batch_execute(&format!("{SETTINGS}; SET audit.unsent_after = '{seconds} seconds'")).await?)
}

/// Runs a check on a connection that was made fit for it.
pub async fn run(client: &Client, check: &PgCheck) -> Result<Finding, StoreError> {
    let started = Instant::now();
    let rows: i64 = client.query_one(check.rows, &[]).await?.get(0);
    let sql = format!(
        "WITH broken AS MATERIALIZED ({}) \
         SELECT (SELECT count(*) FROM broken), ARRAY(SELECT key FROM broken ORDER BY key LIMIT {SAMPLE_MAX})",
        check.broken
    );
    let found = client.query_one(&sql, &[]).await?;
    let violations: i64 = found.get(0);
    Ok(Finding {
        name: check.name,
        compares: check.compares,
        rows: rows.unsigned_abs(),
        violations: violations.unsigned_abs(),
        samples: found.get(1),
        elapsed: started.elapsed(),
    })
}
