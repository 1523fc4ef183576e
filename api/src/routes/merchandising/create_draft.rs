//! `POST /merchandising/drafts`

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::ids::DraftId;
use domain::tuning::draft::{NewDraft, OPEN_COUNT_MAX};
use store::pg::search_tuning;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::error_code::ErrorCode;
use crate::etag;
use crate::idempotency::{self, Answer, IdempotencyKey};
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::merchandising::draft_json::{DraftJson, NewDraftJson};
use crate::routes::merchandising::present;

const ROUTE: &str = "POST /merchandising/drafts";

/// Begins a draft: it is what is live until it is changed, and nothing is live of it until it is published.
#[utoipa::path(
    post,
    path = "/api/v1/merchandising/drafts",
    tag = "merchandising",
    params(("Idempotency-Key" = String, Header, description = "New for each draft, the same for repeats")),
    request_body = NewDraftJson,
    responses(
        (status = 201, description = "The new draft", body = DraftJson,
         headers(("ETag" = String), ("Location" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn create_draft(
    caller: Authorized<TuneSearch>,
    key: IdempotencyKey,
    body: JsonBody<NewDraft>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let JsonBody(new) = body;
    let actor = caller.actor();
    let scope = key.scope(&actor, ROUTE);
    let fingerprint = idempotency::fingerprint(&new);
    let answer = idempotency::once(&state.pools, "create_draft", scope, &fingerprint, async |transaction| {
        let now = present();
        // One at a time, so that two do not take the last place together.
        search_tuning::lock_newest(transaction).await?;
        if search_tuning::count_open(transaction).await? >= OPEN_COUNT_MAX {
            let detail = format!("there are {OPEN_COUNT_MAX} open drafts already");
            return Err(Problem::new(ErrorCode::LimitReached, detail));
        }
        let live = search_tuning::live(transaction).await?;
        let (number, tuning) = live.map(|live| (live.number, live.tuning)).unwrap_or_default();
        let id = DraftId::new(now, rand::random());
        let draft =
            new.clone().into_draft(id, now, &actor, number, tuning).map_err(Problem::invalid_fields)?;
        search_tuning::insert_draft(transaction, &draft).await?;
        Ok(Answer {
            status: StatusCode::CREATED,
            location: Some(format!("/api/v1/merchandising/drafts/{id}")),
            etag: Some(etag::of_version(draft.version)),
            body: serde_json::to_vec(&DraftJson::from(draft)).map_err(Problem::internal)?,
        })
    })
    .await?;
    idempotency::replay(answer)
}
