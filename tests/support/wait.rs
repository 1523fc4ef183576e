//! Waiting with a deadline for what becomes true later.

use std::time::{Duration, Instant};

/// Asks every 20 ms until there is an answer; panics with `what` after the deadline.
pub async fn until<T>(what: &str, deadline: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < deadline, "{what}: not within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
