//! A tuning that went live, and what the judged queries said of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Tuning;
use crate::ids::DraftId;

/// How far nDCG may fall, as a share of what it was.
const NDCG_FALL_MAX: f64 = 0.01;
/// Sums of many small numbers differ in their last digits.
const ROUNDING: f64 = 1e-9;

/// Most days that a release may wait for its time.
pub const WAIT_DAYS_MAX: i64 = 366;

/// A release. The one with the highest number whose time has come is live.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// From 1, without a gap.
    pub number: i64,
    /// What it sets.
    pub tuning: Tuning,
    /// What it is for.
    pub note: String,
    /// The draft that it was.
    pub draft_id: Option<DraftId>,
    /// The release whose tuning it has again; 0: of before the first.
    pub restores: Option<i64>,
    /// What the judged queries said, by set.
    pub evaluation: Vec<SetFigures>,
    /// Why it went live although they said no.
    pub override_reason: Option<String>,
    /// Who published it.
    pub published_by: String,
    /// When.
    pub published_at: Timestamp,
    /// From when on it is live; `None`: at once.
    pub live_from: Option<Timestamp>,
}

impl Release {
    /// Whether its time has not come.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.live_from.is_some_and(|live_from| live_from > now)
    }
}

/// How a set of judged queries is answered before and after a change; each figure 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetFigures {
    /// The set's name.
    pub set: String,
    /// Queries of it.
    pub queries: usize,
    /// Mean nDCG@10 before.
    pub ndcg_before: f64,
    /// Mean nDCG@10 after.
    pub ndcg_after: f64,
    /// The chance of such a difference between rankings that are equally good.
    pub p_value: f64,
    /// Share of queries that find nothing, before.
    pub zero_results_before: f64,
    /// Share of queries that find nothing, after.
    pub zero_results_after: f64,
}

/// Why a change must not go live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// nDCG@10 falls by more than a hundredth of what it is.
    Ndcg,
    /// More queries find nothing.
    ZeroResults,
}

impl SetFigures {
    /// What the change would harm.
    pub fn harms(&self) -> Vec<Harm> {
        let mut harms = Vec::new();
        if self.ndcg_after + ROUNDING < self.ndcg_before * (1.0 - NDCG_FALL_MAX) {
            harms.push(Harm::Ndcg);
        }
        if self.zero_results_after > self.zero_results_before + ROUNDING {
            harms.push(Harm::ZeroResults);
        }
        harms
    }
}

impl Harm {
    /// A sentence for a person.
    pub fn detail(self, figures: &SetFigures) -> String {
        let SetFigures { set, ndcg_before, ndcg_after, zero_results_before, zero_results_after, .. } =
            figures;
        match self {
            Self::Ndcg => format!("nDCG@10 on {set} falls from {ndcg_before:.4} to {ndcg_after:.4}"),
            Self::ZeroResults => {
                let percent = |share: &f64| share * 100.0;
                let (before, after) = (percent(zero_results_before), percent(zero_results_after));
                format!("{after:.1} % of the queries of {set} find nothing, before it was {before:.1} %")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harms(ndcg: (f64, f64), zero_results: (f64, f64)) -> Vec<Harm> {
        let figures = SetFigures {
            set: "demo".to_owned(),
            queries: 200,
            ndcg_before: ndcg.0,
            ndcg_after: ndcg.1,
            p_value: 0.5,
            zero_results_before: zero_results.0,
            zero_results_after: zero_results.1,
        };
        figures.harms()
    }

    #[test]
    fn a_fall_of_more_than_a_hundredth_is_harm() {
        assert_eq!(harms((0.8, 0.792), (0.0, 0.0)), []);
        assert_eq!(harms((0.8, 0.7919), (0.0, 0.0)), [Harm::Ndcg]);
        assert_eq!(harms((0.8, 0.9), (0.1, 0.1)), []);
        assert_eq!(harms((0.0, 0.0), (1.0, 1.0)), []);
    }

    #[test]
    fn one_more_query_without_a_hit_is_harm() {
        assert_eq!(harms((0.8, 0.8), (0.01, 0.015)), [Harm::ZeroResults]);
        assert_eq!(harms((0.8, 0.5), (0.0, 0.005)), [Harm::Ndcg, Harm::ZeroResults]);
        assert_eq!(harms((0.8, 0.8), (0.02, 0.0)), []);
    }
}
