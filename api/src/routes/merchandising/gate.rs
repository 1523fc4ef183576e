//! The gate that a draft passes before shoppers are answered by it: in a release, or in an experiment.

use domain::tuning::draft::Draft;
use domain::tuning::release::{Release, SetFigures};
use store::pg::transaction::Transaction;
use store::pg::{experiments, search_tuning};

use super::judged::{self, Judged};
use super::present;
use crate::app_state::AppState;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::routes::experiments::check_none_runs;

/// What is known of a draft that has passed.
#[derive(Debug)]
pub(in crate::routes) struct Passed {
    /// The release that it was compared with; 0: of before the first.
    pub(in crate::routes) live: i64,
    /// What the judged queries said.
    pub(in crate::routes) evaluation: Vec<SetFigures>,
    /// Why it passed although they said no; a reason that was not needed is none.
    pub(in crate::routes) override_reason: Option<String>,
}

/// Asks the judged queries, which takes seconds. See [`still_open`].
pub(in crate::routes) async fn pass(
    state: &AppState,
    draft: &Draft,
    override_reason: Option<String>,
) -> Result<Passed, Problem> {
    draft.tuning.check(present(), &draft.tuning.rules).map_err(Problem::invalid_fields)?;
    let client = state.pools.write().await?;
    check_none_runs(experiments::running_id(&**client).await?)?;
    let live = search_tuning::live(&**client).await?;
    drop(client);
    let (number, tuning) = live.map(|live| (live.number, live.tuning)).unwrap_or_default();
    check_base(draft, number)?;
    let judged = judged::compare(state, tuning, draft.tuning.clone()).await?;
    let harms: Vec<String> = judged.iter().flat_map(Judged::harms).collect();
    if !harms.is_empty() && override_reason.is_none() {
        return Err(Problem::new(ErrorCode::SearchGetsWorse, harms.join("; ")));
    }
    Ok(Passed {
        live: number,
        evaluation: judged.into_iter().map(|judged| judged.figures).collect(),
        override_reason: override_reason.filter(|_| !harms.is_empty()),
    })
}

/// Whether what the gate has seen still holds; until the transaction ends nobody changes it.
pub(in crate::routes) async fn still_open(
    transaction: &Transaction<'_>,
    draft: &Draft,
) -> Result<(), Problem> {
    let newest = search_tuning::lock_newest(transaction).await?;
    check_waiting(newest.as_ref())?;
    check_none_runs(experiments::running_id(transaction).await?)?;
    check_base(draft, newest.map_or(0, |newest| newest.number))
}

/// What waits for its time was judged against what is live now.
fn check_waiting(newest: Option<&Release>) -> Result<(), Problem> {
    let Some(release) = newest.filter(|newest| newest.waits(present())) else { return Ok(()) };
    let at = release.live_from.map(|at| at.to_string()).unwrap_or_default();
    let detail = format!("release {} goes live at {at}: wait for it, or go back from it", release.number);
    Err(Problem::new(ErrorCode::ReleaseWaits, detail))
}

/// What went live meanwhile would be undone by who never saw it.
fn check_base(draft: &Draft, live: i64) -> Result<(), Problem> {
    if draft.base_release == live {
        return Ok(());
    }
    let detail = format!(
        "it began from release {}, and {live} is live: take over what is wanted of it, and set base_release to {live}",
        draft.base_release
    );
    Err(Problem::new(ErrorCode::DraftOutdated, detail))
}
