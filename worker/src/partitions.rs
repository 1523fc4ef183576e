//! Keeps monthly partitions ahead of the clock, so that no write ever meets a missing one.

use std::time::Duration;

use jiff::Timestamp;
use process::error_chain;
use store::error::StoreError;
use store::pg::partitions::ensure_ahead;
use store::pg::pool::PgPools;
use tokio_util::sync::CancellationToken;

/// Months that are always ahead.
pub const MONTHS_AHEAD: i32 = 3;
const PERIOD: Duration = Duration::from_secs(3_600);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Runs the job at start and every hour, sooner after a failure, until the program stops.
pub async fn run(pools: &PgPools, stop: &CancellationToken) {
    loop {
        let pause = match ensure(pools, Timestamp::now()).await {
            Ok(made) => {
                tracing::info!(partitions.made = made, "partitions are ahead");
                PERIOD
            }
            Err(error) => {
                tracing::warn!(error = error_chain::text(&error), "partitions could not be made yet");
                PAUSE_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Makes what is missing from the month of `now` on. Returns how many partitions were made.
pub async fn ensure(pools: &PgPools, now: Timestamp) -> Result<i32, StoreError> {
    let made = ensure_ahead(&**pools.write().await?, now, MONTHS_AHEAD).await;
    let label = if made.is_ok() { "done" } else { "failed" };
    metrics::counter!("worker_jobs_total", "job" => "partitions", "result" => label).increment(1);
    made
}
