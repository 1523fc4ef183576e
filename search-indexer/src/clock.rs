//! What the daemon does beside consuming: it repairs, measures, does what was asked for, and clears away what is over.

use std::time::Duration;

use jiff::Timestamp;
use process::error_chain;
use store::settings::PostgresSettings;
use tokio_util::sync::CancellationToken;

use crate::projection::Projection;
use crate::rebuild::RebuildError;
use crate::{freshness, rebuild, repair, rollback, sweep, tasks};

/// Between two clearings.
const CLEARING_PERIOD: Duration = Duration::from_secs(600);

/// Runs until stopped. One pass of the repair is spread over about `repair_pass`.
pub async fn run(
    projection: &Projection,
    postgres: &PostgresSettings,
    repair_pass: Duration,
    stop: &CancellationToken,
) {
    // Known from the start, not only after the first refusal.
    for name in
        ["search_next_refused_total", "search_previous_refused_total", "search_unreadable_products_total"]
    {
        metrics::counter!(name).increment(0);
    }
    tokio::join!(
        Box::pin(repair::run(projection, postgres, repair_pass, stop)),
        Box::pin(freshness::run(projection, stop)),
        Box::pin(clear(projection, postgres, stop)),
        do_tasks(projection, postgres, stop),
    );
}

/// Beside the consumers, not between them: a rebuild has much to compute.
async fn do_tasks(projection: &Projection, postgres: &PostgresSettings, stop: &CancellationToken) {
    let (projection, postgres, stop) = (projection.clone(), postgres.clone(), stop.clone());
    let doing = tokio::spawn(async move { tasks::run(&projection, &postgres, &stop).await });
    if let Err(error) = doing.await {
        tracing::error!(error = error_chain::text(&error), "tasks of the index are not done any more");
    }
}

async fn clear(projection: &Projection, postgres: &PostgresSettings, stop: &CancellationToken) {
    loop {
        if stop.run_until_cancelled(Box::pin(clear_once(projection, postgres))).await.is_none() {
            return;
        }
        if stop.run_until_cancelled(tokio::time::sleep(CLEARING_PERIOD)).await.is_none() {
            return;
        }
    }
}

/// What cannot be cleared now is cleared the next time.
async fn clear_once(projection: &Projection, postgres: &PostgresSettings) {
    match sweep::run(projection, Timestamp::now()).await {
        Ok(0) => {}
        Ok(documents) => tracing::info!(documents, "removed the marks of products that are gone"),
        Err(error) => {
            tracing::warn!(error = error_chain::text(&error), "marks of products that are gone stay")
        }
    }
    match rollback::retire_old(projection, postgres, Timestamp::now()).await {
        Ok(None) | Err(RebuildError::Busy(_)) => {}
        Ok(Some(index)) => tracing::info!(index, "removed the index that was in use before"),
        Err(error) => tracing::warn!(error = error_chain::text(&error), "an old index stays"),
    }
    match rebuild::abandon_old(projection, postgres, Timestamp::now()).await {
        Ok(None) | Err(RebuildError::Busy(_)) => {}
        Ok(Some(index)) => tracing::warn!(index, "removed the index that a rebuild left a day ago"),
        Err(error) => tracing::warn!(error = error_chain::text(&error), "an index that was left over stays"),
    }
}
