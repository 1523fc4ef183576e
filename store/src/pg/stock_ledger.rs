//! The ledger of stock: why there is as much as there is.

use domain::ids::{MovementId, OrderId, VariantId};
use domain::stock::{MovementCause, StockMovement};
use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use crate::error::StoreError;

/// Which rows of the ledger a list holds.
#[derive(Debug, Clone)]
pub struct LedgerFilter {
    /// Of this variant.
    pub variant_id: VariantId,
    /// Only this warehouse; `None`: all of them.
    pub warehouse: Option<String>,
}

/// Rows before a place in the ledger, newest first.
pub async fn list(
    client: &impl GenericClient,
    filter: &LedgerFilter,
    before: Option<(Timestamp, MovementId)>,
    limit: i64,
) -> Result<Vec<StockMovement>, StoreError> {
    // The bound on the time alone lets the planner leave out the months after it.
    const SQL: &str = "SELECT id, occurred_at, variant_id, warehouse, delta, on_hand_after, cause, actor, \
                       reason, order_id FROM stock_ledger \
                       WHERE variant_id = $1 AND ($2::text IS NULL OR warehouse = $2) \
                         AND ($3::timestamptz IS NULL OR (occurred_at <= $3 AND (occurred_at, id) < ($3, $4))) \
                       ORDER BY occurred_at DESC, id DESC LIMIT $5";
    let (at, id) = before.map(|(at, id)| (at, id.0)).unzip();
    let rows = client
        .query_typed(
            SQL,
            &[
                (&filter.variant_id.0, Type::UUID),
                (&filter.warehouse, Type::TEXT),
                (&at, Type::TIMESTAMPTZ),
                (&id, Type::UUID),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(movement).collect()
}

fn movement(row: &Row) -> Result<StockMovement, StoreError> {
    let cause: &str = row.get(6);
    Ok(StockMovement {
        id: MovementId(row.get(0)),
        occurred_at: row.get(1),
        variant_id: VariantId(row.get(2)),
        warehouse: row.get(3),
        delta: row.get(4),
        on_hand_after: row.get(5),
        cause: MovementCause::from_name(cause)
            .ok_or_else(|| StoreError::Inconsistent(format!("{cause:?} is no cause of a movement")))?,
        actor: row.get(7),
        reason: row.get(8),
        order_id: row.get::<_, Option<Uuid>>(9).map(OrderId),
    })
}
