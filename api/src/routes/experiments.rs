//! Experiments with the tuning of the search.

use domain::ids::{DraftId, ExperimentId};
use store::pg::experiments;
use store::pg::transaction::Transaction;

use crate::error_code::ErrorCode;
use crate::problem::Problem;

pub mod experiment_json;
pub mod get_experiment;
pub mod list_experiments;
pub mod start_experiment;
pub mod stop_experiment;

/// What shoppers do with two tunings tells nothing while there is a third.
pub(super) fn check_none_runs(running: Option<ExperimentId>) -> Result<(), Problem> {
    match running {
        None => Ok(()),
        Some(id) => {
            let detail = format!("experiment {id} runs: wait for its end, or end it");
            Err(Problem::new(ErrorCode::ExperimentRuns, detail))
        }
    }
}

/// What is published in the end is what was tried: until then the draft stays as it is. Asked after the draft was
/// changed, so that an experiment that begins in the same moment is seen.
pub(super) async fn check_not_tried(transaction: &Transaction<'_>, draft: DraftId) -> Result<(), Problem> {
    if experiments::running_draft(transaction).await? != Some(draft) {
        return Ok(());
    }
    let detail = "the draft is tried: wait for the end of its experiment, or end it";
    Err(Problem::new(ErrorCode::ExperimentRuns, detail))
}
