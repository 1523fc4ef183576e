//! How well a ranking answers a judged query.
//!
//! Gains are linear: a product of gain 1 counts twice as much as one of 0.5, and one that nobody judged counts nothing.

use std::collections::HashMap;

use domain::ids::ProductId;
use serde::Serialize;

/// Ranks that nDCG looks at.
pub const NDCG_DEPTH: usize = 10;
/// Ranks that recall looks at, and so the hits that are asked for.
pub const RECALL_DEPTH: usize = 100;

/// Gains of the products judged for one query: 0 is no answer; the best there is need not be 1.
pub type Gains = HashMap<ProductId, f64>;

/// The figures of one query, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// Discounted cumulative gain of the first [`NDCG_DEPTH`] hits over that of the best order of what is judged.
    pub ndcg: f64,
    /// 1 over the rank of the first hit with a gain, among the first [`RECALL_DEPTH`].
    pub reciprocal_rank: f64,
    /// Share of the products with a gain that are among the first [`RECALL_DEPTH`] hits.
    pub recall: f64,
    /// Whether nothing was found at all.
    pub is_empty: bool,
}

/// Means over queries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Queries that were scored.
    pub queries: usize,
    /// Mean of [`Scores::ndcg`].
    pub ndcg: f64,
    /// Mean of [`Scores::reciprocal_rank`].
    pub mrr: f64,
    /// Mean of [`Scores::recall`].
    pub recall: f64,
    /// Share of queries that found nothing.
    pub zero_result_rate: f64,
}

impl Scores {
    /// The figures of a ranking, best hit first. `None` when no product has a gain: there is nothing to find then.
    pub fn of(ranking: &[ProductId], gains: &Gains) -> Option<Self> {
        let mut best: Vec<f64> = gains.values().copied().filter(|gain| *gain > 0.0).collect();
        best.sort_by(|left, right| right.total_cmp(left));
        if best.is_empty() {
            return None;
        }
        let gain = |id: &ProductId| gains.get(id).copied().unwrap_or(0.0);
        let seen = &ranking[..ranking.len().min(RECALL_DEPTH)];
        let first = seen.iter().position(|id| gain(id) > 0.0);
        let found = seen.iter().filter(|id| gain(id) > 0.0).count();
        Some(Self {
            ndcg: discounted(ranking.iter().map(gain)) / discounted(best.iter().copied()),
            reciprocal_rank: first.map_or(0.0, |rank| 1.0 / float(rank + 1)),
            recall: float(found) / float(best.len()),
            is_empty: ranking.is_empty(),
        })
    }
}

impl Summary {
    /// The means; all 0 without a query.
    pub fn of(scores: &[Scores]) -> Self {
        let mean = |figure: fn(&Scores) -> f64| mean(scores.iter().map(figure));
        Self {
            queries: scores.len(),
            ndcg: mean(|scores| scores.ndcg),
            mrr: mean(|scores| scores.reciprocal_rank),
            recall: mean(|scores| scores.recall),
            zero_result_rate: mean(|scores| f64::from(u8::from(scores.is_empty))),
        }
    }
}

/// The mean; 0 of nothing.
pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    if count == 0 { 0.0 } else { values.sum::<f64>() / float(count) }
}

fn discounted(gains: impl Iterator<Item = f64>) -> f64 {
    let discount = |(rank, gain): (usize, f64)| gain / float(rank + 2).log2();
    // An empty sum is -0.
    0.0 + gains.take(NDCG_DEPTH).enumerate().map(discount).sum::<f64>()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of hits and queries are small")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> ProductId {
        ProductId::new(Timestamp::UNIX_EPOCH, [number; 10])
    }

    fn gains(gains: &[(u8, f64)]) -> Gains {
        gains.iter().map(|(number, gain)| (id(*number), *gain)).collect()
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-12
    }

    #[test]
    fn figures_are_those_of_the_formulas() {
        let judged = gains(&[(1, 1.0), (2, 0.5), (3, 0.0), (4, 0.25)]);
        // Ranks 1 to 3: nothing judged, 0.5, 1.
        let scores = Scores::of(&[id(9), id(2), id(1)], &judged).expect("judged");
        let dcg = 0.5 / 3_f64.log2() + 1.0 / 4_f64.log2();
        let ideal = 1.0 + 0.5 / 3_f64.log2() + 0.25 / 4_f64.log2();
        assert!(close(scores.ndcg, dcg / ideal));
        assert!(close(scores.reciprocal_rank, 0.5));
        assert!(close(scores.recall, 2.0 / 3.0));
        assert!(!scores.is_empty);
    }

    #[test]
    fn nothing_found_and_nothing_to_find_differ() {
        let none = Scores::of(&[], &gains(&[(1, 1.0)])).expect("judged");
        assert_eq!(none, Scores { ndcg: 0.0, reciprocal_rank: 0.0, recall: 0.0, is_empty: true });
        assert!(none.ndcg.is_sign_positive());
        assert_eq!(Scores::of(&[id(1)], &gains(&[(1, 0.0)])), None);
    }

    #[test]
    fn only_the_first_ranks_count() {
        let judged = gains(&[(1, 1.0)]);
        let behind = |others: usize| {
            let mut ranking = vec![id(9); others];
            ranking.push(id(1));
            Scores::of(&ranking, &judged).expect("judged")
        };
        assert!(behind(NDCG_DEPTH - 1).ndcg > 0.0 && close(behind(NDCG_DEPTH).ndcg, 0.0));
        assert!(close(behind(RECALL_DEPTH - 1).recall, 1.0) && close(behind(RECALL_DEPTH).recall, 0.0));
        assert!(close(behind(RECALL_DEPTH).reciprocal_rank, 0.0));
    }

    #[test]
    fn a_summary_is_the_mean() {
        let one = Scores { ndcg: 1.0, reciprocal_rank: 0.5, recall: 0.25, is_empty: false };
        let none = Scores { ndcg: 0.0, reciprocal_rank: 0.0, recall: 0.0, is_empty: true };
        let summary = Summary::of(&[one, none]);
        let means = Summary { queries: 2, ndcg: 0.5, mrr: 0.25, recall: 0.125, zero_result_rate: 0.5 };
        assert_eq!(summary, means);
        assert_eq!(Summary::of(&[]), Summary::default());
    }

    proptest! {
        #[test]
        fn the_best_order_scores_one_and_no_order_more(
            mut judged in prop::collection::vec(0_u8..=6, 1..30),
            order in any::<prop::sample::Index>(),
        ) {
            judged[0] = judged[0].max(1);
            let gains: Gains = (0..).zip(&judged).map(|(at, gain)| (id(at), f64::from(*gain) / 6.0)).collect();
            let mut ranking: Vec<_> = gains.keys().copied().collect();
            ranking.sort();
            ranking.rotate_left(order.index(judged.len()));
            let scores = Scores::of(&ranking, &gains).expect("judged");
            prop_assert!((0.0..=1.0 + 1e-12).contains(&scores.ndcg));
            ranking.sort_by(|left, right| gains[right].total_cmp(&gains[left]));
            let best = Scores::of(&ranking, &gains).expect("judged");
            prop_assert!(close(best.ndcg, 1.0) && close(best.reciprocal_rank, 1.0));
        }
    }
}
