//! The judged queries, asked with the live tuning and with another.

use std::sync::Arc;
use std::time::Duration;

use domain::tuning::Tuning;
use domain::tuning::release::SetFigures;
use search_indexer::evaluation::comparison::Comparison;
use search_indexer::evaluation::{self, Evaluation, JudgedQuery};
use search_indexer::tuned::LiveTuning;
use store::pg::judgments;

use super::{present, request};
use crate::app_state::AppState;
use crate::problem::Problem;
use crate::turn::turn;

/// Of the random orders that tell chance: the same figures for the same answers.
const SEED: u64 = 1;
/// How long an evaluation waits for those before it.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);
/// Most queries of all sets together: each set has the same share.
const QUERY_COUNT_MAX: usize = 2_000;

/// What a set says.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) figures: SetFigures,
    pub(super) compared: Comparison,
}

impl Judged {
    /// Why the change must not go live.
    pub(super) fn harms(&self) -> impl Iterator<Item = String> {
        self.figures.harms().into_iter().map(|harm| harm.detail(&self.figures))
    }
}

/// Every set that the shop keeps, before and after, with every rule in force that has not ended: what begins tomorrow
/// is judged today.
pub(super) async fn compare(state: &AppState, before: Tuning, after: Tuning) -> Result<Vec<Judged>, Problem> {
    let _turn = turn(&state.evaluations, TURN_TIMEOUT, "other evaluations are under way").await?;
    let at = present();
    let [before, after] = [before, after].map(|tuning| LiveTuning::in_full(tuning, at));
    let mut judged = Vec::new();
    // From the primary: a gate that misses what was judged a moment ago lets harm through.
    let names = judgments::sets(&**state.pools.write().await?).await?;
    for set in &names {
        let judgments = judgments::of_set(&**state.pools.write().await?, set).await?;
        let mut queries = JudgedQuery::of(&judgments);
        queries.truncate(QUERY_COUNT_MAX / names.len());
        let [before, after] =
            [evaluate(state, &queries, &before).await?, evaluate(state, &queries, &after).await?];
        judged.push(of_set(set.clone(), &before, &after));
    }
    Ok(judged)
}

async fn evaluate(
    state: &AppState,
    queries: &[JudgedQuery],
    tuning: &LiveTuning,
) -> Result<Evaluation, Problem> {
    let at = present();
    Ok(evaluation::run(&state.search, queries, |said| request(state, said, tuning, at))
        .await
        .map_err(Arc::new)?)
}

fn of_set(set: String, before: &Evaluation, after: &Evaluation) -> Judged {
    let compared = Comparison::of(before, after, SEED);
    let figures = SetFigures {
        set,
        queries: after.summary.queries,
        ndcg_before: before.summary.ndcg,
        ndcg_after: after.summary.ndcg,
        p_value: compared.p_value,
        zero_results_before: before.summary.zero_result_rate,
        zero_results_after: after.summary.zero_result_rate,
    };
    Judged { figures, compared }
}
