//! Longer and longer pauses while something is away.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The next pause.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// Waits, longer each time, up to a cap. `false`: the program is to stop.
    pub async fn pause(&mut self, stop: &CancellationToken) -> bool {
        // Half of it by chance: programs that lost the same server do not come back in step.
        let pause = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (self.next * 2).min(LONGEST);
        tokio::select! {
            () = stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// The last try went well.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_ends_the_pause_and_pauses_are_capped() {
        let stop = CancellationToken::new();
        stop.cancel();
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            assert!(!backoff.pause(&stop).await);
        }
        assert_eq!(backoff.next, LONGEST);
        backoff.reset();
        assert_eq!(backoff.next, FIRST);
    }
}
