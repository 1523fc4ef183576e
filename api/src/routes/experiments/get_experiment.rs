//! `GET /merchandising/experiments/{id}`

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use domain::experiment::Experiment;
use store::pg::experiments;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::problem::{Problem, ReadProblems};
use crate::routes::experiments::experiment_json::ExperimentJson;

/// One experiment, with what shoppers did as of the last count.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/experiments/{id}",
    tag = "merchandising",
    params(("id" = String, Path, description = "Id")),
    responses((status = 200, description = "The experiment", body = ExperimentJson), ReadProblems),
    security(("bearer" = [])),
)]
pub async fn get_experiment(
    _: Authorized<TuneSearch>,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::not_found("experiment");
    let id = id.parse().map_err(|_| not_found())?;
    // From the primary: staff read what they have just begun.
    let found = experiments::find(&**state.pools.write().await?, id).await?;
    found.map(shown).ok_or_else(not_found)
}

/// The answer with an experiment.
pub(super) fn shown(experiment: Experiment) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(ExperimentJson::from(experiment))
}
