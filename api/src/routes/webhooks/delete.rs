//! `DELETE /webhooks/{id}`

use actix_web::{HttpRequest, HttpResponse, web};
use store::pg::{transaction, webhooks};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::etag::IfMatch;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::webhooks::get::find;
use crate::routes::webhooks::present;

/// Deletes an endpoint that is still as the caller has read it, with what waits for it and what was sent to it.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-Match" = String, Header, description = "ETag of the endpoint that is deleted"),
    ),
    responses((status = 204, description = "It is gone"), ReadProblems, WriteProblems),
    security(("bearer" = [])),
)]
pub async fn delete_webhook(
    _: Authorized<ManageWebhooks>,
    id: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let endpoint = find(&state, &id).await?;
    condition.check(endpoint.version)?;
    let is_deleted = transaction::run(&state.pools, "delete_webhook", async |transaction| {
        webhooks::delete(transaction, endpoint.id, endpoint.version, present()).await
    })
    .await?;
    if is_deleted { Ok(HttpResponse::NoContent().finish()) } else { Err(IfMatch::failed()) }
}
