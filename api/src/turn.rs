//! Work that only so many requests do at a time: the others wait, but not for ever.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::problem::Problem;

/// Waits for a turn; after `timeout` the answer is 503 with `busy` as its reason.
pub async fn turn<'a>(
    turns: &'a Semaphore,
    timeout: Duration,
    busy: &'static str,
) -> Result<SemaphorePermit<'a>, Problem> {
    let turn = tokio::time::timeout(timeout, turns.acquire()).await;
    turn.ok().and_then(Result::ok).ok_or_else(|| Problem::unavailable(busy))
}
