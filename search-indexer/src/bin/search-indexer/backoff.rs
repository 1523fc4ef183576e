//! Longer and longer pauses while something is away.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The next pause; begins anew after a success.
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    pub fn new() -> Self {
        Self { next: FIRST }
    }

    /// Waits. `false`: the program is to stop.
    pub async fn pause(&mut self, stop: &CancellationToken) -> bool {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_ends_the_pause_and_pauses_are_capped() {
        let stop = CancellationToken::new();
        stop.cancel();
        let mut backoff = Backoff::new();
        for _ in 0..10 {
            assert!(!backoff.pause(&stop).await);
        }
        assert_eq!(backoff.next, LONGEST);
    }
}
