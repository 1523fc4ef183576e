//! `GET /webhooks/{id}`

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::webhook::endpoint::WebhookEndpoint;
use store::pg::webhooks;

use crate::app_state::AppState;
use crate::authorized::{Authorized, ManageWebhooks};
use crate::etag;
use crate::problem::{Problem, ReadProblems};
use crate::routes::webhooks::endpoint_json::{EndpointJson, shown};

/// One endpoint.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{id}",
    tag = "webhooks",
    params(
        ("id" = String, Path, description = "Id"),
        ("If-None-Match" = Option<String>, Header, description = "ETag of what the client has"),
    ),
    responses(
        (status = 200, description = "The endpoint", body = EndpointJson, headers(("ETag" = String))),
        (status = 304, description = "The client has this version", headers(("ETag" = String))),
        ReadProblems,
    ),
    security(("bearer" = [])),
)]
pub async fn get_webhook(
    _: Authorized<ManageWebhooks>,
    id: web::Path<String>,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let endpoint = find(&state, &id).await?;
    if etag::is_known(&request, endpoint.version) {
        let tag = etag::of_version(endpoint.version);
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(shown(endpoint))
}

/// From the primary: staff read what they have just written.
pub(super) async fn find(state: &AppState, id: &str) -> Result<WebhookEndpoint, Problem> {
    let not_found = || Problem::not_found("webhook");
    let id = id.parse().map_err(|_| not_found())?;
    webhooks::find(&**state.pools.write().await?, id).await?.ok_or_else(not_found)
}
