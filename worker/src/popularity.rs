//! Counts once a day what was sold lately, so that search can put first what people buy.

use std::time::Duration;

use jiff::Timestamp;
use store::error::StoreError;
use store::pg::transaction::run_direct;
use store::pg::{direct, popularity};
use store::settings::PostgresSettings;

/// Between two counts.
pub const PERIOD: Duration = Duration::from_secs(24 * 3_600);

/// Counts the 30 days before `now`, past the pools: it may take longer than a request's statement may. Returns how many
/// products sold something.
pub async fn count(settings: &PostgresSettings, now: Timestamp) -> Result<usize, StoreError> {
    let mut client = direct::primary(settings).await?;
    let counted = run_direct(&mut client, "count_popularity", async |transaction| {
        popularity::count(transaction, now).await
    });
    Ok(usize::try_from(counted.await?).unwrap_or(usize::MAX))
}
