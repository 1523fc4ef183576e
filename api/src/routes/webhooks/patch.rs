//! `PATCH /webhooks/{id}`

use actix_web::{HttpRequest, HttpResponse, web};
use domain::webhook::endpoint::EndpointPatch;
use store::pg::{transaction, webhooks};

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::etag::IfMatch;
use crate::json_body::JsonBody;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::routes::webhooks::endpoint_json::{EndpointChangeJson, EndpointJson, shown};
use crate::routes::webhooks::get::find;
use crate::routes::webhooks::present;

/// Changes an endpoint that is still as the caller has read it. Events that it asks for anew are sent from now on.
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-Match" = String, Header, description = "ETag of the endpoint that is changed"),
    ),
    request_body(
        content(
            (EndpointChangeJson = "application/json"),
            (EndpointChangeJson = "application/merge-patch+json"),
        ),
    ),
    responses(
        (status = 200, description = "The changed endpoint", body = EndpointJson, headers(("ETag" = String))),
        ReadProblems,
        WriteProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn patch_webhook(
    _: Authorized<ManageWebhooks>,
    id: web::Path<String>,
    body: JsonBody<EndpointPatch>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let condition = IfMatch::of(&request)?;
    let endpoint = find(&state, &id).await?;
    condition.check(endpoint.version)?;
    let JsonBody(patch) = body;
    let changed = patch.apply(&endpoint, present(), &state.webhooks).map_err(Problem::invalid_fields)?;
    let Some(changed) = changed else { return Ok(shown(endpoint)) };
    let is_replaced = transaction::run(&state.pools, "change_webhook", async |transaction| {
        webhooks::replace(transaction, &changed).await
    })
    .await?;
    if is_replaced { Ok(shown(changed)) } else { Err(IfMatch::failed()) }
}
