//! How far the extract of a channel has come.

use jiff::Timestamp;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Transaction};

use crate::error::StoreError;

/// Every transaction below it was visible to an extract; a later extract asks for what is not below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark(pub u64);

/// Moves the watermark of a channel, in the transaction that publishes its reports.
pub async fn save(
    transaction: &Transaction<'_>,
    channel: &str,
    watermark: Watermark,
    as_of: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO lake_watermarks (channel, watermark, extracted_at) \
                       VALUES ($1, $2::text::xid8, $3) ON CONFLICT (channel) DO UPDATE \
                       SET watermark = excluded.watermark, extracted_at = excluded.extracted_at";
    transaction.execute(SQL, &[&channel, &watermark.0.to_string(), &as_of]).await?;
    Ok(())
}

/// The watermark of a channel; `None` before its first extract.
pub async fn find(client: &impl GenericClient, channel: &str) -> Result<Option<Watermark>, StoreError> {
    const SQL: &str = "SELECT watermark::text FROM lake_watermarks WHERE channel = $1";
    let rows = client.query_typed(SQL, &[(&channel, Type::TEXT)]).await?;
    rows.first().map(|row| parse(row.get(0))).transpose()
}

pub(super) fn parse(text: &str) -> Result<Watermark, StoreError> {
    text.parse()
        .map(Watermark)
        .map_err(|_| StoreError::Inconsistent(format!("{text:?} is no transaction id")))
}
