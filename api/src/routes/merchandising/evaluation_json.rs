//! What the judged queries say of a change, as clients see it.

use domain::tuning::release::SetFigures;
use search_indexer::evaluation::comparison::{Comparison, QueryChange};
use serde::Serialize;
use utoipa::ToSchema;

/// How a set of judged queries is answered before and after a change; each figure 0 to 1.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgedSetFigures)]
pub struct SetFiguresJson {
    /// The set's name.
    set: String,
    /// Queries of it.
    queries: usize,
    /// Mean nDCG@10 before.
    ndcg_before: f64,
    /// Mean nDCG@10 after.
    ndcg_after: f64,
    /// The chance of such a difference between rankings that are equally good.
    p_value: f64,
    /// Share of queries that find nothing, before.
    zero_results_before: f64,
    /// Share of queries that find nothing, after.
    zero_results_after: f64,
}

/// What the judged queries say of a draft.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DraftEvaluation)]
pub struct EvaluationJson {
    /// Each set of judgments.
    pub data: Vec<SetEvaluationJson>,
    /// Why it would not be published; empty when it would.
    pub harms: Vec<String>,
}

/// What one set says.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgedSetEvaluation)]
pub struct SetEvaluationJson {
    #[serde(flatten)]
    figures: SetFiguresJson,
    /// Queries with a higher nDCG.
    better: usize,
    /// Queries with a lower one.
    worse: usize,
    /// Queries with the same.
    equal: usize,
    /// Those that change most, the greatest loss first; at most 20.
    changes: Vec<QueryChangeJson>,
}

/// A query that is answered otherwise.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JudgedQueryChange)]
pub struct QueryChangeJson {
    /// What is searched for.
    query: String,
    /// Its nDCG@10 before.
    ndcg_before: f64,
    /// Its nDCG@10 after.
    ndcg_after: f64,
}

impl From<SetFigures> for SetFiguresJson {
    fn from(figures: SetFigures) -> Self {
        Self {
            set: figures.set,
            queries: figures.queries,
            ndcg_before: figures.ndcg_before,
            ndcg_after: figures.ndcg_after,
            p_value: figures.p_value,
            zero_results_before: figures.zero_results_before,
            zero_results_after: figures.zero_results_after,
        }
    }
}

impl SetEvaluationJson {
    pub(super) fn new(figures: SetFigures, compared: Comparison) -> Self {
        let change = |QueryChange { query, before, after }| QueryChangeJson {
            query,
            ndcg_before: before,
            ndcg_after: after,
        };
        let Comparison { better, worse, equal, named, .. } = compared;
        Self {
            figures: figures.into(),
            better,
            worse,
            equal,
            changes: named.into_iter().map(change).collect(),
        }
    }
}
