//! `PATCH /merchandising/drafts/{id}`

use actix_web::{HttpRequest, HttpResponse, web};
use domain::tuning::draft::{Draft, DraftPatch};
use store::pg::{search_tuning, transaction};

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::etag::IfMatch;
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::experiments::check_not_tried;
use crate::routes::merchandising::draft_json::{DraftChangeJson, DraftJson, shown};
use crate::routes::merchandising::get_draft::find_open;
use crate::routes::merchandising::present;

/// Changes a draft that is still as the caller has read it. What could not go live is refused, with the place of it.
#[utoipa::path(
    patch,
    path = "/api/v1/merchandising/drafts/{id}",
    tag = "merchandising",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-Match" = String, Header, description = "ETag of the draft that is changed"),
    ),
    request_body(
        content(
            (DraftChangeJson = "application/json"),
            (DraftChangeJson = "application/merge-patch+json"),
        ),
    ),
    responses(
        (status = 200, description = "The changed draft", body = DraftJson, headers(("ETag" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn patch_draft(
    caller: Authorized<TuneSearch>,
    id: web::Path<String>,
    body: JsonBody<DraftPatch>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let draft = find_open(&state, &id).await?;
    condition.check(draft.version)?;
    let JsonBody(patch) = body;
    change(&state, draft, patch, &caller.actor()).await
}

/// The changed draft, unless somebody has changed it meanwhile.
pub(super) async fn change(
    state: &AppState,
    draft: Draft,
    patch: DraftPatch,
    actor: &str,
) -> Result<HttpResponse, Problem> {
    let changed = patch.apply(&draft, present(), actor).map_err(Problem::invalid_fields)?;
    let Some(changed) = changed else { return Ok(shown(draft)) };
    let is_replaced = transaction::run(&state.pools, "change_draft", async |transaction| {
        let is_replaced = search_tuning::replace_draft(transaction, &changed).await?;
        check_not_tried(transaction, changed.id).await?;
        Ok::<_, Problem>(is_replaced)
    })
    .await?;
    if is_replaced { Ok(shown(changed)) } else { Err(IfMatch::failed()) }
}
