//! A rest after a miss: an index that did not answer in time is left alone for a while.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long it is left alone.
const LENGTH: Duration = Duration::from_secs(60);

/// Whether it is left alone now.
#[derive(Debug)]
pub(crate) struct Rest {
    since: Instant,
    /// Milliseconds after `since`.
    until_ms: AtomicU64,
}

impl Rest {
    /// There was no miss yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, until_ms: AtomicU64::new(0) }
    }

    /// A miss: a minute begins.
    pub(crate) fn begin(&self, now: Instant) {
        self.until_ms.store(self.milliseconds(now + LENGTH), Ordering::Relaxed);
    }

    /// Whether the minute of the last miss lasts.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        self.milliseconds(now) < self.until_ms.load(Ordering::Relaxed)
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_lasts_a_minute_after_the_last_miss() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let rest = Rest::new(start);
        assert!(!rest.is_on(start));
        rest.begin(at(10));
        assert!(rest.is_on(at(10)) && rest.is_on(at(69)));
        assert!(!rest.is_on(at(70)));
        rest.begin(at(100));
        assert!(rest.is_on(at(159)) && !rest.is_on(at(160)));
    }
}
