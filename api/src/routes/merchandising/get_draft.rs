//! `GET /merchandising/drafts/{id}`

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::tuning::draft::{Draft, DraftState};
use store::pg::search_tuning;

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::error_code::ErrorCode;
use crate::etag;
use crate::problem::{Problem, ReadProblems};
use crate::routes::merchandising::draft_json::{DraftJson, shown};

/// One draft, whatever became of it.
#[utoipa::path(
    get,
    path = "/api/v1/merchandising/drafts/{id}",
    tag = "merchandising",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The draft", body = DraftJson, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get_draft(
    _: Authorized<TuneSearch>,
    id: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let draft = find(&state, &id).await?;
    if etag::is_known(&request, draft.version) {
        let tag = etag::of_version(draft.version);
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(shown(draft))
}

/// From the primary: staff read what they have just written.
pub(super) async fn find(state: &AppState, id: &str) -> Result<Draft, Problem> {
    let not_found = || Problem::not_found("draft");
    let id = id.parse().map_err(|_| not_found())?;
    search_tuning::find_draft(&**state.pools.write().await?, id).await?.ok_or_else(not_found)
}

/// A draft that can still be changed.
pub(in crate::routes) async fn find_open(state: &AppState, id: &str) -> Result<Draft, Problem> {
    let draft = find(state, id).await?;
    if draft.state == DraftState::Open {
        return Ok(draft);
    }
    Err(Problem::new(ErrorCode::DraftClosed, format!("it is {}", draft.state.name())))
}
