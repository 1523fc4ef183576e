//! How fast documents may be handled: each pays with time, and whoever is ahead of it waits.

use std::num::NonZeroU32;
use std::time::Duration;

/// Paces work that comes in pages. Times are durations since any fixed moment; pauses give no credit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// What one document costs.
    each: Duration,
    /// When everything that was handled is paid for.
    paid_at: Duration,
}

impl Pace {
    /// At most so many documents a second; `None`: as fast as it goes.
    pub fn per_second(rate: Option<NonZeroU32>) -> Self {
        Self::of(rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get()))
    }

    /// A document costs that much time.
    pub fn of(each: Duration) -> Self {
        Self { each, paid_at: Duration::ZERO }
    }

    /// The pause before the next page.
    pub fn pause(&self, now: Duration) -> Duration {
        self.paid_at.saturating_sub(now)
    }

    /// A page of that many documents, none of which is paid for yet, was begun at `began_at`.
    pub fn took(&mut self, documents: u64, began_at: Duration) {
        let documents = u32::try_from(documents).unwrap_or(u32::MAX);
        let cost = self.each.saturating_mul(documents);
        self.paid_at = self.paid_at.max(began_at).saturating_add(cost);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pace = Pace::per_second(None);
        pace.took(500, Duration::from_secs(1));
        assert_eq!(pace.pause(Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn a_page_is_paid_for_before_the_next_one() {
        let mut pace = Pace::per_second(NonZeroU32::new(100));
        assert_eq!(pace.pause(Duration::ZERO), Duration::ZERO, "the first page waits for nothing");
        pace.took(50, Duration::ZERO);
        assert_eq!(pace.pause(Duration::from_millis(200)), Duration::from_millis(300));
        // Late by a second: the time that was lost is not caught up with.
        pace.took(50, Duration::from_millis(1_500));
        assert_eq!(pace.pause(Duration::from_millis(1_500)), Duration::from_millis(500));
    }

    proptest! {
        /// From the start to the beginning of any page: no more than the rate allows, whatever the pages take.
        #[test]
        fn the_rate_is_kept(rate in 1_u32..5_000, pages in prop::collection::vec((1_u64..500, 0_u64..2_000), 1..50)) {
            let mut pace = Pace::per_second(NonZeroU32::new(rate));
            let mut now = Duration::ZERO;
            let mut documents = 0_u64;
            for (size, took_ms) in pages {
                now += pace.pause(now);
                let allowed = now.as_nanos() * u128::from(rate) / 1_000_000_000;
                // A document's cost is cut to whole nanoseconds.
                let cut = u128::from(documents) * u128::from(rate) / 1_000_000_000 + 1;
                prop_assert!(u128::from(documents) <= allowed + cut, "{documents} at {now:?}");
                pace.took(size, now);
                documents += size;
                now += Duration::from_millis(took_ms);
            }
        }
    }
}
