//! The inbox: which events a consumer has seen, recorded with their effect.

use domain::ids::EventId;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::error::StoreError;

/// Records that `consumer` sees an event, in the transaction of the effect. `false`: it has seen it before, and the
/// effect is in place.
pub async fn first_time(
    transaction: &Transaction<'_>,
    consumer: &str,
    event: EventId,
) -> Result<bool, StoreError> {
    const SQL: &str =
        "INSERT INTO inbox (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING event_id";
    let rows = transaction.query_typed(SQL, &[(&consumer, Type::TEXT), (&event.0, Type::UUID)]).await?;
    Ok(!rows.is_empty())
}
