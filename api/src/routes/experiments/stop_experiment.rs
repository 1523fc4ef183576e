//! `POST /merchandising/experiments/{id}/stop`

use actix_web::{HttpResponse, web};
use domain::experiment::{End, Outcome};
use domain::ids::ExperimentId;
use store::pg::transaction::Transaction;
use store::pg::{experiments, search_tuning, transaction};

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::present::present;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::experiments::experiment_json::ExperimentJson;
use crate::routes::experiments::get_experiment::shown;

/// Ends an experiment: every search is answered with what is live again. One that has ended stays as it ended.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/experiments/{id}/stop",
    tag = "merchandising",
    params(("id" = String, Path, description = "Id")),
    responses(
        (status = 200, description = "The experiment; it has ended", body = ExperimentJson),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn stop_experiment(
    caller: Authorized<TuneSearch>,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("experiment");
    let id = id.parse().map_err(|_| not_found())?;
    let actor = caller.actor();
    let experiment = transaction::run(&state.pools, "stop_experiment", async |transaction| {
        search_tuning::lock_newest(transaction).await?;
        stop(transaction, id, &actor).await?;
        experiments::find(transaction, id).await?.ok_or_else(not_found)
    })
    .await?;
    state.experiment.end(id);
    Ok(shown(experiment))
}

/// Ends an experiment, unless it has ended.
pub(in crate::routes) async fn stop(
    transaction: &Transaction<'_>,
    id: ExperimentId,
    by: &str,
) -> Result<(), Problem> {
    let end = End { at: present(), by: by.to_owned(), outcome: Outcome::Stopped };
    experiments::end(transaction, id, &end).await?;
    Ok(())
}
