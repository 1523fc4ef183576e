//! `DELETE /merchandising/drafts/{id}`

use actix_web::{HttpRequest, HttpResponse, web};
use domain::tuning::draft::{Draft, DraftState};
use store::pg::{search_tuning, transaction};

use crate::app_state::AppState;
use crate::authorized::{Authorized, TuneSearch};
use crate::etag::IfMatch;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::experiments::check_not_tried;
use crate::routes::merchandising::get_draft::find_open;
use crate::routes::merchandising::present;

/// Gives a draft up that is still as the caller has read it. It can still be read.
#[utoipa::path(
    delete,
    path = "/api/v1/merchandising/drafts/{id}",
    tag = "merchandising",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-Match" = String, Header, description = "ETag of the draft that is given up"),
    ),
    responses((status = 204, description = "It is given up"), ReadProblems, WriteProblems),
    security(("bearer" = [])),
)]
pub async fn discard_draft(
    caller: Authorized<TuneSearch>,
    id: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let draft = find_open(&state, &id).await?;
    condition.check(draft.version)?;
    let discarded = Draft {
        state: DraftState::Discarded,
        version: draft.version + 1,
        updated_by: caller.actor(),
        updated_at: present(),
        ..draft
    };
    let is_replaced = transaction::run(&state.pools, "discard_draft", async |transaction| {
        let is_replaced = search_tuning::replace_draft(transaction, &discarded).await?;
        check_not_tried(transaction, discarded.id).await?;
        Ok::<_, Problem>(is_replaced)
    })
    .await?;
    if is_replaced { Ok(HttpResponse::NoContent().finish()) } else { Err(IfMatch::failed()) }
}
