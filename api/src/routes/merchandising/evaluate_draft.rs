//! `POST /merchandising/drafts/{id}/evaluation`

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::merchandising::evaluation_json::{EvaluationJson, SetEvaluationJson};
use crate::routes::merchandising::get_draft::find;
use crate::routes::merchandising::judged::{self, Judged};
use actix_web::{HttpResponse, web};

/// Asks the judged queries with what is live and with the draft, as if every rule were in force that has not ended.
/// Nothing goes live.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/drafts/{id}/evaluation",
    tag = "merchandising",
    params(("id" = String, Path, description = "Id")),
    responses(
        (status = 200, description = "What each set of judgments says", body = EvaluationJson),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn evaluate_draft(
    _: Authorized<TuneSearch>,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let draft = find(&state, &id).await?;
    let judged = judged::compare(&state, state.tuning.get().tuning().clone(), draft.tuning).await?;
    let harms = judged.iter().flat_map(Judged::harms).collect();
    let data =
        judged.into_iter().map(|Judged { figures, compared }| SetEvaluationJson::new(figures, compared));
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(EvaluationJson { data: data.collect(), harms }))
}
