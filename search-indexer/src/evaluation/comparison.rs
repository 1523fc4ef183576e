//! What changed between two evaluations of the same queries.

use serde::Serialize;

use super::scores::mean;
use super::significance::p_value;
use super::{Evaluation, QueryScores};

/// Queries that are named as gained or lost.
const NAMED_MAX: usize = 20;
/// A difference in nDCG that is worth naming.
const NAMED_FROM: f64 = 0.005;

/// Before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Mean difference in nDCG, after less before.
    pub ndcg_change: f64,
    /// That over the mean before; 0 when that is 0.
    pub ndcg_relative_change: f64,
    /// The chance of such a difference between rankings that are equally good: see [`super::significance`].
    pub p_value: f64,
    /// Queries whose nDCG is higher, lower and as before.
    pub better: usize,
    /// Lower.
    pub worse: usize,
    /// The same.
    pub equal: usize,
    /// Those that changed most, the greatest loss first.
    pub named: Vec<QueryChange>,
}

/// A query that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryChange {
    /// What was searched for.
    pub query: String,
    /// Its nDCG before.
    pub before: f64,
    /// Its nDCG after.
    pub after: f64,
}

impl Comparison {
    /// Compares by query; a query that only one of the two has is left out.
    pub fn of(before: &Evaluation, after: &Evaluation, seed: u64) -> Self {
        let changes: Vec<_> = paired(before, after);
        let differences: Vec<f64> = changes.iter().map(QueryChange::difference).collect();
        let count = |is: fn(f64) -> bool| differences.iter().filter(|difference| is(**difference)).count();
        let ndcg_change = mean(differences.iter().copied());
        let mean_before = mean(changes.iter().map(|change| change.before));
        Self {
            ndcg_change,
            ndcg_relative_change: if mean_before > 0.0 { ndcg_change / mean_before } else { 0.0 },
            p_value: p_value(&differences, seed),
            better: count(|difference| difference > 0.0),
            worse: count(|difference| difference < 0.0),
            equal: count(|difference| difference == 0.0),
            named: named(changes),
        }
    }
}

impl QueryChange {
    /// After less before.
    pub fn difference(&self) -> f64 {
        self.after - self.before
    }
}

fn paired(before: &Evaluation, after: &Evaluation) -> Vec<QueryChange> {
    let earlier: std::collections::HashMap<&str, &QueryScores> =
        before.queries.iter().map(|scored| (scored.query.as_str(), scored)).collect();
    let change = |scored: &QueryScores| {
        let before = earlier.get(scored.query.as_str())?.scores.ndcg;
        Some(QueryChange { query: scored.query.clone(), before, after: scored.scores.ndcg })
    };
    after.queries.iter().filter_map(change).collect()
}

fn named(mut changes: Vec<QueryChange>) -> Vec<QueryChange> {
    changes.retain(|change| change.difference().abs() >= NAMED_FROM);
    changes.sort_by(|left, right| right.difference().abs().total_cmp(&left.difference().abs()));
    changes.truncate(NAMED_MAX);
    changes.sort_by(|left, right| left.difference().total_cmp(&right.difference()));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::scores::Scores;

    fn evaluation(ndcg: &[(&str, f64)]) -> Evaluation {
        let scored = |(query, ndcg): &(&str, f64)| QueryScores {
            query: (*query).to_owned(),
            scores: Scores { ndcg: *ndcg, reciprocal_rank: 1.0, recall: 1.0, is_empty: false },
        };
        Evaluation::of(ndcg.iter().map(scored).collect())
    }

    #[test]
    fn queries_are_compared_one_by_one() {
        let before = evaluation(&[("a", 0.5), ("b", 0.5), ("c", 0.5), ("gone", 1.0)]);
        let after = evaluation(&[("new", 0.0), ("c", 0.5), ("b", 0.25), ("a", 1.0)]);
        let compared = Comparison::of(&before, &after, 1);
        assert_eq!((compared.better, compared.worse, compared.equal), (1, 1, 1));
        assert!((compared.ndcg_change - 0.25 / 3.0).abs() < 1e-12);
        assert!((compared.ndcg_relative_change - 0.25 / 1.5).abs() < 1e-12);
        let named: Vec<_> = compared.named.iter().map(|change| change.query.as_str()).collect();
        assert_eq!(named, ["b", "a"], "the greatest loss first");
    }

    #[test]
    fn an_empty_comparison_is_no_change() {
        let compared = Comparison::of(&evaluation(&[]), &evaluation(&[]), 1);
        assert!(compared.ndcg_change == 0.0 && compared.named.is_empty());
        assert!((compared.p_value - 1.0).abs() < f64::EPSILON);
    }
}
