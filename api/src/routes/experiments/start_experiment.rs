//! `POST /merchandising/experiments`

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use domain::experiment::{DAYS_DEFAULT, Experiment, NewExperiment};
use domain::ids::ExperimentId;
use store::pg::{experiments, search_tuning, transaction};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::etag::IfMatch;
use crate::json_body::JsonBody;
use crate::present::present;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::experiments::experiment_json::{ExperimentJson, ExperimentMethodJson};
use crate::routes::merchandising::gate::{self, Passed};
use crate::routes::merchandising::get_draft::find_open;

/// What is to be compared, and how. Read as `domain::experiment::NewExperiment`.
#[derive(Debug, ToSchema)]
#[schema(as = NewSearchExperiment)]
#[expect(dead_code, reason = "the description of what the domain reads")]
pub struct NewExperimentJson {
    /// The open draft that is compared with what is live.
    draft_id: Uuid,
    /// What people call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// How it compares. Interleaving tells of two orders of hits which is preferred; redirects and banners are those of
    /// what is live.
    method: ExperimentMethodJson,
    /// So many of 100 visits take part.
    #[schema(minimum = 1, maximum = 100, default = 100, required = false)]
    share_percent: u8,
    /// Days after which it ends in any case.
    #[schema(minimum = 7, maximum = 90, default = 28, required = false)]
    days_max: u8,
    /// Why it is begun although the judged queries say no.
    #[schema(min_length = 1, max_length = 1000)]
    override_reason: Option<String>,
}

/// Begins an experiment: visits that send an `X-Session-Id` are answered with what is live or with the draft as it is
/// now, and told so, until behaviour events show that one of them is better. The judged queries must allow it as they
/// must a release. One experiment runs at a time (409 `experiment_runs`), and while it does nothing is published and
/// its draft does not change; to go back from a release ends it. It is counted every hour; it ends by itself as soon
/// as the draft is shown to get fewer clicks, after a week or more when it is shown to get more, and after its days
/// in any case. What was bought is counted and decides nothing.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/experiments",
    tag = "merchandising",
    request_body = NewExperimentJson,
    responses(
        (status = 201, description = "The experiment; it runs", body = ExperimentJson,
         headers(("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn start_experiment(
    caller: Authorized<TuneSearch>,
    body: JsonBody<NewExperiment>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(new) = body;
    new.check().map_err(Problem::invalid_fields)?;
    let draft = find_open(&state, &new.draft_id.to_string()).await?;
    let Passed { live, evaluation, override_reason } =
        gate::pass(&state, &draft, new.override_reason).await?;
    let started_at = present();
    let experiment = Experiment {
        id: ExperimentId::new(started_at, rand::random()),
        name: new.name,
        method: new.method,
        share_percent: new.share_percent.unwrap_or(100),
        days_max: new.days_max.unwrap_or(DAYS_DEFAULT),
        control_release: live,
        draft_id: draft.id,
        draft_version: draft.version,
        tuning: draft.tuning.clone(),
        evaluation,
        override_reason,
        started_by: caller.actor(),
        started_at,
        figures: None,
        end: None,
    };
    transaction::run(&state.pools, "start_experiment", async |transaction| {
        gate::still_open(transaction, &draft).await?;
        let held = search_tuning::hold_draft(transaction, draft.id).await?;
        if held.as_ref() != Some(&draft) {
            return Err(IfMatch::failed());
        }
        experiments::insert(transaction, &experiment).await.map_err(Problem::from)
    })
    .await?;
    state.experiment.put(Some(experiment.clone()));
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/merchandising/experiments/{}", experiment.id)))
        .json(ExperimentJson::from(experiment)))
}
