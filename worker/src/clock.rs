//! Runs a job at start and then once a period, sooner after a failure.

use std::time::Duration;

use process::error_chain;
use store::error::StoreError;
use tokio_util::sync::CancellationToken;

const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Runs `job` until the program stops. It gives back what it did, as a number for the log.
pub async fn every(
    period: Duration,
    name: &'static str,
    stop: &CancellationToken,
    job: impl AsyncFn() -> Result<usize, StoreError>,
) {
    loop {
        let (pause, result) = match job().await {
            Ok(rows) => {
                if rows > 0 {
                    tracing::info!(job = name, rows, "a job is done");
                }
                (period, "done")
            }
            Err(error) => {
                tracing::warn!(job = name, error = error_chain::text(&error), "a job could not be done yet");
                (PAUSE_AFTER_FAILURE, "failed")
            }
        };
        metrics::counter!("worker_jobs_total", "name" => name, "result" => result).increment(1);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
