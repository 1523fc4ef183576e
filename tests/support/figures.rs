//! Figures of many measurements.

use std::time::Duration;

/// Sorted durations.
#[derive(Debug, Clone)]
pub struct Figures(Vec<Duration>);

impl Figures {
    /// Of at least one measurement.
    pub fn new(mut measured: Vec<Duration>) -> Self {
        assert!(!measured.is_empty(), "something was measured");
        measured.sort_unstable();
        Self(measured)
    }

    /// The smallest value that at least `percent` of all are not above (nearest rank).
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    /// One line: count, p50, p95, p99 and the greatest, in milliseconds.
    pub fn line(&self) -> String {
        let ms = |percent| self.percentile(percent).as_millis();
        format!("n={} p50={} ms p95={} ms p99={} ms max={} ms", self.0.len(), ms(50), ms(95), ms(99), ms(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let figures = Figures::new((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(figures.percentile(50).as_millis(), 100);
        assert_eq!(figures.percentile(99).as_millis(), 198);
        assert_eq!(figures.percentile(100).as_millis(), 200);
        assert_eq!(Figures::new(vec![Duration::from_millis(7)]).percentile(1).as_millis(), 7);
    }
}
