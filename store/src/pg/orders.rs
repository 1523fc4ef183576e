//! Orders and their lines.

use domain::ids::{OrderId, UserId};
use domain::money::{Currency, Money};
use domain::order::{Order, OrderKind, OrderLine, OrderStatus, OrderSummary, SHOP_CHANNEL};
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use crate::error::StoreError;

mod shop_details;

const COLUMNS: &str = "id, created_at, channel, number, kind, status, user_id, customer_reference, country, \
                       currency, total_minor, line_count, version";

/// Which orders a list holds; `None` leaves a field open.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Only this channel.
    pub channel: Option<String>,
    /// Only this account's orders.
    pub user_id: Option<UserId>,
}

/// Orders before a place in the list, newest first.
pub async fn list(
    client: &impl GenericClient,
    filter: &OrderFilter,
    before: Option<(Timestamp, OrderId)>,
    limit: i64,
) -> Result<Vec<OrderSummary>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM orders \
         WHERE ($1::text IS NULL OR channel = $1) AND ($2::uuid IS NULL OR user_id = $2) \
           AND ($3::timestamptz IS NULL OR (created_at <= $3 AND (created_at, id) < ($3, $4))) \
         ORDER BY created_at DESC, id DESC LIMIT $5"
    );
    let user = filter.user_id.map(|user| user.0);
    let (at, id) = before.map(|(at, id)| (at, id.0)).unzip();
    let rows = client
        .query_typed(
            &sql,
            &[
                (&filter.channel, Type::TEXT),
                (&user, Type::UUID),
                (&at, Type::TIMESTAMPTZ),
                (&id, Type::UUID),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(summary).collect()
}

/// One order with all that belongs to it, from one snapshot. The partition is derived from the id, so one of each table
/// is touched.
pub async fn find(client: &impl GenericClient, id: OrderId) -> Result<Option<Order>, StoreError> {
    let Some(created_at) = id.created_at() else { return Ok(None) };
    let rows = client.query_typed(FIND, &[(&created_at, Type::TIMESTAMPTZ), (&id.0, Type::UUID)]).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let summary = summary(first)?;
    let currency = summary.total.currency;
    let lines = rows.iter().filter_map(|row| line(row, currency)).collect();
    let is_of_shop = summary.channel == SHOP_CHANNEL;
    let shop = is_of_shop.then(|| shop_details::of_order(first, currency)).transpose()?;
    Ok(Some(Order { summary, lines, shop }))
}

/// The statement of [`find`]: order columns, then those of a line, then what only the shop's orders have.
pub const FIND: &str = include_str!("orders/find.sql");

fn line(row: &Row, currency: Currency) -> Option<OrderLine> {
    Some(OrderLine {
        line_number: row.get::<_, Option<i32>>(13)?,
        occurred_at: row.get(14),
        sku: row.get(15),
        description: row.get(16),
        quantity: row.get(17),
        unit_price: row.get(18),
        amount: Money { amount_minor: row.get(19), currency },
        shop: shop_details::of_line(row, currency),
    })
}

fn summary(row: &Row) -> Result<OrderSummary, StoreError> {
    let kind: String = row.get(4);
    let status: String = row.get(5);
    let code: String = row.get(9);
    let inconsistent = |what: &str, value: &str| StoreError::Inconsistent(format!("{value:?} is no {what}"));
    Ok(OrderSummary {
        id: OrderId(row.get(0)),
        created_at: row.get(1),
        channel: row.get(2),
        number: row.get(3),
        kind: OrderKind::from_name(&kind).ok_or_else(|| inconsistent("order kind", &kind))?,
        status: OrderStatus::from_name(&status).ok_or_else(|| inconsistent("order status", &status))?,
        user_id: row.get::<_, Option<uuid::Uuid>>(6).map(UserId),
        customer_reference: row.get(7),
        country: row.get(8),
        total: Money {
            amount_minor: row.get(10),
            currency: Currency::from_code(&code).ok_or_else(|| inconsistent("currency", &code))?,
        },
        line_count: row.get(11),
        version: row.get(12),
    })
}
