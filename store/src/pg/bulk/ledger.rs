//! Stock: its ledger by month, and the levels that it sums up to.

use domain::stock::{StockLevel, StockMovement, Warehouse};
use tokio_postgres::Transaction;

use super::copy::CopyRows;
use super::month::{MonthRows, MonthTable};
use super::seed::Part;
use crate::error::StoreError;

/// Rows of the ledger of one month.
#[derive(Debug)]
pub struct MovementRows(CopyRows);

impl Default for MovementRows {
    fn default() -> Self {
        Self(CopyRows::new(10))
    }
}

impl MovementRows {
    /// How many there are.
    pub fn row_count(&self) -> u64 {
        self.0.rows()
    }

    /// Adds a movement.
    pub fn push(&mut self, movement: &StockMovement) {
        let rows = &mut self.0;
        rows.row()
            .uuid(movement.id.0)
            .time(movement.occurred_at)
            .uuid(movement.variant_id.0)
            .text(&movement.warehouse)
            .bigint(movement.delta)
            .bigint(movement.on_hand_after)
            .text(movement.cause.name())
            .text(&movement.actor)
            .optional_text(movement.reason.as_deref());
        match movement.order_id {
            Some(order) => rows.uuid(order.0),
            None => rows.null(),
        };
    }
}

impl MonthRows for MovementRows {
    const PART: Part = Part::Ledger;
    const TABLES: &'static [MonthTable] = &[MonthTable {
        name: "stock_ledger",
        foreign_key: None,
        columns: "(id, occurred_at, variant_id, warehouse, delta, on_hand_after, cause, actor, reason, order_id)",
    }];
    const UNDIVIDED: Option<&'static str> = None;

    fn into_copies(self) -> Vec<CopyRows> {
        vec![self.0]
    }
}

pub(super) async fn copy_warehouses(
    transaction: &Transaction<'_>,
    warehouses: &[Warehouse],
) -> Result<(), StoreError> {
    let mut rows = CopyRows::new(3);
    for warehouse in warehouses {
        rows.row().text(&warehouse.code).text(&warehouse.name).text(&warehouse.country);
    }
    rows.send(transaction, "warehouses (code, name, country)", "").await?;
    Ok(())
}

pub(super) async fn copy_levels(
    transaction: &Transaction<'_>,
    levels: &[StockLevel],
) -> Result<(), StoreError> {
    let mut rows = CopyRows::new(6);
    for level in levels {
        rows.row()
            .uuid(level.variant_id.0)
            .text(&level.warehouse)
            .text(&level.sku)
            .bigint(level.on_hand)
            .bigint(level.reserved)
            .bigint(level.version);
    }
    rows.send(transaction, "stock (variant_id, warehouse, sku, on_hand, reserved, version)", "").await?;
    Ok(())
}
