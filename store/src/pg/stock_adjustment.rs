//! Changes of stock by hand: the level, its row of the ledger, what is told of the variant, and the events, in one
//! transaction. Rows are locked in the order idempotency key, variant, levels by warehouse.

use domain::event::Event;
use domain::ids::VariantId;
use domain::stock::adjustment::{AdjustedStock, RecordedAvailability, VariantStock};
use domain::stock::availability::Availability;
use domain::stock::{StockLevel, StockMovement};
use jiff::{Timestamp, ToSpan};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::error::StoreError;
use crate::pg::advisory_lock::{self, Right};
use crate::pg::outbox;
use crate::pg::stock::{WAREHOUSE_COUNT_MAX, level};

/// Locks what there is of a variant until the end of the transaction, also where nothing lies yet, and reads it. The
/// server's timeouts bound the wait for another transaction.
pub async fn lock(transaction: &Transaction<'_>, variant_id: VariantId) -> Result<VariantStock, StoreError> {
    const LEVELS: &str = "SELECT variant_id, sku, warehouse, on_hand, reserved, version FROM stock \
                          WHERE variant_id = $1 ORDER BY warehouse LIMIT $2 FOR UPDATE";
    const RECORDED: &str = "SELECT state, version FROM availability WHERE variant_id = $1";
    // Rows that are not there yet cannot be locked.
    advisory_lock::take_within(transaction, Right::ChangeStock(&variant_id.to_string())).await?;
    let levels = transaction
        .query_typed(LEVELS, &[(&variant_id.0, Type::UUID), (&WAREHOUSE_COUNT_MAX, Type::INT8)])
        .await?;
    let recorded = transaction.query_typed(RECORDED, &[(&variant_id.0, Type::UUID)]).await?;
    let recorded = recorded.first().map(|row| {
        let state: &str = row.get(0);
        let known = Availability::from_name(state);
        let unknown = || StoreError::Inconsistent(format!("{state:?} is no availability"));
        Ok::<_, StoreError>(RecordedAvailability { state: known.ok_or_else(unknown)?, version: row.get(1) })
    });
    Ok(VariantStock { levels: levels.iter().map(level).collect(), recorded: recorded.transpose()? })
}

/// `now` to the millisecond; or the one after the level's last row of the ledger, which may be of this millisecond or
/// of a clock that is ahead: the ledger is read by time.
pub async fn next_moment(
    transaction: &Transaction<'_>,
    variant_id: VariantId,
    warehouse: &str,
    now: Timestamp,
) -> Result<Timestamp, StoreError> {
    // The bound lets the planner leave out the months before it.
    const SQL: &str = "SELECT max(occurred_at) FROM stock_ledger \
                       WHERE variant_id = $1 AND warehouse = $2 AND occurred_at >= $3";
    let now = Timestamp::from_millisecond(now.as_millisecond()).expect("a time has its millisecond");
    let rows = transaction
        .query_typed(SQL, &[(&variant_id.0, Type::UUID), (&warehouse, Type::TEXT), (&now, Type::TIMESTAMPTZ)])
        .await?;
    let last: Option<Timestamp> = rows.first().and_then(|row| row.get(0));
    Ok(last.map_or(now, |last| last + 1.millisecond()))
}

/// Writes an adjustment of what [`lock`] has locked, with its events.
pub async fn write(
    transaction: &Transaction<'_>,
    adjusted: &AdjustedStock,
    events: &[Event],
) -> Result<(), StoreError> {
    write_level(transaction, &adjusted.level).await?;
    write_movement(transaction, &adjusted.movement).await?;
    if let Some(recorded) = adjusted.recorded {
        write_recorded(transaction, adjusted.level.variant_id, recorded).await?;
    }
    for event in events {
        outbox::append(transaction, event).await?;
    }
    Ok(())
}

async fn write_level(transaction: &Transaction<'_>, level: &StockLevel) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO stock (variant_id, warehouse, sku, on_hand, reserved, version) \
                       VALUES ($1, $2, $3, $4, $5, $6) \
                       ON CONFLICT (variant_id, warehouse) DO UPDATE SET on_hand = excluded.on_hand, \
                           version = excluded.version, changed_xid = excluded.changed_xid";
    transaction
        .query_typed(
            SQL,
            &[
                (&level.variant_id.0, Type::UUID),
                (&level.warehouse, Type::TEXT),
                (&level.sku, Type::TEXT),
                (&level.on_hand, Type::INT8),
                (&level.reserved, Type::INT8),
                (&level.version, Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

async fn write_movement(transaction: &Transaction<'_>, movement: &StockMovement) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO stock_ledger (id, occurred_at, variant_id, warehouse, delta, on_hand_after, \
                       cause, actor, reason, order_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let order_id = movement.order_id.map(|order| order.0);
    transaction
        .query_typed(
            SQL,
            &[
                (&movement.id.0, Type::UUID),
                (&movement.occurred_at, Type::TIMESTAMPTZ),
                (&movement.variant_id.0, Type::UUID),
                (&movement.warehouse, Type::TEXT),
                (&movement.delta, Type::INT8),
                (&movement.on_hand_after, Type::INT8),
                (&movement.cause.name(), Type::TEXT),
                (&movement.actor, Type::TEXT),
                (&movement.reason, Type::TEXT),
                (&order_id, Type::UUID),
            ],
        )
        .await?;
    Ok(())
}

async fn write_recorded(
    transaction: &Transaction<'_>,
    variant_id: VariantId,
    recorded: RecordedAvailability,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO availability (variant_id, state, version) VALUES ($1, $2, $3) \
                       ON CONFLICT (variant_id) DO UPDATE SET state = excluded.state, version = excluded.version";
    transaction
        .query_typed(
            SQL,
            &[
                (&variant_id.0, Type::UUID),
                (&recorded.state.name(), Type::TEXT),
                (&recorded.version, Type::INT8),
            ],
        )
        .await?;
    Ok(())
}
