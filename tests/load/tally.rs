//! What was counted and timed: one histogram of microseconds and the statuses.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::connection::{Answer, AskError};

/// Longest latency that is told apart; a longer one counts as this.
const LATENCY_US_MAX: u64 = 60_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Points of the curve in reports.
const CURVE: [f64; 14] =
    [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

/// The answers of a phase.
#[derive(Debug, Clone)]
pub struct Tally {
    latencies: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    broken: u64,
    body_bytes: u64,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Latency {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95 of 100 are not above.
    pub p95: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
    /// The greatest.
    pub max: f64,
    /// Percentile and milliseconds, rising.
    pub curve: Vec<(f64, f64)>,
}

impl Default for Tally {
    fn default() -> Self {
        let latencies =
            Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS).expect("valid bounds");
        Self { latencies, statuses: BTreeMap::new(), broken: 0, body_bytes: 0 }
    }
}

impl Tally {
    /// Adds an answer that came that long after its request was due.
    pub fn add(&mut self, answered: &Result<Answer, AskError>, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(latency_us);
        match answered {
            Ok(answer) => {
                *self.statuses.entry(answer.status).or_default() += 1;
                self.body_bytes += u64::try_from(answer.body_bytes).unwrap_or(u64::MAX);
            }
            Err(_) => self.broken += 1,
        }
    }

    /// Adds what another connection counted.
    pub fn merge(&mut self, other: &Self) {
        self.latencies.add(&other.latencies).expect("the same bounds");
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.broken += other.broken;
        self.body_bytes += other.body_bytes;
    }

    /// Requests that were sent.
    pub fn requests(&self) -> u64 {
        self.latencies.len()
    }

    /// Broken connections, and every status but 2xx and 304.
    pub fn errors(&self) -> u64 {
        let refused = self.statuses.iter().filter(|(status, _)| !matches!(status, 200..=299 | 304));
        self.broken + refused.map(|(_, count)| count).sum::<u64>()
    }

    /// Answers by status.
    pub fn statuses(&self) -> &BTreeMap<u16, u64> {
        &self.statuses
    }

    /// Bytes of all bodies.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The figures.
    pub fn latency(&self) -> Latency {
        let ms = |us: u64| Duration::from_micros(us).as_secs_f64() * 1_000.0;
        let at = |percentile: f64| ms(self.latencies.value_at_percentile(percentile));
        Latency {
            mean: self.latencies.mean() / 1_000.0,
            p50: at(50.0),
            p95: at(95.0),
            p99: at(99.0),
            max: ms(self.latencies.max()),
            curve: CURVE.map(|percentile| (percentile, at(percentile))).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_success_is_an_error() {
        let mut tally = Tally::default();
        for status in [200, 304, 404, 429, 503] {
            tally.add(&Ok(Answer { status, body_bytes: 10 }), Duration::from_millis(1));
        }
        tally.add(&Err(AskError::Length), Duration::from_millis(1));
        let mut sum = Tally::default();
        sum.merge(&tally);
        assert_eq!((sum.requests(), sum.errors(), sum.body_bytes()), (6, 4, 50));
    }
}
