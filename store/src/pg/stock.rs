//! What lies in the warehouses.

use domain::ids::VariantId;
use domain::stock::StockLevel;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use crate::error::StoreError;

/// Most warehouses that a variant is listed for.
pub const WAREHOUSE_COUNT_MAX: i64 = 1_000;

/// What lies of a variant in each warehouse that ever had it, by the warehouse's code.
pub async fn levels(
    client: &impl GenericClient,
    variant_id: VariantId,
) -> Result<Vec<StockLevel>, StoreError> {
    const SQL: &str = "SELECT variant_id, sku, warehouse, on_hand, reserved, version FROM stock \
                       WHERE variant_id = $1 ORDER BY warehouse LIMIT $2";
    let rows =
        client.query_typed(SQL, &[(&variant_id.0, Type::UUID), (&WAREHOUSE_COUNT_MAX, Type::INT8)]).await?;
    Ok(rows.iter().map(level).collect())
}

/// Whether there is a warehouse with that code.
pub async fn has_warehouse(client: &impl GenericClient, code: &str) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM warehouses WHERE code = $1)";
    let rows = client.query_typed(SQL, &[(&code, Type::TEXT)]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

pub(super) fn level(row: &Row) -> StockLevel {
    StockLevel {
        variant_id: VariantId(row.get(0)),
        sku: row.get(1),
        warehouse: row.get(2),
        on_hand: row.get(3),
        reserved: row.get(4),
        version: row.get(5),
    }
}
